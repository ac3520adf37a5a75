//! The file of a SQLite store, and the disk that it is on: looked at while the hub runs, because
//! nobody else does (rows C8, C9, C10 and C11 of the failure model).

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;
use trueup_hub::Hub;
use trueup_hub::room::{Fill, Level};
use trueup_store::{StoreError, cases};

/// How often the file and its disk are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
const ROOM_EVERY: Duration = Duration::from_secs(5);
/// The subject of the case about the disk.
const SUBJECT: &str = "store";

/// The file as it was when it was opened.
pub struct Disk {
    file: PathBuf,
    /// Device and inode: another file under the same name has others.
    identity: (u64, u64),
    looked: Option<Instant>,
    /// What the case says, if it is open.
    told: Option<Level>,
}

impl Disk {
    pub fn of(file: &Path) -> Result<Self> {
        let identity = identity(file).context("the file of the store cannot be looked at")?;
        Ok(Self { file: file.to_owned(), identity, looked: None, told: None })
    }

    /// Looks once. Returns why the file can no longer be worked on, if it cannot: the process must
    /// end, and nothing that it still takes in may be acknowledged.
    pub fn look(&mut self, hub: &Hub, now: Timestamp) -> Option<StoreError> {
        let name = self.file.display();
        match identity(&self.file) {
            Ok(identity) if identity == self.identity => {}
            Ok(_) => {
                let what = format!("`{name}` was replaced by another file while it was open");
                return Some(StoreError::Damaged(what));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let what = format!("`{name}` was removed while it was open");
                return Some(StoreError::Damaged(what));
            }
            Err(error) => tracing::warn!(%error, "the file of the store could not be looked at"),
        }
        // A file that is gone is told as that, and not as what was seen of it first.
        if let Some(damage) = hub.store.damage() {
            return Some(StoreError::Damaged(damage));
        }
        if self.looked.is_none_or(|at| at.elapsed() >= ROOM_EVERY) {
            self.looked = Some(Instant::now());
            match fill(&self.file) {
                Ok(fill) => self.mind(hub, fill, now),
                Err(error) => tracing::warn!(%error, "the disk of the store cannot be asked"),
            }
        }
        None
    }

    /// Notes the room, and tells a person while it is short.
    fn mind(&mut self, hub: &Hub, fill: Fill, now: Timestamp) {
        hub.room.note(fill);
        let percent = fill.used_per_mille / 10;
        let level = hub.room.level();
        let before = self.told.unwrap_or(Level::Plenty);
        if self.told.is_some() && level == before {
            return;
        }
        if level > before {
            tracing::warn!(percent, does = level.says(), "the disk is filling");
        } else if level < before {
            tracing::info!(percent, does = level.says(), "the disk has room again");
        }
        let folder = self.file.parent().unwrap_or(&self.file).display().to_string();
        let told = hub.store.write(move |tx| {
            if level == Level::Plenty {
                return cases::resolve(tx, Some("disk_filling"), SUBJECT, "there is room", now);
            }
            let case = cases::NewCase {
                kind: "disk_filling",
                subject: SUBJECT,
                entity: "",
                title: &format!("The disk of the store is {percent} % full"),
                detail: &format!("`{folder}`: {}", level.says()),
                remedy: "make room on that disk, or move the store to a larger one; the hub goes \
                         on by itself",
                amount: None,
                owner: "integrator",
            };
            cases::open(tx, &case, now)
        });
        match told {
            Ok(()) => self.told = Some(level),
            // A disk that is full does not take the case either; the log has it.
            Err(error) => tracing::warn!(%error, "the case about the disk could not be kept"),
        }
    }
}

fn identity(file: &Path) -> std::io::Result<(u64, u64)> {
    let metadata = std::fs::metadata(file)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// How full the disk of a file is, of what this user may use of it.
pub fn fill(file: &Path) -> std::io::Result<Fill> {
    let stat = rustix::fs::statvfs(file)?;
    let used = stat.f_blocks.saturating_sub(stat.f_bfree);
    let all = used.saturating_add(stat.f_bavail);
    let used_per_mille = used.saturating_mul(1000).checked_div(all).unwrap_or(0);
    Ok(Fill { used_per_mille, left: stat.f_bavail.saturating_mul(stat.f_frsize) })
}

#[cfg(test)]
mod tests {
    use trueup_store::Store;

    use super::*;

    fn hub(folder: &Path) -> (Hub, PathBuf) {
        let file = folder.join("trueup.sqlite");
        let setup = trueup_hub::setup::HubSetup {
            environment: "test".to_owned(),
            connections: std::collections::BTreeMap::new(),
            calendar: trueup_domain::calendar::Calendar::new([]),
        };
        (Hub::new(Store::open_sqlite(&file).unwrap(), setup), file)
    }

    fn open_cases(hub: &Hub) -> Vec<String> {
        let open = hub.store.read(cases::open_cases).unwrap();
        open.into_iter().map(|case| format!("{}: {}", case.kind, case.title)).collect()
    }

    /// A small disk, so that what is used says it all.
    fn short(used_per_mille: u64) -> Fill {
        Fill { used_per_mille, left: 1000 - used_per_mille }
    }

    #[test]
    fn c8_a_disk_that_fills_is_a_case_until_it_has_room() {
        let folder = tempfile::tempdir().unwrap();
        let (hub, file) = hub(folder.path());
        let mut disk = Disk::of(&file).unwrap();
        let now = crate::wiring::now();
        disk.mind(&hub, short(500), now);
        assert!(open_cases(&hub).is_empty());
        disk.mind(&hub, short(812), now);
        assert_eq!(open_cases(&hub), ["disk_filling: The disk of the store is 81 % full"]);
        disk.mind(&hub, short(961), now);
        assert_eq!(open_cases(&hub), ["disk_filling: The disk of the store is 96 % full"]);
        assert_eq!(hub.room.level(), Level::Full);
        disk.mind(&hub, short(700), now);
        assert!(open_cases(&hub).is_empty());
        assert_eq!(hub.room.level(), Level::Plenty);
    }

    #[test]
    fn c8_the_disk_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let asked = fill(folder.path()).unwrap();
        assert!((1..=1000).contains(&asked.used_per_mille) && asked.left > 0, "{asked:?}");
        let (hub, file) = hub(folder.path());
        let mut disk = Disk::of(&file).unwrap();
        assert!(disk.look(&hub, crate::wiring::now()).is_none());
        assert!(hub.room.fill().used_per_mille.abs_diff(asked.used_per_mille) < 50);
    }

    #[test]
    fn c11_a_file_that_is_removed_or_replaced_is_no_longer_worked_on() {
        for replaced in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let (hub, file) = hub(folder.path());
            let mut disk = Disk::of(&file).unwrap();
            assert!(disk.look(&hub, crate::wiring::now()).is_none());
            // Kept under another name, or its inode might come again.
            std::fs::rename(&file, folder.path().join("aside")).unwrap();
            if replaced {
                std::fs::copy(folder.path().join("aside"), &file).unwrap();
            }
            let why = disk.look(&hub, crate::wiring::now()).unwrap().to_string();
            assert!(why.contains(if replaced { "replaced" } else { "removed" }), "{why}");
        }
    }
}
