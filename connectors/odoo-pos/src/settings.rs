//! What a connection to a point of sale must be told.

use trueup_connect::{Setting, Settings};

const DATABASE: &str = "database";
const COMPANY: &str = "company";

pub static ALL: &[Setting] = &[
    Setting {
        name: "base_url",
        help: "Address of the Odoo server, such as https://books.example.com",
        required: true,
        secret: false,
    },
    Setting {
        name: DATABASE,
        help: "Database, where the server has several",
        required: false,
        secret: false,
    },
    Setting {
        name: COMPANY,
        help: "Id of the company whose registers are read; `1` where nothing is said",
        required: false,
        secret: false,
    },
    Setting {
        name: "api_key",
        help: "API key of the hub's own user, who needs the group Point of Sale: User beside those \
               for the books; not an administrator's",
        required: true,
        secret: true,
    },
];

pub fn database(settings: &Settings) -> Option<&str> {
    settings.get(DATABASE)
}

pub fn company(settings: &Settings) -> i64 {
    settings.get(COMPANY).and_then(|id| id.parse().ok()).unwrap_or(1)
}
