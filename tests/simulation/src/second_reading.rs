//! A person has what was taken in read and decided again, at any moment.

use jiff::Timestamp;
use trueup_hub::Hub;
use trueup_hub::decisions::{self, Decision, What};
use trueup_hub::replay::{self, Selection};
use trueup_store::messages::{self, Wanted};
use trueup_store::{StoreError, documents};

use crate::street::Dice;

/// Messages taken up together at most.
const MESSAGES: i64 = 10_000;

/// Replays by a plan, or more than any plan would list: everything of one connection.
pub fn again(hub: &Hub, dice: &Dice, now: Timestamp) -> Result<(), StoreError> {
    let names: Vec<&String> = hub.setup.connections.keys().collect();
    let name = names[dice.below(names.len())];
    let what = if dice.roll(500) {
        let connection = dice.roll(500).then(|| name.clone());
        let selection = Selection { connection, remap: dice.roll(500), ..Selection::default() };
        match replay::plan(hub, &selection, now)? {
            Some(plan) => plan.decision(),
            None => return Ok(()),
        }
    } else {
        everything_of(hub, name, dice.roll(500))?
    };
    let decision = Decision { what, person: "cid".to_owned(), reason: "to be sure".to_owned() };
    let own = hub.clone();
    // One of which nothing would come is refused, and that is as well.
    hub.store.write(move |tx| decisions::take(tx, &own, &decision, now)).map(|_| ())
}

/// As if all of it were read otherwise now.
fn everything_of(hub: &Hub, name: &str, unpin: bool) -> Result<What, StoreError> {
    let (messages, roots) = hub.store.read(|tx| {
        let wanted = Wanted { connection: name, ..Wanted::default() };
        let past = messages::of_the_past(tx, &wanted, (i64::MIN, ""), MESSAGES)?;
        let in_force = documents::in_force(tx, name, ("", ""), MESSAGES)?;
        let messages = past.into_iter().map(|past| past.message.id).collect::<Vec<_>>();
        let mut roots: Vec<String> = in_force.into_iter().map(|one| one.root).collect();
        roots.sort();
        roots.dedup();
        Ok((messages, roots))
    })?;
    Ok(What::Replay {
        plan: "all".to_owned(),
        selection: Box::default(),
        messages,
        unpin: if unpin { roots.clone() } else { Vec::new() },
        roots,
    })
}
