//! Whether a request that failed may be sent again, to another server.
//!
//! Two things must both allow it: the operator ([`Retry`]), and the request itself, which must not be
//! done twice if doing it twice differs from doing it once (RFC 9110 §9.2.2).

use crate::config::Retry;
use crate::fault::{Again, Fault};

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Tries made so far, the one that failed included.
    pub tries: u8,
    /// By its method (RFC 9110 §9.2.2).
    pub idempotent: bool,
    /// Every byte of its body that was read is still held.
    pub replayable: bool,
    /// No byte of it was sent to the server of the last try.
    pub nothing_sent: bool,
    /// A byte of an answer was passed on to the client: too late for another one.
    pub answer_started: bool,
}

/// Whether to try again after this fault.
pub fn again(policy: &Retry, fault: Fault, attempt: Attempt) -> bool {
    let may_repeat = match fault.verdict().again {
        Again::Never => false,
        Again::Always => attempt.replayable || attempt.nothing_sent,
        Again::IfIdempotent => attempt.repeatable(),
    };
    may_repeat && !attempt.answer_started && attempt.tries <= tries_allowed(policy, fault)
}

/// Whether to try again after an answer with this status, of which nothing was passed on yet.
pub fn again_on_status(policy: &Retry, status: u16, attempt: Attempt) -> bool {
    policy.on.statuses.contains(&status)
        && attempt.repeatable()
        && !attempt.answer_started
        && attempt.tries <= policy.attempts
}

impl Attempt {
    /// The server may have done what was asked, at least in part: is it harmless to ask again?
    fn repeatable(self) -> bool {
        self.nothing_sent || (self.idempotent && self.replayable)
    }
}

/// Further tries the operator allows after this fault.
fn tries_allowed(policy: &Retry, fault: Fault) -> u8 {
    let wanted = match fault {
        Fault::ConnectRefused | Fault::ConnectTimeout | Fault::Exhausted => policy.on.connect,
        Fault::ServerReset => policy.on.reset_before_answer,
        // Keeping the connection was this node's idea, not the operator's or the client's: one
        // further try repairs it whatever the policy says (RFC 9112 §9.3.1).
        Fault::ServerResetReused => return policy.attempts.max(1),
        Fault::ServerTimeout => policy.on.timeout,
        _ => false,
    };
    if wanted { policy.attempts } else { 0 }
}

#[cfg(test)]
mod tests;
