//! What the two shops sell, to whom, and what it comes to.

use rust_decimal::Decimal;
use trueup_domain::document::{Address, Buyer};
use trueup_shopify::sandbox::{NewLine, NewOrder, NewTax};

use crate::world::SHOP_US;

pub(super) struct Article {
    pub sku: &'static str,
    pub title: &'static str,
    /// In minor units of either shop's currency.
    pub price: i64,
    pub reduced_rate: bool,
}

/// The catalogue of both shops; the books know the same SKUs.
pub(super) const CATALOGUE: &[Article] = &[
    Article { sku: "TEE-S", title: "Tee, small", price: 1990, reduced_rate: false },
    Article { sku: "TEE-M", title: "Tee, medium", price: 1990, reduced_rate: false },
    Article { sku: "TEE-L", title: "Tee, large", price: 2199, reduced_rate: false },
    Article { sku: "HOODIE-M", title: "Hoodie, medium", price: 5499, reduced_rate: false },
    Article { sku: "HOODIE-L", title: "Hoodie, large", price: 5999, reduced_rate: false },
    Article { sku: "MUG-01", title: "Mug", price: 1250, reduced_rate: false },
    Article { sku: "CAP-01", title: "Cap", price: 2475, reduced_rate: false },
    Article { sku: "SOCKS-2", title: "Socks, two pairs", price: 999, reduced_rate: false },
    Article { sku: "BAG-CANVAS", title: "Canvas bag", price: 3333, reduced_rate: false },
    Article { sku: "POSTER-A2", title: "Poster A2", price: 1795, reduced_rate: true },
];

/// A tax of a place by its title, in ten-thousandths.
type LocalTax = (&'static str, i64);

/// States with a city and the taxes that a buyer there pays.
pub(super) const STATES: &[(&str, &str, &[LocalTax])] = &[
    ("NY", "New York", &[("New York State Tax", 400), ("New York City Tax", 450)]),
    ("CA", "Los Angeles", &[("California State Tax", 725), ("Los Angeles County Tax", 225)]),
    ("TX", "Austin", &[("Texas State Tax", 625), ("Austin City Tax", 200)]),
    ("WA", "Seattle", &[("Washington State Tax", 650), ("Seattle City Tax", 385)]),
    ("FL", "Miami", &[("Florida State Tax", 600)]),
];

pub(super) fn taxes(shop: &str, local: &[LocalTax], reduced: bool) -> Vec<NewTax> {
    if shop == SHOP_US {
        return local
            .iter()
            .map(|(title, rate)| NewTax::by_rate(*title, Decimal::new(*rate, 4)))
            .collect();
    }
    let rate = if reduced { Decimal::new(7, 2) } else { Decimal::new(19, 2) };
    vec![NewTax::by_rate("VAT", rate)]
}

fn tax_of(net: i64, taxes: &[NewTax], included: bool) -> i64 {
    if included {
        return 0;
    }
    let one = |tax: &NewTax| {
        let exact = Decimal::from(net) * tax.rate;
        let rounded =
            exact.round_dp_with_strategy(0, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
        i64::try_from(rounded.mantissa()).unwrap_or(0)
    };
    taxes.iter().map(one).sum()
}

pub(super) fn line_total(line: &NewLine, included: bool) -> i64 {
    let net = line.unit * line.quantity - line.discount;
    net + tax_of(net, &line.taxes, included)
}

/// What an order comes to without its gift cards, as the shop computes it: what comes back when it is
/// given back whole.
pub(super) fn order_total(order: &NewOrder, included: bool) -> i64 {
    let lines: i64 = order
        .lines
        .iter()
        .filter(|line| !line.gift_card)
        .map(|line| line_total(line, included))
        .sum();
    let shipping = order.shipping.as_ref().map_or(0, |shipping| {
        let net = shipping.price - shipping.discount;
        net + tax_of(net, &shipping.taxes, included)
    });
    lines + shipping
}

pub(super) fn buyer_us(number: u64, state: &str, city: &str) -> Buyer {
    let address = Address {
        name: Some(format!("Casey Doe {number}")),
        street: Some(format!("{number} Example Street")),
        city: Some(city.to_owned()),
        postcode: Some("10001".to_owned()),
        region: Some(state.to_owned()),
        country: Some("US".to_owned()),
        ..Address::default()
    };
    Buyer {
        // One customer per place: the tax follows the address.
        id: Some(format!("{}{number:04}", state.bytes().map(u64::from).sum::<u64>())),
        name: Some(format!("Casey Doe {number}")),
        email: Some(format!("casey{number}.{}@example.com", state.to_lowercase())),
        billing: Some(address.clone()),
        shipping: Some(address),
        ..Buyer::default()
    }
}

pub(super) fn buyer_eu(number: u64) -> Buyer {
    let address = Address {
        name: Some(format!("Robin Muster {number}")),
        street: Some(format!("Beispielstraße {number}")),
        city: Some("Berlin".to_owned()),
        postcode: Some("10115".to_owned()),
        country: Some("DE".to_owned()),
        ..Address::default()
    };
    Buyer {
        id: Some(format!("77{number:04}")),
        name: Some(format!("Robin Muster {number}")),
        email: Some(format!("robin{number}@example.com")),
        billing: Some(address.clone()),
        shipping: Some(address),
        ..Buyer::default()
    }
}
