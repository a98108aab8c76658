//! What is said on a connection, without a socket: bytes in, bytes and outcomes out.

mod http1;
mod http2;

use std::fmt::Debug;
use std::time::Duration;

pub(crate) use self::http1::Http1;
pub(crate) use self::http2::{Http2, connection, next};
use super::answer::Garbage;
use super::tally::Failure;

/// A request of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// When it was due, from the start of the test.
    pub(crate) at: Duration,
    /// How often it was refused by a server that had not looked at it.
    pub(crate) refusals: u8,
}

/// A request of which the outcome is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) due: Due,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A whole answer has come, with this status.
    Answered(u16),
    Failed(Failure),
    /// The server says that it has not looked at it: it may be sent again (RFC 9113 §8.7).
    Refused,
}

/// One side of a connection on which requests are sent.
pub(crate) trait Talk: Debug {
    /// Another request may be [taken](Talk::take).
    fn has_room(&self) -> bool;

    /// Nothing is under way, and nothing more may be asked.
    fn is_over(&self) -> bool;

    /// Requests under way.
    fn carries(&self) -> usize;

    /// Takes a request, for which there is room.
    fn take(&mut self, due: Due);

    /// Bytes to send.
    fn unsent(&self) -> &[u8];

    /// The first `count` of them are sent.
    fn sent(&mut self, count: usize);

    /// So much is unsent that nothing more should be received.
    fn is_full(&self) -> bool {
        false
    }

    /// Takes what has come, and adds the requests it ends to `done`.
    fn feed(&mut self, bytes: &[u8], done: &mut Vec<Done>) -> Result<(), Garbage>;

    /// The other side has ended the connection: for an answer without a length that is its end.
    fn end(&mut self, _done: &mut Vec<Done>) {}

    /// Lets go of requests that were due at `at` or before.
    fn give_up(&mut self, at: Duration, done: &mut Vec<Done>);

    /// The connection is over: all that is under way has failed.
    fn lose(&mut self, why: Failure, done: &mut Vec<Done>);
}

#[cfg(test)]
fn due(milliseconds: u64) -> Due {
    Due { at: Duration::from_millis(milliseconds), refusals: 0 }
}
