"""Made at 14:00 of that day without a network; the register uploads it the next day, when the next
session is open. Odoo refuses it before, and puts it there. Cash goes to the bank, is rounded, and an
order is invoiced after the session was closed.
"""
session = env['pos.session'].search([('config_id', '=', config.id)], order='id desc', limit=1)
tomorrow = open_session(152.00)
late = sell(session, [line(mug, 2)], [(card, 21.58, 'txn_4')], '2026-11-20 14:00:00')
assert late.session_id == tomorrow, late.session_id
# Half of the drawer is brought to the bank, and cash is rounded in sum: 10.79, of which 10.80 is paid.
tomorrow.try_cash_in_out('out', 76.00, 'to the bank', False, {'translatedType': 'out', 'formattedAmount': '76'})
sell(tomorrow, [line(mug, 1)], [(cash, 10.80, False)], '2026-11-21 09:00:00')
tomorrow.post_closing_cash_details(86.80)
tomorrow.update_closing_control_state_session('')
closed = tomorrow.close_session_from_ui()
assert closed.get('successful'), closed
# The customer comes back and asks for an invoice.
late.write({'partner_id': customer.id})
late.action_pos_order_invoice()
assert late.account_move and late.reversed_move_ids, late
env.cr.commit()
print('DONE')
