//! What people would have messages say instead, and what became of it.

use trueup_store::corrections::{self, Correction, Proposal, Settled};
use trueup_store::messages::{self, Fate, Wanted};

use crate::engines::on_every_engine;
use crate::world::{at, read, stored, write};

on_every_engine! {
    fn a_proposal_waits_until_it_is_settled_once(store) {
        let message = write(store, |tx| stored(tx, "m1"));
        let (own, long) = (message.clone(), "x".repeat(2_000));
        let ids = write(store, move |tx| {
            let proposal =
                |body| Proposal { message: &own, body, person: "ann", reason: "a slip" };
            Ok([
                corrections::propose(tx, proposal(b"one"), at(1))?,
                corrections::propose(tx, proposal(long.as_bytes()), at(2))?,
            ])
        });
        let waiting = read(store, corrections::waiting);
        assert_eq!(waiting.iter().map(|one| &one.id).collect::<Vec<_>>(), [&ids[0], &ids[1]]);
        assert_eq!((waiting[0].body.as_slice(), waiting[1].body.len()), (&b"one"[..], 2_000));
        assert_eq!(read(store, |tx| corrections::of_message(tx, &message)), waiting);
        let begins = |id: &str| read(store, |tx| corrections::beginning(tx, id, 2));
        assert_eq!(begins(&ids[0][..9]), waiting[..1]);
        assert_eq!((begins("").len(), begins("%").len(), begins("nobody").len()), (2, 0, 0));

        let settle = |id: &str, made: Option<&'static str>| {
            let id = id.to_owned();
            write(store, move |tx| {
                let settled = Settled { person: "ben", why: "seen", made };
                corrections::settle(tx, &id, settled, at(3))
            })
        };
        assert!(settle(&ids[0], Some("m2")));
        assert!(!settle(&ids[0], None), "it is settled");
        assert!(settle(&ids[1], None));
        let all: Vec<Correction> = read(store, |tx| corrections::of_message(tx, &message));
        let states: Vec<&str> = all.iter().map(|one| one.state.as_str()).collect();
        assert_eq!(states, ["approved", "rejected"]);
        assert_eq!((all[0].settled_by.as_str(), all[0].settled_at), ("ben", Some(at(3))));
        assert_eq!(read(store, |tx| corrections::that_made(tx, "m2")), Some(all[0].clone()));
        assert_eq!(read(store, |tx| corrections::that_made(tx, &message)), None);
        assert_eq!(read(store, corrections::waiting), []);
    }

    /// Neither a person nor a replay has it decoded again.
    fn a_message_that_was_corrected_is_read_no_more(store) {
        let id = write(store, |tx| stored(tx, "m1"));
        let own = id.clone();
        assert!(!write(store, move |tx| messages::corrected(tx, &own)), "it is to be decoded");
        let own = id.clone();
        write(store, move |tx| messages::finish(tx, &own, Fate::Decoded, None));
        let own = id.clone();
        assert!(write(store, move |tx| messages::corrected(tx, &own)));
        let own = id.clone();
        assert!(!write(store, move |tx| messages::retry(tx, &own)));
        let own = id.clone();
        assert_eq!(write(store, move |tx| messages::take_up_again(tx, &[own])), 0);
        assert!(read(store, |tx| messages::one_of_the_past(tx, &id)).is_none());
        let shop = read(store, messages::connections).remove(0);
        let wanted = Wanted { connection: &shop, ..Wanted::default() };
        assert!(read(store, |tx| messages::of_the_past(tx, &wanted, (i64::MIN, ""), 9)).is_empty());
    }
}
