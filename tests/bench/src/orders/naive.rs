//! A connector as they are often written: one call for each step, one order after the other.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use trueup_domain::command::DocumentLine;
use trueup_odoo_tests::server::Client;

use super::Took;
use super::books::Books;
use super::sales::{self, LINES, Sale};

/// Until the invoice is posted; two more take the payment.
const CALLS: usize = 8 + LINES;

pub fn post(books: &Books, sales: &[Sale]) -> Result<Took> {
    let (mut posted, mut paid) = (Duration::ZERO, Duration::ZERO);
    for sale in sales {
        let mut calls = Calls { client: books.database.hub(), made: 0 };
        let began = Instant::now();
        let invoice = calls.invoice(sale)?;
        posted += began.elapsed();
        ensure!(calls.made == CALLS, "{} calls were made", calls.made);
        calls.pay(sale, &invoice)?;
        paid += began.elapsed();
    }
    Ok(Took { orders: sales.len(), posted, paid })
}

struct Calls<'a> {
    client: Client<'a>,
    made: usize,
}

impl Calls<'_> {
    fn call(&mut self, model: &str, method: &str, arguments: Value) -> Result<Value> {
        self.made += 1;
        let answer = self.client.call(model, method, arguments);
        answer.with_context(|| format!("{model}/{method}"))
    }

    fn invoice(&mut self, sale: &Sale) -> Result<Value> {
        let known = json!({ "domain": [["ref", "=", sale.buyer.id]] });
        let known = self.call("res.partner", "search", known)?;
        ensure!(known == json!([]), "each buyer is new");
        let partner = json!({ "vals_list": [sale.partner()] });
        let partner = first(&self.call("res.partner", "create", partner)?)?;
        for line in &sale.order.lines {
            let product: i64 = line.product.as_deref().context("a product")?.parse()?;
            let wanted = json!({ "domain": [["id", "=", product]] });
            self.call("product.product", "search", wanted)?;
        }
        let lines: Vec<Value> = sale.order.lines.iter().map(order_line).collect::<Result<_>>()?;
        let order = json!({ "vals_list": [{
            "partner_id": partner,
            "client_order_ref": sale.order.reference,
            "date_order": super::shell::moment(sale.order.placed_at),
            "order_line": lines,
        }] });
        let order = first(&self.call("sale.order", "create", order)?)?;
        self.call("sale.order", "action_confirm", json!({ "ids": [order] }))?;
        let wizard = json!({ "vals_list": [{
            "advance_payment_method": "delivered",
            "sale_order_ids": [[6, 0, [order]]],
        }] });
        let wizard = first(&self.call("sale.advance.payment.inv", "create", wizard)?)?;
        self.call("sale.advance.payment.inv", "create_invoices", json!({ "ids": [wizard] }))?;
        let drafts =
            json!([["line_ids.sale_line_ids.order_id", "=", order], ["state", "=", "draft"]]);
        let invoice = self.call("account.move", "search", json!({ "domain": drafts }))?;
        let invoice = first(&invoice)?;
        self.call("account.move", "action_post", json!({ "ids": [invoice] }))?;
        Ok(invoice)
    }

    fn pay(&mut self, sale: &Sale, invoice: &Value) -> Result<()> {
        let (journal, line): (i64, i64) =
            (sale.payment.journal.parse()?, sale.payment.method_line.parse()?);
        let wizard = json!({
            "vals_list": [{
                "payment_date": sale.payment.date.to_string(),
                "journal_id": journal,
                "payment_method_line_id": line,
            }],
            "context": { "active_model": "account.move", "active_ids": [invoice] },
        });
        let wizard = first(&self.call("account.payment.register", "create", wizard)?)?;
        self.call(
            "account.payment.register",
            "action_create_payments",
            json!({ "ids": [wizard] }),
        )?;
        Ok(())
    }
}

fn order_line(line: &DocumentLine) -> Result<Value> {
    let mut values = sales::line(line)?;
    if let Some(values) = values.as_object_mut()
        && let Some(quantity) = values.remove("quantity")
    {
        values.insert("product_uom_qty".to_owned(), quantity);
        // Odoo fills it in from the product.
        values.remove("name");
    }
    Ok(json!([0, 0, values]))
}

fn first(ids: &Value) -> Result<Value> {
    Ok(ids.get(0).with_context(|| format!("an id, not {ids}"))?.clone())
}
