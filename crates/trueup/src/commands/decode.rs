//! `trueup decode`: files to canonical documents, without a hub.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use trueup_connect::conformance::render;
use trueup_connect::message::BODY_BYTES_MAX;
use trueup_connect::{Connector, Message};

use crate::connectors;
use crate::failure::Failure;

/// Print the canonical documents of message files as JSON lines.
///
/// Each line has `kind`, its identity and version; money is `{"amount":"12.30","currency":"EUR"}`.
/// What only points at an object (`hint`), how the source's pushes stand (`subscription`) and what
/// is not used (`ignored`) are lines, too. A file that cannot be decoded is named on the standard
/// error stream, and the others go on.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup decode --connector bank statement.xml
  trueup decode --connector shopify --kind orders/create order.json
  curl -s … | trueup decode --connector stripe -

Exit status: 0 every file was decoded; 1 some were not; 2 there is no such connector")]
pub struct DecodeArgs {
    /// Whose words the files are in: amazon, bank, channel, odoo, shopify, stripe, woocommerce.
    #[arg(long, value_name = "NAME")]
    connector: String,
    /// The kind of the messages, such as a webhook's topic; without it the shape tells.
    #[arg(long, value_name = "KIND", default_value = "")]
    kind: String,
    /// The files; `-` reads the standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
}

pub fn run(args: &DecodeArgs) -> Result<ExitCode> {
    let connector = connector(&args.connector)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut bad = 0_usize;
    for file in &args.files {
        match one(connector, &args.kind, file) {
            Ok(lines) => {
                if let Err(error) = out.write_all(lines.as_bytes()) {
                    return gone(error);
                }
            }
            Err(why) => {
                // The order of both streams is kept where they end in one terminal.
                if let Err(error) = out.flush() {
                    return gone(error);
                }
                eprintln!("{file}: error {why}");
                bad += 1;
            }
        }
    }
    if let Err(error) = out.flush() {
        return gone(error);
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A reader that went away, such as `head`, has what it wanted.
fn gone(error: io::Error) -> Result<ExitCode> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        _ => Err(error.into()),
    }
}

pub fn connector(name: &str) -> Result<&'static Connector, Failure> {
    connectors::find(name).ok_or_else(|| {
        let known: Vec<&str> = connectors::ALL.iter().map(|it| it.name).collect();
        let remedy = format!("there are: {}", known.join(", "));
        Failure::usage(format!("there is no connector `{name}`"), remedy)
    })
}

/// The lines of one file, or its error as `TUnnn: what: cause`.
fn one(connector: &Connector, kind: &str, file: &str) -> Result<String, String> {
    let body = read(file).map_err(|failure| format!("{}: {}", failure.code, failure.what))?;
    match (connector.decode)(&Message { kind, body: &body }) {
        Ok(decoded) => Ok(render(&decoded)),
        Err(error) => {
            let mut text = format!("{}: {error}", error.code());
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                text.push_str(": ");
                text.push_str(&inner.to_string());
                cause = inner.source();
            }
            Err(text)
        }
    }
}

/// Reads a file that is no larger than a message may be. Its announced size is not trusted: a pipe
/// has none.
pub fn read(file: &str) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: io::Error| {
        Failure::file(format!("the file cannot be read: {error}"), "name a file that may be read")
    };
    let too_large = || {
        let what = format!("the body is larger than {BODY_BYTES_MAX} bytes");
        Failure { code: "TU303", ..Failure::file(what, "split the file") }
    };
    let limit = u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX);
    let mut body = Vec::new();
    if file == "-" {
        io::stdin().lock().take(limit + 1).read_to_end(&mut body).map_err(unreadable)?;
    } else {
        let opened = File::open(Path::new(file)).map_err(unreadable)?;
        let about = opened.metadata().map_err(unreadable)?;
        if about.is_dir() {
            return Err(Failure::file("it is a directory, not a file", "name the files in it"));
        }
        if about.len() > limit {
            return Err(too_large());
        }
        opened.take(limit + 1).read_to_end(&mut body).map_err(unreadable)?;
    }
    if body.len() > BODY_BYTES_MAX {
        return Err(too_large());
    }
    Ok(body)
}
