//! Names of servers: what is known of each, and when to ask again. Pure; asking is [`lookup`]'s.

pub(crate) mod lookup;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use evenkeel_api::Timestamp;
use serde::{Deserialize, Serialize};

use crate::membership::{Question, Records};

/// A record that says zero must not make a flood of questions.
const SHORTEST_TTL: Duration = Duration::from_secs(1);

/// A record that says a week must not keep a dead address that long.
const LONGEST_TTL: Duration = Duration::from_mins(5);

/// After the first failure, doubled with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// A resolver that is back is noticed within this.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Addresses taken from one answer; more are a mistake or an attack.
pub(crate) const MOST_ENDPOINTS: usize = 256;

/// One address behind a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    /// Of service records: the lowest is used, others are backups (RFC 2782).
    pub(crate) priority: u16,
    pub(crate) ip: IpAddr,
    /// Of service records; else 0.
    pub(crate) port: u16,
    pub(crate) weight: u16,
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// What a resolver said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Not empty.
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) ttl: Duration,
    /// A family that it failed to say anything of, while it spoke of the other.
    pub(crate) unanswered: Option<Family>,
}

/// What is known of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// In order, without repetition.
    pub(crate) endpoints: Vec<Endpoint>,
    /// The one in use where one is wanted: kept for as long as it is among the answers, because
    /// resolvers rotate them.
    pub(crate) chosen: Option<IpAddr>,
    /// `None` before anything happened.
    pub(crate) last: Option<Last>,
}

/// How the last question went, and since when it goes like that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) since: Timestamp,
    /// Consecutive failures, and why the last one was.
    pub(crate) failure: Option<(u32, String)>,
}

/// What is known of every name in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolved {
    names: BTreeMap<Question, Known>,
}

/// A name as it is kept between runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    #[serde(flatten)]
    question: Question,
    chosen: Option<IpAddr>,
    endpoints: Vec<Endpoint>,
}

impl Resolved {
    /// What was kept by a run before. It is used until there are answers.
    pub(crate) fn from_kept(kept: Vec<Kept>) -> Self {
        let known = |Kept { question, chosen, mut endpoints }: Kept| {
            endpoints.retain(|endpoint| is_usable(endpoint.ip));
            endpoints.truncate(MOST_ENDPOINTS);
            (question, Known { endpoints, chosen, last: None })
        };
        Self { names: kept.into_iter().map(known).collect() }
    }

    /// What a next run should know.
    pub(crate) fn to_keep(&self) -> Vec<Kept> {
        let known = self.names.iter().filter(|(_, known)| !known.endpoints.is_empty());
        let kept = |(question, known): (&Question, &Known)| Kept {
            question: question.clone(),
            chosen: known.chosen,
            endpoints: known.endpoints.clone(),
        };
        known.map(kept).collect()
    }

    pub(crate) fn of(&self, question: &Question) -> Option<&Known> {
        self.names.get(question)
    }

    /// Forgets what nobody asks for any more.
    pub(crate) fn keep_only(&mut self, questions: &BTreeSet<Question>) {
        self.names.retain(|question, _| questions.contains(question));
    }

    /// Takes in how a question went. A failure never takes an address away. Returns whether the
    /// addresses are others than before.
    pub(crate) fn note(
        &mut self,
        question: &Question,
        outcome: &Result<Answer, String>,
        now: Timestamp,
    ) -> bool {
        let known = self.names.entry(question.clone()).or_default();
        let was_failing = known.last.as_ref().is_some_and(|last| last.failure.is_some());
        let since = match &known.last {
            Some(last) if was_failing == outcome.is_err() => last.since,
            _ => now,
        };
        let answer = match outcome {
            Ok(answer) => answer,
            Err(reason) => {
                let failures = known.failures().saturating_add(1);
                known.last = Some(Last { since, failure: Some((failures, reason.clone())) });
                return false;
            }
        };
        known.last = Some(Last { since, failure: None });
        let lost = |endpoint: &&Endpoint| match answer.unanswered {
            Some(Family::V4) => endpoint.ip.is_ipv4(),
            Some(Family::V6) => endpoint.ip.is_ipv6(),
            None => false,
        };
        let kept = known.endpoints.iter().filter(lost);
        let endpoints: BTreeSet<Endpoint> = answer.endpoints.iter().chain(kept).copied().collect();
        let endpoints: Vec<Endpoint> = endpoints.into_iter().take(MOST_ENDPOINTS).collect();
        let stays = |ip: &IpAddr| endpoints.iter().any(|endpoint| endpoint.ip == *ip);
        let chosen = known.chosen.filter(stays).or_else(|| endpoints.first().map(|it| it.ip));
        let changed = endpoints != known.endpoints || chosen != known.chosen;
        known.endpoints = endpoints;
        known.chosen = chosen;
        changed
    }
}

impl Known {
    /// In a row.
    pub(crate) fn failures(&self) -> u32 {
        let failure = self.last.as_ref().and_then(|last| last.failure.as_ref());
        failure.map_or(0, |(count, _)| *count)
    }

    /// The addresses a question gives, on `port` unless they bring their own.
    pub(crate) fn addresses(&self, records: Records, port: u16) -> Vec<SocketAddr> {
        let port = |endpoint: &Endpoint| match records {
            Records::Address => port,
            Records::Service => endpoint.port,
        };
        self.endpoints.iter().map(|it| SocketAddr::new(it.ip, port(it))).collect()
    }
}

/// Whether a server can be there: somebody who lies must not make us talk to everybody.
pub(crate) fn is_usable(ip: IpAddr) -> bool {
    let is_broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}

/// How long an answer is good for: up to a tenth more than its TTL, so that names learnt together
/// are not asked for together for ever. `random` is any number.
pub(crate) fn good_for(ttl: Duration, random: u64) -> Duration {
    let ttl = ttl.clamp(SHORTEST_TTL, LONGEST_TTL);
    ttl + part(ttl / 10, random)
}

/// When to ask again after so many failures in a row: half of the time is left to chance.
pub(crate) fn retry_after(failures: u32, random: u64) -> Duration {
    let doubled = 1_u32 << failures.saturating_sub(1).min(10);
    let longest = (FIRST_RETRY * doubled).min(LONGEST_RETRY);
    longest / 2 + part(longest / 2, random)
}

/// A random part of `whole`.
fn part(whole: Duration, random: u64) -> Duration {
    /// Steps fine enough for any crowd.
    const STEPS: u32 = 1_000;
    let step = u32::try_from(random % u64::from(STEPS)).expect("below the number of steps");
    whole * step / STEPS
}

#[cfg(test)]
mod tests;
