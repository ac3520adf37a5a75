//! `trueup audit`: what was done and by whom, and whether that is still what was recorded.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use jiff::Timestamp;
use trueup_domain::audit::Record;
use trueup_hub::Hub;
use trueup_hub::audit::{self, Verified};
use trueup_store::audit as kept;

use super::{say, say_json};
use crate::cli::Global;
use crate::failure::Failure;
use crate::print;
use crate::wiring;

/// Records exported in one go.
const PAGE: i64 = 1_000;

/// List what was done and by whom, verify that nothing of it was changed, or export it.
///
/// Decisions of people, approved mappings, the ends of months and every effect at a target are
/// recorded with what they record, and sealed in a chain: a record that is changed, removed or put in
/// breaks every seal after it. Keep the seal that `verify` prints where nobody who may write to the
/// database can reach it; `verify --kept` proves later that all before it is as it was.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup audit                                  the newest records
  trueup audit verify                           the chain, and what its records rest on
  trueup audit verify --kept 4711:9f2c...       with a seal that was kept outside
  trueup audit export > audit.jsonl             a record a line
  trueup audit verify --file audit.jsonl        without a database

Exit status: 0 all of it holds; 1 something does not")]
pub struct AuditArgs {
    #[command(subcommand)]
    command: Option<AuditCommand>,
    /// So many of the newest records.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: u16,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum AuditCommand {
    /// Verify the chain, what its records rest on, and that nothing was done unrecorded.
    Verify {
        /// A number and a seal that were kept outside, as `verify` prints them.
        #[arg(long, value_name = "NUMBER:SEAL")]
        kept: Option<String>,
        /// Records that were exported, instead of those of the database.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Write every record as a line of JSON.
    Export {
        /// Only those after this number.
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: i64,
    },
}

pub fn run(global: &Global, args: AuditArgs) -> Result<ExitCode> {
    match args.command {
        Some(AuditCommand::Verify { kept, file: Some(file) }) => {
            let found = of_file(&file, kept.as_deref().map(parse).transpose()?)?;
            told(&found, args.json)
        }
        Some(AuditCommand::Verify { kept, file: None }) => {
            let kept = kept.as_deref().map(parse).transpose()?;
            let hub = hub(global)?;
            audit::seal_all(&hub.store, &[])?;
            told(&audit::verify(&hub.store, kept)?, args.json)
        }
        Some(AuditCommand::Export { after }) => export(&hub(global)?, after),
        None => list(&hub(global)?, args.limit, args.json),
    }
}

fn hub(global: &Global) -> Result<Hub> {
    wiring::hub(&wiring::settings(global)?, &wiring::process_environment)
}

fn parse(text: &str) -> Result<(i64, String), Failure> {
    let pair = text
        .split_once(':')
        .and_then(|(number, seal)| Some((number.parse::<i64>().ok()?, seal.to_ascii_lowercase())));
    pair.filter(|(number, seal)| *number > 0 && seal.len() == 64).ok_or_else(|| {
        let what = format!("`{}` is no number and seal", print::plain(text));
        Failure::usage(what, "give both as `trueup audit verify` prints them: NUMBER:SEAL")
    })
}

fn of_file(file: &PathBuf, kept: Option<(i64, String)>) -> Result<Verified> {
    let unreadable = |why: String| {
        let what = format!("{} cannot be read: {why}", file.display());
        Failure::usage(what, "give a file that `trueup audit export` wrote")
    };
    let open = std::fs::File::open(file).map_err(|error| unreadable(error.to_string()))?;
    let mut wrong = None;
    let records = BufReader::new(open).lines().map_while(|line| {
        let read = line.map_err(|error| error.to_string()).and_then(|line| {
            serde_json::from_str::<Record>(&line).map_err(|error| error.to_string())
        });
        read.map_err(|error| wrong = Some(error)).ok()
    });
    let found = audit::verify_records(records, kept);
    if let Some(why) = wrong {
        return Err(unreadable(why).into());
    }
    Ok(found.unwrap_or_else(|broken| Verified {
        findings: vec![broken.to_string()],
        ..Verified::default()
    }))
}

fn told(found: &Verified, as_json: bool) -> Result<ExitCode> {
    if as_json {
        say_json(found)?;
    } else if found.findings.is_empty() {
        let keep = match found.records {
            0 => String::new(),
            number => format!("Keep this outside: {number}:{}\n", found.seal),
        };
        let hold = if found.records == 1 { "record holds" } else { "records hold" };
        say(&format!("{} {hold}.\n{keep}", found.records))?;
    } else {
        for finding in &found.findings {
            say(&format!("{}\n", print::plain(finding)))?;
        }
    }
    Ok(if found.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn export(hub: &Hub, mut after: i64) -> Result<ExitCode> {
    audit::seal_all(&hub.store, &[])?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    loop {
        let page = hub.store.read(|tx| kept::sealed(tx, after, PAGE))?;
        let Some(last) = page.last() else { break };
        after = last.number;
        for record in &page {
            serde_json::to_writer(&mut out, record).context("cannot write a record")?;
            out.write_all(b"\n").context("cannot write a record")?;
        }
    }
    out.flush().context("cannot write the records")?;
    Ok(ExitCode::SUCCESS)
}

fn list(hub: &Hub, limit: u16, as_json: bool) -> Result<ExitCode> {
    audit::seal_all(&hub.store, &[])?;
    let newest = hub.store.read(|tx| kept::newest(tx, i64::MAX, i64::from(limit)))?;
    if as_json {
        say_json(&newest)?;
        return Ok(ExitCode::SUCCESS);
    }
    if newest.is_empty() {
        say("Nothing was done yet.\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = print::table(["Number", "At", "Done", "By", "About"]);
    print::right(&mut table, [0]);
    for record in &newest {
        let at = Timestamp::from_microsecond(record.at).unwrap_or_default();
        table.add_row([
            record.number.to_string(),
            at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            print::plain(&record.in_a_word()),
            print::short(if record.person.is_empty() { "the hub" } else { &record.person }),
            print::short(&record.about()),
        ]);
    }
    say(&format!("{}`trueup audit verify` proves the chain.\n", print::lines(&table)))?;
    Ok(ExitCode::SUCCESS)
}
