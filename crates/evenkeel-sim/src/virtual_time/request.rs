//! A request on its way.

use evenkeel_core::breaker::Permit;
use evenkeel_core::pick::{Choice, Tried};
use evenkeel_core::retry::Attempt;

/// A request that has come and is not over.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) choice: Choice,
    /// The server that its cookie means.
    pub(super) home: Option<usize>,
    pub(super) idempotent: bool,
    pub(super) tried: Tried,
    /// Held until it is over.
    pub(super) _permit: Permit,
}

impl Request {
    /// How far it has come, after a try that was sent or not.
    pub(super) fn attempt(&self, nothing_sent: bool) -> Attempt {
        Attempt {
            tries: u8::try_from(self.tried.len()).unwrap_or(u8::MAX),
            idempotent: self.idempotent,
            replayable: true,
            nothing_sent,
            answer_started: false,
        }
    }
}
