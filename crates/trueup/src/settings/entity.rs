//! A legal entity as it stands in the file: its taxes, gateways and bundles.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use jiff::tz::TimeZone;
use serde::Deserialize;
use toml::Spanned;
use trueup_domain::document::{Remitter, Tender};
use trueup_domain::mapping::{Component, GoodsPolicy};
use trueup_domain::money::{Currency, Money};

use super::{Entity, Gateway, Mistake, Tax, Word, decimal, invoice_policy, is_name};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntitySection {
    currency: Spanned<String>,
    time_zone: Spanned<String>,
    company: Option<Spanned<Word>>,
    one_customer: Option<bool>,
    goods: Option<Spanned<String>>,
    invoices: Option<Spanned<String>>,
    #[serde(default)]
    tax: Vec<TaxSection>,
    #[serde(default)]
    gateway: Vec<GatewaySection>,
    #[serde(default)]
    bundle: Vec<BundleSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BundleSection {
    sku: Spanned<String>,
    components: Vec<ComponentSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ComponentSection {
    sku: String,
    units: NonZeroU32,
    price: Spanned<Word>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GatewaySection {
    word: Spanned<String>,
    title: Option<String>,
    tender: Option<Spanned<String>>,
    provider: Option<Spanned<String>>,
    currency: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaxSection {
    key: Spanned<String>,
    name: String,
    percent: Spanned<Word>,
    included: bool,
    title: Option<String>,
    jurisdiction: Option<String>,
    rate: Option<Spanned<Word>>,
    remitted_by: Option<Spanned<String>>,
}

impl EntitySection {
    /// The connections that its gateways name.
    pub(super) fn providers(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.gateway.iter().filter_map(|gateway| gateway.provider.as_ref())
    }

    pub(super) fn check(self) -> Result<Entity, Mistake> {
        let currency = Currency::parse(self.currency.as_ref()).map_err(|error| {
            Mistake::at(
                &self.currency,
                error.to_string(),
                "write an ISO 4217 code, such as \"EUR\"",
            )
        })?;
        if TimeZone::get(self.time_zone.as_ref()).is_err() {
            return Err(Mistake::at(
                &self.time_zone,
                format!("`{}` is no time zone", self.time_zone.as_ref()),
                "write an IANA name, such as \"Europe/Berlin\"; it decides business dates",
            ));
        }
        if let Some(company) = &self.company
            && company.as_ref().0.parse::<u32>().is_err()
        {
            let what = format!("`{}` is no id of a company", company.as_ref().0);
            let remedy = "write the number that the books give the company, such as 1";
            return Err(Mistake::at(company, what, remedy));
        }
        let goods = match &self.goods {
            None => GoodsPolicy::default(),
            Some(word) => match word.as_ref().as_str() {
                "books" => GoodsPolicy::Books,
                "channel" => GoodsPolicy::Channel,
                "day" => {
                    let what = "only the goods of sales that are summed up move by the day";
                    let remedy = "write `goods = \"day\"` for a connection with `posting`";
                    return Err(Mistake::at(word, what, remedy));
                }
                other => {
                    let what = format!("`{other}` does not say who moves goods");
                    let remedy = "write \"books\" or \"channel\"";
                    return Err(Mistake::at(word, what, remedy));
                }
            },
        };
        let invoices = invoice_policy(self.invoices.as_ref())?.unwrap_or_default();
        let mut keys = BTreeSet::new();
        let mut taxes = Vec::new();
        for tax in self.tax {
            if !is_name(tax.key.as_ref()) || !keys.insert(tax.key.as_ref().clone()) {
                let what = format!("`{}` is no key of its own for a tax", tax.key.as_ref());
                let remedy = "give each tax of an entity another key of letters, digits and `_`";
                return Err(Mistake::at(&tax.key, what, remedy));
            }
            taxes.push(tax.check()?);
        }
        let mut words = BTreeSet::new();
        let mut gateways = Vec::new();
        for gateway in self.gateway {
            if gateway.word.as_ref().is_empty() || !words.insert(gateway.word.as_ref().clone()) {
                let what = format!("`{}` is no gateway of its own", gateway.word.as_ref());
                let remedy = "write each of the channel's words once, as the channel writes it";
                return Err(Mistake::at(&gateway.word, what, remedy));
            }
            gateways.push(gateway.check()?);
        }
        let mut bundles = BTreeMap::new();
        for bundle in self.bundle {
            let sku = bundle.sku.as_ref().clone();
            if bundle.components.is_empty() || bundles.contains_key(&sku) {
                let what = format!("`{sku}` is no bundle of its own");
                let remedy = "write each bundle once, with at least one component";
                return Err(Mistake::at(&bundle.sku, what, remedy));
            }
            let components = bundle.components.into_iter().map(|one| one.check(currency));
            bundles.insert(sku, components.collect::<Result<_, _>>()?);
        }
        Ok(Entity {
            currency,
            time_zone: self.time_zone.into_inner(),
            company: self.company.map(|company| company.into_inner().0),
            one_customer: self.one_customer.unwrap_or(false),
            goods,
            invoices,
            taxes,
            gateways,
            bundles,
        })
    }
}

impl ComponentSection {
    fn check(self, currency: Currency) -> Result<Component, Mistake> {
        let text = &self.price.as_ref().0;
        let minor = Money::parse(text, currency).ok().and_then(|it| u64::try_from(it.minor()).ok());
        let price = minor.ok_or_else(|| {
            let what = format!("`{text}` is no price in {currency}");
            Mistake::at(&self.price, what, "write what one unit costs alone, such as \"29.99\"")
        })?;
        Ok(Component { sku: self.sku, units: self.units, price })
    }
}

impl GatewaySection {
    fn check(self) -> Result<Gateway, Mistake> {
        let tender = match &self.tender {
            None => None,
            Some(word) => Some(match word.as_ref().as_str() {
                "card" => Tender::Card,
                "gift_card" => Tender::GiftCard,
                "store_credit" => Tender::StoreCredit,
                "bank_transfer" => Tender::BankTransfer,
                "cash" => Tender::Cash,
                "marketplace" => Tender::Marketplace,
                "other" => Tender::Other,
                other => {
                    let what = format!("nobody pays with `{other}`");
                    let remedy = "write card, gift_card, store_credit, bank_transfer, cash, \
                                  marketplace or other";
                    return Err(Mistake::at(word, what, remedy));
                }
            }),
        };
        let currency = match &self.currency {
            None => None,
            Some(code) => Some(Currency::parse(code.as_ref()).map_err(|error| {
                Mistake::at(code, error.to_string(), "write an ISO 4217 code, such as \"EUR\"")
            })?),
        };
        let word = self.word.into_inner();
        Ok(Gateway {
            title: self.title.unwrap_or_else(|| word.clone()),
            word,
            tender,
            provider: self.provider.map(Spanned::into_inner),
            currency,
        })
    }
}

impl TaxSection {
    fn check(self) -> Result<Tax, Mistake> {
        let remitted_by = match &self.remitted_by {
            None => Remitter::Merchant,
            Some(word) => match word.as_ref().as_str() {
                "merchant" => Remitter::Merchant,
                "marketplace" => Remitter::Marketplace,
                other => {
                    let what = format!("nobody called `{other}` remits a tax");
                    return Err(Mistake::at(word, what, "write \"merchant\" or \"marketplace\""));
                }
            },
        };
        Ok(Tax {
            key: self.key.into_inner(),
            name: self.name,
            percent: decimal(&self.percent)?,
            included: self.included,
            title: self.title,
            jurisdiction: self.jurisdiction,
            rate: self.rate.as_ref().map(decimal).transpose()?,
            remitted_by,
        })
    }
}
