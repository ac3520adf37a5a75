//! Records cut out of replies, byte for byte.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use trueup_connect::Record;

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

impl Gathered {
    pub fn cut(&mut self, kind: impl Into<String>, external_id: &str, object: &RawValue) {
        self.bytes += object.get().len();
        self.cuts.push(Cut {
            kind: kind.into(),
            external_id: external_id.to_owned(),
            body: object.get().to_owned(),
        });
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
