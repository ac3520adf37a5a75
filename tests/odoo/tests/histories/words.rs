//! From the words of a scenario to what is sent: messages of the signed channel, and what else is said.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use trueup_domain::money::{Currency, Money};

use crate::common::Lock;
use crate::file::{Scenario, Statement};
use crate::provider::Provider;
use crate::shopify::Shop;

/// What one statement does.
pub enum Told {
    /// A signed delivery of the scenario's own channel.
    Delivery(Value),
    /// A record of a source in its own words: connection, kind, body.
    Record { connection: String, kind: String, body: Vec<u8> },
    /// An order, whole as it stands at its channel.
    Whole { connection: String, kind: String, body: Vec<u8> },
    /// A statement of a bank account.
    Statement { connection: String, name: String, body: Vec<u8> },
    /// Everything that was said so far is said again.
    Again,
    /// Somebody locks a period of the company's books.
    Locked { kind: Lock, until: String },
    /// Somebody makes an invoice in the books that names the order.
    Invoiced { day: String, amount: String },
    /// Somebody closes a month, of which this is a day.
    Closed { day: jiff::civil::Date },
    /// Somebody gives a SKU the product of another one.
    Mapped { sku: String, product: String },
    /// Somebody skips what the books refused of this sale.
    Skipped { reason: String },
    /// Somebody asks for an invoice of their own.
    Asked { company: Option<String>, vat_number: Option<String> },
}

pub struct Teller<'a> {
    scenario: &'a Scenario,
    currency: Currency,
    /// How often each object was stated.
    stated: BTreeMap<String, u32>,
    /// Whoever states it otherwise than the signed channel.
    shop: Option<Shop>,
    provider: Provider<'a>,
}

/// The words of a line, cut at commas, and each at spaces.
struct Parts<'a> {
    head: Vec<&'a str>,
    rest: Vec<Vec<&'a str>>,
}

fn parts(line: &str) -> Parts<'_> {
    let mut cut = line.split(", ").map(|part| part.split(' ').collect());
    Parts { head: cut.next().unwrap_or_default(), rest: cut.collect() }
}

/// Where goods left or came back to, if it is said: `at fba`.
fn place<'a>(rest: &[Vec<&'a str>]) -> Option<&'a str> {
    rest.iter().find(|words| words[0] == "at").map(|words| words[1])
}

/// A day, or a day with its time.
pub fn moment(text: &str) -> String {
    match text.split_once('T') {
        Some((day, time)) => format!("{day}T{time}:00Z"),
        None => format!("{text}T10:00:00Z"),
    }
}

impl<'a> Teller<'a> {
    pub fn new(scenario: &'a Scenario) -> Self {
        let usual = if scenario.european() { "EUR" } else { "USD" };
        let code = scenario.heading("Currency").unwrap_or(usual);
        let currency = Currency::parse(code).expect("a currency");
        let shop = (scenario.heading("Channel") == Some("shopify")).then(|| Shop::new(currency));
        let provider = Provider::new(scenario, currency);
        Self { scenario, currency, stated: BTreeMap::new(), shop, provider }
    }

    pub fn tell(&mut self, statement: &Statement) -> Told {
        let Parts { head, rest } = parts(&statement.line);
        match head.as_slice() {
            ["order", day, "total", total] => {
                let order = self.order(day, total, &rest, &statement.details);
                self.said("orders", order)
            }
            ["payment", id, kind, amount, gateway @ .., day] => {
                let payment = self.payment(id, kind, amount, &gateway.join(" "), day, &rest);
                self.said("payments", payment)
            }
            ["refund", id, day, "total", total] => {
                let refund = self.refund(id, day, total, &rest, &statement.details);
                self.said("refunds", refund)
            }
            ["shipment", id, day] => {
                let shipment = self.shipment(id, day, &rest, &statement.details);
                self.said("fulfilments", shipment)
            }
            ["return", id, status] => {
                let returned = self.returned(id, status, &rest, &statement.details);
                self.said("returns", returned)
            }
            ["payout", id, amount, day] => self.provider.payout(id, amount, day, &rest),
            ["stripe", category, id, amount, day] => {
                self.provider.row(category, id, amount, day, &rest)
            }
            ["dispute", id, status, amount, day] => {
                self.provider.dispute(id, status, amount, day, &rest)
            }
            ["bank", amount, day] => self.provider.statement(amount, day, &rest),
            ["recorded", kind, path] => {
                let file = crate::file::folder().join("../../..").join(path);
                let body = std::fs::read(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
                let connection = self.scenario.name.clone();
                Told::Record { connection, kind: (*kind).to_owned(), body }
            }
            ["again"] => Told::Again,
            ["lock", kind, until] => {
                let known = Lock::ALL.iter().copied().find(|lock| lock.word() == *kind);
                let kind = known.unwrap_or_else(|| self.unknown(&statement.line));
                Told::Locked { kind, until: (*until).to_owned() }
            }
            ["invoiced", "by", "hand", amount, day] => {
                Told::Invoiced { day: (*day).to_owned(), amount: (*amount).to_owned() }
            }
            ["close", month] => Told::Closed {
                day: format!("{month}-01").parse().unwrap_or_else(|_| self.unknown(month)),
            },
            ["map", sku, "as", product] => {
                Told::Mapped { sku: (*sku).to_owned(), product: (*product).to_owned() }
            }
            ["skip", "refused", reason @ ..] => Told::Skipped { reason: reason.join(" ") },
            ["invoice", "asked", "for"] => {
                let said = |word: &str| {
                    let own = rest.iter().find(|words| words[0] == word);
                    own.map(|words| words[1..].join(" "))
                };
                Told::Asked { company: said("company"), vat_number: said("vat") }
            }
            _ => self.unknown(&statement.line),
        }
    }

    /// An object, as the channel of the scenario states it.
    fn said(&mut self, list: &str, object: Value) -> Told {
        if let Some(shop) = &mut self.shop {
            let body = shop.states(list, &object).to_string().into_bytes();
            let connection = self.scenario.name.clone();
            return Told::Whole { connection, kind: "order".to_owned(), body };
        }
        let mut message = Map::new();
        message.insert("version".to_owned(), json!("1"));
        message.insert(list.to_owned(), json!([object]));
        Told::Delivery(Value::Object(message))
    }

    fn unknown(&self, line: &str) -> ! {
        panic!("{}: `{line}` says nothing", self.scenario.name)
    }

    fn money(&self, text: &str) -> Money {
        Money::parse(text, self.currency).unwrap_or_else(|_| self.unknown(text))
    }

    /// The next version of an object, unless its statement names one.
    fn sequence(&mut self, object: &str, rest: &[Vec<&str>]) -> Value {
        let count = self.stated.entry(object.to_owned()).or_insert(0);
        *count += 1;
        let named = rest.iter().find(|words| words[0] == "version");
        named.map_or(json!(*count), |words| words[1].parse().expect("a number"))
    }

    fn order(&mut self, day: &str, total: &str, rest: &[Vec<&str>], details: &[String]) -> Value {
        let european = self.scenario.european();
        let mut order = json!({
            "id": "1",
            "number": self.scenario.name,
            "sequence": self.sequence("order", rest),
            "placed_at": moment(day),
            "currency": self.currency.code(),
            "taxes_included": european,
            "payment_standing": "pending",
            "total": total,
        });
        let mut buyer = json!({});
        let place = |place: &str| {
            let (country, region) = place.split_once('-').unwrap_or((place, ""));
            json!({ "country": country, "region": region })
        };
        buyer["shipping"] = place(if european { "DE" } else { "US-NY" });
        for words in rest {
            let text = |words: &[&str]| json!(words.join(" "));
            match words.as_slice() {
                ["version", _] => {}
                ["to", there] => buyer["shipping"] = place(there),
                ["buyer", id, name @ ..] => {
                    buyer["id"] = json!(id);
                    buyer["name"] = text(name);
                }
                ["company", name @ ..] => buyer["company"] = text(name),
                ["email", email] => buyer["email"] = json!(email),
                ["vat", number] => buyer["vat_number"] = json!(number),
                ["phone", number] => buyer["phone"] = json!(number),
                ["street", street @ ..] => buyer["shipping"]["street"] = text(street),
                ["city", city @ ..] => buyer["shipping"]["city"] = text(city),
                ["postcode", code] => buyer["shipping"]["postcode"] = json!(code),
                ["reference", reference] => order["customer_reference"] = json!(reference),
                ["due", day] => order["due_on"] = json!(day),
                ["source", source] => order["source"] = json!(source),
                ["cancelled", day] => order["cancelled_at"] = json!(moment(day)),
                ["tax", "on", "top"] => order["taxes_included"] = json!(false),
                ["test"] => order["test"] = json!(true),
                ["presented", amount, currency] => {
                    order["presented"] = json!({ "amount": amount, "currencyCode": currency });
                }
                [standing] => order["payment_standing"] = json!(standing),
                _ => self.unknown(&words.join(" ")),
            }
        }
        order["buyer"] = buyer;
        let (mut lines, mut charges) = (Vec::new(), Vec::new());
        for detail in details {
            let Parts { head, rest } = parts(detail);
            let mut one = match head.as_slice() {
                [count, what, "at", price, gross @ ..] => {
                    let count: i64 = count.parse().unwrap_or_else(|_| self.unknown(detail));
                    let gross = match gross {
                        [] => self.money(price).checked_mul(count).expect("in range").amount_text(),
                        ["=", gross] => (*gross).to_owned(),
                        _ => self.unknown(detail),
                    };
                    let sku = what.split(':').next();
                    let mut line = json!({ "id": what, "title": format!("goods {what}"),
                        "quantity": count, "unit_price": price, "gross": gross });
                    match *what {
                        "gift_card" | "tip" => line["kind"] = json!(what),
                        _ => line["sku"] = json!(sku),
                    }
                    line
                }
                [kind, gross] => {
                    json!({ "id": kind, "kind": kind, "title": kind, "gross": gross })
                }
                _ => self.unknown(detail),
            };
            one["discounts"] = self.discounts(&rest);
            one["taxes"] = self.taxes(&rest);
            let list = if head.len() == 2 { &mut charges } else { &mut lines };
            list.push(one);
        }
        order["lines"] = json!(lines);
        order["charges"] = json!(charges);
        order
    }

    fn discounts(&self, rest: &[Vec<&str>]) -> Value {
        let of = |words: &Vec<&str>| match words.as_slice() {
            ["less", amount, funder @ ..] => {
                let funder = funder.first().unwrap_or(&"merchant");
                Some(json!({ "title": "promotion", "funder": funder, "amount": amount }))
            }
            _ => None,
        };
        rest.iter().filter_map(of).collect()
    }

    fn taxes(&self, rest: &[Vec<&str>]) -> Value {
        let of = |words: &Vec<&str>| match words.as_slice() {
            ["tax", rate, amount, remitter @ ..] => {
                let percent = rate.strip_suffix('%').unwrap_or_else(|| self.unknown(rate));
                let percent: rust_decimal::Decimal = percent.parse().expect("a rate");
                let rate = percent / rust_decimal::Decimal::ONE_HUNDRED;
                let remitter = remitter.first().unwrap_or(&"merchant");
                Some(json!({ "title": format!("tax {percent} %"), "rate": rate.to_string(),
                    "amount": amount, "remitted_by": remitter }))
            }
            _ => None,
        };
        rest.iter().filter_map(of).collect()
    }

    fn payment(
        &mut self,
        id: &str,
        kind: &str,
        amount: &str,
        gateway: &str,
        day: &str,
        rest: &[Vec<&str>],
    ) -> Value {
        let tender = match gateway {
            "stripe" => "card",
            "gift_card" => "gift_card",
            "store_credit" => "store_credit",
            "Bank Deposit" => "bank_transfer",
            "cash" => "cash",
            _ => "other",
        };
        let mut payment = json!({
            "id": id,
            "order": "1",
            "sequence": self.sequence(id, rest),
            "kind": kind,
            "status": "succeeded",
            "currency": self.currency.code(),
            "amount": amount,
            "gateway": gateway,
            "tender": tender,
            "processed_at": moment(day),
        });
        if gateway == "stripe" {
            payment["provider_id"] = json!(self.provider.id_of(kind, id));
        }
        for words in rest {
            match words.as_slice() {
                ["version", _] => {}
                ["for", refund] => payment["refund"] = json!(refund),
                ["of", parent] => payment["parent"] = json!(parent),
                ["test"] => payment["test"] = json!(true),
                [status] => payment["status"] = json!(status),
                _ => self.unknown(&words.join(" ")),
            }
        }
        payment
    }

    /// Stripe's id of what the channel calls `id`.
    fn refund(
        &mut self,
        id: &str,
        day: &str,
        total: &str,
        rest: &[Vec<&str>],
        details: &[String],
    ) -> Value {
        let mut refund = json!({
            "id": id,
            "order": "1",
            "sequence": self.sequence(id, rest),
            "created_at": moment(day),
            "currency": self.currency.code(),
            "total": total,
        });
        for words in rest {
            match words.as_slice() {
                ["version", _] => {}
                ["by", payments @ ..] => refund["payments"] = json!(payments),
                ["exchanged", "for", lines @ ..] => refund["exchanged_for"] = json!(lines),
                ["because", reason @ ..] => refund["reason"] = json!(reason.join(" ")),
                _ => self.unknown(&words.join(" ")),
            }
        }
        let (mut lines, mut adjustments) = (Vec::new(), Vec::new());
        for (number, detail) in details.iter().enumerate() {
            let Parts { head, rest } = parts(detail);
            let tax = rest.iter().find(|words| words[0] == "tax").map(|words| words[1]);
            let zero = Money::zero(self.currency).amount_text();
            let tax = tax.map_or(zero, str::to_owned);
            let own = format!("{id}-{}", number + 1);
            match head.as_slice() {
                [count, line, amount] => {
                    let restock = rest.iter().find(|words| words.len() == 1);
                    let restock = restock.map_or("none", |words| words[0]);
                    lines.push(json!({ "id": own, "line": line, "restock": restock,
                        "quantity": count.parse::<i64>().unwrap_or_else(|_| self.unknown(detail)),
                        "amount": amount, "tax": tax, "location": place(&rest) }));
                }
                ["amount", amount] => adjustments
                    .push(json!({ "id": own, "reason": "adjusted", "amount": amount, "tax": tax })),
                [charge, amount] => adjustments.push(json!({ "id": own, "charge": charge,
                    "reason": "adjusted", "amount": amount, "tax": tax })),
                _ => self.unknown(detail),
            }
        }
        refund["lines"] = json!(lines);
        refund["adjustments"] = json!(adjustments);
        refund
    }

    fn units(&self, details: &[String]) -> Value {
        let unit = |detail: &String| {
            let (count, line) = detail.split_once(' ').unwrap_or_else(|| self.unknown(detail));
            json!({ "line": line, "quantity": count.parse::<i64>().expect("units") })
        };
        details.iter().map(unit).collect()
    }

    fn shipment(&mut self, id: &str, day: &str, rest: &[Vec<&str>], details: &[String]) -> Value {
        let status = rest.iter().find(|words| words.len() == 1);
        let status = status.map_or("succeeded", |words| words[0]);
        json!({ "id": id, "order": "1", "sequence": self.sequence(id, rest),
            "created_at": moment(day), "status": status, "location": place(rest),
            "lines": self.units(details) })
    }

    fn returned(
        &mut self,
        id: &str,
        status: &str,
        rest: &[Vec<&str>],
        details: &[String],
    ) -> Value {
        json!({ "id": id, "order": "1", "sequence": self.sequence(id, rest), "status": status,
            "lines": self.units(details) })
    }
}
