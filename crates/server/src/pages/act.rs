//! What a person may set in motion: sending a refused command again, resuming a connection. Both
//! are one conditional update; a stage does the rest.

use trueup_store::{Tx, cases, commands, streams};

use crate::problem::Problem;
use crate::state::ServerState;

/// The command a case is about, if sending it again is an answer to it.
pub fn command_of(case: &cases::Case) -> Option<&str> {
    let open = case.closed_at.is_none();
    case.subject.strip_prefix("command/").filter(|_| open)
}

enum Retried {
    Yes,
    NoCase,
    NotApplicable(&'static str),
}

/// Sends the refused command of a case again.
pub async fn retry(state: &ServerState, id: String) -> Result<(), Problem> {
    let outcome = state
        .write(move |tx| {
            let Some(case) = cases::find(tx, &id)? else { return Ok(Retried::NoCase) };
            let Some(command) = command_of(&case) else {
                return Ok(Retried::NotApplicable("there is no command to send again"));
            };
            if commands::retry(tx, command)? {
                Ok(Retried::Yes)
            } else {
                Ok(Retried::NotApplicable("the command is not refused: it is under way or done"))
            }
        })
        .await?;
    match outcome {
        Retried::Yes => Ok(()),
        Retried::NoCase => Err(Problem::not_found("this case")),
        Retried::NotApplicable(why) => Err(Problem::does_not_apply(why)),
    }
}

/// Lets a suspended connection call again, and polls it at once.
pub async fn resume(state: &ServerState, name: String) -> Result<(), Problem> {
    if state.hub.connection(&name).is_none() {
        return Err(Problem::not_found("this connection"));
    }
    let now = state.now();
    let resumed = state
        .write(move |tx: &mut Tx<'_>| {
            if streams::suspended(tx, &name)?.is_none() {
                return Ok(false);
            }
            streams::resume(tx, &name)?;
            streams::poll_now(tx, &name)?;
            let by = "the connection was resumed";
            cases::resolve(tx, Some("connection_suspended"), &name, by, now)?;
            Ok(true)
        })
        .await?;
    if resumed { Ok(()) } else { Err(Problem::does_not_apply("the connection is not suspended")) }
}
