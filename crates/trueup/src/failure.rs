//! How a command ends that could not do its work: a code, what happened, what to do next.

use std::fmt;
use std::process::ExitCode;

use trueup_hub::receive::Refusal;
use trueup_store::StoreError;

/// What the exit status says; `trueup --help` documents the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Something was found, or the input was bad.
    Problems,
    /// The command line or the configuration is wrong.
    Usage,
    /// A database, a service or a target could not be reached.
    Unreachable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Problems => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
        })
    }
}

/// The error of a command; `anyhow` carries it to the edge, which prints it once.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub code: &'static str,
    pub what: String,
    /// What the person does next.
    pub remedy: String,
}

impl Failure {
    /// TU501: the configuration file is missing or cannot be read.
    pub fn unreadable(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, code: "TU501", what: what.into(), remedy: remedy.into() }
    }

    /// TU502: a setting is wrong.
    pub fn setting(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, code: "TU502", what: what.into(), remedy: remedy.into() }
    }

    /// TU503: a secret is named but not given.
    pub fn secret(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, code: "TU503", what: what.into(), remedy: remedy.into() }
    }

    /// TU504: the store cannot be opened or does not answer.
    pub fn store(error: &StoreError) -> Self {
        let (exit, remedy) = match error {
            StoreError::Corrupt(_) => (
                Exit::Problems,
                "keep the database as it is and compare the version of Trueup with the one that \
                 wrote it",
            ),
            StoreError::Damaged(_) => (
                Exit::Unreachable,
                "see that the disk is well and may be written; where the file itself is damaged, \
                 bring the newest backup back with `trueup restore`",
            ),
            StoreError::Unavailable(_)
            | StoreError::Conflict(_)
            | StoreError::Collided(_)
            | StoreError::LeaseLost
            | StoreError::Crashed => (
                Exit::Unreachable,
                "see that the database of `[store]` is there and may be written",
            ),
        };
        Self { exit, code: "TU504", what: error.to_string(), remedy: remedy.to_owned() }
    }

    /// TU505: what was named is not known here.
    pub fn unknown(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit: Exit::Problems, code: "TU505", what: what.into(), remedy: remedy.into() }
    }

    /// TU506: a file of the command line cannot be read or written.
    pub fn file(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit: Exit::Problems, code: "TU506", what: what.into(), remedy: remedy.into() }
    }

    /// TU507: another process works on this store.
    pub fn busy(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit: Exit::Unreachable, code: "TU507", what: what.into(), remedy: remedy.into() }
    }

    /// TU508: what is there does not allow it now.
    pub fn does_not_apply(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit: Exit::Problems, code: "TU508", what: what.into(), remedy: remedy.into() }
    }

    /// TU509: the same word on the command line means nothing to the configuration.
    pub fn usage(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, code: "TU509", what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

/// What a person does about a refused file.
pub const fn remedy_of(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotAuthentic(_) | Refusal::OtherAccount(_) => "compare the connection's settings",
        Refusal::TooLarge => "ask the source for smaller files, such as one for each day",
        Refusal::NotTaken(_) => "name a connection whose connector takes files",
        Refusal::Incomplete(_) => "deliver the whole file again",
    }
}

/// Prints an error to the standard error stream and says which status the process ends with.
pub fn report(error: &anyhow::Error) -> ExitCode {
    let failure = error.downcast_ref::<Failure>();
    if let Some(failure) = failure {
        print(failure.code, &chain_above(error), &failure.remedy);
        return failure.exit.into();
    }
    if let Some(store) = error.downcast_ref::<StoreError>() {
        let failure = Failure::store(store);
        print(failure.code, &chain_above(error), &failure.remedy);
        return failure.exit.into();
    }
    eprintln!("error: {}", chain_above(error));
    ExitCode::FAILURE
}

fn print(code: &str, what: &str, remedy: &str) {
    eprintln!("error {code}: {what}");
    eprintln!("  next: {remedy}");
    eprintln!("  more: trueup explain {code}");
}

/// It may quote what others wrote.
fn chain_above(error: &anyhow::Error) -> String {
    let chain = format!("{error:#}");
    chain.lines().map(crate::print::plain).collect::<Vec<_>>().join("\n")
}
