//! The sub-ledger: balanced entries against account roles, each with the one who books it.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::command::TargetRef;
use crate::item::ItemKind;
use crate::money::{Currency, Money, MoneyError};

/// What an account is for. Roles map to accounts of the books per entity; a role that exists many
/// times (clearing per gateway) carries a qualifier on its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Receivable,
    Sales,
    Discounts,
    Returns,
    ShippingIncome,
    TipIncome,
    DutyIncome,
    GiftWrapIncome,
    FeeIncome,
    TaxPayable,
    /// Collected by the marketplace for the state; nets to zero with the next role.
    MarketplaceTaxCollected,
    MarketplaceTaxWithheld,
    MarketplaceReceivable,
    GiftCardLiability,
    StoreCreditLiability,
    /// What customers paid and is in no invoice at the end of a month.
    CustomerDeposits,
    /// Between capture and payout; one per gateway and currency.
    Clearing,
    InTransit,
    Bank,
    BankUnallocated,
    ReserveHeld,
    DisputesReceivable,
    ChargebackCost,
    ProcessingFees,
    OtherFees,
    WithheldTax,
    Reimbursements,
    Loans,
    Transfers,
    Adjustments,
    Rounding,
    /// What a drawer holds more or less than was sold for cash.
    CashDifference,
    Fx,
    /// Money of a row that nobody has decided about. Never posted.
    Unknown,
}

macro_rules! role_words {
    ($($role:ident = $word:literal),* $(,)?) => {
        impl Role {
            pub const ALL: &[Self] = &[$(Self::$role),*];
            pub const fn word(self) -> &'static str {
                match self { $(Self::$role => $word),* }
            }
        }
    };
}
role_words! {
    Receivable = "receivable", Sales = "sales", Discounts = "discounts", Returns = "returns",
    ShippingIncome = "shipping_income", TipIncome = "tip_income", DutyIncome = "duty_income",
    GiftWrapIncome = "gift_wrap_income", FeeIncome = "fee_income", TaxPayable = "tax_payable",
    MarketplaceTaxCollected = "marketplace_tax_collected",
    MarketplaceTaxWithheld = "marketplace_tax_withheld",
    MarketplaceReceivable = "marketplace_receivable",
    GiftCardLiability = "gift_card_liability", StoreCreditLiability = "store_credit_liability",
    CustomerDeposits = "customer_deposits",
    Clearing = "clearing", InTransit = "in_transit", Bank = "bank",
    BankUnallocated = "bank_unallocated", ReserveHeld = "reserve_held",
    DisputesReceivable = "disputes_receivable", ChargebackCost = "chargeback_cost",
    ProcessingFees = "processing_fees", OtherFees = "other_fees", WithheldTax = "withheld_tax",
    Reimbursements = "reimbursements", Loans = "loans", Transfers = "transfers",
    Adjustments = "adjustments", Rounding = "rounding",
    CashDifference = "cash_difference", Fx = "fx", Unknown = "unknown",
}

/// Who books a fact in the general ledger (`POSTING.md` P1): exactly one for each fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Booker {
    /// The ERP posts it when a document of ours is posted; ours is an expectation.
    Odoo,
    /// We post it as a journal entry.
    Trueup,
    /// A person, bank sync or till posts it; we observe.
    Other,
    /// In no general ledger.
    Memo,
}

impl Booker {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Odoo => "odoo",
            Self::Trueup => "trueup",
            Self::Other => "other",
            Self::Memo => "memo",
        }
    }
}

/// One line of an entry; debit is positive, credit negative.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryLine {
    pub role: Role,
    /// Which of several accounts of the role: the gateway of a clearing account, the target's tax.
    pub qualifier: Option<String>,
    pub amount: Money,
    /// The target's taxes of which it is the base, where we book the entry ourselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taxes: Vec<TargetRef>,
}

/// That an entry goes into the books within a sum, and what it states there once that is posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summed {
    /// As a command's [`states`](crate::fact::Command::states).
    pub states: (ItemKind, String),
    /// Of what was given back: declared as a refund is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refund: bool,
}

/// A balanced statement of what one fact does to the accounts. Never edited: a correction reverses
/// it and books another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub date: Date,
    pub booker: Booker,
    pub memo: String,
    pub lines: Vec<EntryLine>,
    /// Only where the booker is [`Booker::Trueup`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summed: Option<Summed>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    #[error("the entry `{memo}` is out of balance by {by}")]
    Unbalanced { memo: String, by: Money },
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// Collects lines, drops zeros and refuses to make an entry that does not balance.
pub struct EntryBuilder {
    currency: Currency,
    entry: Entry,
}

impl EntryBuilder {
    pub fn new(date: Date, booker: Booker, currency: Currency, memo: impl Into<String>) -> Self {
        let entry = Entry { date, booker, memo: memo.into(), lines: Vec::new(), summed: None };
        Self { currency, entry }
    }

    pub fn debit(&mut self, role: Role, qualifier: Option<&str>, amount: Money) -> &mut Self {
        self.debit_base(role, qualifier, amount, Vec::new())
    }

    /// A line that is the base of `taxes`.
    pub fn debit_base(
        &mut self,
        role: Role,
        qualifier: Option<&str>,
        amount: Money,
        taxes: Vec<TargetRef>,
    ) -> &mut Self {
        if !amount.is_zero() {
            let qualifier = qualifier.map(str::to_owned);
            self.entry.lines.push(EntryLine { role, qualifier, amount, taxes });
        }
        self
    }

    /// The entry goes into the books within a sum.
    pub fn summed(&mut self, summed: Option<Summed>) -> &mut Self {
        self.entry.summed = summed;
        self
    }

    pub fn credit(
        &mut self,
        role: Role,
        qualifier: Option<&str>,
        amount: Money,
    ) -> Result<&mut Self, MoneyError> {
        let negative = amount.checked_neg()?;
        Ok(self.debit(role, qualifier, negative))
    }

    /// `None` when every line was zero.
    pub fn build(self) -> Result<Option<Entry>, EntryError> {
        let by = Money::sum(self.currency, self.entry.lines.iter().map(|line| line.amount))?;
        if !by.is_zero() {
            return Err(EntryError::Unbalanced { memo: self.entry.memo, by });
        }
        Ok((!self.entry.lines.is_empty()).then_some(self.entry))
    }
}
