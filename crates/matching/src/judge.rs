//! One key: do the sides that must state it agree?

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use trueup_domain::calendar::Calendar;
use trueup_domain::derive::sale::{BEFORE_START, IN_PARTS, NOT_YET, PAID_AGAIN, SUMMED_LATE};
use trueup_domain::item::{Item, ItemKind, Side};
use trueup_domain::money::{Money, MoneyError};

/// Business days after which a statement of the provider that no channel makes is unexpected.
const CHANNEL_DUE_BUSINESS_DAYS: u32 = 2;
/// Business days in which the books hold a tender that its provider settles much later.
const BOOKS_DUE_BUSINESS_DAYS: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Every side that must state it does, and they agree to the cent.
    Proven,
    /// A side is missing whose day has not passed.
    NotDue,
    /// A typed difference.
    Broken,
    /// Nothing is to be compared: an explained movement, or a bank line that is not ours.
    NotApplicable,
}

impl Status {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::NotDue => "not_due",
            Self::Broken => "broken",
            Self::NotApplicable => "not_applicable",
        }
    }
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Proven, Self::NotDue, Self::Broken, Self::NotApplicable]
            .into_iter()
            .find(|status| status.word() == word)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakKind {
    MissingInBooks,
    /// Sold long ago, and nothing happened by which it would be invoiced.
    NotInvoiced,
    MissingInSettlement,
    MissingAtBank,
    /// The provider or the books state what no channel does.
    MissingAtChannel,
    AmountDiffers,
    TaxDiffers,
    /// A side states it twice.
    Duplicate,
    /// The bank line is not the payout's amount.
    ShortPayout,
    /// The rows of a payout do not sum to it.
    RowsDiffer,
    NotPaidOut,
    /// The provider gave the money of a refund back: the buyer has none.
    RefundFailed,
    /// The rows about a capture do not say where all of it is.
    NotConserved,
}

impl BreakKind {
    pub const fn word(self) -> &'static str {
        match self {
            Self::MissingInBooks => "missing_in_books",
            Self::NotInvoiced => "not_invoiced",
            Self::MissingInSettlement => "missing_in_settlement",
            Self::MissingAtBank => "missing_at_bank",
            Self::MissingAtChannel => "missing_at_channel",
            Self::AmountDiffers => "amount_differs",
            Self::TaxDiffers => "tax_differs",
            Self::Duplicate => "duplicate",
            Self::ShortPayout => "short_payout",
            Self::RowsDiffer => "rows_differ",
            Self::NotPaidOut => "not_paid_out",
            Self::RefundFailed => "refund_failed",
            Self::NotConserved => "not_conserved",
        }
    }

    /// What a person does next.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::MissingInBooks => {
                "look at the command of this order: it waits, was refused, or its record was removed"
            }
            Self::NotInvoiced => {
                "send what is left, or cancel and refund it at the channel; accept it if it is to \
                 come later"
            }
            Self::MissingInSettlement => {
                "ask the provider for the transaction; the channel says it succeeded"
            }
            Self::MissingAtBank => "ask the bank, or check that its statements came in",
            Self::MissingAtChannel => {
                "find the sale: it may be older than the first import or from another channel"
            }
            Self::AmountDiffers | Self::TaxDiffers => {
                "compare the two documents; somebody edited one of them"
            }
            Self::Duplicate => "reverse the second one after checking which is ours",
            Self::ShortPayout => "book the bank's charge against its invoice, or claim it back",
            Self::RowsDiffer => {
                "retry it, which reads the payout again; ask the provider if it stays"
            }
            Self::NotPaidOut => "ask the provider why the row is in no payout",
            Self::NotConserved => {
                "find the row that has no part in the sum, and ask the provider what it is"
            }
            Self::RefundFailed => {
                "pay the customer another way; the payment is taken back and the credit note is \
                 open again: pay it in the books, and accept this case as done"
            }
        }
    }
}

/// An item with the name of its row and of its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub id: String,
    pub root: String,
    pub item: Item,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub status: Status,
    pub break_kind: Option<BreakKind>,
    /// What the side that knows best states.
    pub amount: Money,
    /// Observed minus expected; zero unless broken.
    pub difference: Money,
    pub day: Date,
    pub due: Option<Date>,
    pub detail: String,
    /// The items that agree, to be claimed by one match.
    pub matched: Vec<String>,
}

/// Which sides must state a key, by its first word.
fn sides_of(word: &str) -> &'static [Side] {
    match word {
        "order" | "tax" | "refund" | "capture_tender" | "refund_paid_tender" | "entry"
        | "entry_tax" | "entry_base" => &[Side::Channel, Side::Books],
        "capture" | "refund_paid" => &[Side::Channel, Side::Books, Side::Settlement],
        "capture_transfer" | "refund_paid_transfer" => &[Side::Channel, Side::Books, Side::Bank],
        _ => &[],
    }
}

/// Judges everything that carries one key. `claimed` are the bank lines claimed for it. `None` when
/// no item is left.
pub fn judge(
    key: &str,
    items: &[Seen],
    claimed: &[Seen],
    today: Date,
    calendar: &Calendar,
) -> Result<Option<Verdict>, MoneyError> {
    let Some(first) = items.first() else { return Ok(None) };
    let word = key.split('/').next().unwrap_or_default();
    let case = Case { items, claimed, today, calendar, first };
    let currency = first.item.amount.currency();
    let foreign = items.iter().find(|seen| seen.item.amount.currency() != currency);
    if let Some(foreign) = foreign {
        let detail = format!(
            "{} states {}, {} states {}: two currencies do not compare",
            first.item.side.word(),
            first.item.amount,
            foreign.item.side.word(),
            foreign.item.amount
        );
        return Ok(Some(case.broken(BreakKind::AmountDiffers, first.item.amount, detail)));
    }
    let verdict = match word {
        "payout" => case.payout()?,
        "bank" => case.bank()?,
        "unpaid" => case.unpaid(),
        "till" | "till_tax" | "till_tender" => case.till(word)?,
        // Rows that stand alone are explained by their class; an unknown one is a case of its root.
        "dispute" | "reserve" | "fee" | "unknown" | "line" | "of_capture" => {
            case.plain(Status::NotApplicable)
        }
        _ => case.sides(word)?,
    };
    Ok(Some(verdict))
}

struct Case<'a> {
    items: &'a [Seen],
    claimed: &'a [Seen],
    today: Date,
    calendar: &'a Calendar,
    first: &'a Seen,
}

impl Case<'_> {
    fn plain(&self, status: Status) -> Verdict {
        let currency = self.first.item.amount.currency();
        Verdict {
            status,
            break_kind: None,
            amount: self.first.item.amount,
            difference: Money::zero(currency),
            day: self.first.item.date,
            due: None,
            detail: String::new(),
            matched: Vec::new(),
        }
    }

    fn broken(&self, kind: BreakKind, difference: Money, detail: impl Into<String>) -> Verdict {
        Verdict {
            break_kind: Some(kind),
            difference,
            detail: detail.into(),
            ..self.plain(Status::Broken)
        }
    }

    /// Broken if the day has passed, else not due.
    fn lacking(
        &self,
        kind: BreakKind,
        difference: Money,
        due: Date,
        detail: impl Into<String>,
    ) -> Verdict {
        let detail = detail.into();
        if self.today <= due {
            Verdict { due: Some(due), detail, ..self.plain(Status::NotDue) }
        } else {
            Verdict { due: Some(due), ..self.broken(kind, difference, detail) }
        }
    }

    fn sums(&self) -> Result<BTreeMap<Side, (Money, usize)>, MoneyError> {
        let currency = self.first.item.amount.currency();
        let mut sums: BTreeMap<Side, (Money, usize)> = BTreeMap::new();
        for seen in self.items.iter().chain(self.claimed) {
            let (sum, count) =
                sums.entry(seen.item.side).or_insert_with(|| (Money::zero(currency), 0));
            *sum = sum.checked_add(seen.item.amount)?;
            *count += 1;
        }
        Ok(sums)
    }

    fn sides(&self, word: &str) -> Result<Verdict, MoneyError> {
        let sums = self.sums()?;
        let required = sides_of(word);
        let Some((expected, _)) = sums.get(&Side::Channel).copied() else {
            return Ok(self.without_channel(&sums));
        };
        let channel = self.items.iter().find(|seen| seen.item.side == Side::Channel);
        let channel = channel.unwrap_or(self.first);
        let due = channel.item.due.unwrap_or(self.today);
        let based = Case { first: channel, ..*self };
        if word == "refund_paid" && !expected.is_zero() && given_back(&sums) {
            return based.refund_failed(expected, &sums);
        }
        if let Some(verdict) = self.in_part(expected, &sums)? {
            return Ok(verdict);
        }
        let hinted = |word: &str| channel.item.hints.iter().any(|hint| hint == word);
        // A sale that somebody else booked: the books are theirs, the money is not.
        let theirs = hinted(BEFORE_START);
        let in_parts = hinted(IN_PARTS);
        // Its entry is made with its payout, and at the end of its month at the latest.
        let month_end = hinted(SUMMED_LATE).then(|| channel.item.date.last_of_month());
        let in_books_by =
            month_end.map(|day| self.calendar.add_business_days(day, BOOKS_DUE_BUSINESS_DAYS));
        let mut awaits_entry = None;
        let needed = |side: &Side| match side {
            Side::Channel => false,
            Side::Books => !theirs,
            Side::Settlement | Side::Bank => true,
        };
        // A named line explains a part of what a side holds; it is no statement of that side.
        let stated = |side: Side| {
            let of_side = |seen: &&Seen| seen.item.side == side;
            let mut all = self.items.iter().chain(self.claimed).filter(of_side);
            all.any(|seen| seen.item.kind != ItemKind::RemittedTax)
        };
        for side in required.iter().copied().filter(needed) {
            match sums.get(&side).copied().filter(|_| stated(side)) {
                None => {
                    let lack = expected.checked_neg()?;
                    let (kind, text) = match side {
                        Side::Books => (BreakKind::MissingInBooks, "the books do not hold it"),
                        Side::Bank => (BreakKind::MissingAtBank, "no bank line shows it"),
                        Side::Settlement | Side::Channel => {
                            (BreakKind::MissingInSettlement, "no ledger row of the provider")
                        }
                    };
                    if expected.is_zero() {
                        continue;
                    }
                    if let Some(by) = in_books_by.filter(|_| side == Side::Books) {
                        let lacking = based.lacking(kind, lack, by, text);
                        if by >= self.today {
                            awaits_entry = Some(lacking);
                            continue;
                        }
                        return Ok(lacking);
                    }
                    let due = if in_parts && side == Side::Books {
                        let day = channel.item.date;
                        self.calendar.add_business_days(day, BOOKS_DUE_BUSINESS_DAYS).min(due)
                    } else {
                        due
                    };
                    return Ok(based.lacking(kind, lack, due, text));
                }
                Some((amount, _)) if amount == expected => {}
                Some((amount, _))
                    if in_parts
                        && side == Side::Settlement
                        && amount.minor() < expected.minor() =>
                {
                    let lack = amount.checked_sub(expected)?;
                    let detail = format!("settled {amount} of {expected} so far");
                    return Ok(based.lacking(BreakKind::AmountDiffers, lack, due, detail));
                }
                Some((amount, count)) => {
                    let difference = amount.checked_sub(expected)?;
                    let twice = count > 1 && amount == expected.checked_mul(2)?;
                    let kind = match word {
                        _ if twice => BreakKind::Duplicate,
                        "tax" | "entry_tax" | "entry_base" => BreakKind::TaxDiffers,
                        _ => BreakKind::AmountDiffers,
                    };
                    let detail = format!("channel {expected}, {} {amount}", side.word());
                    return Ok(based.broken(kind, difference, detail));
                }
            }
        }
        if let Some(lacking) = awaits_entry {
            return Ok(lacking);
        }
        let agreeing = self.items.iter().chain(self.claimed);
        Ok(Verdict {
            amount: expected,
            matched: agreeing.map(|seen| seen.id.clone()).collect(),
            ..based.plain(Status::Proven)
        })
    }

    /// A sale of which a part is not invoiced yet: what is, the books must hold exactly; the rest is
    /// not due until its own day. `None` where all of it is invoiced.
    fn in_part(
        &self,
        expected: Money,
        sums: &BTreeMap<Side, (Money, usize)>,
    ) -> Result<Option<Verdict>, MoneyError> {
        let is_later = |seen: &&Seen| seen.item.hints.iter().any(|hint| hint == NOT_YET);
        let Some(rest) = self.items.iter().find(is_later) else { return Ok(None) };
        let mut of_channel = self.items.iter().filter(|seen| seen.item.side == Side::Channel);
        let invoiced = of_channel.find(|seen| !is_later(seen));
        let now = expected.checked_sub(rest.item.amount)?;
        let zero = Money::zero(expected.currency());
        let books = sums.get(&Side::Books).map_or(zero, |(amount, _)| *amount);
        let whole = Case { first: rest, ..*self };
        let due = |seen: &Seen| seen.item.due.unwrap_or(self.today);
        let verdict = if books == now {
            let lack = rest.item.amount.checked_neg()?;
            let detail = format!("{} of {expected} is not invoiced yet", rest.item.amount);
            whole.lacking(BreakKind::NotInvoiced, lack, due(rest), detail)
        } else if books.is_zero() {
            let due = invoiced.map_or(self.today, due);
            let text = format!("the books do not hold {now} that is to be invoiced so far");
            whole.lacking(BreakKind::MissingInBooks, now.checked_neg()?, due, text)
        } else {
            let difference = books.checked_sub(now)?;
            let due = invoiced.map_or(self.today, due);
            let detail = format!("channel {now} so far, books {books}");
            if difference.is_negative() {
                whole.lacking(BreakKind::AmountDiffers, difference, due, detail)
            } else {
                whole.broken(BreakKind::AmountDiffers, difference, detail)
            }
        };
        Ok(Some(Verdict { amount: expected, ..verdict }))
    }

    /// What the channel states went and came back. Where it went again by another transaction, and
    /// the books took it back too, nothing is left to compare.
    fn refund_failed(
        &self,
        expected: Money,
        sums: &BTreeMap<Side, (Money, usize)>,
    ) -> Result<Verdict, MoneyError> {
        let holds = |side: Side| sums.get(&side).map(|(amount, _)| *amount);
        let paid_again = self.first.item.hints.iter().any(|hint| hint == PAID_AGAIN);
        let booked_back = holds(Side::Books).is_none_or(Money::is_zero);
        let mut detail = format!("channel {expected}; it came back");
        if let Some(books) = holds(Side::Books).filter(|amount| !amount.is_zero()) {
            detail = format!("{detail}, the books still hold {books} as paid");
        }
        if paid_again && booked_back {
            let detail = format!("{detail}, and went again by another transaction");
            return Ok(Verdict { detail, ..self.plain(Status::NotApplicable) });
        }
        Ok(self.broken(BreakKind::RefundFailed, expected.checked_neg()?, detail))
    }

    fn without_channel(&self, sums: &BTreeMap<Side, (Money, usize)>) -> Verdict {
        let zero = Money::zero(self.first.item.amount.currency());
        let amount = sums.values().next().map_or(zero, |(amount, _)| *amount);
        if amount.is_zero() {
            return self.plain(Status::NotApplicable);
        }
        let due = self.calendar.add_business_days(self.first.item.date, CHANNEL_DUE_BUSINESS_DAYS);
        let sides: Vec<&str> = sums.keys().map(|side| side.word()).collect();
        let detail = format!("stated by {} only", sides.join(" and "));
        self.lacking(BreakKind::MissingAtChannel, amount, due, detail)
    }

    /// The tickets of a till's session against what the books made of it: both in sums, and an
    /// offline register may upload more of them later.
    fn till(&self, word: &str) -> Result<Verdict, MoneyError> {
        let sums = self.sums()?;
        let zero = Money::zero(self.first.item.amount.currency());
        let of = |side: Side| sums.get(&side).map_or(zero, |(sum, _)| *sum);
        let (tickets, books) = (of(Side::Channel), of(Side::Books));
        let newest = self.items.iter().max_by_key(|seen| seen.item.date).unwrap_or(self.first);
        let based = Case { first: newest, ..*self };
        let dues = self.items.iter().filter_map(|seen| seen.item.due);
        let from = newest.item.date;
        let due = self.calendar.add_business_days(from, CHANNEL_DUE_BUSINESS_DAYS);
        let due = dues.max().map_or(due, |own| own.max(due));
        let verdict = match (sums.contains_key(&Side::Channel), sums.contains_key(&Side::Books)) {
            (_, true) if tickets == books => Verdict {
                matched: self.items.iter().map(|seen| seen.id.clone()).collect(),
                ..based.plain(Status::Proven)
            },
            // What was taken and given back in one session leaves nothing to be booked.
            (true, false) if tickets.is_zero() => based.plain(Status::NotApplicable),
            (true, false) => {
                let text = "the session is not closed, or the books hold nothing of it";
                based.lacking(BreakKind::MissingInBooks, tickets.checked_neg()?, due, text)
            }
            (false, _) => {
                let text = "stated by books only";
                based.lacking(BreakKind::MissingAtChannel, books, due, text)
            }
            (true, true) => {
                let kind = match word {
                    "till_tax" => BreakKind::TaxDiffers,
                    _ => BreakKind::AmountDiffers,
                };
                let detail = format!("the tickets make {tickets}, the books hold {books}");
                based.lacking(kind, books.checked_sub(tickets)?, due, detail)
            }
        };
        Ok(Verdict { amount: if tickets.is_zero() { books } else { tickets }, ..verdict })
    }

    fn payout(&self) -> Result<Verdict, MoneyError> {
        let of_kind = |kind: ItemKind| self.items.iter().filter(move |seen| seen.item.kind == kind);
        let currency = self.first.item.amount.currency();
        let rows = Money::sum(currency, of_kind(ItemKind::PayoutRow).map(|seen| seen.item.amount))?;
        let Some(header) = of_kind(ItemKind::Payout).next() else {
            let due =
                self.calendar.add_business_days(self.first.item.date, CHANNEL_DUE_BUSINESS_DAYS);
            let verdict =
                self.lacking(BreakKind::RowsDiffer, rows, due, "the payout itself is not known");
            return Ok(verdict);
        };
        let based = Case { first: header, ..*self };
        if rows == header.item.amount {
            return Ok(Verdict {
                matched: self.items.iter().map(|seen| seen.id.clone()).collect(),
                ..based.plain(Status::Proven)
            });
        }
        let difference = rows.checked_sub(header.item.amount)?;
        let detail = format!("its rows sum to {rows}, it states {}", header.item.amount);
        let due = self.calendar.add_business_days(header.item.date, 1);
        Ok(based.lacking(BreakKind::RowsDiffer, difference, due, detail))
    }

    fn bank(&self) -> Result<Verdict, MoneyError> {
        let payout = &self.first.item;
        let currency = payout.amount.currency();
        let banked = Money::sum(currency, self.claimed.iter().map(|seen| seen.item.amount))?;
        if self.claimed.is_empty() {
            let due = payout.due.unwrap_or(payout.date);
            let lack = payout.amount.checked_neg()?;
            return Ok(self.lacking(
                BreakKind::MissingAtBank,
                lack,
                due,
                "no bank line shows this payout",
            ));
        }
        let items = self.items.iter().chain(self.claimed);
        let matched = items.map(|seen| seen.id.clone()).collect();
        if banked == payout.amount {
            return Ok(Verdict { matched, ..self.plain(Status::Proven) });
        }
        let difference = banked.checked_sub(payout.amount)?;
        let detail = format!("paid out {}, the bank shows {banked}", payout.amount);
        Ok(Verdict { matched, ..self.broken(BreakKind::ShortPayout, difference, detail) })
    }

    fn unpaid(&self) -> Verdict {
        let due = self.first.item.due.unwrap_or(self.today);
        self.lacking(
            BreakKind::NotPaidOut,
            self.first.item.amount,
            due,
            "the row is in no payout yet",
        )
    }
}

/// Whether the provider, or the books after it, took all of a refund back.
fn given_back(sums: &BTreeMap<Side, (Money, usize)>) -> bool {
    let nets_to_nothing =
        |side: &Side| sums.get(side).is_some_and(|(amount, count)| *count > 1 && amount.is_zero());
    [Side::Settlement, Side::Books].iter().any(nets_to_nothing)
}
