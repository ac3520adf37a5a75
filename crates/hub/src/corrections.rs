//! Corrections: what a message should have said, as one person proposes and another one approves.
//!
//! For what a source states wrongly and will not state again, and for what cannot be read. The
//! message stays as it came in; once a correction is approved, another message, which says what the
//! person wrote, is read in its place. What is approved is one body, named by its hash, and what
//! would come of it is shown before ([`crate::replay::if_it_said`]).
//!
//! A correction holds until its source states something newer of the same object. The same once more
//! is no news: whoever corrected it knew it.

use jiff::Timestamp;
use similar::{ChangeTag, TextDiff};
use trueup_connect::{Decoded, json};
use trueup_domain::document::Document;
use trueup_domain::key;
use trueup_store::corrections::{self, Correction, Proposal, Settled};
use trueup_store::messages::{self, NewMessage, Origin, Past, Received, Recorded};
use trueup_store::{StoreError, Tx, cases, documents};

use crate::decisions::{CONNECTION, Decision, Outcome, Refusal, not_applicable};
use crate::decode::{self, Newer};
use crate::setup::Hub;

/// The type of the case that waits for who approves.
pub const CASE: &str = "correction_proposed";
/// What a person can read and compare; files of banks and marketplaces are corrected where they come
/// from.
pub const BYTES_MAX: usize = 512 * 1024;

/// A message that can be corrected, or why it cannot.
pub fn correctable(tx: &mut Tx<'_>, hub: &Hub, id: &str) -> Outcome<Past> {
    let Some(past) = messages::one_of_the_past(tx, id)? else {
        return match messages::find(tx, id)? {
            Some(message) if message.state == "corrected" => {
                not_applicable("it is corrected already")
            }
            Some(_) => not_applicable("it is about to be decoded"),
            None => Ok(Err(Refusal::Unknown(format!("message `{id}`")))),
        };
    };
    let Past { message, state } = &past;
    if message.connection == CONNECTION || message.kind.starts_with("trueup/") {
        return not_applicable("the hub itself stated it");
    }
    if hub.connection(&message.connection).is_none() {
        return not_applicable("its connection is not configured");
    }
    if !matches!(state.as_str(), "decoded" | "failed" | "skipped") {
        return not_applicable("it states nothing by itself, so that nothing in it can be wrong");
    }
    if message.body.len() > BYTES_MAX || std::str::from_utf8(&message.body).is_err() {
        return not_applicable(
            "it is too long for that, or no text: correct it where it comes from",
        );
    }
    Ok(Ok(past))
}

/// The message in whose place a body can be read: that can be read, speaks of all that the message
/// speaks of, and would put something in force that is not now. Or why not.
fn replaceable(tx: &mut Tx<'_>, hub: &Hub, id: &str, body: &[u8]) -> Outcome<Received> {
    let Past { message, state } = match correctable(tx, hub, id)? {
        Ok(past) => past,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let read = |body: &[u8]| {
        let read = Received { body: body.to_vec(), attempts: 0, ..message.clone() };
        decode::compute(hub, &read)
    };
    let stated = match read(body) {
        Ok(Decoded::Documents(stated)) if !stated.is_empty() => stated,
        Ok(_) => return not_applicable("what it would say states nothing"),
        Err(error) => {
            let why = std::error::Error::source(&error).map(|why| format!(": {why}"));
            return not_applicable(format!(
                "what it would say cannot be read ({error}{})",
                why.unwrap_or_default()
            ));
        }
    };
    let name = |document: &Document| (document.kind(), document.external_id().to_owned());
    if state == "decoded"
        && let Ok(Decoded::Documents(known)) = read(&message.body)
        && let Some(lost) = known.iter().find(|it| !stated.iter().any(|new| name(new) == name(it)))
    {
        return not_applicable(format!(
            "it would not speak of {} {} any more, of which the message speaks: what was said of it \
             would stay in force, said by nobody",
            lost.kind().word(),
            lost.external_id()
        ));
    }
    let mut differs = false;
    for document in decode::lasting(&message.id, &stated, message.received_at) {
        let (kind, id) = (document.kind(), document.external_id());
        let Some(known) = documents::known(tx, &message.connection, kind, id)? else {
            return Ok(Ok(message));
        };
        if known.content_hash == documents::content_hash(document) {
            continue;
        }
        differs = true;
        if known.message == message.id
            || matches!(decode::newer(document, &known, None), Newer::Yes)
        {
            return Ok(Ok(message));
        }
    }
    not_applicable(match differs {
        true => "its source has stated something newer since, which is in force",
        false => "it would say nothing else than what is in force",
    })
}

/// A person proposes what a message should have said.
pub(crate) fn propose(
    tx: &mut Tx<'_>,
    hub: &Hub,
    (message, text): (&str, &str),
    decision: &Decision,
    now: Timestamp,
) -> Outcome<&'static str> {
    let body = text.as_bytes();
    if body.len() > BYTES_MAX {
        return not_applicable("it is longer than what a person can compare");
    }
    let replaced = match replaceable(tx, hub, message, body)? {
        Ok(replaced) => replaced,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let hash = key::body_hash(body);
    let all = corrections::of_message(tx, message)?;
    if all.iter().any(|it| it.waits() && it.body_hash == hash) {
        return not_applicable("the same is proposed already, and waits for who approves it");
    }
    let (person, reason) = (decision.person.as_str(), decision.reason.as_str());
    let id = corrections::propose(tx, Proposal { message, body, person, reason }, now)?;
    let connection = &replaced.connection;
    let case = cases::NewCase {
        kind: CASE,
        subject: &id,
        entity: hub.connection(connection).map_or("", |it| &it.entity),
        title: &format!("{person} proposes what a message of {connection} should have said"),
        detail: &format!("{} ({message}): {reason}", replaced.kind),
        remedy: "compare the two and see what would change, on the page of the message or with \
                 `trueup correct show`; then approve or reject it. Who proposed it cannot approve it",
        amount: None,
        owner: "finance",
    };
    cases::open(tx, &case, now)?;
    Ok(Ok("It is proposed. Nothing is read of it until another person approves it."))
}

fn waiting(tx: &mut Tx<'_>, id: &str) -> Outcome<Correction> {
    match corrections::find(tx, id)? {
        Some(correction) if correction.waits() => Ok(Ok(correction)),
        Some(correction) => not_applicable(format!(
            "it was {} by {} already",
            correction.state, correction.settled_by
        )),
        None => Ok(Err(Refusal::Unknown(format!("correction `{id}`")))),
    }
}

/// Whether two names are of one person, as far as names say.
pub fn is_same_person(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// Another person approves exactly what was proposed: `hash` names the body that he saw.
pub(crate) fn approve(
    tx: &mut Tx<'_>,
    hub: &Hub,
    (id, hash): (&str, &str),
    decision: &Decision,
    now: Timestamp,
) -> Outcome<&'static str> {
    let correction = match waiting(tx, id)? {
        Ok(correction) => correction,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if is_same_person(&correction.person, &decision.person) {
        return not_applicable("who proposed it cannot approve it");
    }
    if correction.body_hash != hash || key::body_hash(&correction.body) != hash {
        return not_applicable("what was seen is not what is proposed");
    }
    let replaced = match replaceable(tx, hub, &correction.message, &correction.body)? {
        Ok(replaced) => replaced,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !messages::corrected(tx, &correction.message)? {
        return not_applicable("the message is read at this moment; try it again");
    }
    let message = NewMessage {
        connection: replaced.connection,
        source_id: format!("correction/{}", correction.id),
        kind: replaced.kind,
        origin: Origin::Correction,
        headers: String::new(),
        body: correction.body,
        asked_at: None,
    };
    let (Recorded::Stored(made) | Recorded::Repeat(made)) = messages::record(tx, &message, now)?;
    let settled = Settled { person: &decision.person, why: &decision.reason, made: Some(&made) };
    corrections::settle(tx, id, settled, now)?;
    let by = format!("{} approved a correction of it", decision.person);
    cases::resolve(tx, Some("undecodable"), &correction.message, &by, now)?;
    // What else was proposed for it has nothing left to take the place of.
    for other in corrections::of_message(tx, &correction.message)? {
        if other.waits() {
            let why = "another correction was approved";
            let rejected = Settled { person: &decision.person, why, made: None };
            corrections::settle(tx, &other.id, rejected, now)?;
            cases::resolve(tx, Some(CASE), &other.id, &by, now)?;
        }
    }
    cases::resolve(tx, Some(CASE), id, &format!("{} approved it", decision.person), now)?;
    Ok(Ok("It is read next, in the place of the message."))
}

/// A person, who may be the one who proposed it, will not have it.
pub(crate) fn reject(
    tx: &mut Tx<'_>,
    id: &str,
    decision: &Decision,
    now: Timestamp,
) -> Outcome<&'static str> {
    if let Err(refusal) = waiting(tx, id)? {
        return Ok(Err(refusal));
    }
    let settled = Settled { person: &decision.person, why: &decision.reason, made: None };
    corrections::settle(tx, id, settled, now)?;
    cases::resolve(tx, Some(CASE), id, &format!("{} rejected it", decision.person), now)?;
    Ok(Ok("It is rejected; the message stays as it is."))
}

/// JSON as a person reads it, with every digit that was sent; `None` for what is none.
pub fn laid_out(text: &str) -> Option<String> {
    json::is_json(text).then(|| json::indented(text))
}

/// A line of a comparison of two texts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// ` ` in both, `-` in the first only, `+` in the second only, `~` where lines are left out.
    pub sign: char,
    pub text: String,
}

/// Where two texts differ, with a few lines around; JSON is compared value by value, whatever its
/// space.
pub fn difference(before: &str, after: &str) -> Vec<Line> {
    const AROUND: usize = 3;
    let both = laid_out(before).zip(laid_out(after));
    let (before, after) = both.unwrap_or_else(|| (before.to_owned(), after.to_owned()));
    let compared = TextDiff::from_lines(&before, &after);
    let mut lines = Vec::new();
    for (index, group) in compared.grouped_ops(AROUND).iter().enumerate() {
        if index > 0 {
            lines.push(Line { sign: '~', text: String::new() });
        }
        for change in group.iter().flat_map(|part| compared.iter_changes(part)) {
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            let text = change.value().trim_end_matches(['\r', '\n']).to_owned();
            lines.push(Line { sign, text });
        }
    }
    lines
}

/// Whether a correction still waits for who approves or rejects it.
pub(crate) fn stands(tx: &mut Tx<'_>, id: &str) -> Result<bool, StoreError> {
    Ok(corrections::find(tx, id)?.is_some_and(|it| it.waits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_texts_differ_where_their_values_do() {
        let lines = difference(r#"{"a": 1, "b": [2, 3]}"#, "{\"a\":1,\n\"b\":[2,4]}");
        let shown: Vec<String> = lines.iter().map(|it| format!("{}{}", it.sign, it.text)).collect();
        let wanted =
            [" {", "   \"a\": 1,", "   \"b\": [", "     2,", "-    3", "+    4", "   ]", " }"];
        assert_eq!(shown, wanted[1..], "the first line is too far away");
        assert_eq!(difference("{\"a\": 1}", "{\"a\":1}"), []);
        assert_eq!(difference("one", "two").len(), 2, "what is no JSON is compared as it is");
    }
}
