"""Runs in `odoo shell`: posts batches of sales by Odoo's own methods, and says how long it took.

Each job is one line: the sales of a round. The answer is two times in microseconds: until all
invoices are posted, and until all payments are reconciled with them.
"""
import json
import os
import socket
import time

# As many to a batch as the hub sends.
BATCH = 100

# What the hub's calls say, too.
env = env(context=dict(
    env.context, allowed_company_ids=[1], lang='en_US', tz='UTC', tracking_disable=True,
    mail_create_nosubscribe=True, mail_create_nolog=True, skip_sms=True, no_reset_password=True,
))


def order_line(line):
    product = env['product.product'].browse(line['product_id'])
    return (0, 0, {
        'product_id': product.id, 'name': line['name'], 'product_uom_qty': line['quantity'],
        'product_uom_id': product.uom_id.id, 'price_unit': line['price_unit'],
        'technical_price_unit': line['price_unit'], 'discount': 0, 'customer_lead': 0,
        'tax_ids': [(6, 0, line['tax_ids'])], 'extra_tax_data': line['extra_tax_data'],
    })


def invoice_line(line, billed):
    return (0, 0, {
        'product_id': line['product_id'], 'name': line['name'], 'quantity': line['quantity'],
        'price_unit': line['price_unit'], 'discount': 0, 'tax_ids': [(6, 0, line['tax_ids'])],
        'extra_tax_data': line['extra_tax_data'], 'sale_line_ids': [(4, billed.id)],
    })


def post(sales):
    partners = env['res.partner'].create([sale['partner'] for sale in sales])
    orders = env['sale.order'].create([{
        'client_order_ref': sale['reference'], 'origin': sale['reference'],
        'partner_id': partner.id, 'partner_invoice_id': partner.id,
        'partner_shipping_id': partner.id, 'date_order': sale['placed_at'],
        'fiscal_position_id': False, 'payment_term_id': False, 'user_id': False, 'team_id': False,
        'note': False, 'require_signature': False, 'require_payment': False,
        'validity_date': False, 'order_line': [order_line(line) for line in sale['lines']],
    } for sale, partner in zip(sales, partners)])
    orders.action_confirm()
    for sale, order in zip(sales, orders):
        order.date_order = sale['placed_at']
    env.cr.commit()
    invoices = env['account.move'].create([{
        'move_type': 'out_invoice', 'journal_id': sale['journal'], 'partner_id': order.partner_id.id,
        'ref': sale['reference'], 'invoice_origin': sale['reference'],
        'invoice_date': sale['date'], 'date': sale['date'], 'invoice_date_due': sale['date'],
        'fiscal_position_id': False, 'invoice_payment_term_id': False,
        'invoice_line_ids': [
            invoice_line(line, billed) for line, billed in zip(sale['lines'], order.order_line)
        ],
    } for sale, order in zip(sales, orders)])
    invoices.action_post()
    env.cr.commit()
    return invoices


def pay(sales, invoices):
    payments = env['account.payment'].create([{
        'payment_type': 'inbound', 'partner_type': 'customer', 'partner_id': invoice.partner_id.id,
        'payment_reference': sale['payment']['memo'], **sale['payment'],
    } for sale, invoice in zip(sales, invoices)])
    payments.action_post()
    for payment, invoice in zip(payments, invoices):
        lines = payment.move_id.line_ids + invoice.line_ids
        lines.filtered(lambda line: line.account_type == 'asset_receivable').reconcile()
    env.cr.commit()


def run(sales):
    began = time.monotonic()
    batches = [sales[at:at + BATCH] for at in range(0, len(sales), BATCH)]
    invoices = [post(batch) for batch in batches]
    posted = time.monotonic() - began
    for batch, made in zip(batches, invoices):
        pay(batch, made)
    paid = time.monotonic() - began
    return '%d %d\n' % (posted * 1e6, paid * 1e6)


with socket.create_connection(('127.0.0.1', int(os.environ['TRUEUP_BENCH_PORT']))) as bench:
    for job in bench.makefile('r'):
        bench.sendall(run(json.loads(job)).encode())
