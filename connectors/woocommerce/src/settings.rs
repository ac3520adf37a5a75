//! What a connection to a shop must be told.

use trueup_connect::{Setting, Settings};

/// Where the shop sends the webhooks of this connection.
const DELIVERY_URL: &str = "delivery_url";

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "base_url",
        help: "Address of the shop as WordPress knows it (Settings, General, Site Address), with https: over plain http the shop refuses the key. Webhooks of another shop are refused.",
        required: true,
        secret: false,
    },
    Setting {
        name: "consumer_key",
        help: "Consumer key and consumer secret of a REST API key with the permission Read, of a user who may manage WooCommerce, as ck_…:cs_… in one text.",
        required: true,
        secret: true,
    },
    Setting {
        name: "webhook_secret",
        help: "Secret of the webhooks order.created, order.updated, order.deleted and order.restored; each of them has the same one. Two may be live while it is changed.",
        required: true,
        secret: true,
    },
    Setting {
        name: DELIVERY_URL,
        help: "The delivery URL that these webhooks have at the shop, so that those of others are not watched; left out, every webhook about orders is.",
        required: false,
        secret: false,
    },
];

/// Whether a webhook of the shop that is sent to `address` is one of ours.
pub fn is_ours(settings: &Settings, address: &str) -> bool {
    settings.get(DELIVERY_URL).is_none_or(|own| own == address)
}
