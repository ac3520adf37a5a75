//! Settlement reports: Amazon makes them by itself, so they are listed, and each is a document
//! behind an address that is good for five minutes.

use std::collections::BTreeSet;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use trueup_connect::message::BODY_BYTES_MAX;
use trueup_connect::{CallError, Reply, Request};

use super::{Cut, Next, escaped, unexpected};
use crate::settlement::table::text_of;
use crate::{decode, wire};

/// Amazon's slowest rate here: one call in a minute.
pub const CALL_EVERY_MS: u64 = 60_000;

const REPORTS: &str = "/reports/2021-06-30/reports";
const DOCUMENTS: &str = "/reports/2021-06-30/documents";
const REPORT_TYPE: &str = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2";
/// Reports are kept for 90 days; an older start is refused.
const KEPT: SignedDuration = SignedDuration::from_hours(89 * 24);
/// How far a list reaches back before the newest report that was seen.
const OVERLAP: SignedDuration = SignedDuration::from_hours(3 * 24);
/// Documents of one conversation; the next one goes on.
const DOCUMENTS_MAX: usize = 8;
const PAGES_MAX: u32 = 20;

/// Where the stream stands; the cursor is its JSON.
#[derive(Clone, Serialize, Deserialize)]
struct Place {
    /// The newest report whose document has been read.
    seen: Timestamp,
    /// The documents that have been read, of reports within reach.
    read: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
pub struct Listing {
    place: Place,
    from: Timestamp,
    token: Option<String>,
    pages: u32,
    listed: bool,
    /// Reports to be fetched, oldest first; the first one is under way.
    left: Vec<Report>,
    /// All reports of the list, so that others can be forgotten.
    within_reach: BTreeSet<String>,
    fetched: usize,
    document: Option<Document>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Report {
    created: Timestamp,
    id: String,
    document: String,
}

#[derive(Serialize, Deserialize)]
struct Document {
    url: String,
    gzip: bool,
}

impl Listing {
    pub fn from_cursor(
        cursor: Option<&str>,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Self, CallError> {
        let place: Option<Place> = match cursor {
            None => None,
            Some(cursor) => {
                Some(serde_json::from_str(cursor).map_err(|error| CallError::NotSetUp {
                    why: format!("the cursor of the stream cannot be read: {error}"),
                })?)
            }
        };
        let from = place
            .as_ref()
            .map_or(since, |place| place.seen.checked_sub(OVERLAP).unwrap_or(place.seen));
        let oldest = now.checked_sub(KEPT).unwrap_or(now);
        Ok(Self {
            place: place.unwrap_or(Place { seen: since, read: BTreeSet::new() }),
            from: from.max(oldest),
            token: None,
            pages: 0,
            listed: false,
            left: Vec::new(),
            within_reach: BTreeSet::new(),
            fetched: 0,
            document: None,
        })
    }

    pub fn next(&self) -> Next {
        if !self.listed {
            // A token stands for all other parameters.
            let path = match &self.token {
                Some(token) => format!("{REPORTS}?nextToken={}", escaped(token)),
                None => format!(
                    "{REPORTS}?reportTypes={REPORT_TYPE}&processingStatuses=DONE&pageSize=100\
                     &createdSince={}",
                    escaped(&self.from.to_string())
                ),
            };
            return Next::Ask(Request::get(path));
        }
        match (self.left.first(), &self.document) {
            (Some(_), _) if self.fetched >= DOCUMENTS_MAX => self.done(),
            (Some(_), Some(document)) => {
                Next::Ask(Request { timeout_ms: 180_000, ..Request::get(document.url.clone()) })
            }
            (Some(report), None) => {
                Next::Ask(Request::get(format!("{DOCUMENTS}/{}", escaped(&report.document))))
            }
            (None, _) => self.done(),
        }
    }

    fn done(&self) -> Next {
        let mut place = self.place.clone();
        place.read.retain(|id| self.within_reach.contains(id));
        let text = serde_json::to_string(&place);
        let text = text.unwrap_or_else(|error| unreachable!("cursors always serialise: {error}"));
        Next::Done { cursor: Some(text) }
    }

    pub fn take(&mut self, reply: &Reply, records: &mut Vec<Cut>) -> Result<(), CallError> {
        if !self.listed {
            return self.take_page(reply);
        }
        let Some(document) = self.document.take() else {
            let told: wire::ReportDocument =
                serde_json::from_slice(&reply.body).map_err(unexpected)?;
            let gzip = match told.compression_algorithm.as_deref() {
                None => false,
                Some("GZIP") => true,
                Some(_) => return Err(unexpected("an unknown compression")),
            };
            if !told.url.starts_with("https://") {
                return Err(unexpected("the document has no address"));
            }
            self.document = Some(Document { url: told.url, gzip });
            return Ok(());
        };
        let body = if document.gzip { unpacked(&reply.body)? } else { reply.body.clone() };
        if self.left.is_empty() {
            return Ok(());
        }
        let report = self.left.remove(0);
        // Not UTF-8 everywhere; what is kept is the text.
        let text = text_of(&body).map_err(unexpected)?.into_owned();
        records.push(Cut {
            kind: decode::SETTLEMENT.to_owned(),
            id: report.id.clone(),
            body: text,
        });
        self.fetched += 1;
        self.place.seen = self.place.seen.max(report.created);
        self.place.read.insert(report.id);
        Ok(())
    }

    fn take_page(&mut self, reply: &Reply) -> Result<(), CallError> {
        let page: wire::ReportsPage = serde_json::from_slice(&reply.body).map_err(unexpected)?;
        for report in page.reports {
            let Some(document) = report.report_document_id else { continue };
            if report.report_type != REPORT_TYPE || report.processing_status != "DONE" {
                continue;
            }
            let created = report.created_time.parse().map_err(unexpected)?;
            self.within_reach.insert(report.report_id.clone());
            if !self.place.read.contains(&report.report_id) {
                self.left.push(Report { created, id: report.report_id, document });
            }
        }
        self.pages += 1;
        if page.next_token.is_some() && (page.next_token == self.token || self.pages >= PAGES_MAX) {
            return Err(unexpected("the list of reports does not end"));
        }
        self.listed = page.next_token.is_none();
        self.token = page.next_token;
        // The cursor passes a report only when all before it have been read.
        self.left.sort();
        Ok(())
    }
}

fn unpacked(body: &[u8]) -> Result<Vec<u8>, CallError> {
    let limit = u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = Vec::new();
    MultiGzDecoder::new(body).take(limit).read_to_end(&mut text).map_err(unexpected)?;
    if text.len() > BODY_BYTES_MAX {
        return Err(unexpected("the document is larger than a message may be"));
    }
    Ok(text)
}
