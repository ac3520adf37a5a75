//! (to come)
use jiff::Timestamp;
use trueup_connect::conversation::{Context, Reply, Step, Stream};
use trueup_connect::{CallError, Hint};
pub static STREAMS: &[Stream] = &[];
#[derive(serde::Serialize, serde::Deserialize)]
pub struct Reading {}
pub fn poll(_: &Context<'_>, _: &str, _: Option<&str>, _: Timestamp) -> Step {
    Step::Failed(CallError::Unauthorized)
}
pub fn objects(_: &Context<'_>, _: &[Hint]) -> Step {
    Step::Failed(CallError::Unauthorized)
}
pub fn resume(_: &Context<'_>, _: Reading, _: Result<&Reply, CallError>) -> Step {
    Step::Failed(CallError::Unauthorized)
}
