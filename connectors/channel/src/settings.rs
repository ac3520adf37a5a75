//! What a connection to a portal must be told.

use trueup_connect::{Setting, Settings};

pub const PULL: &str = "pull";

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "webhook_secret",
        help: "The secret that the portal signs with: `whsec_` and at least 24 random bytes in \
               base64. While it is replaced, give both; either is accepted.",
        required: true,
        secret: true,
    },
    Setting {
        name: PULL,
        help: "`on`: the portal serves `GET {url}/orders`, and what was never delivered is found \
               there. `off` (as when left out): nothing is asked.",
        required: false,
        secret: false,
    },
    Setting {
        name: "base_url",
        help: "Where the portal serves its orders; only with `settings.pull = \"on\"`.",
        required: false,
        secret: false,
    },
    Setting {
        name: "api_token",
        help: "Sent as `Authorization: Bearer …` when the portal is asked; only with \
               `settings.pull = \"on\"`.",
        required: false,
        secret: true,
    },
];

/// Whether the portal can be asked.
pub fn pulls(settings: &Settings) -> bool {
    settings.get(PULL) == Some("on")
}
