//! Whether a server is at fault, or what it shares with its peers: what servers say of themselves,
//! compared.
//!
//! A deep check asks a server for its own state and that of what it needs: database, storage, other
//! services. A server that says its database is down is broken if its peers have theirs; if all say
//! so, it is the database, and taking servers out would turn an outage of one thing into an outage
//! of everything. So a server is judged by a [`Hearing`] of its pool:
//!
//! - Only answers asked for since the server first said so are compared with its own: those from
//!   before know nothing of it. Until the others have been asked the check is *undecided*.
//! - All who were asked say the same, or there is nobody to ask: the dependency is at fault. Nobody
//!   leaves because of it, who had left comes back, and the pool is *degraded* by it.
//! - Otherwise the server is at fault: the check has failed, and [`crate::health`] counts it like
//!   any other.
//! - No more servers are found at fault than may be out at once (see [`Cap`]).

mod testimony;
mod value;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::testimony::{Component, Name, NotHealth, Status, Testimony};
pub use self::value::Value;
use crate::health::{CheckFailure, Outcome};
use crate::moment::Moment;
use crate::outlier::Cap;

/// What becomes of a server's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It lacks nothing it needs.
    Fit,
    /// It lacks this, which others have: it is at fault.
    Unfit(Name),
    /// The same, but as many of the pool are out as may be.
    Spared(Name),
    /// Everybody lacks this: nobody here is at fault.
    Shared(Name),
    /// Others have to be asked first, and soon (see [`crate::health::Health::look_again`]).
    Undecided,
}

/// A dependency that every server lacks, or no longer: one event for the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub dependency: Name,
    /// Whether the pool is degraded by it from now on.
    pub degraded: bool,
}

/// What the servers of a pool have last said. `K` tells servers apart.
#[derive(Clone, Debug)]
pub struct Hearing<K> {
    cap: Cap,
    /// How old an answer may be and still count.
    patience: Duration,
    /// Every server of the pool.
    witnesses: BTreeMap<K, Witness>,
    degraded: BTreeMap<Name, Moment>,
}

#[derive(Clone, Debug)]
struct Witness {
    word: Word,
    /// It was found at fault by its last answer.
    at_fault: bool,
}

/// What a server has last said.
#[derive(Clone, Debug)]
enum Word {
    /// Nothing yet: it was not asked before it came, at this moment.
    Awaited(Moment),
    /// It was asked and did not answer.
    Silent,
    /// What is down, to a check that began `asked`.
    Given { asked: Moment, lacks: Lacks },
}

/// What a server says is down, whether it needs it, and since when it has said so.
type Lacks = BTreeMap<Name, (bool, Moment)>;

impl<K: Copy + Ord> Hearing<K> {
    /// For a pool of these servers. `patience`: how old an answer may be and still count, and how
    /// long a first one is waited for; a few intervals of the check.
    pub fn new(
        cap: Cap,
        servers: impl IntoIterator<Item = K>,
        patience: Duration,
        now: Moment,
    ) -> Self {
        let (witnesses, degraded) = (BTreeMap::new(), BTreeMap::new());
        let mut hearing = Self { cap, patience, witnesses, degraded };
        hearing.reconfigure(cap, servers, patience, now);
        hearing
    }

    /// A reload has changed the rules or the servers. What those that stay have said stays.
    pub fn reconfigure(
        &mut self,
        cap: Cap,
        servers: impl IntoIterator<Item = K>,
        patience: Duration,
        now: Moment,
    ) {
        (self.cap, self.patience) = (cap, patience);
        let mut before = std::mem::take(&mut self.witnesses);
        let awaited = || Witness { word: Word::Awaited(now), at_fault: false };
        let known = |server| (server, before.remove(&server).unwrap_or_else(awaited));
        self.witnesses = servers.into_iter().map(known).collect();
    }

    /// A server has answered a deep check that began at `asked`. `out`: the servers of the pool
    /// that are not used because of their health, for whatever reason.
    pub fn hear(
        &mut self,
        server: K,
        testimony: &Testimony,
        asked: Moment,
        out: impl IntoIterator<Item = K>,
    ) -> (Ruling, Vec<Turn>) {
        let before = self.witnesses.get(&server);
        let was_at_fault = before.is_some_and(|it| it.at_fault);
        let known = before.and_then(Witness::lacks);
        let since = |name: &Name| known.and_then(|lacks| lacks.get(name)).map_or(asked, |it| it.1);
        let lacks: Lacks =
            testimony.lacks().map(|(name, critical)| (name, (critical, since(&name)))).collect();
        let mut turns = self.recovered(&lacks);
        let mut ruling = Ruling::Fit;
        for (&name, &(critical, since)) in &lacks {
            let found = self.compare(server, name, since, asked);
            if matches!(found, Ruling::Shared(_)) && !self.degraded.contains_key(&name) {
                self.degraded.insert(name, since);
                turns.push(Turn { dependency: name, degraded: true });
            }
            if critical && gravity(found) > gravity(ruling) {
                ruling = found;
            }
        }
        if let Ruling::Unfit(name) = ruling
            && !self.may_leave(server, out)
        {
            ruling = Ruling::Spared(name);
        }
        let at_fault = match ruling {
            Ruling::Undecided => was_at_fault,
            Ruling::Unfit(_) => true,
            Ruling::Fit | Ruling::Spared(_) | Ruling::Shared(_) => false,
        };
        self.witnesses.insert(server, Witness { word: Word::Given { asked, lacks }, at_fault });
        (ruling, turns)
    }

    /// Whether one more server may be taken out because of what is inferred of it, from its words or
    /// from its traffic. `out` as in [`Hearing::hear`].
    pub fn may_leave(&self, server: K, out: impl IntoIterator<Item = K>) -> bool {
        let at_fault = |key: &K| self.witnesses.get(key).is_some_and(|it| it.at_fault);
        let others = self.witnesses.keys().filter(|&key| *key != server && at_fault(key)).count();
        let out = out.into_iter().filter(|key| *key != server && !at_fault(key)).count();
        self.cap.leaves_room(self.witnesses.len(), others + out)
    }

    /// A server has not answered, or is not asked any more: the others need not wait for it.
    pub fn dismiss(&mut self, server: K) {
        if let Some(witness) = self.witnesses.get_mut(&server) {
            *witness = Witness { word: Word::Silent, at_fault: false };
        }
    }

    /// What every server lacks, and since when: what the pool is degraded by.
    pub fn degraded_by(&self) -> impl Iterator<Item = (Name, Moment)> {
        self.degraded.iter().map(|(name, since)| (*name, *since))
    }

    /// What this server said in its last answer that it lacks, and since when.
    pub fn evidence(&self, server: K) -> impl Iterator<Item = (Name, Moment)> {
        let lacks = self.witnesses.get(&server).and_then(Witness::lacks).into_iter().flatten();
        lacks.map(|(name, (_, since))| (*name, *since))
    }

    /// Servers that were found at fault by their last answers.
    pub fn at_fault(&self) -> usize {
        self.witnesses.values().filter(|it| it.at_fault).count()
    }

    /// One server that has something is enough: the dependency is there.
    fn recovered(&mut self, lacks: &Lacks) -> Vec<Turn> {
        let back: Vec<_> =
            self.degraded.keys().filter(|name| !lacks.contains_key(name)).copied().collect();
        let turn = |name| {
            self.degraded.remove(&name);
            Turn { dependency: name, degraded: false }
        };
        back.into_iter().map(turn).collect()
    }

    /// What the others say of something that one has lacked `since` then.
    fn compare(&self, server: K, name: Name, since: Moment, now: Moment) -> Ruling {
        let recent = |moment| now.since(moment) <= self.patience;
        let mut waiting = false;
        let others = self.witnesses.iter().filter(|(key, _)| **key != server);
        for (_, witness) in others {
            match &witness.word {
                Word::Awaited(began) => waiting |= recent(*began),
                Word::Given { asked, lacks } if recent(*asked) && !lacks.contains_key(&name) => {
                    if *asked >= since {
                        return Ruling::Unfit(name);
                    }
                    waiting = true;
                }
                // Who lacked the same even before would only say so again.
                Word::Given { .. } | Word::Silent => {}
            }
        }
        if waiting { Ruling::Undecided } else { Ruling::Shared(name) }
    }
}

impl Witness {
    fn lacks(&self) -> Option<&Lacks> {
        match &self.word {
            Word::Given { lacks, .. } => Some(lacks),
            Word::Awaited(_) | Word::Silent => None,
        }
    }
}

impl Ruling {
    /// What an operator should know of a server that passes all the same.
    pub fn remark(self) -> Option<String> {
        match self {
            Self::Fit | Self::Unfit(_) | Self::Undecided => None,
            Self::Shared(name) => Some(format!("`{name}` is down, and not for this server alone")),
            Self::Spared(name) => Some(format!(
                "`{name}` is down for this server alone; kept: enough of the pool are out"
            )),
        }
    }

    /// What it means to the health of the server that was heard.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Fit | Self::Spared(_) | Self::Shared(_) => Outcome::Passed,
            Self::Unfit(name) => Outcome::Failed(CheckFailure::Lacks(name)),
            Self::Undecided => Outcome::Undecided,
        }
    }
}

/// Of several things that a server lacks, the gravest decides.
fn gravity(ruling: Ruling) -> u8 {
    match ruling {
        Ruling::Fit => 0,
        Ruling::Shared(_) => 1,
        Ruling::Undecided => 2,
        Ruling::Spared(_) => 3,
        Ruling::Unfit(_) => 4,
    }
}

#[cfg(test)]
mod tests;
