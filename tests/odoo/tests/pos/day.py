"""A day at the register: cash, card, a discount, a tip, an exchange, a refund, an invoiced order, cash
rounding, and a drawer that is 2.00 short.
"""
session = open_session(100.00)
# 27.00 and 10.79 in cash: 37.79, of which 37.80 is paid.
first = sell(session, [line(tee, 1), line(mug, 1)], [(cash, 37.80, False)], '2026-11-20 09:05:00')
# Two tees at 10 % off and a tip of 5.00 by card: 48.60 + 5.00.
second = sell(session, [line(tee, 2, discount=10.0), line(tip, 1, price=5.00)], [(card, 53.60, 'txn_1')],
              '2026-11-20 10:00:00', is_tipped=True, tip_amount=5.00)
# Invoiced, half in cash and half by card: 54.00.
invoiced = sell(session, [line(tee, 2)], [(cash, 27.00, False), (card, 27.00, 'txn_2')], '2026-11-20 11:00:00',
                partner_id=customer.id, to_invoice=True)
# The mug of the first order comes back: 10.79, of which 10.80 is given.
refund = sell(session, [line(mug, -1, of=first.lines[1])], [(cash, -10.80, False)], '2026-11-20 12:00:00', is_refund=True)
# A tee of the second order goes for a mug: 24.30 back, 10.79 sold, 13.51 to the card.
exchange = sell(session, [line(tee, -1, discount=10.0, of=second.lines[0]), line(mug, 1)], [(card, -13.51, 'txn_3')],
                '2026-11-20 13:00:00')
# Expected in the drawer: 100.00 + 37.80 + 27.00 − 10.80 = 154.00. Two are missing.
counted = 152.00
session.post_closing_cash_details(counted)
session.update_closing_control_state_session('')
closed = session.close_session_from_ui()
assert closed.get('successful'), closed
env.cr.commit()
print('DONE')
