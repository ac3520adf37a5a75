//! Measures add up over any partition of the sales; figures are computed from their sums.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use rust_decimal::prelude::RoundingStrategy;

use crate::money::{Currency, Money, MoneyError};

macro_rules! measures {
    ($($(#[$doc:meta])* $measure:ident = $word:literal;)*) => {
        /// What one document adds: minor units of its currency, or a count.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Measure { $($(#[$doc])* $measure,)* }

        impl Measure {
            pub const ALL: &[Self] = &[$(Self::$measure,)*];

            /// A stable word, and the name of the column that keeps it.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$measure => $word,)* }
            }
        }
    };
}

measures! {
    /// Goods: units times price before discount.
    Gross = "gross";
    /// Funded by the merchant, on goods.
    Discounts = "discounts";
    /// Goods refunded, at the price they were sold for.
    Returns = "returns";
    Shipping = "shipping";
    Duties = "duties";
    Tips = "tips";
    /// Tax that we collect and remit.
    TaxOwn = "tax_own";
    TaxMarketplace = "tax_marketplace";
    DiscountsPlatform = "discounts_platform";
    DiscountsSupplier = "discounts_supplier";
    GiftWrap = "gift_wrap";
    /// Charged beside the goods, less what the channel took off whole orders.
    Fees = "fees";
    Rounding = "rounding";
    /// Given back for no line and no charge: goodwill, discrepancies; fees that were kept lower it.
    Adjustments = "adjustments";
    /// Given back of money that was captured beyond what is sold: neither a return nor in the books'
    /// documents.
    Excess = "excess";
    GiftCardsSold = "gift_cards_sold";
    GiftCardsUsed = "gift_cards_used";
    GiftCardsRefunded = "gift_cards_refunded";
    /// The total as the channel states it, tax included; of a refund, negative.
    Stated = "stated";
    Orders = "orders";
    Units = "units";
    UnitsReturned = "units_returned";
}

/// Sums of measures. What is zero is not kept, so equal sums are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures(BTreeMap<Measure, i64>);

impl Figures {
    pub fn get(&self, measure: Measure) -> i64 {
        self.0.get(&measure).copied().unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn add(&mut self, measure: Measure, amount: i64) -> Result<(), MoneyError> {
        let sum = self.get(measure).checked_add(amount).ok_or(MoneyError::OutOfRange)?;
        if sum == 0 {
            self.0.remove(&measure);
        } else {
            self.0.insert(measure, sum);
        }
        Ok(())
    }

    pub fn add_all(&mut self, other: &Self) -> Result<(), MoneyError> {
        other.0.iter().try_for_each(|(measure, amount)| self.add(*measure, *amount))
    }

    fn sum(&self, plus: &[Measure], minus: &[Measure]) -> i64 {
        let of = |some: &[Measure]| some.iter().map(|it| i128::from(self.get(*it))).sum::<i128>();
        i64::try_from(of(plus) - of(minus)).unwrap_or(i64::MAX)
    }

    /// Gross − discounts − returns, in minor units.
    pub fn net_sales(&self) -> i64 {
        self.sum(&[Measure::Gross], &[Measure::Discounts, Measure::Returns])
    }

    /// Net + shipping + duties + tips + the tax that we collect, in minor units.
    pub fn total_sales(&self) -> i64 {
        use Measure::{Discounts, Duties, Gross, Returns, Shipping, TaxOwn, Tips};
        self.sum(&[Gross, Shipping, Duties, Tips, TaxOwn], &[Discounts, Returns])
    }

    /// What stands beside total sales in a document's own total, in minor units:
    /// total sales + beside = the total that the channel states.
    pub fn beside_total(&self) -> i64 {
        use Measure::{
            Adjustments, DiscountsPlatform, DiscountsSupplier, Excess, Fees, GiftCardsSold,
            GiftWrap, Rounding, TaxMarketplace,
        };
        self.sum(
            &[TaxMarketplace, GiftWrap, Fees, Rounding, GiftCardsSold],
            &[DiscountsPlatform, DiscountsSupplier, Adjustments, Excess],
        )
    }
}

/// One value of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    Money(Money),
    Count(i64),
    /// Two decimals.
    Ratio(Decimal),
    /// Of a hundred, two decimals.
    Percent(Decimal),
}

macro_rules! columns {
    ($($column:ident = $word:literal, $label:literal;)*) => {
        /// The figures of the sales report, in the order in which they are shown.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Column { $($column,)* }

        impl Column {
            pub const ALL: &[Self] = &[$(Self::$column,)*];

            /// The name in files and in the API.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$column => $word,)* }
            }

            /// The name that people read.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$column => $label,)* }
            }
        }
    };
}

columns! {
    GrossSales = "gross_sales", "Gross sales";
    Discounts = "discounts", "Discounts";
    Returns = "returns", "Returns";
    NetSales = "net_sales", "Net sales";
    Shipping = "shipping", "Shipping";
    Duties = "duties", "Duties";
    Tips = "tips", "Tips";
    Tax = "tax_collected", "Tax collected by us";
    TotalSales = "total_sales", "Total sales";
    TaxMarketplace = "tax_remitted_by_marketplace", "Tax remitted by the marketplace";
    DiscountsPlatform = "discounts_funded_by_platform", "Discounts funded by the platform";
    DiscountsSupplier = "discounts_funded_by_supplier", "Discounts funded by suppliers";
    GiftWrap = "gift_wrap", "Gift wrap";
    Fees = "fees", "Fees charged to buyers";
    Rounding = "cash_rounding", "Cash rounding";
    Adjustments = "refund_adjustments", "Refund adjustments";
    Excess = "excess_refunded", "Excess refunded";
    GiftCardsSold = "gift_cards_sold", "Gift cards sold";
    GiftCardsUsed = "gift_cards_used", "Gift cards used";
    GiftCardsRefunded = "gift_cards_refunded_to", "Gift cards refunded to";
    Orders = "orders", "Orders";
    Units = "units", "Units";
    UnitsReturned = "units_returned", "Units returned";
    AverageOrder = "average_order_value", "Average order value";
    UnitsPerOrder = "units_per_order", "Units per order";
    AverageUnit = "average_unit_retail", "Average unit retail";
    DiscountRate = "discount_rate_percent", "Discount rate";
    ReturnRateUnits = "return_rate_units_percent", "Return rate by units";
    ReturnRateValue = "return_rate_value_percent", "Return rate by value";
}

impl Column {
    /// Whether it says something of some SKUs of an order: an order is not divided among them.
    pub const fn is_of_skus(self) -> bool {
        !matches!(self, Self::Orders | Self::AverageOrder | Self::UnitsPerOrder)
    }

    /// The value, or `None` where it is divided by nothing.
    pub fn of(self, figures: &Figures, currency: Currency) -> Option<Cell> {
        let get = |measure| figures.get(measure);
        let discounted = figures.sum(&[Measure::Gross], &[Measure::Discounts]);
        let minor = match self {
            Self::GrossSales => get(Measure::Gross),
            Self::Discounts => get(Measure::Discounts),
            Self::Returns => get(Measure::Returns),
            Self::NetSales => figures.net_sales(),
            Self::Shipping => get(Measure::Shipping),
            Self::Duties => get(Measure::Duties),
            Self::Tips => get(Measure::Tips),
            Self::Tax => get(Measure::TaxOwn),
            Self::TotalSales => figures.total_sales(),
            Self::TaxMarketplace => get(Measure::TaxMarketplace),
            Self::DiscountsPlatform => get(Measure::DiscountsPlatform),
            Self::DiscountsSupplier => get(Measure::DiscountsSupplier),
            Self::GiftWrap => get(Measure::GiftWrap),
            Self::Fees => get(Measure::Fees),
            Self::Rounding => get(Measure::Rounding),
            Self::Adjustments => get(Measure::Adjustments),
            Self::Excess => get(Measure::Excess),
            Self::GiftCardsSold => get(Measure::GiftCardsSold),
            Self::GiftCardsUsed => get(Measure::GiftCardsUsed),
            Self::GiftCardsRefunded => get(Measure::GiftCardsRefunded),
            Self::Orders => return Some(Cell::Count(get(Measure::Orders))),
            Self::Units => return Some(Cell::Count(get(Measure::Units))),
            Self::UnitsReturned => return Some(Cell::Count(get(Measure::UnitsReturned))),
            Self::AverageOrder => shared(discounted, get(Measure::Orders))?,
            Self::AverageUnit => shared(discounted, get(Measure::Units))?,
            Self::UnitsPerOrder => {
                return ratio(get(Measure::Units), get(Measure::Orders), 1).map(Cell::Ratio);
            }
            Self::DiscountRate => {
                let rate = ratio(get(Measure::Discounts), get(Measure::Gross), 100);
                return rate.map(Cell::Percent);
            }
            Self::ReturnRateUnits => {
                let rate = ratio(get(Measure::UnitsReturned), get(Measure::Units), 100);
                return rate.map(Cell::Percent);
            }
            Self::ReturnRateValue => {
                let rate = ratio(get(Measure::Returns), get(Measure::Gross), 100);
                return rate.map(Cell::Percent);
            }
        };
        Some(Cell::Money(Money::from_minor(minor, currency)))
    }
}

/// `amount / count` in minor units, rounded half away from zero.
fn shared(amount: i64, count: i64) -> Option<i64> {
    let share = Decimal::from(amount).checked_div(Decimal::from(count))?;
    let rounded = share.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    rust_decimal::prelude::ToPrimitive::to_i64(&rounded)
}

/// `part × times / whole` with two decimals, rounded half away from zero.
fn ratio(part: i64, whole: i64, times: i64) -> Option<Decimal> {
    let part = Decimal::from(part).checked_mul(Decimal::from(times))?;
    let ratio = part.checked_div(Decimal::from(whole))?;
    let mut ratio = ratio.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    ratio.rescale(2);
    Some(ratio)
}
