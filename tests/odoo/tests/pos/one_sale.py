"""What the shop and the marketplace sell too: two tees at 10 % off, and one that comes back."""
session = open_session(0.00)
sell(session, [line(tee, 2, discount=10.0)], [(card, 48.60, 'txn_1')], '2026-11-20 10:00:00')
second = sell(session, [line(tee, 1)], [(card, 27.00, 'txn_2')], '2026-11-20 11:00:00')
sell(session, [line(tee, -1, of=second.lines[0])], [(card, -27.00, 'txn_3')], '2026-11-20 15:00:00', is_refund=True)
session.post_closing_cash_details(0.00)
session.update_closing_control_state_session('')
closed = session.close_session_from_ui()
assert closed.get('successful'), closed
env.cr.commit()
print('DONE')
