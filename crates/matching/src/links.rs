//! The proof of one order: document, tender, payout, bank (`DESIGN.md` §4, `POSTING.md` P7).

use serde::Serialize;

use crate::judge::Status;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    Document,
    Tender,
    Payout,
    Bank,
}

impl Link {
    pub const ALL: [Self; 4] = [Self::Document, Self::Tender, Self::Payout, Self::Bank];
    pub const fn word(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Tender => "tender",
            Self::Payout => "payout",
            Self::Bank => "bank",
        }
    }
}

/// How one tender of an order stands on the three money links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenderStanding {
    pub tender: Status,
    pub payout: Status,
    pub bank: Status,
}

/// The four links of an order, each the worst of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Proof {
    pub document: Status,
    pub tender: Status,
    pub payout: Status,
    pub bank: Status,
}

impl Proof {
    pub fn of(documents: &[Status], tenders: &[TenderStanding]) -> Self {
        let by = |pick: fn(&TenderStanding) -> Status| -> Status {
            worst(tenders.iter().map(pick).collect::<Vec<_>>().as_slice())
        };
        Self {
            document: worst(documents),
            tender: by(|one| one.tender),
            payout: by(|one| one.payout),
            bank: by(|one| one.bank),
        }
    }

    pub fn link(&self, link: Link) -> Status {
        match link {
            Link::Document => self.document,
            Link::Tender => self.tender,
            Link::Payout => self.payout,
            Link::Bank => self.bank,
        }
    }

    /// An order is proven when every link is proven or not applicable, and at least one is proven.
    pub fn overall(&self) -> Status {
        worst(&Link::ALL.map(|link| self.link(link)))
    }
}

/// Broken before not due before proven; not applicable only when everything is.
pub fn worst(statuses: &[Status]) -> Status {
    let any = |status: Status| statuses.contains(&status);
    if any(Status::Broken) {
        Status::Broken
    } else if any(Status::NotDue) {
        Status::NotDue
    } else if any(Status::Proven) {
        Status::Proven
    } else {
        Status::NotApplicable
    }
}
