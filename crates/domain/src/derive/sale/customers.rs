//! Whom the documents of a sale name: the customer of the order, where its goods go, and whom it is
//! invoiced to.

use super::Sale;
use crate::command::{Content, CustomerRef, Partner};
use crate::derive::{Break, Shared};
use crate::document::{Address, Buyer, Order};
use crate::fact::{After, Command, FactKey};
use crate::key;
use crate::mapping::{CustomerPolicy, Mapping};

/// The role in which an order needs the address that it goes to.
pub const DELIVERY: &str = "delivery";

/// Addresses that differ only in spaces or letter case are one.
fn address_hash(address: &Address) -> String {
    let parts = [
        &address.name,
        &address.company,
        &address.street,
        &address.street2,
        &address.city,
        &address.postcode,
        &address.region,
        &address.country,
        &address.phone,
    ];
    let plain = parts.map(|part| {
        let words: Vec<&str> = part.as_deref().unwrap_or_default().split_whitespace().collect();
        words.join(" ").to_lowercase()
    });
    key::id(&plain.each_ref().map(String::as_str))
}

/// The customer of the books that a document names.
pub(super) struct Customer {
    pub(super) reference: CustomerRef,
    root: Option<String>,
}

impl Customer {
    pub(super) fn after(&self) -> Vec<After> {
        let shared = self.root.clone().map(|root| After {
            role: "customer".to_owned(),
            fact: FactKey::new("customer", "1"),
            root: Some(root),
        });
        shared.into_iter().collect()
    }
}

impl Sale<'_> {
    /// Where the goods go: an address of its own below the customer, made once however often it is
    /// written, and never changed, because documents name it. None where nothing is sent.
    pub(super) fn delivery(
        &mut self,
        order: &Order,
        mapping: &Mapping,
        customer: &Customer,
    ) -> Option<After> {
        let buyer = order.buyer.as_ref();
        let Some((buyer, address)) = buyer.and_then(|it| Some((it, it.shipping.as_ref()?))) else {
            // The order in the books keeps the address that it names.
            return self.around.address.flatten().cloned();
        };
        let said = [&address.street, &address.city, &address.postcode];
        let is_sent = order.lines.iter().any(|line| line.requires_shipping);
        if !mapping.delivery_addresses || !is_sent || said.into_iter().all(Option::is_none) {
            return None;
        }
        let root =
            customer.root.clone().unwrap_or_else(|| format!("{}/guests", self.around.connection));
        let key = FactKey::new("address", address_hash(address));
        let named = address.name.clone().or_else(|| buyer.name.clone());
        let command = Command {
            target: mapping.target.clone(),
            content: Content::Partner(Partner {
                company: mapping.company.clone(),
                reference: String::new(),
                buyer: Buyer {
                    name: named,
                    phone: address.phone.clone(),
                    company: address.company.clone(),
                    shipping: Some(address.clone()),
                    ..Buyer::default()
                },
                address_of: Some(customer.reference.clone()),
            }),
            after: customer.after(),
            states: None,
        };
        let after =
            After { role: DELIVERY.to_owned(), fact: key.clone(), root: Some(root.clone()) };
        self.derived.shared.push(Shared { root, key, command });
        let Some(named) = self.around.address else { return Some(after) };
        if named.is_some_and(|named| *named != after) {
            self.derived.breaks.push(Break {
                kind: "address_changed",
                title: format!("{} goes to another address now", order.number),
                detail: "the order in the books names the address that the channel stated first"
                    .to_owned(),
                remedy: "choose the new delivery address in the books if the goods have not left, \
                         then accept the case as done",
                amount: None,
                owner: "operator",
            });
        }
        named.cloned()
    }

    /// Whose the invoices, credit notes and payments are: of whoever asked for an invoice, else of the
    /// customer whom the order names.
    pub(super) fn invoiced(&mut self, order: &Order, mapping: &Mapping) -> Customer {
        let Some(asked) = self.asked else { return self.customer(order, mapping) };
        let mut buyer = order.buyer.clone().unwrap_or_default();
        let id = match buyer.id.clone() {
            Some(id) if asked.is_for_the_buyer() => id,
            // What was made of a customer stays: whom another request names is another one.
            _ if asked.version.0 > 0 => format!("invoice/{}/{}", order.id, asked.version.0),
            _ => format!("invoice/{}", order.id),
        };
        if let Some(company) = &asked.company {
            // A company is not the person who bought for it, whom the books may know.
            let of = |place: Address| Address { name: None, company: None, phone: None, ..place };
            buyer = Buyer {
                company: Some(company.clone()),
                vat_number: buyer.vat_number,
                billing: buyer.billing.map(of),
                shipping: buyer.shipping.map(of),
                ..Buyer::default()
            };
        }
        buyer.vat_number = asked.vat_number.clone().or(buyer.vat_number);
        self.own(&id, buyer, mapping)
    }

    pub(super) fn customer(&mut self, order: &Order, mapping: &Mapping) -> Customer {
        let buyer = order.buyer.as_ref();
        let (id, guests) = match &mapping.customers {
            CustomerPolicy::One(fixed) => (None, fixed),
            CustomerPolicy::PerBuyer { guests } => {
                (buyer.and_then(|buyer| buyer.id.as_deref()), guests)
            }
        };
        let (Some(id), Some(buyer)) = (id, buyer) else {
            // Whom the channel has forgotten since stays who he was in what is written already.
            if let Some(named) = self.around.customer {
                return Customer { reference: CustomerRef::Bound, root: named.root.clone() };
            }
            return Customer { reference: CustomerRef::Fixed(guests.clone()), root: None };
        };
        self.own(id, buyer.clone(), mapping)
    }

    /// A customer of its own, whom the channel calls so.
    fn own(&mut self, id: &str, buyer: Buyer, mapping: &Mapping) -> Customer {
        let root = format!("{}/customer/{id}", self.around.connection);
        let command = Command {
            target: mapping.target.clone(),
            content: Content::Partner(Partner {
                company: mapping.company.clone(),
                reference: format!("{}/{id}", self.around.connection),
                buyer,
                address_of: None,
            }),
            after: Vec::new(),
            states: None,
        };
        let key = FactKey::new("customer", "1");
        if !self.derived.shared.iter().any(|shared| shared.root == root) {
            self.derived.shared.push(Shared { root: root.clone(), key, command });
        }
        Customer { reference: CustomerRef::Bound, root: Some(root) }
    }
}
