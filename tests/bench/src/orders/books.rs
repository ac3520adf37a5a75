//! A fresh database of the real Odoo, set up for the played shop, with goods on stock.

use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use trueup::demo::setup;
use trueup_connect::{Request, Secret};
use trueup_domain::mapping::Mapping;
use trueup_hub::shell::{Http, Transport};
use trueup_odoo_tests::server::{Client, OdooServer, TestDb};
use trueup_sandbox::world::{ODOO, STRIPE};

use super::sales::Sale;

/// More than is ever sold.
const ON_STOCK: u32 = 1_000_000;

pub struct Books {
    pub database: TestDb,
    pub mapping: Mapping,
    /// Carries the hub's HTTP.
    pub runtime: Runtime,
}

impl Books {
    pub fn fresh(server: &OdooServer, name: &str) -> Result<Self> {
        let database = server.fresh_database(&format!("bench_{name}"));
        let runtime = Runtime::new()?;
        let mut wanted = trueup_odoo::setup::demo::wanted().into_iter().next().context("us")?;
        wanted.database = Some(database.name.clone());
        let mut connection = setup::bare(ODOO, "odoo", "us", None)?;
        connection.base_url = Some(database.url.clone());
        connection.secret = Some(Secret::new(database.admin_key.clone()));
        let mut http = Http::new(runtime.handle().clone())?;
        let mut call = move |request: &Request| http.send(&connection, request);
        let mut mapping = trueup_odoo::setup::run(&mut call, &wanted)?;
        if let Some(gateway) = mapping.gateways.get_mut("stripe") {
            gateway.provider = Some(STRIPE.to_owned());
        }
        let books = Self { database, mapping, runtime };
        books.stock()?;
        Ok(books)
    }

    pub fn admin(&self) -> Client<'_> {
        self.database.admin()
    }

    /// A retailer's goods are kept on stock, and confirming an order reserves them.
    fn stock(&self) -> Result<()> {
        let products: Vec<i64> =
            self.mapping.products.values().map(|id| id.parse()).collect::<Result<_, _>>()?;
        let storable = json!({ "ids": products, "vals": { "is_storable": true } });
        self.admin().call("product.product", "write", storable)?;
        let company = json!([["company_id", "=", 1]]);
        let warehouse = self.admin().read("stock.warehouse", company, &["lot_stock_id"]);
        let location = warehouse.first().context("a warehouse")?["lot_stock_id"][0].clone();
        let counts: Vec<Value> = products
            .iter()
            .map(|product| {
                json!({ "product_id": product, "location_id": location, "inventory_quantity": ON_STOCK })
            })
            .collect();
        let counted = json!({ "vals_list": counts, "context": { "inventory_mode": true } });
        let quants = self.admin().call("stock.quant", "create", counted)?;
        self.admin().call("stock.quant", "action_apply_inventory", json!({ "ids": quants }))?;
        Ok(())
    }

    /// Every sale is confirmed, invoiced to the cent, posted and paid, once.
    pub fn prove<'a>(&self, sales: impl IntoIterator<Item = &'a Sale>) -> Result<()> {
        let mut expected: Vec<Decimal> = sales
            .into_iter()
            .map(|sale| Decimal::from_str(&sale.invoice.total.amount_text()))
            .collect::<Result<_, _>>()?;
        expected.sort();
        let orders = json!([["state", "=", "sale"], ["invoice_status", "=", "invoiced"]]);
        let invoices = json!([
            ["move_type", "=", "out_invoice"],
            ["state", "=", "posted"],
            ["payment_state", "=", "paid"]
        ]);
        for (model, domain) in [("sale.order", orders), ("account.move", invoices)] {
            let mut found: Vec<Decimal> = self
                .admin()
                .read(model, domain, &["amount_total"])
                .iter()
                .map(|row| Decimal::from_str(&row["amount_total"].to_string()))
                .collect::<Result<_, _>>()?;
            found.sort();
            ensure!(
                found == expected,
                "{}: {} records of {model} are as asked, or differ in amount; asked were {}",
                self.database.name,
                found.len(),
                expected.len()
            );
        }
        Ok(())
    }
}
