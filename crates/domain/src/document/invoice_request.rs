//! What a person decided about the invoice of one sale.

use serde::{Deserialize, Serialize};

use super::Version;

/// Somebody wants an invoice of their own for a sale that has none, or one of a customer whom many
/// share (`POSTING.md` P24).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceRequest {
    /// The channel's id of the order.
    pub id: String,
    /// How often it was asked for.
    pub version: Version,
    /// Whom it is made out to, where that is not the buyer as the channel states him.
    pub company: Option<String>,
    pub vat_number: Option<String>,
}

impl InvoiceRequest {
    pub const fn is_for_the_buyer(&self) -> bool {
        self.company.is_none() && self.vat_number.is_none()
    }
}
