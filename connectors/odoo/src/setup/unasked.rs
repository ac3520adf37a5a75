//! What Odoo does without being asked (`POSTING.md` P16): mails, labels, automatic invoices, rules
//! of its own, other connectors. Each is looked for with the rights that the caller has; what could
//! not be read is told, because silence would read as "there is none".
//!
//! Not looked for: what is in [`NOT_LOOKED_FOR`], and what a person or another program does through
//! the screens of Odoo.

use serde_json::{Value, json};
use trueup_connect::CallError;
use trueup_domain::mapping::GoodsPolicy;

use super::report::{Finding, SetupReport};
use super::{Caller, SetupError, Wanted, company, settings};
use crate::request;
use crate::wire::{self, Row};

/// What stands in the way where the channel's shipments are carried out in Odoo.
const GOODS: &[&str] = &["mail_on_delivery", "several_steps", "no_backorder"];

/// The models that our documents are made of, or lead to.
const TOUCHED: &[&str] = &[
    "sale.order",
    "sale.order.line",
    "account.move",
    "account.move.line",
    "account.payment",
    "res.partner",
    "product.product",
    "product.template",
    "stock.picking",
    "stock.move",
];

/// Words in names of modules, fields and scheduled actions by which another connector shows.
const RIVALS: &[&str] =
    &["shopify", "woo", "amazon", "magento", "prestashop", "ebay", "bigcommerce", "connector"];

/// What nobody's key shows, told with every report: silence would read as "there is none".
pub const NOT_LOOKED_FOR: &[&str] = &[
    "invoices that somebody has queued for sending",
    "mails of modules other than sale, stock and project (help desk, subscriptions, surveys)",
    "how each customer wants his invoices (Odoo sends them when a person says so)",
    "code of modules whose names say nothing of what they do",
];

/// One question to Odoo, and what its answer means.
struct Probe {
    code: &'static str,
    /// In the report: "could not be read: …".
    about: &'static str,
    /// The module without which there is nothing to ask for; empty for Odoo's own.
    module: &'static str,
    model: &'static str,
    domain: fn(i64) -> Value,
    fields: &'static [&'static str],
    blocks: bool,
    /// What to tell, given the names in the rows that were found. Nothing found tells nothing.
    tell: fn(&str) -> String,
}

const PROBES: &[Probe] = &[
    Probe {
        code: "sms_on_delivery",
        about: "text messages on delivery",
        module: "stock_sms",
        model: "res.company",
        domain: |id| json!([["id", "=", id], ["stock_text_confirmation", "=", true]]),
        fields: &["name"],
        blocks: false,
        tell: |_| "Odoo texts the customer when a delivery is done; ours skip it".to_owned(),
    },
    Probe {
        code: "mail_on_delivery",
        about: "e-mail on delivery",
        module: "stock",
        model: "res.company",
        domain: |id| json!([["id", "=", id], ["stock_move_email_validation", "=", true]]),
        fields: &["name"],
        blocks: false,
        tell: |_| {
            "Odoo mails the customer when a delivery is done, whoever does it; ours are left alone \
             while it does"
                .to_owned()
        },
    },
    Probe {
        code: "several_steps",
        about: "steps of delivery",
        module: "stock",
        model: "stock.warehouse",
        domain: |id| json!([["company_id", "=", id], ["delivery_steps", "!=", "ship_only"]]),
        fields: &["name"],
        blocks: false,
        tell: |names| {
            format!("these warehouses pick or pack before they ship, which we do not do: {names}")
        },
    },
    Probe {
        code: "no_backorder",
        about: "backorders",
        module: "stock",
        model: "stock.picking.type",
        domain: |id| {
            json!([
                ["company_id", "=", id],
                ["code", "=", "outgoing"],
                ["create_backorder", "=", "never"]
            ])
        },
        fields: &["name"],
        blocks: false,
        tell: |names| format!("Odoo drops what a first shipment leaves over: {names}"),
    },
    Probe {
        code: "automatic_invoice",
        about: "automatic invoices",
        module: "sale",
        model: "ir.config_parameter",
        domain: |_| json!([["key", "=", "sale.automatic_invoice"], ["value", "=", "True"]]),
        fields: &["key"],
        blocks: true,
        tell: |_| {
            "Odoo invoices an order by itself when an online payment is done: a second invoice \
             beside ours"
                .to_owned()
        },
    },
    Probe {
        code: "automatic_invoice_mail",
        about: "the mail of automatic invoices",
        module: "sale",
        model: "ir.config_parameter",
        domain: |_| {
            json!([
                ["key", "=", "sale.default_invoice_email_template"],
                ["value", "not in", [false, "", "False"]]
            ])
        },
        fields: &["value"],
        blocks: false,
        tell: |names| {
            format!(
                "an invoice that Odoo makes by itself is mailed to the customer, with the template \
                 {names}; ours are made by us and mailed by nobody"
            )
        },
    },
    Probe {
        code: "rating_mail",
        about: "mails that ask for a rating",
        module: "project",
        model: "project.task.type",
        domain: |_| json!([["active", "=", true], ["rating_active", "=", true]]),
        fields: &["name"],
        blocks: false,
        tell: |names| {
            format!(
                "customers are asked for a rating by mail when a task reaches, or stays in, these \
                 stages; an order of services may make tasks: {names}"
            )
        },
    },
    Probe {
        code: "automation",
        about: "automation rules",
        module: "base_automation",
        model: "base.automation",
        domain: |_| json!([["active", "=", true], ["model_id.model", "in", TOUCHED]]),
        fields: &["name"],
        blocks: false,
        tell: |names| format!("automation rules run on records that we write: {names}"),
    },
    Probe {
        code: "scheduled_action",
        about: "scheduled actions",
        module: "",
        model: "ir.cron",
        domain: |_| json!([["active", "=", true], ["model_id.model", "in", TOUCHED]]),
        fields: &["cron_name"],
        blocks: false,
        tell: |names| format!("scheduled actions touch records that we write: {names}"),
    },
    Probe {
        code: "carrier_buys_labels",
        about: "carriers",
        module: "delivery",
        model: "delivery.carrier",
        domain: |_| {
            json!([
                ["active", "=", true],
                ["delivery_type", "not in", ["fixed", "base_on_rule"]],
                ["integration_level", "=", "rate_and_ship"]
            ])
        },
        fields: &["name"],
        blocks: false,
        tell: |names| format!("these carriers buy a label when a delivery is validated: {names}"),
    },
    Probe {
        code: "peppol",
        about: "Peppol",
        module: "account_peppol",
        model: "res.company",
        domain: |id| {
            json!([
                ["id", "=", id],
                ["account_peppol_proxy_state", "in", ["sender", "smp_registration", "receiver"]]
            ])
        },
        fields: &["name"],
        blocks: true,
        tell: |_| "Odoo sends invoices over Peppol: decide whether ours are to go out".to_owned(),
    },
    Probe {
        code: "loyalty_on_confirm",
        about: "loyalty programs",
        module: "sale_loyalty",
        model: "loyalty.program",
        domain: |id| {
            json!([
                ["active", "=", true],
                ["sale_ok", "=", true],
                ["trigger", "=", "auto"],
                ["program_type", "not in", ["gift_card", "ewallet"]],
                ["company_id", "in", [id, false]]
            ])
        },
        fields: &["name"],
        blocks: false,
        tell: |names| {
            format!(
                "these programs grant points or rewards when an order is confirmed, and ours are: \
                 {names}"
            )
        },
    },
    Probe {
        code: "made_to_order",
        about: "routes",
        module: "stock",
        model: "stock.rule",
        domain: |id| {
            json!([
                ["active", "=", true],
                ["route_id.active", "=", true],
                ["procure_method", "=", "make_to_order"],
                ["action", "in", ["buy", "manufacture", "pull"]],
                ["company_id", "in", [id, false]]
            ])
        },
        fields: &["route_id"],
        blocks: false,
        tell: |names| {
            format!("a confirmed order may buy or make its goods at once, on the routes {names}")
        },
    },
    Probe {
        code: "fiscal_position",
        about: "fiscal positions",
        module: "account",
        model: "account.fiscal.position",
        domain: |id| {
            json!([["active", "=", true], ["auto_apply", "=", true], ["company_id", "=", id]])
        },
        fields: &["name"],
        blocks: false,
        tell: |names| {
            format!(
                "these fiscal positions apply by themselves, and may map taxes and accounts; ours \
                 name none: {names}"
            )
        },
    },
    Probe {
        code: "credit_limit",
        about: "credit limits",
        module: "account",
        model: "res.company",
        domain: |id| json!([["id", "=", id], ["account_use_credit_limit", "=", true]]),
        fields: &["name"],
        blocks: false,
        tell: |_| {
            "credit limits are on: Odoo warns about orders of customers beyond theirs".to_owned()
        },
    },
    Probe {
        code: "cash_basis",
        about: "cash-basis taxes",
        module: "account",
        model: "res.company",
        domain: |id| json!([["id", "=", id], ["tax_exigibility", "=", true]]),
        fields: &["name"],
        blocks: false,
        tell: |_| "cash-basis taxes are on: Odoo posts a tax's transfer when it is paid".to_owned(),
    },
    Probe {
        code: "perpetual_company",
        about: "the company's valuation",
        module: "stock_account",
        model: "res.company",
        domain: |id| json!([["id", "=", id], ["inventory_valuation", "=", "real_time"]]),
        fields: &["name"],
        blocks: false,
        tell: |_| {
            "the company values stock perpetually: an invoice before its shipment books cost early"
                .to_owned()
        },
    },
    Probe {
        code: "approval_rule",
        about: "approval rules",
        module: "web_studio",
        model: "studio.approval.rule",
        domain: |_| json!([["active", "=", true], ["model_name", "in", TOUCHED]]),
        fields: &["display_name"],
        blocks: true,
        tell: |names| format!("approvals are asked for before our documents are posted: {names}"),
    },
    Probe {
        code: "analytic_required",
        about: "required analytic plans",
        module: "analytic",
        model: "account.analytic.applicability",
        domain: |_| {
            json!([
                ["applicability", "=", "mandatory"],
                ["business_domain", "in", ["general", "invoice", "sale_order"]]
            ])
        },
        fields: &["analytic_plan_id"],
        blocks: true,
        tell: |names| format!("lines without these analytic plans are refused: {names}"),
    },
    Probe {
        code: "lock_exception",
        about: "exceptions from lock dates",
        module: "account",
        model: "account.lock_exception",
        domain: |id| json!([["active", "=", true], ["company_id", "=", id]]),
        fields: &["display_name"],
        blocks: false,
        tell: |names| format!("somebody may still post before a lock date: {names}"),
    },
    Probe {
        code: "foreign_field",
        about: "fields of other connectors",
        module: "",
        model: "ir.model.fields",
        domain: |_| {
            let mut domain = vec![json!(["model", "in", TOUCHED])];
            let named: Vec<&&str> = RIVALS.iter().filter(|it| **it != "connector").collect();
            domain.extend(std::iter::repeat_n(json!("|"), named.len().saturating_sub(1)));
            domain.extend(named.iter().map(|rival| json!(["name", "ilike", rival])));
            Value::Array(domain)
        },
        fields: &["name"],
        blocks: false,
        tell: |names| format!("another connector keeps its references in our documents: {names}"),
    },
];

/// Modules that act by themselves: a word or words of their names, and what they do.
const MODULES: &[(&str, &str, bool, &str)] = &[
    (
        "dropshipping",
        "dropship",
        false,
        "orders of some goods become purchases from their supplier",
    ),
    (
        "inter_company",
        "inter_company",
        true,
        "a document of one company may make its counterpart in another",
    ),
    ("edi", "e_invoicing", true, "invoices may be sent to an authority when they are posted"),
];

/// Part of Odoo's own formats: they write files for people, and send nothing.
const QUIET: &[&str] = &["account_edi_ubl_cii", "sale_edi_ubl", "purchase_edi_ubl_bis3"];

/// Asks every question; adds what it finds, and what could not be asked, to the report.
pub(super) fn look(
    call: &mut Caller<'_>,
    wanted: &Wanted,
    report: &mut SetupReport,
) -> Result<(), SetupError> {
    let id = company(wanted)?;
    for probe in PROBES {
        let known = report.modules.is_empty() || report.modules.contains_key(probe.module);
        if !probe.module.is_empty() && !known {
            continue;
        }
        match look_up(call, wanted, probe.model, &(probe.domain)(id), probe.fields)? {
            Seen::Rows(rows) => {
                let names = names(&rows, probe.fields);
                if !rows.is_empty() {
                    let code = probe.code;
                    let ours = wanted.goods == GoodsPolicy::Channel && GOODS.contains(&code);
                    let blocks = probe.blocks || ours;
                    report.findings.push(Finding { blocks, code, text: (probe.tell)(&names) });
                }
            }
            Seen::Absent => {}
            Seen::Denied => report.unread.push(probe.about.to_owned()),
        }
    }
    modules(report);
    gift_cards(call, wanted, report)?;
    Ok(())
}

fn modules(report: &mut SetupReport) {
    if report.modules.is_empty() {
        report.unread.push("installed modules, and with them other connectors".to_owned());
        return;
    }
    let installed: Vec<String> = report.modules.keys().cloned().collect();
    for (code, blocks, text, names) in by_code(&installed) {
        let text = format!("{text} ({names})");
        report.findings.push(Finding { blocks, code, text });
    }
    let rivals: Vec<String> = installed
        .into_iter()
        .filter(|name| RIVALS.iter().any(|rival| name.contains(rival)))
        .collect();
    if !rivals.is_empty() {
        let text = format!("other connectors may post the same orders: {}", rivals.join(", "));
        report.findings.push(Finding { blocks: true, code: "other_connector", text });
    }
}

/// Findings about modules: code, whether it blocks, text, and the modules.
fn by_code(installed: &[String]) -> Vec<(&'static str, bool, &'static str, String)> {
    let mut found: Vec<(&'static str, bool, &'static str, Vec<String>)> = Vec::new();
    for name in installed.iter().filter(|name| !QUIET.contains(&name.as_str())) {
        let words = format!("_{name}_");
        let acts = MODULES.iter().find(|(part, ..)| words.contains(&format!("_{part}_")));
        let Some((_, code, blocks, text)) = acts else { continue };
        match found.iter_mut().find(|(known, ..)| known == code) {
            Some((.., names)) => names.push(name.clone()),
            None => found.push((code, *blocks, text, vec![name.clone()])),
        }
    }
    found
        .into_iter()
        .map(|(code, blocks, text, names)| (code, blocks, text, names.join(", ")))
        .collect()
}

/// A gift card that Odoo sells must be a liability, or each sale of one is revenue twice (P10, V7).
fn gift_cards(
    call: &mut Caller<'_>,
    wanted: &Wanted,
    report: &mut SetupReport,
) -> Result<(), SetupError> {
    if !report.modules.is_empty() && !report.modules.contains_key("loyalty") {
        return Ok(());
    }
    let domain = json!([["program_type", "=", "gift_card"], ["active", "=", true]]);
    let programs =
        match look_up(call, wanted, "loyalty.program", &domain, &["trigger_product_ids"])? {
            Seen::Rows(rows) => rows,
            Seen::Absent => return Ok(()),
            Seen::Denied => {
                report.unread.push("gift card programs".to_owned());
                return Ok(());
            }
        };
    let ids: Vec<i64> = programs
        .iter()
        .flat_map(|row| row.ids("trigger_product_ids").unwrap_or_default())
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    let fields = ["display_name", "property_account_income_id", "categ_id"];
    let domain = json!([["id", "in", ids]]);
    let Seen::Rows(products) = look_up(call, wanted, "product.product", &domain, &fields)? else {
        report.unread.push("gift card products".to_owned());
        return Ok(());
    };
    let mut on_income = Vec::new();
    for product in &products {
        let own = product.reference("property_account_income_id").ok().flatten();
        let liability = own.is_some_and(|(id, _)| {
            report.accounts.iter().any(|it| it.id == id && it.kind.starts_with("liability"))
        });
        if !liability {
            on_income.push(product.text("display_name").ok().flatten().unwrap_or_default());
        }
    }
    if !on_income.is_empty() {
        let text = format!(
            "gift cards that Odoo sells post to income, not to a liability: {}",
            on_income.join(", ")
        );
        report.findings.push(Finding { blocks: false, code: "gift_card_on_income", text });
    }
    Ok(())
}

/// What a careful look sees.
pub(super) enum Seen {
    Rows(Vec<Row>),
    /// The model or a field is not installed.
    Absent,
    /// The caller may not read it.
    Denied,
}

/// Reads rows that the caller may not be allowed to see, or that may not exist.
pub(super) fn look_up(
    call: &mut Caller<'_>,
    wanted: &Wanted,
    model: &str,
    domain: &Value,
    fields: &[&str],
) -> Result<Seen, SetupError> {
    let request =
        request::search_read(&settings(wanted), company(wanted)?, model, domain, fields, "id");
    let failed = |source| SetupError::Call { what: format!("a reading of {model}"), source };
    let reply = call(&request).map_err(failed)?;
    let denied = reply.status == 403;
    match crate::outcome::read(Ok(&reply), false).and_then(wire::rows) {
        Ok(rows) => Ok(Seen::Rows(rows)),
        Err(CallError::Denied { .. }) => Ok(Seen::Denied),
        Err(CallError::NotSetUp { .. }) if denied => Ok(Seen::Denied),
        Err(CallError::NotSetUp { .. } | CallError::Refused { .. }) => Ok(Seen::Absent),
        Err(source) => Err(failed(source)),
    }
}

/// How many names a finding lists.
const NAMES_MAX: usize = 6;

/// The first field of each row, each name once.
fn names(rows: &[Row], fields: &[&str]) -> String {
    let Some(field) = fields.first() else { return String::new() };
    let mut all: Vec<String> = Vec::new();
    for row in rows {
        let name = match row.reference(field) {
            Ok(Some((_, name))) => Some(name),
            _ => row.text(field).ok().flatten(),
        };
        let name = name.unwrap_or_default();
        if !all.contains(&name) {
            all.push(name);
        }
    }
    let more = all.len().saturating_sub(NAMES_MAX);
    all.truncate(NAMES_MAX);
    let listed: Vec<String> = all.iter().map(|name| format!("`{name}`")).collect();
    let listed = listed.join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}
