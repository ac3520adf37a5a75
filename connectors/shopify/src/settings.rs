//! What a connection to a shop must be told.

use trueup_connect::Setting;

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
];
