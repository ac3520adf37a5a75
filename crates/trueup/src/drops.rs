//! Files dropped into a directory: taken in when they are complete, then moved aside.
//!
//! A file is complete when its size and time have not changed between two looks. It is stored
//! before it is moved; a crash between the two is harmless, because the content is the identity of
//! the message and the second look finds a repeat.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use trueup_hub::receive::{self, BODY_BYTES_MAX, Refusal};
use trueup_hub::{Connection, Hub};
use trueup_store::StoreError;
use trueup_store::messages::Recorded;

pub const LOOK_EVERY: Duration = Duration::from_secs(2);
pub const DONE: &str = "done";
pub const REFUSED: &str = "refused";
/// Names under which others write what is not complete.
const UNFINISHED: [&str; 4] = ["tmp", "part", "partial", "filepart"];
/// Files taken at one look: the rest waits for the next, and stopping never waits long.
const FILES_MAX: usize = 100;

/// How a file looked at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    bytes: u64,
    changed: Option<SystemTime>,
}

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    Stored { file: PathBuf, message: String },
    Repeat { file: PathBuf, message: String },
    Refused { file: PathBuf, why: String },
}

/// Watches the directories of the connections.
pub struct Watcher {
    directories: Vec<(String, PathBuf)>,
    seen: BTreeMap<PathBuf, Look>,
}

impl Watcher {
    pub fn new(directories: Vec<(String, PathBuf)>) -> Self {
        Self { directories, seen: BTreeMap::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.directories.is_empty()
    }

    /// Makes the directories that are not there yet.
    pub fn prepare(&self) -> io::Result<()> {
        for (_, directory) in &self.directories {
            for folder in [directory.clone(), directory.join(DONE), directory.join(REFUSED)] {
                fs::create_dir_all(folder)?;
            }
        }
        Ok(())
    }

    /// Looks at each directory once and takes in what has come to rest.
    pub fn look(&mut self, hub: &Hub, now: Timestamp) -> Result<Vec<Taken>, StoreError> {
        let mut taken = Vec::new();
        let mut seen = BTreeMap::new();
        for (name, directory) in &self.directories {
            let Some(connection) = hub.connection(name) else { continue };
            let files = match waiting(directory) {
                Ok(files) => files,
                Err(error) => {
                    let directory = directory.display();
                    tracing::warn!(connection = name, %directory, %error, "the drop cannot be read");
                    continue;
                }
            };
            for (file, look) in files {
                let at_rest = self.seen.get(&file) == Some(&look);
                seen.insert(file.clone(), look);
                if !at_rest || taken.len() >= FILES_MAX {
                    continue;
                }
                match take(hub, connection, &file, look, now) {
                    Ok(Some(one)) => {
                        seen.remove(&file);
                        taken.push(one);
                    }
                    Ok(None) => {}
                    Err(Trouble::Store(error)) => return Err(error),
                    Err(Trouble::File(error)) => {
                        let file = file.display();
                        tracing::warn!(connection = name, %file, %error, "the file stays");
                    }
                }
            }
        }
        self.seen = seen;
        Ok(taken)
    }
}

enum Trouble {
    Store(StoreError),
    File(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// The files of a directory that somebody may have finished, in the order of their names.
fn waiting(directory: &Path) -> io::Result<Vec<(PathBuf, Look)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // A link could lead to a file that is not the sender's.
        let Ok(about) = fs::symlink_metadata(entry.path()) else { continue };
        if about.is_file() && !is_unfinished(&entry.file_name().to_string_lossy()) {
            files.push((entry.path(), look(&about)));
        }
    }
    files.sort();
    Ok(files)
}

impl PartialOrd for Look {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Look {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.bytes, self.changed).cmp(&(other.bytes, other.changed))
    }
}

fn look(about: &Metadata) -> Look {
    Look { bytes: about.len(), changed: about.modified().ok() }
}

fn is_unfinished(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    name.starts_with('.')
        || name.ends_with('~')
        || ending.is_some_and(|ending| UNFINISHED.contains(&ending.as_str()))
}

/// Stores one file and moves it. `None` when it changed while it was read.
fn take(
    hub: &Hub,
    connection: &Connection,
    file: &Path,
    before: Look,
    now: Timestamp,
) -> Result<Option<Taken>, Trouble> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let limit = u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX);
    let message = if before.bytes > limit {
        Err(Refusal::TooLarge)
    } else {
        let body = fs::read(file)?;
        let after = look(&fs::symlink_metadata(file)?);
        if after != before {
            return Ok(None);
        }
        receive::file(connection, &name, body)
    };
    let message = match message {
        Ok(message) => message,
        Err(refusal) => {
            let why = format!("{}: {refusal}", refusal.code());
            refuse(file, &why)?;
            return Ok(Some(Taken::Refused { file: file.to_owned(), why }));
        }
    };
    let recorded = hub.store.write(move |tx| receive::record(tx, &message, now));
    let recorded = recorded.map_err(Trouble::Store)?;
    set_aside(file, DONE)?;
    let file = file.to_owned();
    Ok(Some(match recorded {
        Recorded::Stored(message) => Taken::Stored { file, message },
        Recorded::Repeat(message) => Taken::Repeat { file, message },
    }))
}

fn refuse(file: &Path, why: &str) -> io::Result<()> {
    let moved = set_aside(file, REFUSED)?;
    let mut reason = moved.into_os_string();
    reason.push(".reason");
    fs::write(PathBuf::from(reason), format!("{why}\n"))
}

/// Moves a file into a folder beside it; nothing that lies there is overwritten.
fn set_aside(file: &Path, folder: &str) -> io::Result<PathBuf> {
    let folder = file.parent().unwrap_or(Path::new("")).join(folder);
    fs::create_dir_all(&folder)?;
    let name = file.file_name().unwrap_or_default();
    let mut to = folder.join(name);
    let mut number = 1_u32;
    while to.exists() {
        number += 1;
        let mut numbered = name.to_owned();
        numbered.push(format!(".{number}"));
        to = folder.join(numbered);
    }
    fs::rename(file, &to)?;
    Ok(to)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use trueup_domain::calendar::Calendar;
    use trueup_hub::setup::HubSetup;
    use trueup_store::{Store, messages};

    use super::*;
    use crate::settings::Settings;
    use crate::wiring;

    struct Drop {
        folder: tempfile::TempDir,
        hub: Hub,
        watcher: Watcher,
    }

    fn setting_up(connector: &str) -> Drop {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "environment = \"test\"\n[entity.eu]\ncurrency = \"EUR\"\ntime_zone = \"UTC\"\n\
             [connection.bank]\nconnector = \"{connector}\"\nentity = \"eu\"\n"
        );
        let settings = Settings::parse(&text, folder.path()).unwrap();
        let bank = wiring::connection("bank", &settings.connections["bank"], &settings, &|_| None);
        let setup = HubSetup {
            environment: "test".to_owned(),
            connections: BTreeMap::from([("bank".to_owned(), bank)]),
            calendar: Calendar::default(),
        };
        let hub = Hub::new(Store::in_memory().unwrap(), setup);
        let watcher = Watcher::new(vec![("bank".to_owned(), folder.path().to_owned())]);
        watcher.prepare().unwrap();
        Drop { folder, hub, watcher }
    }

    impl Drop {
        fn put(&self, name: &str, body: &[u8]) {
            fs::write(self.folder.path().join(name), body).unwrap();
        }
        fn look(&mut self) -> Vec<Taken> {
            self.watcher.look(&self.hub, wiring::now()).unwrap()
        }
        fn has(&self, name: &str) -> bool {
            self.folder.path().join(name).exists()
        }
    }

    #[test]
    fn a_file_is_taken_once_it_has_come_to_rest() {
        let mut drop = setting_up("bank");
        drop.put("statement.sta", b":20:STARTUMS");
        assert_eq!(drop.look(), [], "the first look only remembers");
        drop.put("statement.sta", b":20:STARTUMSE\n:25:1/2");
        assert_eq!(drop.look(), [], "it was still being written");
        assert!(matches!(drop.look().as_slice(), [Taken::Stored { .. }]));
        assert!(drop.has("done/statement.sta") && !drop.has("statement.sta"));
        assert_eq!(drop.look(), []);
        let counts = drop.hub.store.read(messages::counts).unwrap();
        assert_eq!(counts.len(), 1);
        assert_eq!(counts[0].2, 1);
    }

    #[test]
    fn a_crash_between_storing_and_moving_gives_a_repeat() {
        let mut drop = setting_up("bank");
        for name in ["a.sta", "b.sta"] {
            drop.put(name, b":20:SAME");
            drop.look();
            let taken = drop.look();
            match name {
                "a.sta" => assert!(matches!(taken.as_slice(), [Taken::Stored { .. }])),
                _ => assert!(matches!(taken.as_slice(), [Taken::Repeat { .. }]), "{taken:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_finished_or_no_file_is_left_alone() {
        let mut drop = setting_up("bank");
        for name in ["x.tmp", "x.part", "x.PART", ".hidden", "x.sta.filepart", "x~"] {
            drop.put(name, b"half");
        }
        fs::create_dir(drop.folder.path().join("folder")).unwrap();
        drop.look();
        assert_eq!(drop.look(), []);
        assert!(drop.has("x.tmp") && drop.has(".hidden"));
    }

    #[test]
    fn an_empty_or_too_large_file_is_refused_with_its_reason() {
        let mut drop = setting_up("bank");
        drop.put("empty.sta", b"");
        let large = fs::File::create(drop.folder.path().join("large.sta")).unwrap();
        large.set_len(u64::try_from(BODY_BYTES_MAX).unwrap() + 1).unwrap();
        drop.look();
        assert_eq!(drop.look().len(), 2);
        let reason = |name: &str| {
            fs::read_to_string(drop.folder.path().join(format!("refused/{name}.reason"))).unwrap()
        };
        assert!(reason("empty.sta").starts_with("TU305: "), "{}", reason("empty.sta"));
        assert!(reason("large.sta").starts_with("TU303: "), "{}", reason("large.sta"));
        assert!(drop.hub.store.read(messages::counts).unwrap().is_empty());
    }

    #[test]
    fn two_files_of_one_name_are_both_kept() {
        let mut drop = setting_up("bank");
        for body in [b":20:ONE", b":20:TWO"] {
            drop.put("daily.sta", body);
            drop.look();
            assert_eq!(drop.look().len(), 1);
        }
        assert!(drop.has("done/daily.sta") && drop.has("done/daily.sta.2"));
    }
}
