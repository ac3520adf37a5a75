//! The key of an effect, as Odoo keeps it: an external id that commits with the record.
//!
//! The module is no module of Odoo's: records of a module that is upgraded lose external ids that
//! the upgrade does not know, and with them the records.

use sha2::{Digest, Sha256};
use trueup_domain::command::CommandKind;

pub const MODULE: &str = "trueup_hub";

/// `trueup_hub.<kind>_<32 hex digits of SHA-256(effect key)>`.
pub fn of(kind: CommandKind, effect_key: &str) -> String {
    let digest = hex::encode(Sha256::digest(effect_key.as_bytes()));
    let short: String = digest.chars().take(32).collect();
    format!("{MODULE}.{}_{short}", kind.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_id_is_a_function_of_kind_and_key() {
        let id = of(CommandKind::Order, "test/sale/1001/order/1");
        assert_eq!(id, of(CommandKind::Order, "test/sale/1001/order/1"));
        assert_eq!(id.len(), "trueup_hub.order_".len() + 32);
        assert_ne!(id, of(CommandKind::Order, "test/sale/1001/order/2"));
        assert_ne!(id, of(CommandKind::Invoice, "test/sale/1001/order/1"));
    }
}
