//! Whether a request that failed may be sent again, to another server.
//!
//! Two things must both allow it: the operator ([`Retry`]), and the request itself, which must not be
//! done twice if doing it twice differs from doing it once (RFC 9110 §9.2.2).

use std::time::Duration;

use crate::config::{Backoff, Retry};
use crate::dice::Dice;
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
        Again::IfIdempotent => attempt.repeatable(policy),
    };
    may_repeat && !attempt.answer_started && attempt.tries <= tries_allowed(policy, fault)
}

/// Whether to try again after an answer with this status, of which nothing was passed on yet.
pub fn again_on_status(policy: &Retry, status: u16, attempt: Attempt) -> bool {
    policy.on.statuses.contains(&status)
        && attempt.repeatable(policy)
        && !attempt.answer_started
        && attempt.tries <= policy.attempts
}

/// Whether a further try after this fault takes from the pool's budget, which holds back what buries
/// servers. A kept connection that had died and a want of this node have cost no server anything.
pub const fn is_charged(fault: Fault) -> bool {
    !matches!(fault, Fault::ServerResetReused | Fault::NotProcessed | Fault::Exhausted)
}

/// How long to wait before the next try, when [`again`] or [`again_on_status`] allows it. `fault`
/// is `None` after a status; `chance` is any number.
///
/// The first further try goes to another server at once when the last one did no work: nobody is
/// spared by waiting. Otherwise the wait is anything up to a bound that doubles ("full jitter"), so
/// that requests that failed together do not come back together.
pub fn wait(policy: &Backoff, fault: Option<Fault>, tries: u8, chance: u64) -> Duration {
    let unburdened = matches!(
        fault,
        Some(
            Fault::ConnectRefused
                | Fault::ConnectTimeout
                | Fault::ServerResetReused
                | Fault::NotProcessed
        )
    );
    if tries <= 1 && unburdened {
        return Duration::ZERO;
    }
    let doublings = u32::from(tries.saturating_sub(1)).min(31);
    let bound = policy.base.saturating_mul(1 << doublings).min(policy.most);
    let micros = usize::try_from(bound.as_micros()).unwrap_or(usize::MAX - 1);
    Duration::from_micros(Dice::new(chance).below(micros + 1) as u64)
}

impl Attempt {
    /// The server may have done what was asked, at least in part: is it harmless to ask again, or
    /// has an operator said so?
    fn repeatable(self, policy: &Retry) -> bool {
        self.nothing_sent || (self.replayable && (self.idempotent || policy.unsafe_methods))
    }
}

/// Further tries the operator allows after this fault.
fn tries_allowed(policy: &Retry, fault: Fault) -> u8 {
    let wanted = match fault {
        Fault::ConnectRefused | Fault::ConnectTimeout | Fault::Exhausted | Fault::ServerTls => {
            policy.on.connect
        }
        Fault::ServerReset => policy.on.reset_before_answer,
        // Keeping the connection was this node's idea, not the operator's or the client's: one
        // further try repairs it whatever the policy says (RFC 9112 §9.3.1).
        Fault::ServerResetReused | Fault::NotProcessed => return policy.attempts.max(1),
        Fault::ServerTimeout => policy.on.timeout,
        _ => false,
    };
    if wanted { policy.attempts } else { 0 }
}

#[cfg(test)]
mod tests;
