//! What a disk may hold after the power went away.
//!
//! What was synced is there. Of what was written to a file since, any part may be: all, none, some of
//! the writes and not those before them, and of a write some sectors and not the others. A file that
//! was never synced may not be there at all.

use std::collections::BTreeMap;

use crate::record::Event;

/// A disk writes so much whole, or not at all.
const SECTOR: usize = 512;

/// What of it that was not synced is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    All,
    Nothing,
    Some,
}

/// Small, and the same for the same seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Any number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % end.max(1)
    }

    fn heads(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// The files of a disk whose power went away after these events.
pub fn after(events: &[Event], kept: Kept, dice: &mut Dice) -> BTreeMap<String, Vec<u8>> {
    let mut synced: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        if let Event::Sync { file } = event {
            synced.insert(file, index);
        }
    }
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        let file = match event {
            Event::Write { file, .. } | Event::Truncate { file, .. } => file,
            Event::Delete { file } => {
                files.remove(file);
                continue;
            }
            Event::Sync { .. } | Event::Syncing(_) | Event::Told(_) => continue,
        };
        let is_safe = synced.get(file.as_str()).is_some_and(|&last| index < last);
        let stays = is_safe
            || match kept {
                Kept::All => true,
                Kept::Nothing => false,
                Kept::Some => dice.heads(),
            };
        if !stays {
            continue;
        }
        let content = files.entry(file.clone()).or_default();
        match event {
            Event::Write { at, bytes, .. } => {
                let torn = !is_safe && kept == Kept::Some && dice.heads();
                put(content, *at, bytes, |_| !torn || dice.heads());
            }
            Event::Truncate { size, .. } => content.resize(*size, 0),
            _ => {}
        }
    }
    files
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8], mut stays: impl FnMut(usize) -> bool) {
    let end = at + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    let mut from = at;
    while from < end {
        let until = (from / SECTOR + 1).saturating_mul(SECTOR).min(end);
        if stays(from / SECTOR) {
            content[from..until].copy_from_slice(&bytes[from - at..until - at]);
        }
        from = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(at: usize, byte: u8, length: usize) -> Event {
        Event::Write { file: "f".to_owned(), at, bytes: vec![byte; length] }
    }

    fn sync() -> Event {
        Event::Sync { file: "f".to_owned() }
    }

    fn content(events: &[Event], kept: Kept, seed: u64) -> Option<Vec<u8>> {
        after(events, kept, &mut Dice::new(seed)).remove("f")
    }

    #[test]
    fn what_was_synced_is_there_and_the_rest_may_be() {
        let events = [write(0, 1, 4), sync(), write(4, 2, 4)];
        assert_eq!(content(&events, Kept::Nothing, 1), Some(vec![1; 4]));
        assert_eq!(content(&events, Kept::All, 1), Some(vec![1, 1, 1, 1, 2, 2, 2, 2]));
        let some: Vec<_> = (0..20).map(|seed| content(&events, Kept::Some, seed)).collect();
        assert!(some.contains(&Some(vec![1; 4])));
        assert!(some.contains(&Some(vec![1, 1, 1, 1, 2, 2, 2, 2])));
    }

    #[test]
    fn a_write_is_torn_between_sectors() {
        let events = [write(0, 1, 1_536), sync(), write(0, 2, 1_536)];
        let torn = (0..50).filter_map(|seed| content(&events, Kept::Some, seed)).any(|content| {
            let sectors: Vec<u8> = content.chunks(SECTOR).map(|sector| sector[0]).collect();
            assert!(content.chunks(SECTOR).all(|sector| sector.iter().all(|it| *it == sector[0])));
            sectors == [1, 2, 1] || sectors == [2, 1, 2]
        });
        assert!(torn);
    }

    #[test]
    fn a_file_that_was_never_synced_may_not_be_there() {
        assert_eq!(content(&[write(0, 1, 4)], Kept::Nothing, 1), None);
    }
}
