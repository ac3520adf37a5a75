"""Runs in `odoo shell`, in a database with point of sale: a register of the first company, made once,
and how it sells. `day.py` and `late.py` follow it.
"""
import uuid

us = env.ref('base.main_company')
# Invoices are printed by a program that this machine has not.
env = env(context=dict(env.context, allowed_company_ids=[us.id], tracking_disable=True, generate_pdf=False))
hub = env['res.users'].search([('login', '=', 'trueup-hub')])
hub.write({'group_ids': [(4, env.ref('point_of_sale.group_pos_user').id)]})
# A session is closed by who may post its entry.
cashier = env.ref('base.user_admin')
cashier.write({'group_ids': [(4, env.ref(name).id) for name in
                             ('point_of_sale.group_pos_manager', 'account.group_account_manager')]})
env = env(user=cashier.id)


def named(model, name):
    return env[model].search([('name', '=', name), ('company_id', 'in', (us.id, False))], limit=1)


if not named('pos.config', 'Register 1'):
    tax = env['account.tax'].create({
        'name': 'Till 8%', 'amount': 8, 'amount_type': 'percent', 'type_tax_use': 'sale', 'company_id': us.id,
    })

    def product(name, sku, price, taxes):
        return env['product.product'].create({
            'name': name, 'default_code': sku, 'list_price': price, 'type': 'consu', 'available_in_pos': True,
            'taxes_id': [(6, 0, taxes.ids)],
        })

    tee = product('Tee', 'TEE-S', 25.00, tax)
    mug = product('Mug', 'MUG', 9.99, tax)
    tip = product('Tip', 'TIP', 1.00, tax.browse())

    general = {'company_id': us.id}
    sales = env['account.journal'].create({'name': 'Till', 'code': 'TILL', 'type': 'general', **general})
    invoices = env['account.journal'].search([('type', '=', 'sale'), ('company_id', '=', us.id)], limit=1)
    account = env['account.account'].with_company(us)

    def profit_or_loss(code, name, kind):
        return account.create({'code': code, 'name': name, 'account_type': kind})

    gain = profit_or_loss('442901', 'Till gain', 'income_other')
    loss = profit_or_loss('642901', 'Till loss', 'expense')
    drawer = env['account.journal'].create({
        'name': 'Drawer 1', 'code': 'DRW1', 'type': 'cash', 'profit_account_id': gain.id, 'loss_account_id': loss.id, **general,
    })
    bank = env['account.journal'].create({'name': 'Terminal 1', 'code': 'TRM1', 'type': 'bank', **general})
    method = env['pos.payment.method']
    cash = method.create({'name': 'Cash', 'journal_id': drawer.id, **general})
    card = method.create({'name': 'Card', 'journal_id': bank.id, **general})
    rounding = env['account.cash.rounding'].create({
        'name': 'Nickels', 'rounding': 0.05, 'rounding_method': 'HALF-UP', 'strategy': 'add_invoice_line',
        'profit_account_id': gain.id, 'loss_account_id': loss.id,
    })
    config = env['pos.config'].create({
        'name': 'Register 1', 'journal_id': sales.id, 'invoice_journal_id': invoices.id,
        'payment_method_ids': [(6, 0, [cash.id, card.id])], 'iface_tipproduct': True, 'tip_product_id': tip.id,
        'cash_rounding': True, 'rounding_method': rounding.id, 'only_round_cash_method': True, **general,
    })
    customer = env['res.partner'].create({'name': 'Ada Buyer', 'email': 'ada@example.com'})

config = named('pos.config', 'Register 1')
tee, mug, tip = (named('product.product', name) for name in ('Tee', 'Mug', 'Tip'))
cash, card = (config.payment_method_ids.filtered(lambda one: one.name == name) for name in ('Cash', 'Card'))
customer = named('res.partner', 'Ada Buyer')


def open_session(cash_in_drawer):
    config.open_ui()
    session = config.current_session_id
    session.set_opening_control(cash_in_drawer, None)
    return session


def line(what, quantity, price=None, discount=0.0, of=None):
    price = what.list_price if price is None else price
    amounts = what.taxes_id.compute_all(price * (1 - discount / 100.0), us.currency_id, quantity)
    return (0, 0, {
        'uuid': str(uuid.uuid4()), 'product_id': what.id, 'qty': quantity, 'price_unit': price, 'discount': discount,
        'tax_ids': [(6, 0, what.taxes_id.ids)], 'price_subtotal': amounts['total_excluded'],
        'price_subtotal_incl': amounts['total_included'], 'refunded_orderline_id': of and of.id,
        'full_product_name': what.name,
    })


def sell(session, lines, payments, at, **more):
    total = sum(one[2]['price_subtotal_incl'] for one in lines)
    without = sum(one[2]['price_subtotal'] for one in lines)
    order = {
        'uuid': str(uuid.uuid4()), 'session_id': session.id, 'company_id': us.id, 'user_id': cashier.id, 'state': 'paid',
        'date_order': at, 'amount_total': round(total, 2), 'amount_tax': round(total - without, 2),
        'amount_paid': sum(amount for _, amount, _ in payments), 'amount_return': 0, 'partner_id': False, 'to_invoice': False,
        'pricelist_id': config.pricelist_id.id, 'fiscal_position_id': False, 'last_order_preparation_change': '{}',
        'access_token': str(uuid.uuid4()), 'lines': lines,
        'payment_ids': [(0, 0, {
            'uuid': str(uuid.uuid4()), 'amount': amount, 'payment_method_id': by.id, 'payment_date': at, 'name': at,
            'transaction_id': transaction,
        }) for by, amount, transaction in payments],
        **more,
    }
    # It answers with what it refunds, too.
    env['pos.order'].sync_from_ui([order])
    return env['pos.order'].search([('uuid', '=', order['uuid'])])


