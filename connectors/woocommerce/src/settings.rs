//! What a connection to a shop must be told.

use trueup_connect::Setting;
use trueup_connect::watch::{DELIVERY_URL, KEEP};

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
        help: "The delivery URL that these webhooks have at the shop, so that those of others are not watched, and one that is missing is noticed; left out, every webhook about orders is watched as it stands.",
        required: false,
        secret: false,
    },
    Setting {
        name: KEEP,
        help: "yes: webhooks to the delivery URL that the shop switched off are switched on again; the key needs the permission Read/Write for it.",
        required: false,
        secret: false,
    },
];
