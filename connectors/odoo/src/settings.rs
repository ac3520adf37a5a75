//! What a connection to Odoo must be told.

use trueup_connect::Setting;

pub const DATABASE: &str = "database";
pub const COMPANIES: &str = "companies";
pub const SHIPPING_FLAG: &str = "shipping_flag";
pub const BANK_JOURNALS: &str = "bank_journals";
pub const FIND_CUSTOMERS: &str = "find_customers";
pub const FINGERPRINT: &str = "fingerprint";

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
        name: COMPANIES,
        help: "Ids of the companies to read, such as `1,2`; `1` where nothing is said",
        required: false,
        secret: false,
    },
    Setting {
        name: SHIPPING_FLAG,
        help: "`yes` if the module `delivery` is installed: shipping lines are marked as such",
        required: false,
        secret: false,
    },
    Setting {
        name: BANK_JOURNALS,
        help: "Ids of the journals whose statement lines are the bank side, such as `7,12`. Each \
               bank account has one source: leave out those whose files are handed in",
        required: false,
        secret: false,
    },
    Setting {
        name: FIND_CUSTOMERS,
        help: "By what a buyer is found among the customers that Odoo has: `vat, email, phone, \
               company` where nothing is said, `none` makes every buyer anew",
        required: false,
        secret: false,
    },
    Setting {
        name: FINGERPRINT,
        help: "What `trueup odoo setup` calls the database: another one under this address gets \
               nothing, at the start and while Trueup runs",
        required: false,
        secret: false,
    },
    Setting {
        name: "api_key",
        help: "API key of the hub's own user; not an administrator's",
        required: true,
        secret: true,
    },
];
