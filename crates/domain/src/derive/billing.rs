//! What a sale bills: the lines of an order of the books, with each tax forced to the channel's
//! cent (`POSTING.md` P13, P14).
//!
//! A line is billed at gross; discounts become one negative line for each funder and set of taxes.
//! The channel states the tax of the amount after discount, so the tax of the gross line is its
//! proportional share and the discount line carries the difference: their sum is the channel's.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::bundle;
use crate::command::{DocumentLine, DocumentTax, TargetRef};
use crate::document::{
    Address, Charge, ChargeKind, Discount, Funder, Line, LineKind, Order, Remitter, TaxLine,
};
use crate::journal::Role;
use crate::mapping::{Mapping, Missing};
use crate::money::{Money, MoneyError};

/// One line or charge of an order, ready to be billed and booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billed {
    pub part: String,
    /// The line or charge of the channel that it is of; a bundle's line has several parts.
    pub line: String,
    /// Of its product, in one unit of that line.
    pub units: i64,
    pub role: Role,
    pub product: Result<TargetRef, Missing>,
    pub name: String,
    pub quantity: Decimal,
    pub unit_price: Decimal,
    pub gross: Money,
    pub discounts: Vec<Discount>,
    /// By tax of the books: the channel's tax of the amount after discount.
    pub taxes: Result<BTreeMap<TargetRef, Money>, Missing>,
    /// The sum of those taxes, known also while the mapping lacks one of them.
    pub own_tax: Money,
    /// Tax that the marketplace remits: memo only.
    pub remitted: Money,
    pub taxes_included: bool,
    pub shipping: bool,
    /// Of a bundle: its components, with all of its amounts.
    pub components: Vec<Self>,
}

/// The lines and charges of an order, in their order; those without any amount are left out.
pub fn billed(order: &Order, mapping: &Mapping) -> Result<Vec<Billed>, MoneyError> {
    let place = jurisdiction(order);
    let mut all = Vec::new();
    for line in &order.lines {
        all.push(of_line(order, line, mapping, place.as_deref())?);
    }
    for charge in &order.charges {
        if !charge.gross.is_zero() {
            all.push(of_charge(order, charge, mapping, place.as_deref())?);
        }
    }
    Ok(all)
}

/// Where the goods go, as ISO 3166-2 (`US-NY`) or the country alone.
pub(crate) fn jurisdiction(order: &Order) -> Option<String> {
    let buyer = order.buyer.as_ref()?;
    let of = |address: &Option<Address>| -> Option<String> {
        let address = address.as_ref()?;
        let country = address.country.as_deref()?;
        Some(match address.region.as_deref() {
            Some(region) if country == "US" || country == "CA" => format!("{country}-{region}"),
            _ => country.to_owned(),
        })
    };
    of(&buyer.shipping).or_else(|| of(&buyer.billing))
}

fn of_line(
    order: &Order,
    line: &Line,
    mapping: &Mapping,
    place: Option<&str>,
) -> Result<Billed, MoneyError> {
    let (role, product) = match line.kind {
        LineKind::Goods => (Role::Sales, mapping.product(line.sku.as_deref(), &line.title)),
        LineKind::GiftCard => (Role::GiftCardLiability, mapping.service_product("gift_card")),
        LineKind::Tip => (Role::TipIncome, mapping.service_product("tip")),
    };
    let mut billed = Billed {
        part: line.id.clone(),
        line: line.id.clone(),
        units: 1,
        role,
        product,
        name: line.title.clone(),
        quantity: Decimal::from(line.quantity),
        unit_price: line.unit_price,
        gross: line.gross,
        discounts: line.discounts.clone(),
        taxes: tax_targets(order, &line.taxes, mapping, place)?,
        own_tax: sum_remitted_by(order, &line.taxes, Remitter::Merchant)?,
        remitted: sum_remitted_by(order, &line.taxes, Remitter::Marketplace)?,
        taxes_included: order.taxes_included,
        shipping: false,
        components: Vec::new(),
    };
    if line.kind == LineKind::Goods {
        let bundle = mapping.bundle(line.sku.as_deref());
        billed.components = bundle::components(&billed, bundle, mapping)?;
    }
    Ok(billed)
}

fn of_charge(
    order: &Order,
    charge: &Charge,
    mapping: &Mapping,
    place: Option<&str>,
) -> Result<Billed, MoneyError> {
    let (role, word) = match charge.kind {
        ChargeKind::Shipping => (Role::ShippingIncome, "shipping"),
        ChargeKind::Tip => (Role::TipIncome, "tip"),
        ChargeKind::Duty => (Role::DutyIncome, "duty"),
        ChargeKind::GiftWrap => (Role::GiftWrapIncome, "gift_wrap"),
        ChargeKind::Fee if charge.gross.is_negative() => (Role::Discounts, "discount"),
        ChargeKind::Fee => (Role::FeeIncome, "fee"),
        ChargeKind::CashRounding => (Role::Rounding, "cash_rounding"),
    };
    Ok(Billed {
        part: format!("charge/{}", charge.id),
        line: format!("charge/{}", charge.id),
        units: 1,
        role,
        product: mapping.service_product(word),
        name: charge.title.clone(),
        quantity: Decimal::ONE,
        unit_price: charge.gross.decimal(),
        gross: charge.gross,
        discounts: charge.discounts.clone(),
        taxes: tax_targets(order, &charge.taxes, mapping, place)?,
        own_tax: sum_remitted_by(order, &charge.taxes, Remitter::Merchant)?,
        remitted: sum_remitted_by(order, &charge.taxes, Remitter::Marketplace)?,
        taxes_included: order.taxes_included,
        shipping: charge.kind == ChargeKind::Shipping,
        components: Vec::new(),
    })
}

fn sum_remitted_by(order: &Order, taxes: &[TaxLine], who: Remitter) -> Result<Money, MoneyError> {
    let theirs = taxes.iter().filter(|tax| tax.remitted_by == who);
    Money::sum(order.currency, theirs.map(|tax| tax.amount))
}

/// The channel's taxes by tax of the books. What the marketplace remits is declared at zero, under
/// a tax of its own (`POSTING.md` P14).
fn tax_targets(
    order: &Order,
    taxes: &[TaxLine],
    mapping: &Mapping,
    place: Option<&str>,
) -> Result<Result<BTreeMap<TargetRef, Money>, Missing>, MoneyError> {
    let mut by_target = BTreeMap::new();
    for tax in taxes {
        let target =
            mapping.tax(&tax.title, place, tax.rate, order.taxes_included, tax.remitted_by);
        let target = match target {
            Ok(target) => target,
            Err(missing) => return Ok(Err(missing)),
        };
        let amount = match tax.remitted_by {
            Remitter::Merchant => tax.amount,
            Remitter::Marketplace => Money::zero(order.currency),
        };
        let sum = by_target.entry(target).or_insert_with(|| Money::zero(order.currency));
        *sum = sum.checked_add(amount)?;
    }
    Ok(Ok(by_target))
}

impl Billed {
    /// The lines of the books: a bundle's components, or itself.
    pub fn in_parts(self) -> Vec<Self> {
        if self.components.is_empty() { vec![self] } else { self.components }
    }

    pub fn discount(&self) -> Result<Money, MoneyError> {
        Money::sum(self.gross.currency(), self.discounts.iter().map(|discount| discount.amount))
    }

    /// While the mapping lacks a tax, all of it stands under no name: the journal is complete
    /// before the books can be.
    pub(super) fn merchant_taxes(&self) -> BTreeMap<TargetRef, Money> {
        let unnamed = || BTreeMap::from([(TargetRef::new(), self.own_tax)]);
        self.taxes.clone().unwrap_or_else(|_| unnamed())
    }

    /// Splits each tax into what the gross line carries and what the discount takes off.
    fn tax_split(&self) -> Result<BTreeMap<TargetRef, (Money, Money)>, MoneyError> {
        let net = self.gross.checked_sub(self.discount()?)?;
        let mut split = BTreeMap::new();
        for (target, tax) in self.merchant_taxes() {
            let of_gross = proportion(tax, self.gross, net)?;
            let of_discount = of_gross.checked_sub(tax)?;
            split.insert(target, (of_gross, of_discount));
        }
        Ok(split)
    }

    /// What the marketplace remits out of the gross amount and out of the discount: contained in
    /// them only where prices contain their tax.
    fn remitted_split(&self) -> Result<(Money, Money), MoneyError> {
        if !self.taxes_included {
            let zero = Money::zero(self.gross.currency());
            return Ok((zero, zero));
        }
        let net = self.gross.checked_sub(self.discount()?)?;
        let of_gross = proportion(self.remitted, self.gross, net)?;
        Ok((of_gross, of_gross.checked_sub(self.remitted)?))
    }

    /// Each discount with its share of each tax; its amount is without what the marketplace
    /// remits.
    fn discount_shares(&self) -> Result<Vec<(&Discount, DiscountShare)>, MoneyError> {
        let weights: Vec<i64> = self.discounts.iter().map(|one| one.amount.minor()).collect();
        let (_, remitted) = self.remitted_split()?;
        let mut shares = Vec::new();
        for (discount, remitted) in self.discounts.iter().zip(remitted.split(&weights)) {
            let amount = discount.amount.checked_sub(remitted)?;
            shares.push((discount, DiscountShare { amount, taxes: BTreeMap::new() }));
        }
        for (target, (_, of_discount)) in self.tax_split()? {
            for (share, (_, one)) in of_discount.split(&weights).into_iter().zip(&mut shares) {
                one.taxes.insert(target.clone(), share);
            }
        }
        Ok(shares)
    }

    /// Discounts by funder, without tax.
    pub fn discount_by_funder(&self) -> Result<BTreeMap<Funder, Money>, MoneyError> {
        let mut by_funder = BTreeMap::new();
        for (discount, share) in self.discount_shares()? {
            let mut amount = share.amount;
            if self.taxes_included {
                for tax in share.taxes.into_values() {
                    amount = amount.checked_sub(tax)?;
                }
            }
            let sum = by_funder
                .entry(discount.funder)
                .or_insert_with(|| Money::zero(self.gross.currency()));
            *sum = sum.checked_add(amount)?;
        }
        Ok(by_funder)
    }

    /// Gross and discount without tax, tax, and what the buyer owes for this part.
    pub fn amounts(&self) -> Result<PartAmounts, MoneyError> {
        let currency = self.gross.currency();
        let split = self.tax_split()?;
        let tax_of_gross = Money::sum(currency, split.values().map(|(gross, _)| *gross))?;
        let tax_of_discount = Money::sum(currency, split.values().map(|(_, taken)| *taken))?;
        let discount = self.discount()?;
        let (gross, taken) = if self.taxes_included {
            let (of_gross, of_discount) = self.remitted_split()?;
            (
                self.gross.checked_sub(tax_of_gross)?.checked_sub(of_gross)?,
                discount.checked_sub(tax_of_discount)?.checked_sub(of_discount)?,
            )
        } else {
            (self.gross, discount)
        };
        let tax = tax_of_gross.checked_sub(tax_of_discount)?;
        let owed = gross.checked_sub(taken)?.checked_add(tax)?;
        Ok(PartAmounts { gross, discount: taken, tax, owed })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartAmounts {
    pub gross: Money,
    pub discount: Money,
    pub tax: Money,
    pub owed: Money,
}

/// `amount × whole / part`, rounded half away from zero; zero when there is no part.
pub(crate) fn proportion(amount: Money, whole: Money, part: Money) -> Result<Money, MoneyError> {
    if part.is_zero() || whole == part {
        return Ok(amount);
    }
    let divisor = i128::from(part.minor());
    let product = i128::from(amount.minor()) * i128::from(whole.minor());
    let sign = if (product < 0) == (divisor < 0) { 1 } else { -1 };
    let (size, divisor) = (product.abs(), divisor.abs());
    let rounded = sign * ((size + divisor / 2) / divisor);
    let minor = i64::try_from(rounded).map_err(|_| MoneyError::OutOfRange)?;
    Ok(Money::from_minor(minor, amount.currency()))
}

/// The document lines of some billed parts: each at gross, then the discount lines.
pub fn document_lines(
    parts: &[&Billed],
    mapping: &Mapping,
) -> Result<Result<Vec<DocumentLine>, Vec<Missing>>, MoneyError> {
    let mut lines = Vec::new();
    let mut missing = Vec::new();
    let mut discounts: BTreeMap<(Funder, Vec<TargetRef>), DiscountLine> = BTreeMap::new();
    for part in parts {
        if let Err(lack) = &part.taxes {
            missing.push(lack.clone());
        }
        let product = match &part.product {
            Ok(product) => Some(product.clone()),
            Err(lack) => {
                missing.push(lack.clone());
                None
            }
        };
        let split = part.tax_split()?;
        let tax_of_gross =
            Money::sum(part.gross.currency(), split.values().map(|(gross, _)| *gross))?;
        let amount = part.gross.checked_sub(part.remitted_split()?.0)?;
        let base = base_of(amount, tax_of_gross, part.taxes_included)?;
        lines.extend(in_even_prices(DocumentLine {
            part: part.part.clone(),
            product,
            account: None,
            name: part.name.clone(),
            quantity: part.quantity,
            unit_price: part.unit_price,
            amount,
            taxes_included: part.taxes_included,
            taxes: split
                .iter()
                .map(|(tax, (gross, _))| DocumentTax { tax: tax.clone(), base, amount: *gross })
                .collect(),
            shipping: part.shipping,
        })?);
        add_discounts(part, &mut discounts)?;
    }
    for ((funder, _), discount) in discounts {
        let word = match funder {
            Funder::Merchant => "discount",
            Funder::Marketplace => "discount_marketplace",
            Funder::Supplier => "discount_supplier",
        };
        match mapping.service_product(word) {
            Ok(product) => lines.push(discount.line(word, product)?),
            Err(lack) => missing.push(lack),
        }
    }
    missing.sort();
    missing.dedup();
    Ok(if missing.is_empty() { Ok(lines) } else { Err(missing) })
}

/// A line as books can hold it: quantity × price is the amount exactly, and the price has no more
/// decimals than the currency. Where the stated price does not do, an even share does; where the
/// amount does not divide, some units cost a minor unit more and stand on a line of their own, so
/// that no unit is lost (`POSTING.md` P4). Only a quantity that is not whole is billed as one unit.
pub fn in_even_prices(mut line: DocumentLine) -> Result<Vec<DocumentLine>, MoneyError> {
    let currency = line.amount.currency();
    let total = line.amount.decimal();
    let makes_it = |price: &Decimal| {
        price.normalize().scale() <= currency.exponent()
            && price.checked_mul(line.quantity) == Some(total)
    };
    let share = || total.checked_div(line.quantity);
    if let Some(price) = Some(line.unit_price).filter(makes_it).or_else(|| share().filter(makes_it))
    {
        line.unit_price = price;
        return Ok(vec![line]);
    }
    let units = line.quantity.normalize();
    let units = units.to_i64().filter(|whole| *whole > 1 && Decimal::from(*whole) == units);
    let Some(units) = units else {
        (line.quantity, line.unit_price) = (Decimal::ONE, total);
        return Ok(vec![line]);
    };
    let each = Money::from_minor(line.amount.minor() / units, currency);
    let rest = line.amount.minor() % units;
    let dearer = Money::from_minor(each.minor() + rest.signum(), currency);
    let of_dearer = dearer.checked_mul(rest.abs())?;
    let mut lines = Vec::new();
    let parts = [
        (line.part.clone(), units - rest.abs(), each, line.amount.checked_sub(of_dearer)?),
        (format!("{}/dearer", line.part), rest.abs(), dearer, of_dearer),
    ];
    let weights = parts.each_ref().map(|(_, _, _, amount)| amount.minor().abs());
    let shares: Vec<(TargetRef, Vec<Money>)> =
        line.taxes.iter().map(|one| (one.tax.clone(), one.amount.split(&weights))).collect();
    for (index, (part, quantity, price, amount)) in parts.into_iter().enumerate() {
        let own = shares.iter().filter_map(|(tax, split)| Some((tax, *split.get(index)?)));
        let tax = Money::sum(currency, own.clone().map(|(_, share)| share))?;
        let base = base_of(amount, tax, line.taxes_included)?;
        lines.push(DocumentLine {
            part,
            quantity: Decimal::from(quantity),
            unit_price: price.decimal(),
            amount,
            taxes: own
                .map(|(tax, amount)| DocumentTax { tax: tax.clone(), base, amount })
                .collect(),
            ..line.clone()
        });
    }
    Ok(lines)
}

fn base_of(amount: Money, tax: Money, included: bool) -> Result<Money, MoneyError> {
    if included { amount.checked_sub(tax) } else { Ok(amount) }
}

struct DiscountLine {
    titles: Vec<String>,
    amount: Money,
    taxes: BTreeMap<TargetRef, Money>,
    taxes_included: bool,
}

/// What one discount takes off: its amount, and the tax on or in it by tax of the books.
struct DiscountShare {
    amount: Money,
    taxes: BTreeMap<TargetRef, Money>,
}

fn add_discounts(
    part: &Billed,
    discounts: &mut BTreeMap<(Funder, Vec<TargetRef>), DiscountLine>,
) -> Result<(), MoneyError> {
    let currency = part.gross.currency();
    for (discount, share) in part.discount_shares()? {
        let targets: Vec<TargetRef> = share.taxes.keys().cloned().collect();
        let line = discounts.entry((discount.funder, targets)).or_insert_with(|| DiscountLine {
            titles: Vec::new(),
            amount: Money::zero(currency),
            taxes: BTreeMap::new(),
            taxes_included: part.taxes_included,
        });
        if !line.titles.contains(&discount.title) {
            line.titles.push(discount.title.clone());
        }
        line.amount = line.amount.checked_add(share.amount)?;
        for (target, amount) in share.taxes {
            let sum = line.taxes.entry(target).or_insert_with(|| Money::zero(currency));
            *sum = sum.checked_add(amount)?;
        }
    }
    Ok(())
}

impl DiscountLine {
    fn line(self, word: &str, product: TargetRef) -> Result<DocumentLine, MoneyError> {
        let amount = self.amount.checked_neg()?;
        let currency = amount.currency();
        let tax = Money::sum(currency, self.taxes.values().copied())?.checked_neg()?;
        let base = base_of(amount, tax, self.taxes_included)?;
        let taxes: Result<Vec<DocumentTax>, MoneyError> = self
            .taxes
            .iter()
            .map(|(tax, taken)| {
                Ok(DocumentTax { tax: tax.clone(), base, amount: taken.checked_neg()? })
            })
            .collect();
        let targets: Vec<&str> = self.taxes.keys().map(String::as_str).collect();
        Ok(DocumentLine {
            part: format!("{word}/{}", targets.join("+")),
            product: Some(product),
            account: None,
            name: self.titles.join(", "),
            quantity: Decimal::ONE,
            unit_price: amount.decimal(),
            amount,
            taxes_included: self.taxes_included,
            taxes: taxes?,
            shipping: false,
        })
    }
}

/// What the target must compute for some document lines: total with tax, and tax.
pub fn totals(lines: &[DocumentLine]) -> Result<Option<(Money, Money)>, MoneyError> {
    let Some(first) = lines.first() else { return Ok(None) };
    let currency = first.amount.currency();
    let mut total = Money::zero(currency);
    let mut tax = Money::zero(currency);
    for line in lines {
        let of_line = Money::sum(currency, line.taxes.iter().map(|one| one.amount))?;
        total = total.checked_add(line.amount)?;
        if !line.taxes_included {
            total = total.checked_add(of_line)?;
        }
        tax = tax.checked_add(of_line)?;
    }
    Ok(Some((total, tax)))
}
