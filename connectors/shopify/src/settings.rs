//! What a connection to a shop must be told.

use trueup_connect::Setting;
use trueup_connect::watch::{DELIVERY_URL, KEEP};

/// The shop's permanent domain.
pub const SHOP: &str = "shop";

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: SHOP,
        help: "The shop's permanent domain, such as example.myshopify.com; webhooks of another shop are refused.",
        required: true,
        secret: false,
    },
    Setting {
        name: "access_token",
        help: "Admin API access token of the custom app; needs read_orders, read_returns, read_fulfillments, read_locations and, for Shopify Payments, read_shopify_payments_payouts and read_shopify_payments_disputes. Without read_all_orders only the last 60 days of orders are visible.",
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
        name: KEEP,
        help: "yes: webhooks to the delivery URL that are missing are made anew.",
        required: false,
        secret: false,
    },
];
