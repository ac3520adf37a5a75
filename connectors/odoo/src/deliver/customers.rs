//! Which customer of Odoo a buyer is, where one is there already.
//!
//! Whoever writes to a shop of a retailer may long be a customer: entered by hand, by another
//! channel, or by the connector that was there before. So before a customer is made, those that
//! Odoo has are looked at, by one rule after the other; the first that finds somebody decides. Who
//! is found once is that customer. Where several are found nobody is guessed: a person says which,
//! and until then the buyer's documents wait (`S9`, `S17`, `S235`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trueup_connect::{CallError, Settings};
use trueup_domain::command::Partner;

use crate::outcome;
use crate::settings::FIND_CUSTOMERS;
use crate::wire::Row;

pub(super) const FIELDS: &[&str] = &[
    "ref",
    "name",
    "vat",
    "email_normalized",
    "phone_sanitized",
    "zip",
    "is_company",
    "active",
    "commercial_partner_id",
];

/// A customer that Odoo has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    id: i64,
    /// What we, or a person, wrote as its reference.
    reference: String,
    name: String,
    vat: String,
    email: String,
    phone: String,
    postcode: String,
    is_company: bool,
    active: bool,
    /// The company that it belongs to, or itself.
    commercial: i64,
}

impl Known {
    pub fn read(row: &Row) -> Result<Self, trueup_connect::DecodeError> {
        let text = |field| row.text(field).map(Option::unwrap_or_default);
        let id = row.id()?;
        Ok(Self {
            id,
            reference: text("ref")?,
            name: text("name")?,
            vat: bare(&text("vat")?),
            email: text("email_normalized")?.to_lowercase(),
            phone: digits(&text("phone_sanitized")?),
            postcode: bare(&text("zip")?),
            is_company: row.flag("is_company")?,
            active: row.flag("active")?,
            commercial: row.reference("commercial_partner_id")?.map_or(id, |(id, _)| id),
        })
    }
}

/// What tells a buyer from others, each in its plainest form; empty where he did not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Marks {
    reference: String,
    vat: String,
    email: String,
    phone: String,
    company: String,
    postcode: String,
}

fn marks(partner: &Partner) -> Marks {
    let buyer = &partner.buyer;
    let said = |text: &Option<String>| text.clone().unwrap_or_default();
    let address = super::tables::address(partner);
    Marks {
        reference: partner.reference.clone(),
        vat: bare(&said(&buyer.vat_number)),
        email: said(&buyer.email).trim().to_lowercase(),
        phone: digits(&said(&buyer.phone)),
        company: said(&buyer.company).trim().to_lowercase(),
        postcode: address.map(|it| bare(&said(&it.postcode))).unwrap_or_default(),
    }
}

/// Letters and digits, upper case: `DE 136.695.976` and `de136695976` are one number.
fn bare(text: &str) -> String {
    text.chars().filter(|it| it.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// A number with its country in front; without it the same digits mean different people.
fn digits(text: &str) -> String {
    if !text.trim_start().starts_with('+') {
        return String::new();
    }
    text.chars().filter(char::is_ascii_digit).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Reference,
    VatNumber,
    Email,
    Phone,
    Company,
}

impl Rule {
    const ALL: [Self; 5] =
        [Self::Reference, Self::VatNumber, Self::Email, Self::Phone, Self::Company];

    /// Its word in the setting `find_customers`.
    const fn word(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::VatNumber => "vat",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Company => "company",
        }
    }

    const fn shown(self) -> &'static str {
        match self {
            Self::Reference => "our reference",
            Self::VatNumber => "VAT number",
            Self::Email => "e-mail address",
            Self::Phone => "telephone number",
            Self::Company => "company and postcode",
        }
    }

    fn fits(self, buyer: &Marks, known: &Known) -> bool {
        let same = |own: &str, theirs: &str| !own.is_empty() && own == theirs;
        match self {
            // Also where it is archived: it is ours.
            Self::Reference => same(&buyer.reference, &known.reference),
            _ if !known.active => false,
            Self::VatNumber => same(&buyer.vat, &known.vat),
            Self::Email => same(&buyer.email, &known.email),
            Self::Phone => same(&buyer.phone, &known.phone) && !differ(&buyer.email, &known.email),
            Self::Company => {
                known.is_company
                    && same(&buyer.company, &known.name.trim().to_lowercase())
                    && same(&buyer.postcode, &known.postcode)
            }
        }
    }
}

/// Both are said, and are not the same: people of one household share a telephone, and remain two.
fn differ(own: &str, theirs: &str) -> bool {
    !own.is_empty() && !theirs.is_empty() && own != theirs
}

/// The rules in force: our own reference always counts.
fn rules(settings: &Settings) -> Vec<Rule> {
    let said = settings.get(FIND_CUSTOMERS).unwrap_or("vat, email, phone, company");
    let words: BTreeSet<&str> = said.split(',').map(str::trim).collect();
    let in_force = |rule: &Rule| *rule == Rule::Reference || words.contains(rule.word());
    Rule::ALL.into_iter().filter(in_force).collect()
}

/// Everybody whom a rule could find for one of these buyers.
pub(super) fn domain<'a>(
    settings: &Settings,
    partners: impl Iterator<Item = &'a Partner>,
) -> Value {
    let rules = rules(settings);
    let mut wanted: Vec<(Rule, BTreeSet<String>)> =
        rules.into_iter().map(|rule| (rule, BTreeSet::new())).collect();
    for partner in partners.filter(|it| it.address_of.is_none()) {
        let marks = marks(partner);
        let raw = |text: &Option<String>| text.as_deref().map(|it| it.trim().to_owned());
        for (rule, texts) in &mut wanted {
            let said = match rule {
                Rule::Reference => vec![Some(marks.reference.clone())],
                // Odoo keeps the number as somebody typed it.
                Rule::VatNumber => vec![raw(&partner.buyer.vat_number), Some(marks.vat.clone())],
                Rule::Email => vec![Some(marks.email.clone())],
                // Sanitised only where Odoo has the library for it.
                Rule::Phone if marks.phone.is_empty() => Vec::new(),
                Rule::Phone => vec![raw(&partner.buyer.phone), Some(format!("+{}", marks.phone))],
                Rule::Company => vec![raw(&partner.buyer.company)],
            };
            texts.extend(said.into_iter().flatten().filter(|text| !text.is_empty()));
        }
    }
    let terms: Vec<Value> = wanted
        .into_iter()
        .filter(|(_, texts)| !texts.is_empty())
        .map(|(rule, texts)| {
            let field = match rule {
                Rule::Reference => "ref",
                Rule::VatNumber => "vat",
                Rule::Email => "email_normalized",
                Rule::Phone => "phone_sanitized",
                Rule::Company => "name",
            };
            json!([field, "in", texts])
        })
        .collect();
    let or = std::iter::repeat_n(json!("|"), terms.len().saturating_sub(1));
    Value::Array(or.chain(terms).collect())
}

/// Who a buyer is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Who {
    Nobody,
    Found {
        id: i64,
        by: &'static str,
    },
    /// Several customers, or one whose VAT number is another.
    Unclear(CallError),
}

pub(super) fn resolve(settings: &Settings, partner: &Partner, known: &[Known]) -> Who {
    let buyer = marks(partner);
    for rule in rules(settings) {
        let found: Vec<&Known> = known.iter().filter(|it| rule.fits(&buyer, it)).collect();
        let commercial: BTreeSet<i64> = found.iter().map(|it| it.commercial).collect();
        // A person or address of one company is no second customer.
        let of_company = found.iter().find(|it| it.id == it.commercial).or(found.first());
        let Some(first) = of_company else { continue };
        let other_number = !buyer.vat.is_empty() && !first.vat.is_empty() && buyer.vat != first.vat;
        if commercial.len() == 1 && !(other_number && rule != Rule::Reference) {
            return Who::Found { id: first.id, by: rule.shown() };
        }
        return Who::Unclear(unclear(&buyer, rule, &found));
    }
    Who::Nobody
}

fn unclear(buyer: &Marks, rule: Rule, found: &[&Known]) -> CallError {
    const SHOWN_MAX: usize = 5;
    let shown: Vec<String> = found
        .iter()
        .take(SHOWN_MAX)
        .map(|it| format!("res.partner/{} {}", it.id, it.name))
        .collect();
    let more = if found.len() > SHOWN_MAX { ", and more" } else { "" };
    let why = format!(
        "by {} it may be {}{more}: merge them in Odoo, or write `{}` as the reference of the \
         right one",
        rule.shown(),
        shown.join(" or "),
        buyer.reference
    );
    outcome::refused("customer_unclear", &why)
}

/// Whether two buyers that are to be made together would be found to be one.
pub(super) fn are_one(settings: &Settings, one: &Partner, other: &Partner) -> bool {
    let (one, other) = (marks(one), marks(other));
    let same = |own: &str, theirs: &str| !own.is_empty() && own == theirs;
    rules(settings).into_iter().any(|rule| match rule {
        Rule::Reference => same(&one.reference, &other.reference),
        Rule::VatNumber => same(&one.vat, &other.vat),
        Rule::Email => same(&one.email, &other.email),
        Rule::Phone => same(&one.phone, &other.phone) && !differ(&one.email, &other.email),
        Rule::Company => same(&one.company, &other.company) && same(&one.postcode, &other.postcode),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use trueup_domain::document::{Address, Buyer};

    use super::*;

    fn buyer(change: impl FnOnce(&mut Buyer)) -> Partner {
        let mut buyer = Buyer {
            id: Some("7".to_owned()),
            name: Some("Ann".to_owned()),
            email: Some(" Ann@Example.com".to_owned()),
            phone: None,
            company: None,
            vat_number: None,
            billing: Some(Address { postcode: Some("10115".into()), ..Address::default() }),
            shipping: None,
        };
        change(&mut buyer);
        Partner { company: "1".to_owned(), reference: "shop/7".to_owned(), buyer, address_of: None }
    }

    fn known(id: i64, change: impl FnOnce(&mut Known)) -> Known {
        let mut known = Known {
            id,
            reference: String::new(),
            name: format!("Customer {id}"),
            vat: String::new(),
            email: String::new(),
            phone: String::new(),
            postcode: String::new(),
            is_company: false,
            active: true,
            commercial: id,
        };
        change(&mut known);
        known
    }

    fn with_email(id: i64) -> Known {
        known(id, |it| it.email = "ann@example.com".to_owned())
    }

    fn found(partner: &Partner, known: &[Known]) -> String {
        match resolve(&Settings::default(), partner, known) {
            Who::Nobody => "nobody".to_owned(),
            Who::Found { id, by } => format!("{id} by {by}"),
            Who::Unclear(error) => format!("unclear: {error}"),
        }
    }

    #[test]
    fn each_rule_finds_whom_it_should() {
        let plain = buyer(|_| {});
        assert_eq!(found(&plain, &[]), "nobody");
        assert_eq!(found(&plain, &[with_email(3)]), "3 by e-mail address");
        let ours = known(4, |it| it.reference = "shop/7".to_owned());
        assert_eq!(found(&plain, &[with_email(3), ours]), "4 by our reference");
        let archived = known(5, |it| {
            it.active = false;
            it.email = "ann@example.com".to_owned();
        });
        assert_eq!(found(&plain, &[archived]), "nobody");

        let firm = buyer(|it| it.vat_number = Some("de 136.695.976".to_owned()));
        let by_number = known(6, |it| it.vat = "DE136695976".to_owned());
        assert_eq!(found(&firm, &[with_email(3), by_number]), "6 by VAT number");

        let caller = buyer(|it| it.phone = Some("+49 30 1234567".to_owned()));
        let called = known(8, |it| it.phone = "49301234567".to_owned());
        assert_eq!(found(&caller, std::slice::from_ref(&called)), "8 by telephone number");
        let of_another = known(8, |it| {
            it.phone = "49301234567".to_owned();
            it.email = "bob@example.com".to_owned();
        });
        assert_eq!(found(&caller, &[of_another]), "nobody", "a telephone that two people share");
        let local = buyer(|it| it.phone = Some("49301234567".to_owned()));
        assert_eq!(found(&local, &[called]), "nobody", "the digits of another country");

        let shop = buyer(|it| it.company = Some("ACME Ltd".to_owned()));
        let acme = |postcode: &str, is_company| {
            known(9, |it| {
                it.name = "Acme ltd".to_owned();
                it.postcode = postcode.to_owned();
                it.is_company = is_company;
            })
        };
        assert_eq!(found(&shop, &[acme("10115", true)]), "9 by company and postcode");
        assert_eq!(found(&shop, &[acme("10117", true)]), "nobody");
        assert_eq!(found(&shop, &[acme("10115", false)]), "nobody");
    }

    #[test]
    fn several_are_never_guessed_and_people_of_one_company_are_not_several() {
        let plain = buyer(|_| {});
        let two = found(&plain, &[with_email(3), with_email(4)]);
        assert!(two.contains("res.partner/3 Customer 3 or res.partner/4 Customer 4"), "{two}");
        assert!(two.contains("`shop/7`"), "{two}");
        let of_firm = known(5, |it| {
            it.email = "ann@example.com".to_owned();
            it.commercial = 3;
        });
        assert_eq!(found(&plain, &[of_firm, with_email(3)]), "3 by e-mail address");
        let firm = buyer(|it| it.vat_number = Some("DE1".to_owned()));
        let other = known(6, |it| {
            it.email = "ann@example.com".to_owned();
            it.vat = "FR2".to_owned();
        });
        assert!(found(&firm, &[other]).starts_with("unclear"), "another VAT number");
    }

    #[test]
    fn only_the_rules_in_force_are_asked_for() {
        let settings =
            |words: &str| Settings(BTreeMap::from([(FIND_CUSTOMERS.to_owned(), words.to_owned())]));
        let firm = buyer(|it| {
            it.vat_number = Some("DE 1".to_owned());
            it.phone = Some("+49 30".to_owned());
        });
        let none = domain(&settings("none"), [&firm].into_iter());
        assert_eq!(none, json!([["ref", "in", ["shop/7"]]]));
        let all = domain(&Settings::default(), [&firm].into_iter());
        assert_eq!(
            all,
            json!([
                "|",
                "|",
                "|",
                ["ref", "in", ["shop/7"]],
                ["vat", "in", ["DE 1", "DE1"]],
                ["email_normalized", "in", ["ann@example.com"]],
                ["phone_sanitized", "in", ["+49 30", "+4930"]],
            ])
        );
        assert!(matches!(resolve(&settings("vat"), &firm, &[with_email(3)]), Who::Nobody));
    }
}
