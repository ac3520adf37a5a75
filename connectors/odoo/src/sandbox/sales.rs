//! Orders: made as drafts, confirmed once, cancelled.

use rust_decimal::Decimal;

use super::store::{Cell, Fault, Fields, Record};
use super::taxes;
use super::world::{Call, World};

impl World {
    pub(super) fn create_order(
        &mut self,
        call: &Call,
        mut order: Record,
        lines: Vec<Record>,
    ) -> Result<i64, Fault> {
        let Some(customer) = order.link("partner_id") else {
            return Err(missing_value("Customer", "partner_id", "Sales Order", "sale.order"));
        };
        let company = call.company();
        let number = self.store.next("sale.order");
        order.entry("name").or_insert_with(|| Cell::Text(format!("S{number:05}")));
        order.insert("state", Cell::text("draft"));
        order.insert("company_id", Cell::Link(company));
        order.entry("partner_invoice_id").or_insert(Cell::Link(customer));
        order.entry("partner_shipping_id").or_insert(Cell::Link(customer));
        if order.cell("date_order") == &Cell::Nothing {
            order.insert("date_order", Cell::Text(call.moment()));
        }
        if order.cell("pricelist_id") == &Cell::Nothing {
            let found = self
                .store
                .all("product.pricelist")
                .find(|(_, it)| it.link("company_id") == Some(company));
            if let Some((id, _)) = found {
                order.insert("pricelist_id", Cell::Link(id));
            }
        }
        let by_pricelist = order
            .link("pricelist_id")
            .and_then(|id| self.store.get("product.pricelist", id)?.link("currency_id"));
        let currency = by_pricelist.unwrap_or_else(|| self.currency_of(company));
        order.insert("currency_id", Cell::Link(currency));
        order.insert("invoice_status", Cell::text("no"));
        order.insert("locked", Cell::Flag(false));
        let id = self.insert(call, "sale.order", order);
        let mut ids = Vec::new();
        for mut line in lines {
            if line.cell("product_id") == &Cell::Nothing
                && line.cell("display_type") == &Cell::Nothing
            {
                return Err(Fault::user("Missing required fields on accountable sale order line."));
            }
            line.insert("order_id", Cell::Link(id));
            line.insert("company_id", Cell::Link(company));
            line.entry("product_uom_qty").or_insert(Cell::Number(Decimal::ONE));
            line.entry("discount").or_insert(Cell::Number(Decimal::ZERO));
            line.insert("qty_invoiced", Cell::Number(Decimal::ZERO));
            line.insert("qty_delivered", Cell::Number(Decimal::ZERO));
            line.insert("order_partner_id", Cell::Link(customer));
            let product =
                line.link("product_id").and_then(|id| self.store.get("product.product", id));
            let kind = product.map_or(Cell::Nothing, |product| product.cell("type").clone());
            line.insert("product_type", kind);
            ids.push(self.insert(call, "sale.order.line", line));
        }
        self.store.set("sale.order", id, "order_line", Cell::Links(ids));
        self.compute_order(id);
        Ok(id)
    }

    pub(super) fn compute_order(&mut self, id: i64) {
        let Some(order) = self.store.get("sale.order", id) else { return };
        let (currency, company) =
            (order.link("currency_id").unwrap_or(0), order.link("company_id").unwrap_or(0));
        let ids = order.links("order_line").to_vec();
        let globally = self.rounds_globally(company);
        let lines: Vec<&Record> =
            ids.iter().filter_map(|id| self.store.get("sale.order.line", *id)).collect();
        let computed =
            taxes::compute(&self.store, &lines, "product_uom_qty", currency, globally, &|it| it);
        for (id, (without, with)) in ids.iter().zip(&computed.lines) {
            self.store.update("sale.order.line", *id, |line| {
                line.insert("price_subtotal", Cell::Number(*without));
                line.insert("price_total", Cell::Number(*with));
                line.insert("price_tax", Cell::Number(*with - *without));
            });
        }
        self.store.update("sale.order", id, |order| {
            order.insert("amount_untaxed", Cell::Number(computed.untaxed));
            order.insert("amount_tax", Cell::Number(computed.tax));
            order.insert("amount_total", Cell::Number(computed.untaxed + computed.tax));
        });
    }

    pub(super) fn confirm_orders(&mut self, call: &Call, ids: &[i64]) -> Result<(), Fault> {
        for id in ids {
            let order = self
                .store
                .get("sale.order", *id)
                .ok_or_else(|| Fault::missing("sale.order", *id))?;
            if !matches!(order.word("state"), "draft" | "sent") {
                return Err(Fault::user("Some orders are not in a state requiring confirmation."));
            }
        }
        for id in ids {
            let moment = call.moment();
            self.change(call, "sale.order", *id, |order| {
                order.insert("state", Cell::text("sale"));
                order.insert("date_order", Cell::Text(moment));
                order.insert("invoice_status", Cell::text("to invoice"));
            });
            self.plan_delivery(call, *id);
        }
        Ok(())
    }

    pub(super) fn cancel_orders(&mut self, call: &Call, ids: &[i64]) -> Result<(), Fault> {
        for id in ids {
            let order = self
                .store
                .get("sale.order", *id)
                .ok_or_else(|| Fault::missing("sale.order", *id))?;
            if order.flag("locked") {
                return Err(Fault::user(
                    "You cannot cancel a locked order. Please unlock it first.",
                ));
            }
            self.change(call, "sale.order", *id, |order| {
                order.insert("state", Cell::text("cancel"));
                order.insert("invoice_status", Cell::text("no"));
            });
            self.cancel_delivery(call, *id);
        }
        Ok(())
    }

    /// Marks what an invoice bills; Odoo counts it when the invoice is made, not when it is posted.
    pub(super) fn bill_order_lines(&mut self, lines: &[Record], call: &Call) {
        let mut orders = std::collections::BTreeSet::new();
        for line in lines {
            for billed in line.links("sale_line_ids") {
                let quantity = line.amount("quantity");
                self.store.update("sale.order.line", *billed, |row| {
                    let before = row.amount("qty_invoiced");
                    row.insert("qty_invoiced", Cell::Number(before + quantity));
                });
                orders.extend(
                    self.store.get("sale.order.line", *billed).and_then(|row| row.link("order_id")),
                );
            }
        }
        for order in orders {
            let lines = self
                .store
                .get("sale.order", order)
                .map(|it| it.links("order_line").to_vec())
                .unwrap_or_default();
            let open = lines
                .iter()
                .filter_map(|id| self.store.get("sale.order.line", *id))
                .any(|line| line.amount("qty_invoiced") < line.amount("product_uom_qty"));
            let status = if open { "to invoice" } else { "invoiced" };
            self.change(call, "sale.order", order, |row| {
                row.insert("invoice_status", Cell::text(status));
            });
        }
    }
}

pub(super) fn missing_value(label: &str, field: &str, model_label: &str, model: &str) -> Fault {
    Fault::invalid(format!(
        "Missing required value for the field '{label}' ({field}).\nModel: '{model_label}' ({model})\n\
         - create/update: a mandatory field is not set\n\
         - delete: another model requires the record being deleted, you can archive it instead\n"
    ))
}
