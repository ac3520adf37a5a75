//! What a source's words mean in the books of one entity: accounts, journals, products, taxes.
//!
//! A mapping is immutable and has a version; every fact pins the version it was derived with.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::command::TargetRef;
use crate::document::{Remitter, Tender};
use crate::journal::Role;
use crate::money::Currency;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// In a file that is to be approved: the version that it was made from; 0 where it was made anew.
    pub version: i64,
    /// The entity whose books these are.
    pub entity: String,
    /// The connection that holds them.
    pub target: String,
    pub company: TargetRef,
    pub currency: Currency,
    /// IANA name; the business date of a moment is its date there.
    pub time_zone: String,
    pub sales_journal: TargetRef,
    /// The general journal for entries of our own (`TRUP`).
    pub entry_journal: TargetRef,
    pub pricelist: Option<TargetRef>,
    /// Of orders in a currency that is not that of the books, by its code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pricelists: BTreeMap<String, TargetRef>,
    pub warehouse: Option<TargetRef>,
    pub customers: CustomerPolicy,
    /// A mapping that does not say leaves stock alone.
    #[serde(default)]
    pub goods: GoodsPolicy,
    /// The location of the books that goods leave and come back to, where they move by the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<TargetRef>,
    /// Where the channel has several, the location of the books for each of its own words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub locations: BTreeMap<String, TargetRef>,
    /// A mapping that does not say invoices on the day of the order.
    #[serde(default)]
    pub invoices: InvoicePolicy,
    /// An order names where it goes to. A mapping that does not say leaves the address of the
    /// customer.
    #[serde(default)]
    pub delivery_addresses: bool,
    /// Accounts by role, and by role and qualifier as `role/qualifier`.
    pub accounts: BTreeMap<String, TargetRef>,
    /// The channel's gateway words.
    pub gateways: BTreeMap<String, Gateway>,
    /// The source's SKUs.
    pub products: BTreeMap<String, TargetRef>,
    /// SKUs under which the source sells several products together.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bundles: BTreeMap<String, Vec<Component>>,
    /// Products for what is no SKU: `shipping`, `discount`, `tip`, `gift_card`, `duty`,
    /// `gift_wrap`, `fee`, `cash_rounding`.
    pub service_products: BTreeMap<String, TargetRef>,
    pub taxes: Vec<TaxRule>,
}

/// One of the products of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// A SKU of `products`.
    pub sku: String,
    /// In one unit of the bundle.
    pub units: NonZeroU32,
    /// What one unit costs where it is sold alone, in minor units. Only proportions count: each
    /// component has the share of the bundle's price that `units × price` has of their sum
    /// (IFRS 15.76). Where all are zero, components share alike.
    #[serde(default)]
    pub price: u64,
}

impl Component {
    /// Of its share in the bundle's amounts.
    pub(crate) fn weight(&self) -> i64 {
        let weight = u64::from(self.units.get()).saturating_mul(self.price);
        i64::try_from(weight).unwrap_or(i64::MAX)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerPolicy {
    /// One customer of the books for each buyer; guests share `guests`.
    PerBuyer { guests: TargetRef },
    /// One customer for the whole connection.
    One(TargetRef),
}

/// Who says in the books that goods left and came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoodsPolicy {
    /// The books' own warehouse: what it plans, people or another program carry out there.
    #[default]
    Books,
    /// The channel: its fulfilments and returned units are carried out in the books.
    Channel,
    /// The channel, in one transfer of the books for each day and location. Only for sales that go
    /// into the books within a sum: the order of any other plans a delivery of its own.
    Day,
}

impl GoodsPolicy {
    pub const ALL: &[Self] = &[Self::Books, Self::Channel, Self::Day];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Books => "books",
            Self::Channel => "channel",
            Self::Day => "day",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|policy| policy.word() == word)
    }
}

/// When a sale is invoiced (`POSTING.md` P12, P23).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoicePolicy {
    /// On the day of the order, whole.
    #[default]
    Order,
    /// As goods leave: each shipment has an invoice of its own, of what it holds.
    Shipment,
    /// On the day of the first money, whole.
    Capture,
}

impl InvoicePolicy {
    pub const ALL: &[Self] = &[Self::Order, Self::Shipment, Self::Capture];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Shipment => "shipment",
            Self::Capture => "capture",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|policy| policy.word() == word)
    }
}

/// Where a gateway's money is: whose ledger states it, and which journal clears it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// Overrides what the channel says about the nature of the tender.
    pub tender: Option<Tender>,
    /// The connection whose ledger rows state this gateway's money; none for gift cards and bank
    /// transfers.
    pub provider: Option<String>,
    pub journal: TargetRef,
    pub inbound_line: TargetRef,
    pub outbound_line: TargetRef,
}

/// Chooses a tax of the books. The first rule that fits wins; a field that is `None` fits all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxRule {
    pub title: Option<String>,
    /// ISO 3166-2, of the place the goods go to, such as `US-NY` or `DE`.
    pub jurisdiction: Option<String>,
    pub rate: Option<Decimal>,
    pub included: bool,
    pub remitted_by: Remitter,
    /// What it is in a tax return; without it, [`Regime::usual`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regime: Option<Regime>,
    pub target: TargetRef,
}

impl TaxRule {
    pub fn regime(&self) -> Regime {
        self.regime.unwrap_or_else(|| Regime::usual(self.remitted_by))
    }
}

macro_rules! regimes {
    ($($(#[$doc:meta])* $regime:ident = $word:literal;)*) => {
        /// Under which rules of tax a supply falls (`POSTING.md` P14).
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Regime { $($(#[$doc])* $regime,)* }

        impl Regime {
            pub const ALL: &[Self] = &[$(Self::$regime,)*];

            pub const fn word(self) -> &'static str {
                match self { $(Self::$regime => $word,)* }
            }
        }
    };
}

regimes! {
    Domestic = "domestic";
    EuOss = "eu_oss";
    Ioss = "ioss";
    Import = "import";
    Export = "export";
    /// A supply to a business in another country of the EU, who accounts for the tax.
    ReverseCharge = "reverse_charge";
    Exempt = "exempt";
    /// The marketplace remits the tax; the sale is ours.
    MarketplaceRemitted = "marketplace_remitted";
    /// In law a supply to the marketplace.
    DeemedSupplier = "deemed_supplier";
    /// The channel states no tax at all. No rule of a mapping is chosen for it.
    Untaxed = "untaxed";
}

impl Regime {
    /// What a rule means that names no regime.
    pub const fn usual(remitted_by: Remitter) -> Self {
        match remitted_by {
            Remitter::Merchant => Self::Domestic,
            Remitter::Marketplace => Self::MarketplaceRemitted,
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|regime| regime.word() == word)
    }
}

/// What is missing in a mapping; the sale waits for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Missing {
    #[error("the SKU `{0}` has no product")]
    Product(String),
    /// Nobody guesses that they are one: a person maps the SKU, or corrects it at the source.
    #[error("the SKU `{sku}` has no product; `{near}` has one and looks like it")]
    ProductAlike { sku: String, near: String },
    #[error("a line without SKU (`{0}`) has no product")]
    LineWithoutSku(String),
    #[error("there is no product for {0}")]
    ServiceProduct(String),
    #[error("the location `{0}` is none of the books")]
    Location(String),
    #[error("no location of the books is named for goods that leave")]
    NoLocation,
    #[error("the tax `{title}` at {rate} has no tax in the books")]
    Tax { title: String, rate: String },
    #[error("the gateway `{0}` has no journal")]
    Gateway(String),
    #[error("the role {0} has no account")]
    Account(String),
    #[error("the gateways of `{0}` clear on several accounts, and its ledger has one balance")]
    OneClearing(String),
}

impl Mapping {
    pub fn product(&self, sku: Option<&str>, title: &str) -> Result<TargetRef, Missing> {
        match sku {
            Some(sku) => {
                let found = self.products.get(sku).cloned();
                found.ok_or_else(|| self.no_product(sku))
            }
            None => Err(Missing::LineWithoutSku(title.to_owned())),
        }
    }

    fn no_product(&self, sku: &str) -> Missing {
        let seen = look_of(sku);
        let near = self.products.keys().find(|known| look_of(known) == seen);
        let sku = sku.to_owned();
        match near {
            Some(near) => Missing::ProductAlike { sku, near: near.clone() },
            None => Missing::Product(sku),
        }
    }

    /// The components of a SKU; none where it is a product of its own.
    pub fn bundle(&self, sku: Option<&str>) -> &[Component] {
        sku.and_then(|sku| self.bundles.get(sku)).map_or(&[], Vec::as_slice)
    }

    /// The location of the books behind the source's word. Where none of its words is mapped, it has
    /// one location.
    pub fn location(&self, word: Option<&str>) -> Result<TargetRef, Missing> {
        match word.filter(|_| !self.locations.is_empty()) {
            Some(word) => {
                let found = self.locations.get(word).cloned();
                found.ok_or_else(|| Missing::Location(word.to_owned()))
            }
            None => self.location.clone().ok_or(Missing::NoLocation),
        }
    }

    pub fn service_product(&self, word: &str) -> Result<TargetRef, Missing> {
        let found = self.service_products.get(word).cloned();
        found.ok_or_else(|| Missing::ServiceProduct(word.to_owned()))
    }

    /// The price list of orders in a currency. The target refuses an order on one in another currency.
    pub fn pricelist_in(&self, currency: Currency) -> Option<&TargetRef> {
        self.pricelists.get(currency.code()).or(self.pricelist.as_ref())
    }

    pub fn gateway(&self, word: &str) -> Result<&Gateway, Missing> {
        self.gateways.get(word).ok_or_else(|| Missing::Gateway(word.to_owned()))
    }

    pub fn account(&self, role: Role, qualifier: Option<&str>) -> Result<TargetRef, Missing> {
        let exact = qualifier.map(|qualifier| format!("{}/{qualifier}", role.word()));
        let found = exact.and_then(|key| self.accounts.get(&key));
        let found = found.or_else(|| self.accounts.get(role.word())).cloned();
        found.ok_or_else(|| Missing::Account(role.word().to_owned()))
    }

    /// The account between capture and payout of what a sub-ledger row of clearing names: a provider,
    /// or the channel's own word for a gateway without one. What a provider converts into another
    /// currency may have an account for that (`clearing/<word>/<currency>`).
    pub fn clearing_account(&self, of: &str, currency: Currency) -> Result<TargetRef, Missing> {
        let mut words = self.gateways.iter().filter_map(|(word, gateway)| {
            (gateway.provider.as_deref().unwrap_or(word) == of).then_some(word.as_str())
        });
        let own = words.find_map(|word| self.clearing_of_word(word, currency));
        own.cloned().map_or_else(|| self.account(Role::Clearing, Some(of)), Ok)
    }

    /// The account on which all gateways of a provider clear: what its ledger says has one balance.
    pub fn ledger_account(&self, of: &str, currency: Currency) -> Result<TargetRef, Missing> {
        let words = self
            .gateways
            .iter()
            .filter(|(word, gateway)| gateway.provider.as_deref().unwrap_or(word.as_str()) == of);
        let own = words.filter_map(|(word, _)| self.clearing_of_word(word, currency));
        if own.collect::<BTreeSet<_>>().len() > 1 {
            return Err(Missing::OneClearing(of.to_owned()));
        }
        self.clearing_account(of, currency)
    }

    /// What entries of a provider's ledger usually need and this mapping lacks.
    pub fn missing_of_ledger(&self, of: &str, currency: Currency) -> Vec<Missing> {
        const ROLES: [Role; 8] = [
            Role::InTransit,
            Role::ProcessingFees,
            Role::OtherFees,
            Role::ReserveHeld,
            Role::DisputesReceivable,
            Role::ChargebackCost,
            Role::Adjustments,
            Role::Fx,
        ];
        let roles = ROLES.iter().map(|role| self.account(*role, Some(of)));
        let clearing = [self.ledger_account(of, currency)].into_iter();
        clearing.chain(roles).filter_map(Result::err).collect()
    }

    fn clearing_of_word(&self, word: &str, currency: Currency) -> Option<&TargetRef> {
        let own = format!("{}/{word}", Role::Clearing.word());
        let of_currency = self.accounts.get(&format!("{own}/{}", currency.code()));
        of_currency.or_else(|| self.accounts.get(&own))
    }

    /// It says where the money of a provider's connection stands.
    pub fn names_provider(&self, connection: &str) -> bool {
        self.gateways.values().any(|gateway| gateway.provider.as_deref() == Some(connection))
    }

    pub fn tax(
        &self,
        title: &str,
        jurisdiction: Option<&str>,
        rate: Decimal,
        included: bool,
        remitted_by: Remitter,
    ) -> Result<TargetRef, Missing> {
        let rule = self.tax_rule(title, jurisdiction, rate, included, remitted_by);
        let found = rule.map(|rule| rule.target.clone());
        found.ok_or_else(|| Missing::Tax { title: title.to_owned(), rate: rate.to_string() })
    }

    /// The rule that chooses the tax of the books.
    pub fn tax_rule(
        &self,
        title: &str,
        jurisdiction: Option<&str>,
        rate: Decimal,
        included: bool,
        remitted_by: Remitter,
    ) -> Option<&TaxRule> {
        let fits = |rule: &&TaxRule| {
            rule.included == included
                && rule.remitted_by == remitted_by
                && rule.title.as_deref().is_none_or(|own| own == title)
                && rule.rate.is_none_or(|own| own == rate)
                && rule.jurisdiction.as_deref().is_none_or(|own| Some(own) == jurisdiction)
        };
        self.taxes.iter().find(fits)
    }
}

/// A SKU as the eye sees it: without letter case, spaces and what is not visible, and with what looks
/// like a letter, digit or dash of ASCII as that.
fn look_of(sku: &str) -> String {
    const GREEK_AND_CYRILLIC: [(&str, char); 17] = [
        ("αа", 'a'),
        ("βв", 'b'),
        ("с", 'c'),
        ("εе", 'e'),
        ("ηн", 'h'),
        ("ιі", 'i'),
        ("ј", 'j'),
        ("κк", 'k'),
        ("μм", 'm'),
        ("ν", 'n'),
        ("οо", 'o'),
        ("ρр", 'p'),
        ("ѕ", 's'),
        ("τт", 't'),
        ("χх", 'x'),
        ("υу", 'y'),
        ("ζ", 'z'),
    ];
    let letters = sku.chars().flat_map(char::to_lowercase);
    let seen = letters.filter_map(|letter| match letter {
        // Zero-width characters, the soft hyphen, marks of direction.
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}' => {
            None
        }
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some('-'),
        // The forms of full width stand in the order of ASCII.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(letter) - 0xfee0),
        _ if letter.is_whitespace() => None,
        _ => {
            let mut pairs = GREEK_AND_CYRILLIC.iter();
            let alike = pairs.find(|(letters, _)| letters.contains(letter));
            Some(alike.map_or(letter, |(_, ascii)| *ascii))
        }
    });
    seen.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d15_what_only_looks_like_a_known_sku_is_another_and_named_with_it() {
        for alike in [
            "tee-s",
            "TEE-S ",
            "TEE\u{200b}-S",
            "TEE\u{2011}S",
            "ТЕЕ-S",
            "ＴＥＥ－Ｓ",
            "\u{202d}TEE-S\u{202c}",
        ] {
            assert_ne!(alike, "TEE-S");
            assert_eq!(look_of(alike), look_of("TEE-S"), "{alike:?}");
        }
        for other in ["TEE-M", "TEE_S", "TEE-S2", "TEES", ""] {
            assert_ne!(look_of(other), look_of("TEE-S"), "{other}");
        }
    }
}
