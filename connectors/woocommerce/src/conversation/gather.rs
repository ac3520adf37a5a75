//! Records cut out of replies, byte for byte.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use trueup_connect::Record;

use crate::decode;
use crate::wire::Id;

/// One conversation keeps what it read in its state, so it must end in good time.
const PAGES_MAX: u32 = 25;
const BYTES_MAX: usize = 8 * 1024 * 1024;

#[derive(Default, Serialize, Deserialize)]
pub struct Gathered {
    cuts: Vec<Cut>,
    pages: u32,
    bytes: usize,
}

/// A record in the state: as text, because bytes would be written there as a list of numbers.
#[derive(Serialize, Deserialize)]
struct Cut {
    kind: String,
    external_id: String,
    body: String,
}

/// An order and what was read of its refunds.
#[derive(Serialize, Deserialize)]
pub struct Open {
    pub id: String,
    /// The page of its refunds that comes next.
    pub page: u32,
    order: String,
    refunds: Vec<String>,
}

impl Open {
    pub fn of(id: &Id, order: &RawValue) -> Self {
        Self { id: id.0.clone(), page: 1, order: order.get().to_owned(), refunds: Vec::new() }
    }

    /// Takes in a page of its refunds, and says how many there were.
    pub fn take(&mut self, page: &[&RawValue]) -> usize {
        self.refunds.extend(page.iter().map(|refund| refund.get().to_owned()));
        self.page += 1;
        page.len()
    }
}

impl Gathered {
    pub fn cut(&mut self, kind: impl Into<String>, external_id: &str, body: &str) {
        self.bytes += body.len();
        self.cuts.push(Cut {
            kind: kind.into(),
            external_id: external_id.to_owned(),
            body: body.to_owned(),
        });
    }

    /// An order and its refunds side by side, each exactly as it came.
    pub fn whole(&mut self, open: Open) {
        let Open { id, order, refunds, .. } = open;
        let body = format!(r#"{{"order":{order},"refunds":[{}]}}"#, refunds.join(","));
        self.cut(decode::ORDER, &id, &body);
    }

    pub fn count_page(&mut self) {
        self.pages += 1;
    }

    pub fn is_full(&self) -> bool {
        self.pages >= PAGES_MAX || self.bytes >= BYTES_MAX
    }

    pub fn into_records(self) -> Vec<Record> {
        let record = |cut: Cut| Record {
            kind: cut.kind,
            external_id: cut.external_id,
            body: cut.body.into_bytes(),
        };
        self.cuts.into_iter().map(record).collect()
    }
}
