//! `trueup init`: a commented configuration and a key for the console.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use trueup_connect::{Auth, Connector};

use super::say;
use crate::cli::{CONFIG, Global};
use crate::connectors;
use crate::failure::{Exit, Failure};
use crate::settings::{LISTEN, is_webhook_secret};
use crate::wiring::{self, KEY_FILE, TOKEN_ENV};

const DATA: &str = "data";

/// Write a commented trueup.toml and a key for the console.
///
/// Nothing that exists is overwritten. The file holds no secrets: it names the environment
/// variables that do.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trueup init
  trueup init --dir /etc/trueup

Exit status: 0 written; 1 something is already there or cannot be written")]
pub struct InitArgs {
    /// Write it into this folder.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    dir: PathBuf,
}

pub fn run(_: &Global, args: &InitArgs) -> Result<ExitCode> {
    let config = args.dir.join(CONFIG);
    std::fs::create_dir_all(args.dir.join(DATA)).map_err(|error| {
        let what = format!("`{}` cannot be made: {error}", args.dir.join(DATA).display());
        Failure::file(what, "name a folder that may be written, with --dir")
    })?;
    write_new(&config, &template(), false)?;
    let mut text = format!("Wrote {}: every setting with its meaning.\n", config.display());
    let key = args.dir.join(KEY_FILE);
    if wiring::read_key(&key)?.is_some() {
        text.push_str(&format!("Kept {} as it is.\n", key.display()));
    } else {
        write_new(&key, &format!("{}\n", wiring::new_key()?), true)?;
        text.push_str(&format!(
            "Wrote {}: the token that the console and the API ask for; readable by you only. \
             {TOKEN_ENV} overrides it.\n",
            key.display()
        ));
    }
    let begin = if args.dir == Path::new(".") {
        "trueup".to_owned()
    } else {
        format!("trueup --config {}", config.display())
    };
    text.push_str(&format!(
        "\nNext:
  1. Edit {}: your entities and connections; remove what you do not have.
  2. Set the environment variables that it names.
  3. {begin} check          says what is missing, and how to mend it
  4. {begin} odoo setup odoo
                           says what your Odoo lacks, and makes it with --apply
  5. {begin} serve          takes webhooks, polls, delivers; console at http://{LISTEN}
",
        config.display()
    ));
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Creates a file; one that exists is left as it is.
fn write_new(path: &Path, text: &str, private: bool) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt;
    let mode = if private { 0o600 } else { 0o644 };
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure {
            exit: Exit::Problems,
            ..Failure::does_not_apply(
                format!("`{}` is there already", path.display()),
                "edit it, or choose another folder with --dir; it is never overwritten",
            )
        },
        _ => Failure::file(
            format!("`{}` cannot be written: {error}", path.display()),
            "name a folder that may be written, with --dir",
        ),
    })?;
    file.write_all(text.as_bytes()).map_err(|error| {
        let what = format!("`{}` cannot be written: {error}", path.display());
        Failure::file(what, "see that the disk has room, remove the file, and run this again")
    })
}

/// The commented configuration; what a connector needs is said in its own words.
pub fn template() -> String {
    let mut text = format!(
        "# The configuration of Trueup. `trueup check` says what is wrong with it.
# Secrets never stand here: name the environment variables that hold them.
# Amounts and rates are exact and stand in quotes: \"0.029\".

# Part of every key in the books: a copy of the database under another name never repeats the
# effects of the original.
environment = \"production\"

[store]
# SQLite needs no server. PostgreSQL: \"postgres://user@host/database\", or, where the address has a
# password, `url_env` with the name of the variable that holds the address.
url = \"sqlite:{DATA}/trueup.sqlite\"

[server]
# Webhooks, files, console. Others than this machine reach it through a proxy that does TLS.
listen = \"{LISTEN}\"

[calendar]
# Days on which no bank or provider books, beside weekends: money due then is not late.
holidays = []

# A legal entity whose books are kept. Each connection belongs to one.
[entity.us]
currency = \"USD\"
# Decides which day a sale belongs to.
time_zone = \"America/New_York\"
# Its id in Odoo.
company = 1
# `true`: one customer in Odoo for all buyers, instead of one for each.
one_customer = false
# Who says in Odoo that goods left and came back: its own warehouse (\"books\"), or the channel
# (\"channel\"), whose shipments and returned units Trueup then carries out there.
goods = \"books\"
# When a sale is invoiced: on the day of the order (\"order\"), as goods leave (\"shipment\", each
# shipment an invoice of its own; only for channels that tell what left), or on the day of the first
# money (\"capture\").
invoices = \"order\"

# Taxes that `trueup odoo setup` makes, and to which sales they apply; the first that fits wins.
# The channel's amount is always kept to the cent: `percent` is what Odoo would compute.
[[entity.us.tax]]
key = \"us_sales\"
name = \"Sales tax\"
percent = \"0\"
included = false
# jurisdiction = \"US-NY\"        # where the goods go; none fits all
# rate = \"0.0825\"               # the channel's rate; none fits all
# title = \"State tax\"           # the channel's name of the tax; none fits all
# remitted_by = \"marketplace\"   # who pays it to the state; `merchant` if left out

# The channel's words for how buyers pay. Where none is named, `trueup odoo setup` takes the usual
# ones and says which. Each has a journal of its own in Odoo.
# [[entity.us.gateway]]
# word = \"paypal\"               # as the channel writes it
# title = \"PayPal\"              # the name of the journal; the word if left out
# tender = \"other\"              # card, gift_card, store_credit, bank_transfer, cash, marketplace,
#                                 or other
# provider = \"stripe\"           # the connection whose ledger states its money; none if left out
# currency = \"USD\"              # in which it settles; the entity's if left out
"
    );
    text.push_str(&schedules());
    for connector in connectors::ALL {
        text.push('\n');
        text.push_str(&section(connector));
    }
    text
}

/// A job of each sort, with what it takes.
fn schedules() -> String {
    format!(
        "
# Jobs that `trueup serve` runs at their times; `trueup schedules` says how they stand.
[schedule.nightly]
# A backup of a store in SQLite; of those that this job wrote the newest stay.
job = \"backup\"
folder = \"{DATA}/backups\"
keep = 14
# Minute, hour, day, month, day of the week; or `every = \"6h\"` instead.
cron = \"30 2 * * *\"
# IANA name of the zone of these times; the one of the entities if they share one.
# time_zone = \"America/New_York\"
# Times that passed while nothing ran: one run makes up for them (\"once\"), or none (\"skip\").
# missed = \"once\"

# The report of each day, week or month after its end, as a file.
# [schedule.monthly-sales]
# job = \"report\"
# report = \"sales\"              # or \"tax\"
# of = \"month\"                  # day, week or month
# by = [\"channel\", \"day\"]     # rows of the report of sales, as `trueup report sales --by`
# format = \"xlsx\"               # csv, xlsx, parquet, json or table
# folder = \"reports\"
# cron = \"0 6 1 * *\"

# What `trueup check` looks at: what is missing or cannot be reached becomes a case.
# [schedule.morning]
# job = \"check\"
# cron = \"0 7 * * *\"

# Connections that are asked at these times, beside `poll_every`.
# [schedule.settlements]
# job = \"poll\"
# connections = [\"stripe\"]
# cron = \"0 5 * * 1-5\"
"
    )
}

/// One connection of a connector, with the help of its settings as comments.
fn section(connector: &Connector) -> String {
    let name = connector.name;
    let variable = name.to_uppercase().replace('-', "_");
    let mut text = format!("[connection.{name}]\nconnector = \"{name}\"\nentity = \"us\"\n");
    let mut own = String::new();
    let mut has_secret = false;
    for setting in connector.settings {
        let help = comment(setting.help);
        let off = if setting.required { "" } else { "# " };
        if setting.name == "base_url" {
            let host = if connector.webhooks.is_some() { "shop" } else { "books" };
            text.push_str(&format!("{help}{off}url = \"https://{host}.example.com\"\n"));
        } else if is_webhook_secret(setting) {
            text.push_str(&format!(
                "{help}{off}webhook_secret_env = [\"{variable}_WEBHOOK_SECRET\"]\n"
            ));
        } else if setting.secret {
            has_secret = true;
            let end = setting.name.to_uppercase();
            text.push_str(&format!("{help}{off}secret_env = \"{variable}_{end}\"\n"));
        } else {
            own.push_str(&format!(
                "{help}{off}settings.{} = \"{}\"\n",
                setting.name,
                example(setting.name)
            ));
        }
    }
    debug_assert!(has_secret || connector.auth == Auth::None);
    text.push_str(&own);
    if let Some(conversations) = connector.conversations {
        text.push_str(
            "# From this day on Trueup answers for the books; what is older is read only where it \
             is referred to.\nsince = \"2026-01-01\"\n",
        );
        let streams: Vec<String> = conversations
            .streams
            .iter()
            .map(|stream| format!("{} {} s", stream.name, stream.every_s))
            .collect();
        text.push_str(&comment(&format!(
            "How often it is asked, instead of {}.",
            streams.join(", ")
        )));
        text.push_str("# poll_every = \"10m\"\n");
        if conversations.delivers {
            text.push_str(
                "# When each kind of document goes out, in the time zone of the entity; left out, \
                 at once.\n# windows = { entry = \"20:00-06:00\", goods = \"18:00-07:00\" }\n",
            );
        }
    }
    if connector.files {
        text.push_str(
            "# Files that are dropped here are taken in once they are complete, and moved to done/ \
             or refused/.\n",
        );
        text.push_str(&format!("drop = \"inbox/{name}\"\n"));
    }
    if connector.webhooks.is_some() {
        text.push_str(&comment(&format!(
            "Webhooks of this connection go to https://<your address>/webhooks/{name}"
        )));
        text.push_str(
            "# The agreed fee of a capture; another fee becomes a case. Leave it out if fees vary.\n\
             # fees = { rate = \"0.029\", fixed = \"0.30\" }\n\
             # How sales go into the books: \"transaction\" makes an order, an invoice and payments of \
             each,\n# \"day\" one entry for each day and currency, \"payout\" one for each payout and month end\n\
             # (docs/posting.md).\n\
             # posting = \"transaction\"\n\
             # From which day on what its ledger says goes into the books: fees, disputes, reserves,\n\
             # payouts, an entry for each payout and month end. Leave it out while somebody else books it.\n\
             # ledger_since = \"2026-12-01\"\n\
             # Words by which the bank names this provider on its lines.\n# bank_names = [\"STRIPE\"]\n"
                .replace("STRIPE", &variable)
                .as_str(),
        );
    }
    text
}

fn example(setting: &str) -> &'static str {
    match setting {
        "shop" => "example.myshopify.com",
        "companies" | "company" => "1",
        "database" => "production",
        "shipping_flag" | "keep_webhooks" => "yes",
        "fingerprint" => "0a1b2c3d",
        "account" => "acct_…",
        "webhooks" | "pull" => "on",
        "delivery_url" => "https://hub.example.com/webhooks/woocommerce",
        _ => "…",
    }
}

/// Wraps a text as comment lines of at most 100 characters.
fn comment(text: &str) -> String {
    const WIDTH: usize = 98;
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + word.chars().count() + 1 > WIDTH {
            lines.push_str(&format!("# {line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push_str(&format!("# {line}\n"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn the_template_is_a_valid_configuration_that_explains_every_setting() {
        let text = template();
        let settings = Settings::parse(&text, Path::new("/srv")).unwrap();
        assert_eq!(settings.connections.len(), connectors::ALL.len());
        for connector in connectors::ALL {
            for setting in connector.settings {
                let start: String =
                    setting.help.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
                assert!(text.contains(&start), "{}: {start}", setting.name);
            }
        }
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }

    #[test]
    fn what_is_commented_out_is_valid_too() {
        let on: String = template()
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.starts_with('[') => format!("{rest}\n"),
                Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => {
                    format!("{rest}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        Settings::parse(&on, Path::new("/srv")).unwrap();
    }
}
