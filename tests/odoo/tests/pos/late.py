"""Made at 14:00 of that day without a network; the register uploads it the next day, when the next
session is open. Odoo refuses it before, and puts it there.
"""
session = env['pos.session'].search([('config_id', '=', config.id)], order='id desc', limit=1)
tomorrow = open_session(152.00)
late = sell(session, [line(mug, 2)], [(card, 21.58, 'txn_4')], '2026-11-20 14:00:00')
assert late.session_id == tomorrow, late.session_id
tomorrow.post_closing_cash_details(152.00)
tomorrow.update_closing_control_state_session('')
closed = tomorrow.close_session_from_ui()
assert closed.get('successful'), closed
env.cr.commit()
print('DONE')
