//! `trueup backup` and `trueup restore`: the store as one file, and back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use jiff::Timestamp;
use trueup_hub::decisions;
use trueup_store::backup::{self, Contents};

use super::{beside, say, say_json};
use crate::cli::Global;
use crate::failure::Failure;
use crate::settings::{Settings, StoreAt};
use crate::wiring;
use crate::worker::Claim;

/// Write the store into one file, also while `trueup serve` runs.
///
/// The file is one consistent state, checked page by page. It holds everything but the
/// configuration and the secrets. A store in PostgreSQL is backed up by PostgreSQL's own means.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup backup backups/monday.sqlite

Exit status: 0 it is written and sound; 1 it is not; 2 the store is in PostgreSQL")]
pub struct BackupArgs {
    /// The file to write; one that exists is never written over.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Bring a backup back. Nothing is delivered until a person releases it.
///
/// The store that was there is kept beside the new one. The sources are asked for what came in
/// since the backup; what was delivered since is found in the books by its key when the connection
/// is released, and is not made again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup restore backups/monday.sqlite --by ada
  trueup restore --in-place --by ada     after pg_restore, or after the files were put back

Then: trueup serve, trueup cases, and trueup release CONNECTION --reason WHY

Exit status: 0 it is in force and held; 1 the file is damaged or of another version; 3 another
process works on this store")]
pub struct RestoreArgs {
    /// The file that `trueup backup` wrote.
    #[arg(value_name = "FILE", required_unless_present = "in_place", conflicts_with = "in_place")]
    file: Option<PathBuf>,
    /// The database was brought back by other means: only hold what it would deliver.
    #[arg(long)]
    in_place: bool,
    /// Who brings it back.
    #[arg(long, value_name = "NAME", env = "USER")]
    by: Option<String>,
}

const POSTGRES: &str = "use pg_dump or the continuous archive of PostgreSQL; after it was brought \
                        back, `trueup restore --in-place` holds what would be delivered";

pub fn run(global: &Global, args: &BackupArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    let StoreAt::Sqlite(from) = &settings.store else {
        return Err(Failure::usage("the store is in PostgreSQL", POSTGRES).into());
    };
    if !from.is_file() {
        let what = format!("there is no store at `{}` yet", from.display());
        return Err(
            Failure::unknown(what, "start `trueup serve` once, or name it in `[store]`").into()
        );
    }
    let (bytes, contents) = write(from, &args.file)?;
    if args.json {
        say_json(&serde_json::json!({
            "file": args.file,
            "bytes": bytes,
            "messages": contents.messages,
            "newest_message_at": newest(&contents).map(|at| at.to_string()),
            "version": contents.version,
        }))?;
    } else {
        say(&format!(
            "{}: {bytes} bytes, {}. The configuration and the secrets are not in it.\n",
            args.file.display(),
            shown(&contents)
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the database into a new file and checks it. Returns how long it is and what is in it.
pub fn write(from: &Path, file: &Path) -> Result<(u64, Contents)> {
    refuse_existing(file)?;
    // A file of the final name is whole: a backup that ends half way has another.
    let part = beside(file, ".part");
    let _ = fs::remove_file(&part);
    backup::write(from, &part).map_err(|error| {
        let what = format!("the backup could not be written: {error}");
        Failure::file(what, "see that its folder is there, may be written and has room")
    })?;
    let contents = backup::inspect(&part).map_err(|error| damaged(&part, &error))?;
    fs::rename(&part, file).map_err(|error| {
        let what = format!("`{}` cannot be written: {error}", file.display());
        Failure::file(what, "name a file in a folder that may be written")
    })?;
    Ok((fs::metadata(file)?.len(), contents))
}

pub fn restore(global: &Global, args: &RestoreArgs) -> Result<ExitCode> {
    let settings = wiring::settings(global)?;
    let person = args.by.as_deref().map(str::trim).unwrap_or_default().to_owned();
    if person.is_empty() {
        return Err(Failure::usage("nobody is named who brings it back", "give --by NAME").into());
    }
    // Held until everything is held: nobody may deliver before.
    let mut claim = None;
    let from = match &args.file {
        Some(file) => {
            claim = Some(bring_back(&settings, file)?);
            file.display().to_string()
        }
        None => "a backup by other means".to_owned(),
    };
    let hub = wiring::hub(&settings, &wiring::process_environment)?;
    if claim.is_none() {
        claim = Claim::take(&settings.store, &hub, wiring::now)?;
    }
    if claim.is_none() {
        return Err(at_work().into());
    }
    let (for_write, now) = (hub.clone(), wiring::now());
    let held =
        hub.store.write(move |tx| decisions::restored(tx, &for_write, &person, &from, now))?;
    let mut text = String::new();
    for name in &held {
        text.push_str(&format!(
            "{name} is held: `trueup release {name} --reason WHY` delivers again.\n"
        ));
    }
    text.push_str(
        "The sources are asked next for what came in since. Drop files that came in since once \
         more; what is known is not taken twice.\n",
    );
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Puts a backup in the place of the store, and keeps what was there.
fn bring_back(settings: &Settings, file: &Path) -> Result<Claim> {
    let StoreAt::Sqlite(to) = &settings.store else {
        return Err(Failure::usage("the store is in PostgreSQL", POSTGRES).into());
    };
    if !file.is_file() {
        let what = format!("there is no file `{}`", file.display());
        return Err(Failure::file(what, "name a file that `trueup backup` wrote").into());
    }
    let contents = backup::inspect(file).map_err(|error| damaged(file, &error))?;
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let Some(claim) = Claim::of_file(to)? else { return Err(at_work().into()) };
    let part = beside(to, ".restored");
    fs::copy(file, &part)?;
    fs::File::open(&part)?.sync_all()?;
    // A log that is not its own would damage the restored database: whatever was left goes aside.
    let aside = format!(".before-{}", wiring::now().strftime("%Y%m%dT%H%M%SZ"));
    let mut moved = false;
    for end in ["", "-wal", "-shm"] {
        let name = beside(to, end);
        if name.exists() {
            fs::rename(&name, beside(to, &format!("{aside}{end}")))?;
            moved = true;
        }
    }
    if moved {
        say(&format!("The store that was there is kept as {}.\n", beside(to, &aside).display()))?;
    }
    fs::rename(&part, to)?;
    say(&format!("{}: {}.\n", file.display(), shown(&contents)))?;
    Ok(claim)
}

fn at_work() -> Failure {
    let what = "another process works on this store";
    Failure::busy(what, "end `trueup serve` first, so that nothing is delivered meanwhile")
}

fn damaged(file: &Path, error: &trueup_store::StoreError) -> Failure {
    let what = format!("`{}` cannot be used: {error}", file.display());
    Failure::file(what, "take another backup, or the version of Trueup that wrote this one")
}

fn refuse_existing(file: &Path) -> Result<(), Failure> {
    if !file.exists() {
        return Ok(());
    }
    let what = format!("`{}` exists already", file.display());
    Err(Failure::file(what, "name a new file, such as one with the day in its name"))
}

fn newest(contents: &Contents) -> Option<Timestamp> {
    contents.newest.and_then(|at| Timestamp::from_microsecond(at).ok())
}

pub fn shown(contents: &Contents) -> String {
    let newest = newest(contents).map_or_else(
        || "none yet".to_owned(),
        |at| format!("the newest of {}", at.strftime("%Y-%m-%d %H:%M:%S UTC")),
    );
    format!("{} messages, {newest}", contents.messages)
}
