//! A folder with a configuration, and what the binary says in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub const SECRET: &str = "a webhook secret";
pub const SHOP: &str = "example.myshopify.com";
pub const PORTAL_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A folder with a configuration, and the binary run in it.
pub struct Place {
    pub folder: tempfile::TempDir,
}

impl Place {
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A shop and a bank of one entity, on SQLite.
    pub fn configured() -> Self {
        let place = Self::empty();
        place.configure("sqlite:trueup.sqlite");
        place
    }

    pub fn configure(&self, store: &str) {
        self.write(
            "trueup.toml",
            &format!(
                r#"
environment = "test"
[store]
url = "{store}"
[server]
listen = "127.0.0.1:0"
[entity.us]
currency = "USD"
time_zone = "America/New_York"
[connection.shop]
connector = "shopify"
entity = "us"
url = "http://127.0.0.1:9"
secret_env = "SHOP_TOKEN"
webhook_secret_env = ["SHOP_SECRET"]
since = "2020-01-01"
[connection.shop.settings]
shop = "{SHOP}"
[connection.bank]
connector = "bank"
entity = "us"
drop = "inbox"
"#
            ),
        );
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("TRUEUP_CONFIG")
            .env_remove("TRUEUP_LOG")
            .env_remove("TRUEUP_TOKEN")
            .env("SHOP_TOKEN", "a token")
            .env("SHOP_SECRET", SECRET)
            .env("PORTAL_SECRET", PORTAL_SECRET);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        Answer::of(&self.command(arguments).output().unwrap())
    }
}

pub struct Answer {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Answer {
    /// Whatever happened, the binary did not panic and was not killed.
    #[track_caller]
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(!err.contains("panicked"), "{err}");
        Self { status: output.status.code().expect("it ended by itself"), out, err }
    }

    #[track_caller]
    pub fn ended(self, status: i32) -> Self {
        assert_eq!(self.status, status, "\nout: {}\nerr: {}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn said(self, part: &str) -> Self {
        assert!(self.out.contains(part), "`{part}` is not in: {}\nerr: {}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn complained(self, part: &str) -> Self {
        assert!(self.err.contains(part), "`{part}` is not in: {}\nout: {}", self.err, self.out);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

pub fn connectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors")
}

pub fn fixture(connector: &str, name: &str) -> String {
    connectors().join(connector).join("fixtures").join(name).to_string_lossy().into_owned()
}

pub fn expected(file: &str) -> String {
    fs::read_to_string(format!("{file}.expected")).unwrap()
}
