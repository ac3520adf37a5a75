//! What the conformance suite cannot know about Amazon.

mod hostile;
mod settlements;
mod talk;
