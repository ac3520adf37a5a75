"""Runs in `odoo shell` once, in the new template database: two companies, their books, two users.

Writes what the tests need to know to the file named in TRUEUP_TEMPLATE_FACTS.
"""
import datetime
import json
import os

MODULES = ['account', 'sale_management', 'sale_stock', 'stock_account']
assert env['ir.module.module'].search_count([('name', 'in', MODULES), ('state', '=', 'installed')]) == len(MODULES)

# A new company is looked up at a service of the vendor. Tests stay on this machine.
env['ir.config_parameter'].set_param('iap.endpoint', 'http://127.0.0.1:9')

us = env.ref('base.main_company')
chart = env['account.chart.template']
# Without `install_mode`, naming a country installs that country's accounting modules.
companies = env['res.company'].with_context(install_mode=True)


def country(code):
    return env['res.country'].search([('code', '=', code)]).id


companies.browse(us.id).write({
    'name': 'Trueup US', 'street': '1 Main Street', 'city': 'Austin', 'zip': '73301',
    'state_id': env['res.country.state'].search([('code', '=', 'TX'), ('country_id.code', '=', 'US')]).id,
    'country_id': country('US'),
})
if not us.chart_template:
    chart.try_loading('generic_coa', company=us, install_demo=False)

eur = env['res.currency'].with_context(active_test=False).search([('name', '=', 'EUR')])
usd = env.ref('base.USD')
eur.active = usd.active = True
eu = companies.create({
    'name': 'Trueup EU', 'currency_id': eur.id, 'street': 'Damrak 1', 'city': 'Amsterdam', 'zip': '1012 LG',
    'country_id': country('NL'),
})
chart.try_loading('generic_coa', company=eu.id, install_demo=False)
# The generic chart says United States and its currency; a tax of another country than the books
# cannot be posted.
eu.write({'account_fiscal_country_id': country('NL'), 'currency_id': eur.id})
for model in ('account.tax.group', 'account.tax'):
    env[model].with_context(active_test=False).search([('company_id', '=', eu.id)]).write({'country_id': country('NL')})
for company in (us, eu):
    assert company.chart_template == 'generic_coa', company.name
assert (us.currency_id, eu.currency_id) == (usd, eur)

# Only the first company is given a warehouse.
env['stock.warehouse'].search([('company_id', '=', us.id)]).name = us.name
env['stock.warehouse'].create({'name': eu.name, 'code': 'EUWH', 'company_id': eu.id, 'partner_id': eu.partner_id.id})

# Exact both ways, so that a converted amount can be asserted to the cent: 1 USD = 0.80 EUR.
for company, currency, rate in ((us, eur, 0.8), (eu, usd, 1.25)):
    env['res.currency.rate'].create({
        'name': '2020-01-01', 'currency_id': currency.id, 'company_id': company.id, 'rate': rate,
    })

# Settings that an administrator ticks: several currencies, price lists (an order's currency).
env['res.config.settings'].create({'group_multi_currency': True, 'group_product_pricelist': True}).execute()
env['ir.config_parameter'].set_param('web.base.url.freeze', 'True')

# Keys of plain users live 90 days; a template lives longer.
long_keys = env['res.groups'].create({'name': 'Trueup: long-lived API keys', 'api_key_duration': 3650})
hub = env['res.users'].with_context(no_reset_password=True).create({
    'name': 'Trueup hub', 'login': 'trueup-hub', 'lang': 'en_US', 'tz': 'UTC',
    'company_id': us.id, 'company_ids': [(6, 0, [us.id, eu.id])],
    'group_ids': [(6, 0, long_keys.ids + [env.ref(group).id for group in (
        'base.group_user', 'base.group_partner_manager', 'sales_team.group_sale_salesman_all_leads',
        'stock.group_stock_user', 'account.group_account_invoice')])],
})
admin = env.ref('base.user_admin')
admin.write({'tz': 'UTC', 'company_ids': [(6, 0, [us.id, eu.id])]})


def api_key(user, expires):
    return env['res.users.apikeys'].with_user(user)._generate(None, 'trueup', expires)


facts = {
    'hub_login': hub.login,
    'hub_key': api_key(hub, datetime.datetime.now() + datetime.timedelta(days=3600)),
    'admin_login': admin.login,
    'admin_key': api_key(admin, False),
    'companies': {
        company.name: {'id': company.id, 'currency': company.currency_id.name} for company in (us, eu)
    },
}
env.cr.commit()
with open(os.environ['TRUEUP_TEMPLATE_FACTS'], 'w') as file:
    json.dump(facts, file, indent=2)
