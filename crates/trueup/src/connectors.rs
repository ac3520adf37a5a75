//! Every connector in this build. A folder under `connectors/` that is missing here fails a test.

use trueup_connect::Connector;

pub static ALL: &[&Connector] = &[
    &trueup_amazon::CONNECTOR,
    &trueup_bank::CONNECTOR,
    &trueup_odoo::CONNECTOR,
    &trueup_shopify::CONNECTOR,
    &trueup_stripe::CONNECTOR,
];

pub fn find(name: &str) -> Option<&'static Connector> {
    ALL.iter().copied().find(|connector| connector.name == name)
}
