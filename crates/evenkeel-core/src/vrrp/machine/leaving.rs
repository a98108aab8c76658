//! How an owner gives the address away.

use std::net::IpAddr;
use std::time::Duration;

use super::{Action, Cause, Event, Heartbeat, Machine, Moment, Phase, State};

/// How often a node says that it leaves: a lost packet would cost the successor three intervals.
const LEAVING_ADVERTS: u8 = 3;
/// Between two of those, as a part of the interval.
pub(super) const LEAVING_PART: u32 = 20;
/// For how many intervals a leaving node waits to hear its successor, who claims after less than
/// one.
const LEAVING_INTERVALS: u32 = 2;
/// A weakened owner gives way to a stronger peer only after this many intervals: if that one does
/// not take it, trying again and again helps nobody.
const WEAKENED_INTERVALS: u32 = 10;
/// Two nodes that can hear each other on the second path do so this soon after one has started: who
/// is not heard by then cannot be asked.
const MEETING: Duration = Duration::from_secs(3);

impl Machine {
    /// In Active, with a claim that something tracked has lowered: a stronger peer gets it, though
    /// it would not preempt.
    pub(super) fn make_way(&mut self, now: Moment, out: &mut Vec<Action>) {
        let is_lowered = self.claim < Some(self.policy.priority);
        let is_settled = now.since(self.since) >= self.policy.interval * WEAKENED_INTERVALS;
        let is_stronger = |(peer, came): &(Heartbeat, Moment)| {
            peer.claim > self.claim && self.is_fresh(*came, now)
        };
        if is_lowered && is_settled && self.peers.iter().any(is_stronger) {
            self.leave(false, Cause::Weakened, now, out);
        }
    }

    /// In Backup, of an owner that is to be preempted: whether it still has time to give the address
    /// away by itself, which it does once what is under way there has ended.
    pub(super) fn asks(&mut self, owner: IpAddr, now: Moment) -> bool {
        let is_heard = |(peer, came): &(Heartbeat, Moment)| {
            peer.node == owner && peer.owns && self.is_fresh(*came, now)
        };
        if !self.peers.iter().any(is_heard) {
            return now.since(self.since) < self.policy.asking.min(MEETING);
        }
        let since = *self.asks_since.get_or_insert(now);
        now.since(since) < self.policy.asking
    }

    /// In Active: says so, and goes on until somebody is heard.
    pub(super) fn leave(&mut self, stops: bool, why: Cause, now: Moment, out: &mut Vec<Action>) {
        if self.state() == State::Active {
            let interval = self.policy.interval;
            let (until, next) = (now + interval * LEAVING_INTERVALS, now + interval / LEAVING_PART);
            let phase = Phase::Leaving { until, next, left: LEAVING_ADVERTS - 1, stops };
            self.enter(phase, why, now, out);
            self.advertise(0, out);
        }
    }

    pub(super) fn stop(&mut self, now: Moment, out: &mut Vec<Action>) {
        match &mut self.phase {
            Phase::Initialize => {}
            Phase::Active { .. } => self.leave(true, Cause::Stopped, now, out),
            Phase::Leaving { stops, .. } => *stops = true,
            Phase::Backup { .. } | Phase::Probing { .. } | Phase::Fault => {
                self.enter(Phase::Initialize, Cause::Stopped, now, out);
            }
        }
    }

    /// In Leaving: no successor was heard.
    pub(super) fn nobody_came(&mut self, stops: bool, now: Moment, out: &mut Vec<Action>) {
        if stops {
            out.push(Action::Release);
            self.gone(true, Cause::NobodyTook, now, out);
        } else {
            out.push(Action::Tell(Event::NobodyTook));
            self.own_it(Cause::NobodyTook, now, out);
        }
    }

    /// It has left.
    pub(super) fn gone(&mut self, stops: bool, why: Cause, now: Moment, out: &mut Vec<Action>) {
        if stops {
            self.enter(Phase::Initialize, why, now, out);
        } else {
            self.listen(why, now, out);
        }
    }
}
