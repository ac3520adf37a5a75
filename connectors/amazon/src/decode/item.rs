//! One item of an order: its proceeds by category, as a line with its shipping and gift wrap.

use rust_decimal::Decimal;
use trueup_connect::{DecodeError, units};
use trueup_domain::document::{
    Charge, ChargeKind, Discount, Funder, Line, LineKind, Remitter, TaxLine,
};
use trueup_domain::money::{Currency, Money, MoneyError};

use super::order::money;
use crate::wire;

pub struct Item {
    pub line: Line,
    pub charges: Vec<Charge>,
    /// What Amazon states as its part of the total.
    pub proceeds: Money,
    /// Tax that Amazon remits and leaves out of that part.
    pub tax_outside: Money,
}

/// Of what an amount is a part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Line,
    Shipping,
    GiftWrap,
}

/// The amounts of one place.
#[derive(Clone, Copy)]
struct Sums {
    gross: Money,
    /// Positive.
    discount: Money,
    tax: Money,
}

struct Proceeds {
    line: Sums,
    shipping: Sums,
    gift_wrap: Sums,
}

/// `priced`: an item without prices is an error.
pub fn read(
    wire: &wire::Item,
    currency: Currency,
    by_merchant: bool,
    priced: bool,
) -> Result<Item, DecodeError> {
    let amounts = |source: MoneyError| DecodeError::amount("orderItems.proceeds", source);
    let said = match &wire.proceeds {
        Some(said) if !said.breakdowns.is_empty() => said,
        None | Some(_) if priced => return Err(DecodeError::field("orderItems.proceeds")),
        None | Some(_) => &wire::ItemProceeds { proceeds_total: None, breakdowns: Vec::new() },
    };
    let mut proceeds = Proceeds::read(said, currency)?;
    let (without, tax) = proceeds.totals().map_err(amounts)?;
    let with = without.checked_add(tax).map_err(amounts)?;
    let stated = match &said.proceeds_total {
        Some(total) => money("proceedsTotal", total, currency)?,
        None => with,
    };
    let (scheme, remitted_by) = tax_words(wire.tax.as_ref())?;
    let mut tax_outside = Money::zero(currency);
    if stated == without && stated != with {
        match remitted_by {
            // What the marketplace remits is no part of what the seller receives.
            Remitter::Marketplace => tax_outside = tax,
            Remitter::Merchant => proceeds.take_tax_out().map_err(amounts)?,
        }
    } else if stated != with {
        return Err(DecodeError::Contradiction {
            what: "order",
            why: format!(
                "item {} breaks down to {with}, it states {stated}",
                wire.order_item_id.chars().take(40).collect::<String>()
            ),
        });
    }
    let taxes = |sums: &Sums| -> Vec<TaxLine> {
        let line = TaxLine {
            title: scheme.clone(),
            // Amazon states amounts and no rate.
            rate: Decimal::ZERO,
            amount: sums.tax,
            remitted_by,
        };
        Some(line).filter(|tax| !tax.amount.is_zero()).into_iter().collect()
    };
    let promotions = promotions(wire.promotion.as_ref());
    let discounts = |sums: &Sums| -> Vec<Discount> {
        let title = promotions.clone();
        // What Amazon itself funds, it does not take off the seller's proceeds.
        let one = Discount { title, funder: Funder::Merchant, amount: sums.discount };
        Some(one).filter(|discount| !discount.amount.is_zero()).into_iter().collect()
    };
    let charge = |own: &str, title: &str, kind: ChargeKind, sums: &Sums| {
        let id = format!("{}/{own}", wire.order_item_id);
        let title = title.to_owned();
        let (taxes, discounts) = (taxes(sums), discounts(sums));
        let charge = Charge { id, kind, title, gross: sums.gross, discounts, taxes };
        Some(charge).filter(|charge| !charge.gross.is_zero())
    };
    let charges = [
        charge("shipping", "Shipping", ChargeKind::Shipping, &proceeds.shipping),
        charge("gift_wrap", "Gift wrap", ChargeKind::GiftWrap, &proceeds.gift_wrap),
    ];
    let product = &wire.product;
    let unit_price = product.price.as_ref().and_then(|price| price.unit_price.as_ref());
    let unit_price = match unit_price {
        Some(price) => price.amount.decimal("unitPrice")?,
        None => proceeds.line.gross.decimal(),
    };
    let title = product.title.clone().or_else(|| product.asin.clone());
    Ok(Item {
        line: Line {
            id: wire.order_item_id.clone(),
            kind: LineKind::Goods,
            sku: product.seller_sku.clone(),
            title: title.unwrap_or_else(|| wire.order_item_id.clone()),
            quantity: units("quantityOrdered", wire.quantity_ordered)?,
            unit_price,
            gross: proceeds.line.gross,
            discounts: discounts(&proceeds.line),
            taxes: taxes(&proceeds.line),
            requires_shipping: by_merchant,
        },
        charges: charges.into_iter().flatten().collect(),
        proceeds: stated,
        tax_outside,
    })
}

impl Proceeds {
    fn read(said: &wire::ItemProceeds, currency: Currency) -> Result<Self, DecodeError> {
        let zero = Money::zero(currency);
        let nothing = Sums { gross: zero, discount: zero, tax: zero };
        let mut all = Self { line: nothing, shipping: nothing, gift_wrap: nothing };
        for part in &said.breakdowns {
            let amount = money(&part.kind, &part.subtotal, currency)?;
            match (part.kind.as_str(), place_of(&part.kind)) {
                (_, Some(place)) => all.add(place, amount, |sums| &mut sums.gross)?,
                ("TAX", _) => {
                    for (place, tax) in details(part, amount, currency)? {
                        all.add(place, tax, |sums| &mut sums.tax)?;
                    }
                }
                ("DISCOUNT", _) => {
                    for (place, taken) in details(part, amount, currency)? {
                        // Written with either sign; what is taken off is taken off.
                        let taken = if taken.is_negative() {
                            taken.checked_neg().map_err(out_of_range)?
                        } else {
                            taken
                        };
                        all.add(place, taken, |sums| &mut sums.discount)?;
                    }
                }
                (_, None) if amount.is_zero() => {}
                (other, None) => return Err(DecodeError::unknown("proceeds.type", other)),
            }
        }
        all.settle()
    }

    fn place(&mut self, place: Place) -> &mut Sums {
        match place {
            Place::Line => &mut self.line,
            Place::Shipping => &mut self.shipping,
            Place::GiftWrap => &mut self.gift_wrap,
        }
    }

    fn add(
        &mut self,
        place: Place,
        amount: Money,
        pick: fn(&mut Sums) -> &mut Money,
    ) -> Result<(), DecodeError> {
        let sum = pick(self.place(place));
        *sum = sum.checked_add(amount).map_err(out_of_range)?;
        Ok(())
    }

    /// Tax of a charge that is not there is tax of the line.
    fn settle(mut self) -> Result<Self, DecodeError> {
        for place in [Place::Shipping, Place::GiftWrap] {
            let sums = *self.place(place);
            if sums.gross.is_zero() {
                self.add(Place::Line, sums.tax, |line| &mut line.tax)?;
                self.add(Place::Line, sums.discount, |line| &mut line.discount)?;
                *self.place(place) = Sums {
                    gross: sums.gross,
                    discount: Money::zero(sums.gross.currency()),
                    tax: Money::zero(sums.gross.currency()),
                };
            }
        }
        Ok(self)
    }

    /// Everything without tax, and the tax.
    fn totals(&self) -> Result<(Money, Money), MoneyError> {
        let mut without = Money::zero(self.line.gross.currency());
        let mut tax = without;
        for sums in [&self.line, &self.shipping, &self.gift_wrap] {
            without = without.checked_add(sums.gross)?.checked_sub(sums.discount)?;
            tax = tax.checked_add(sums.tax)?;
        }
        Ok((without, tax))
    }

    /// Prices that contain their tax are stated without it, as the settlement states them.
    fn take_tax_out(&mut self) -> Result<(), MoneyError> {
        for sums in [&mut self.line, &mut self.shipping, &mut self.gift_wrap] {
            sums.gross = sums.gross.checked_sub(sums.tax)?;
        }
        Ok(())
    }
}

fn out_of_range(source: MoneyError) -> DecodeError {
    DecodeError::amount("orderItems.proceeds", source)
}

fn place_of(kind: &str) -> Option<Place> {
    match kind {
        "ITEM" => Some(Place::Line),
        "SHIPPING" => Some(Place::Shipping),
        "GIFT_WRAP" => Some(Place::GiftWrap),
        _ => None,
    }
}

/// The parts of a tax or discount by place; one without parts is of the goods.
fn details(
    part: &wire::Breakdown,
    whole: Money,
    currency: Currency,
) -> Result<Vec<(Place, Money)>, DecodeError> {
    let mut parts = Vec::new();
    for detail in &part.detailed_breakdowns {
        let Some(value) = &detail.value else { continue };
        let amount = money("detailedBreakdowns.value", value, currency)?;
        let subtype = detail.subtype.as_deref().unwrap_or("ITEM");
        let place = match (subtype, place_of(subtype)) {
            (_, Some(place)) => place,
            // The tax that a discount takes off.
            ("DISCOUNT", None) => Place::Line,
            (_, None) if amount.is_zero() => continue,
            (other, None) => return Err(DecodeError::unknown("proceeds.subtype", other)),
        };
        parts.push((place, amount));
    }
    if parts.is_empty() {
        return Ok(vec![(Place::Line, whole)]);
    }
    let sum = Money::sum(currency, parts.iter().map(|(_, amount)| *amount));
    if sum.map_err(out_of_range)? != whole {
        return Err(DecodeError::Contradiction {
            what: "order",
            why: format!("the parts of {} do not make {whole}", part.kind),
        });
    }
    Ok(parts)
}

/// The name of an item's tax, and who pays it to the state.
fn tax_words(tax: Option<&wire::Tax>) -> Result<(String, Remitter), DecodeError> {
    let schemes = tax.map_or(&[][..], |tax| &tax.tax_calculation_breakdowns);
    let scheme = schemes.iter().find_map(|one| one.reporting_scheme.as_deref());
    let title = scheme.map_or_else(|| "Tax".to_owned(), |scheme| format!("Tax {scheme}"));
    let mut remitted_by = Remitter::Merchant;
    for collection in tax.map_or(&[][..], |tax| &tax.tax_collections) {
        match collection.model.as_deref() {
            Some("MARKETPLACE_FACILITATOR") => remitted_by = Remitter::Marketplace,
            None => {}
            Some(other) => return Err(DecodeError::unknown("taxCollections.model", other)),
        }
    }
    Ok((title, remitted_by))
}

fn promotions(promotion: Option<&wire::Promotion>) -> String {
    let all = promotion.map_or(&[][..], |promotion| &promotion.breakdowns);
    let ids: Vec<&str> = all.iter().filter_map(|one| one.promotion_id.as_deref()).collect();
    if ids.is_empty() { "Promotion".to_owned() } else { ids.join(", ") }
}
