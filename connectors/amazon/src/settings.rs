//! What a connection to Amazon must be told.

use trueup_connect::{Setting, Settings};

pub const CLIENT_ID: &str = "client_id";
pub const MARKETPLACES: &str = "marketplaces";
pub const QUEUE_URL: &str = "queue_url";
const PERSONS: &str = "persons";

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "base_url",
        help: "The endpoint of your region: https://sellingpartnerapi-na.amazon.com, -eu or -fe.",
        required: true,
        secret: false,
    },
    Setting {
        name: "credentials",
        help: "The client secret and the refresh token of your application, divided by a blank; \
               where a queue is read, behind them the id and the secret of its access key. The \
               application needs the roles for orders and for finance and accounting.",
        required: true,
        secret: true,
    },
    Setting {
        name: CLIENT_ID,
        help: "The client id of your application at Amazon (`amzn1.application-oa2-client.…`).",
        required: true,
        secret: false,
    },
    Setting {
        name: MARKETPLACES,
        help: "The ids of the marketplaces whose orders are read, divided by commas; all if left \
               out.",
        required: false,
        secret: false,
    },
    Setting {
        name: QUEUE_URL,
        help: "The address of the queue (Amazon SQS, a standard one) to which Amazon sends \
               `ORDER_CHANGE`: orders are known within a minute. Left out, they are only swept. Its \
               key must be allowed to receive and to delete messages.",
        required: false,
        secret: false,
    },
    Setting {
        name: PERSONS,
        help: "`on` (as when left out): names and addresses are read too, for which the \
               application needs the role. `off`: they are left out, and taxes cannot be chosen \
               by place.",
        required: false,
        secret: false,
    },
];

/// Whether buyers and addresses are asked for.
pub fn persons(settings: &Settings) -> bool {
    settings.get(PERSONS) != Some("off")
}
