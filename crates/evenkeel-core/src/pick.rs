//! Which of the servers that are used comes first, and which ones after it: a first choice and then
//! fallbacks.
//!
//! Each algorithm is a file: it orders servers and skips those it is told are closed to it.

mod least_connections;
mod round_robin;

use self::round_robin::Sequence;
use crate::config::{Balance, Retry};
use crate::pool::{Mode, Roster, Used};

/// An algorithm with what it has computed beforehand.
#[derive(Debug)]
pub(crate) enum Picker {
    RoundRobin(Sequence),
    LeastConnections,
}

impl Picker {
    pub(crate) fn build(balance: Balance, used: &[Used]) -> Self {
        match balance {
            Balance::RoundRobin => Self::RoundRobin(Sequence::build(used)),
            Balance::LeastConnections => Self::LeastConnections,
        }
    }
}

impl Roster {
    /// The server for a request, as its place among the members; `None` once every server that is
    /// used has been tried.
    ///
    /// `turn` is a number of the pool that grows by one with each request, whichever worker takes
    /// it: that makes the order strict over all of them. Further tries of a request keep its turn.
    /// `in_flight` tells how many requests (or connections) a server has.
    pub fn pick(
        &self,
        turn: u64,
        in_flight: impl Fn(usize) -> u32,
        tried: &Tried,
    ) -> Option<usize> {
        let open = |used: &Used| !tried.contains(used.member.into());
        // A panic spreads the load over fit and unfit alike; a request that has met an unfit one is
        // not made to meet another while a fit one is left.
        if self.mode() == Mode::Panic && !tried.is_empty() {
            let fit = self.choose(turn, &in_flight, |used| used.usable && open(used));
            if fit.is_some() {
                return fit;
            }
        }
        self.choose(turn, &in_flight, open)
    }

    fn choose(
        &self,
        turn: u64,
        in_flight: impl Fn(usize) -> u32,
        open: impl Fn(&Used) -> bool,
    ) -> Option<usize> {
        let chosen = match self.picker() {
            Picker::RoundRobin(sequence) => sequence.pick(self.used(), turn, open),
            Picker::LeastConnections => least_connections::pick(self.used(), turn, in_flight, open),
        };
        chosen.map(|used| used.member.into())
    }
}

/// The servers a request has been to already.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    members: [u16; Self::MOST],
    count: usize,
}

impl Tried {
    /// The first try and every further one.
    pub const MOST: usize = 1 + Retry::MOST_ATTEMPTS as usize;

    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Remembers a server that was picked. A full set forgets it: there is no further try then.
    pub fn insert(&mut self, member: usize) {
        if let (Some(free), Ok(member)) = (self.members.get_mut(self.count), u16::try_from(member))
        {
            *free = member;
            self.count += 1;
        }
    }

    /// Whether the request has been to this server.
    pub fn contains(&self, member: usize) -> bool {
        self.members[..self.count].iter().any(|&tried| usize::from(tried) == member)
    }

    /// How many tries were made.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether this is the first try.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests;
