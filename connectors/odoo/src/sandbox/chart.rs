//! The two companies of the real test template, with the same ids: Odoo's generic chart.

use rust_decimal::Decimal;

use super::store::{Cell, Record};
use super::world::World;

/// code, name, type, reconcilable; in the order of their ids.
const ACCOUNTS: &[(&str, &str, &str, bool)] = &[
    ("101000", "Current Assets", "asset_current", false),
    ("110100", "Stock Valuation", "asset_current", false),
    ("110400", "Cost of Production", "asset_current", true),
    ("110500", "Work in Progress", "asset_current", true),
    ("121000", "Account Receivable", "asset_receivable", true),
    ("121100", "Products to receive", "asset_current", true),
    ("122000", "Owner's Current Account", "asset_receivable", true),
    ("128000", "Prepaid Expenses", "asset_current", false),
    ("131000", "Tax Paid", "asset_current", false),
    ("132000", "Tax Receivable", "asset_receivable", true),
    ("141000", "Prepayments", "asset_prepayments", false),
    ("151000", "Fixed Asset", "asset_fixed", false),
    ("191000", "Non-current assets", "asset_non_current", false),
    ("201000", "Current Liabilities", "liability_current", false),
    ("211000", "Account Payable", "liability_payable", true),
    ("211100", "Bills to receive", "liability_current", true),
    ("212000", "Deferred Revenue", "liability_current", false),
    ("230000", "Salary Payable", "liability_current", true),
    ("230100", "Employee Payroll Taxes", "liability_current", true),
    ("230200", "Employer Payroll Taxes", "liability_current", true),
    ("251000", "Tax Received", "liability_current", false),
    ("252000", "Tax Payable", "liability_payable", true),
    ("291000", "Non-current Liabilities", "liability_non_current", false),
    ("301000", "Capital", "equity", false),
    ("302000", "Dividends", "equity", false),
    ("400000", "Product Sales", "income", false),
    ("441000", "Foreign Exchange Gain", "income", false),
    ("442000", "Cash Difference Gain", "income", false),
    ("443000", "Cash Discount Loss", "expense", false),
    ("450000", "Other Income", "income_other", false),
    ("500000", "Cost of Goods Sold", "expense_direct_cost", false),
    ("600000", "Expenses", "expense", false),
    ("610000", "Stock Variation", "expense", false),
    ("611000", "Purchase of Equipments", "expense", false),
    ("612000", "Rent", "expense", false),
    ("620000", "Bank Fees", "expense", false),
    ("630000", "Salary Expenses", "expense", false),
    ("641000", "Foreign Exchange Loss", "expense", false),
    ("642000", "Cash Difference Loss", "expense", false),
    ("643000", "Cash Discount Gain", "income", false),
    ("961000", "RD Expenses", "expense", false),
    ("962000", "Sales Expenses", "expense", false),
    ("101300", "Account Receivable (PoS)", "asset_receivable", true),
    ("201100", "Credit Card", "liability_credit_card", false),
    ("101401", "Bank", "asset_cash", false),
    ("101402", "Bank Suspense Account", "asset_current", false),
    ("101701", "Liquidity Transfer", "asset_current", true),
    ("101403", "Outstanding Receipts", "asset_current", true),
    ("101404", "Outstanding Payments", "asset_current", true),
    ("999999", "Undistributed Profits/Losses", "equity_unaffected", false),
];

/// name, code, type, code of the default account.
const JOURNALS: &[(&str, &str, &str, &str)] = &[
    ("Sales", "INV", "sale", "400000"),
    ("Purchases", "BILL", "purchase", "600000"),
    ("Miscellaneous Operations", "MISC", "general", ""),
    ("Exchange Difference", "EXCH", "general", ""),
    ("Cash Basis Taxes", "CABA", "general", ""),
    ("Bank", "BNK1", "bank", "101401"),
    ("Inventory Valuation", "STJ", "general", ""),
];

/// id, ISO code, name, and the states that the demo ships to.
type State = (i64, &'static str, &'static str);
const COUNTRIES: &[(i64, &str, &str, &[State])] = &[
    (
        233,
        "US",
        "United States",
        &[
            (13, "CA", "California"),
            (35, "NY", "New York"),
            (51, "TX", "Texas"),
            (56, "WA", "Washington"),
            (18, "FL", "Florida"),
            (22, "IL", "Illinois"),
            (46, "OR", "Oregon"),
        ],
    ),
    (57, "DE", "Germany", &[]),
    (165, "NL", "Netherlands", &[]),
    (75, "FR", "France", &[]),
    (12, "AT", "Austria", &[]),
    (20, "BE", "Belgium", &[]),
    (231, "GB", "United Kingdom", &[]),
    (38, "CA", "Canada", &[]),
];

fn record<const N: usize>(cells: [(&'static str, Cell); N]) -> Record {
    cells.into_iter().collect()
}

fn text(text: &str) -> Cell {
    Cell::text(text)
}

/// Id, code, digits, rate, and whether it is in use: Odoo comes with all of them, and whoever wants
/// one activates it.
const CURRENCIES: &[(i64, &str, i64, Decimal, bool)] = &[
    (1, "USD", 2, Decimal::ONE, true),
    (126, "EUR", 2, Decimal::from_parts(8, 0, 0, false, 1), true),
    (25, "JPY", 0, Decimal::ONE, false),
    (94, "KWD", 3, Decimal::ONE, false),
    (144, "GBP", 2, Decimal::ONE, false),
];

pub fn world() -> World {
    let mut world = World::default();
    let store = &mut world.store;
    for (id, code, digits, rate, active) in CURRENCIES {
        store.insert_at(
            "res.currency",
            *id,
            record([
                ("name", text(code)),
                ("active", Cell::Flag(*active)),
                ("decimal_places", Cell::Whole(*digits)),
                ("rate", Cell::Number(*rate)),
            ]),
        );
    }
    for (id, code, name, states) in COUNTRIES {
        store.insert_at("res.country", *id, record([("name", text(name)), ("code", text(code))]));
        for (state, code, name) in *states {
            let country = Cell::Link(*id);
            store.insert_at(
                "res.country.state",
                *state,
                record([("name", text(name)), ("code", text(code)), ("country_id", country)]),
            );
        }
    }
    for (id, name, login) in
        [(2, "Administrator", "admin"), (5, "Trueup hub", "trueup-hub"), (6, "Pat Person", "pat")]
    {
        let companies = Cell::Links(vec![1, 2]);
        store.insert_at(
            "res.users",
            id,
            record([
                ("name", text(name)),
                ("login", text(login)),
                ("company_ids", companies),
                ("active", Cell::Flag(true)),
            ]),
        );
    }
    for (id, name, kind) in [(1, "Manual Payment", "inbound"), (2, "Manual Payment", "outbound")] {
        store.insert_at(
            "account.payment.method",
            id,
            record([("name", text(name)), ("code", text("manual")), ("payment_type", text(kind))]),
        );
    }
    for (id, name, version) in [
        (1, "account", "19.0.1.4"),
        (2, "sale", "19.0.1.2"),
        (3, "sale_management", "19.0.1.0"),
        (4, "sale_stock", "19.0.1.0"),
    ] {
        store.insert_at(
            "ir.module.module",
            id,
            record([
                ("name", text(name)),
                ("state", text("installed")),
                ("installed_version", text(version)),
            ]),
        );
    }
    store.insert_at("uom.uom", 1, record([("name", text("Units"))]));
    store.insert_at(
        "product.category",
        1,
        record([
            ("name", text("Goods")),
            ("complete_name", text("Goods")),
            ("property_valuation", text("periodic")),
            ("property_cost_method", text("standard")),
        ]),
    );
    // Ids of partners begin where the template's end.
    for (id, name) in [(1, "Trueup US"), (3, "Administrator"), (7, "Trueup hub")] {
        store.insert_at(
            "res.partner",
            id,
            record([
                ("name", text(name)),
                ("active", Cell::Flag(true)),
                ("is_company", Cell::Flag(false)),
                ("commercial_partner_id", Cell::Link(id)),
                ("type", text("contact")),
            ]),
        );
    }
    company(&mut world, 1, "Trueup US", 1, 233);
    company(&mut world, 2, "Trueup EU", 126, 165);
    world.store.commit();
    world
}

/// The first day of Odoo's calendar, as it writes it.
pub(super) const NEVER: &str = "1-01-01";

fn company(world: &mut World, id: i64, name: &str, currency: i64, country: i64) {
    let store = &mut world.store;
    let link = Cell::Link(id);
    store.insert_at(
        "res.company",
        id,
        record([
            ("name", text(name)),
            ("currency_id", Cell::Link(currency)),
            ("country_id", Cell::Link(country)),
            ("account_fiscal_country_id", Cell::Link(country)),
            ("tax_calculation_rounding_method", text("round_globally")),
            ("chart_template", text("generic_coa")),
            ("inventory_valuation", text("periodic")),
            ("cost_method", text("standard")),
            ("stock_text_confirmation", Cell::Flag(false)),
            ("stock_move_email_validation", Cell::Flag(false)),
            ("user_fiscalyear_lock_date", text(NEVER)),
            ("user_tax_lock_date", text(NEVER)),
            ("user_sale_lock_date", text(NEVER)),
            ("user_purchase_lock_date", text(NEVER)),
            ("user_hard_lock_date", text(NEVER)),
        ]),
    );
    store.insert(
        "product.pricelist",
        record([
            ("name", text("Default")),
            ("currency_id", Cell::Link(currency)),
            ("company_id", link.clone()),
            ("active", Cell::Flag(true)),
        ]),
    );
    world.found_warehouse(id, name);
    let store = &mut world.store;
    let mut accounts = std::collections::BTreeMap::new();
    for (code, name, kind, reconcile) in ACCOUNTS {
        let account = store.insert(
            "account.account",
            record([
                ("code", text(code)),
                ("name", text(name)),
                ("account_type", text(kind)),
                ("reconcile", Cell::Flag(*reconcile)),
                ("company_ids", Cell::Links(vec![id])),
                ("active", Cell::Flag(true)),
            ]),
        );
        accounts.insert(*code, account);
    }
    let account = |code: &str| accounts.get(code).map_or(Cell::Nothing, |id| Cell::Link(*id));
    for (name, code, kind, default) in JOURNALS {
        let journal = store.insert(
            "account.journal",
            record([
                ("name", text(name)),
                ("code", text(code)),
                ("type", text(kind)),
                ("default_account_id", account(default)),
                ("company_id", link.clone()),
                ("active", Cell::Flag(true)),
                ("bank_statements_source", text("undefined")),
            ]),
        );
        if *kind != "bank" {
            continue;
        }
        store.set("account.journal", journal, "suspense_account_id", account("101402"));
        for (direction, method) in [("inbound", 1), ("outbound", 2)] {
            let line = store.insert(
                "account.payment.method.line",
                record([
                    ("name", text("Manual Payment")),
                    ("payment_type", text(direction)),
                    ("payment_method_id", Cell::Link(method)),
                    ("journal_id", Cell::Link(journal)),
                    ("company_id", link.clone()),
                ]),
            );
            let field = if direction == "inbound" {
                "inbound_payment_method_line_ids"
            } else {
                "outbound_payment_method_line_ids"
            };
            store.set("account.journal", journal, field, Cell::Links(vec![line]));
        }
    }
    let mut groups = Vec::new();
    for name in ["Tax 15%", "Tax 0%"] {
        groups.push(store.insert(
            "account.tax.group",
            record([
                ("name", text(name)),
                ("country_id", Cell::Link(country)),
                ("company_id", link.clone()),
            ]),
        ));
    }
    for (name, usage, amount, group) in [
        ("15%", "sale", 15, 0),
        ("15%", "purchase", 15, 0),
        ("0% Exports", "sale", 0, 1),
        ("0% Imports", "purchase", 0, 1),
    ] {
        let group = groups.get(group).copied().unwrap_or_default();
        let tax = store.insert(
            "account.tax",
            record([
                ("name", text(name)),
                ("type_tax_use", text(usage)),
                ("amount_type", text("percent")),
                ("amount", Cell::Number(Decimal::from(amount))),
                ("tax_group_id", Cell::Link(group)),
                ("company_id", link.clone()),
                ("country_id", Cell::Link(country)),
                ("active", Cell::Flag(true)),
                ("price_include", Cell::Flag(false)),
            ]),
        );
        let target = if usage == "sale" { "251000" } else { "131000" };
        for document in ["invoice", "refund"] {
            let mut parts = Vec::new();
            for kind in ["base", "tax"] {
                parts.push(store.insert(
                    "account.tax.repartition.line",
                    record([
                        ("repartition_type", text(kind)),
                        ("document_type", text(document)),
                        ("tax_id", Cell::Link(tax)),
                        ("company_id", link.clone()),
                        ("account_id", if kind == "tax" { account(target) } else { Cell::Nothing }),
                        ("factor_percent", Cell::Number(Decimal::ONE_HUNDRED)),
                        ("tag_ids", Cell::Links(Vec::new())),
                    ]),
                ));
            }
            let field = if document == "invoice" {
                "invoice_repartition_line_ids"
            } else {
                "refund_repartition_line_ids"
            };
            store.set("account.tax", tax, field, Cell::Links(parts));
        }
    }
}
