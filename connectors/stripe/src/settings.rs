//! What a connection to Stripe must be told.

use trueup_connect::watch::{DELIVERY_URL, KEEP};
use trueup_connect::{Setting, Settings};

pub const ACCOUNT: &str = "account";
pub const WEBHOOKS: &str = "webhooks";

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "api_key",
        help: "A restricted key that may read charges, refunds, disputes, payouts, balance \
               transactions, the balance and events. Nothing is ever written.",
        required: true,
        secret: true,
    },
    Setting {
        name: "webhook_secret",
        help: "The signing secret of the webhook endpoint (`whsec_…`). While it is rolled, give \
               both; either is accepted.",
        required: false,
        secret: true,
    },
    Setting {
        name: ACCOUNT,
        help: "The connected account (`acct_…`) that requests are made for; only for a \
               platform's key.",
        required: false,
        secret: false,
    },
    Setting {
        name: DELIVERY_URL,
        help: "The address of our webhook endpoint, as it stands in Stripe. With it each hour is \
               looked whether an endpoint brings every event there; the key must be allowed to \
               read webhook endpoints.",
        required: false,
        secret: false,
    },
    Setting {
        name: KEEP,
        help: "`yes`: an endpoint at that address that is switched off, or lacks an event, is set \
               right again; the key must be allowed to write webhook endpoints. One that is gone \
               is told and not made, because of its secret.",
        required: false,
        secret: false,
    },
    Setting {
        name: WEBHOOKS,
        help: "`on` (as when left out): Stripe pushes events, and the `events` stream asks only \
               for those it could not deliver. `off`: nothing reaches us, and the stream asks for \
               all.",
        required: false,
        secret: false,
    },
];

/// The connected account, where the connection names one.
pub fn account(settings: &Settings) -> Option<&str> {
    settings.get(ACCOUNT).filter(|account| !account.is_empty())
}

/// Whether Stripe pushes events to us.
pub fn pushed(settings: &Settings) -> bool {
    settings.get(WEBHOOKS) != Some("off")
}
