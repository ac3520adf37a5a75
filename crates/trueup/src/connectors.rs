//! Every connector in this build. A folder under `connectors/` that is missing here fails a test.

use trueup_connect::Connector;

pub static ALL: &[&Connector] = &[
    &trueup_amazon::CONNECTOR,
    &trueup_bank::CONNECTOR,
    &trueup_channel::CONNECTOR,
    &trueup_odoo::CONNECTOR,
    &trueup_odoo_pos::CONNECTOR,
    &trueup_shopify::CONNECTOR,
    &trueup_stripe::CONNECTOR,
    &trueup_woocommerce::CONNECTOR,
];

/// The contracts of our own that senders build against, as the server publishes them.
pub static SCHEMAS: &[(&str, &str)] = &[("channel/message.json", trueup_channel::MESSAGE_SCHEMA)];

pub fn find(name: &str) -> Option<&'static Connector> {
    ALL.iter().copied().find(|connector| connector.name == name)
}
