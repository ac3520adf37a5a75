//! What a connection to a shop must be told.

use trueup_connect::{Setting, Settings};

/// The shop's permanent domain.
pub const SHOP: &str = "shop";

const DELIVERY_URL: &str = "delivery_url";
const KEEP_WEBHOOKS: &str = "keep_webhooks";

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: SHOP,
        help: "The shop's permanent domain, such as example.myshopify.com; webhooks of another shop are refused.",
        required: true,
        secret: false,
    },
    Setting {
        name: "access_token",
        help: "Admin API access token of the custom app; needs read_orders, read_returns, read_fulfillments and, for Shopify Payments, read_shopify_payments_payouts and read_shopify_payments_disputes. Without read_all_orders only the last 60 days of orders are visible.",
        required: true,
        secret: true,
    },
    Setting {
        name: "webhook_secret",
        help: "Client secret of the app, which signs its webhooks; two may be live while it is rotated, because Shopify may use the old one for up to an hour.",
        required: true,
        secret: true,
    },
    Setting {
        name: DELIVERY_URL,
        help: "Where the webhooks that this app made by the API are sent, so that one that Shopify removed is noticed; leave it out where webhooks stand in the configuration of the app, which Shopify keeps itself.",
        required: false,
        secret: false,
    },
    Setting {
        name: KEEP_WEBHOOKS,
        help: "yes: webhooks to the delivery URL that are missing are made anew.",
        required: false,
        secret: false,
    },
];

/// Where our webhooks are sent, where they are made by the API.
pub fn delivery_url(settings: &Settings) -> Option<&str> {
    settings.get(DELIVERY_URL)
}

/// Whether webhooks that are missing are made anew.
pub fn keeps_webhooks(settings: &Settings) -> bool {
    delivery_url(settings).is_some() && settings.get(KEEP_WEBHOOKS) == Some("yes")
}
