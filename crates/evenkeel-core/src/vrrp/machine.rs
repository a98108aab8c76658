//! Who owns the address: one machine for each virtual router of a node.
//!
//! It goes further than RFC 9568 §6.4 where that would let two nodes own the address in silence, or
//! leave it unowned for longer than needed:
//! - In the last part of an owner's silence the address is asked for ([`State::Probing`]). Who is
//!   answered does not claim, unless it has heard the owner before and is answered a second time:
//!   then what answers is the kernel of a node whose program died.
//! - Nothing is claimed while a peer says over the second path that it owns the address, or while
//!   there are witnesses and none is reachable.
//! - Who leaves goes on answering until its successor is heard ([`State::Leaving`]).
//! - Who was asleep for as long as owners may be silent gives the address up before anything else,
//!   and listens.
//! - Who meets a second owner and stays announces itself again, now and five seconds later.
//!
//! Every call is made with the present moment. The order of actions is the order to do them in.

mod announcer;
mod conflict;
mod leaving;
mod state;
mod words;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use self::announcer::Announcer;
pub use self::announcer::TIMES as ANNOUNCEMENTS;
use self::leaving::LEAVING_PART;
pub use self::state::State;
pub use self::words::{Action, Cause, Event, Figures, Heard, Heartbeat, Input, Obstacle};
use super::policy::{ADDRESS_OWNER, DOWN_INTERVALS, PROBES, Policy, Preempt};
use crate::moment::Moment;

/// Peers whose heartbeats are kept; the one heard from longest ago makes room. More than two or
/// three nodes to an address are rare.
const MOST_PEERS: usize = 8;

/// A state with what belongs to it alone.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Initialize,
    /// Until then the owner may be silent. `asks`: the address is asked for before it is claimed.
    Backup {
        until: Moment,
        asks: bool,
    },
    Probing {
        until: Moment,
        next: Moment,
        left: u8,
    },
    Active {
        advert: Moment,
        sent: Moment,
        replied: Moment,
        announcer: Announcer,
        lost: bool,
    },
    Leaving {
        until: Moment,
        next: Moment,
        left: u8,
        stops: bool,
    },
    Fault,
}

/// One virtual router of a node.
#[derive(Clone, Debug)]
pub struct Machine {
    policy: Arc<Policy>,
    /// This node's own address on the link, of the family of the virtual ones.
    own: IpAddr,
    boot: u64,
    phase: Phase,
    since: Moment,
    /// With which this node claims; `None`: it may not.
    claim: Option<u8>,
    witness: bool,
    /// The owner's interval, learned from its adverts.
    interval: Duration,
    /// The last advert of an owner that has not left, and when it came.
    owner: Option<(Heard, Moment)>,
    /// Since when the owner has been a weaker one.
    weaker_since: Option<Moment>,
    /// Since when that one has been asked for the address.
    asks_since: Option<Moment>,
    /// An operator has moved the address away: it is not taken back from a node that is well.
    moved: bool,
    obstacle: Option<Obstacle>,
    /// Claims put off in a row because somebody answered.
    answered: u8,
    /// Who has said what over the second path, and when. The last heard is last.
    peers: Vec<(Heartbeat, Moment)>,
    figures: Figures,
}

impl Machine {
    /// A machine that takes no part yet. `own`: this node's address on the link, which its adverts
    /// come from; `boot`: as in [`Heartbeat`].
    pub fn new(policy: Arc<Policy>, own: IpAddr, boot: u64, now: Moment) -> Self {
        Self {
            own,
            boot,
            phase: Phase::Initialize,
            since: now,
            claim: Some(policy.priority),
            witness: false,
            interval: policy.interval,
            owner: None,
            weaker_since: None,
            asks_since: None,
            moved: false,
            obstacle: None,
            answered: 0,
            peers: Vec::new(),
            figures: Figures::default(),
            policy,
        }
    }

    /// What this node is.
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Initialize => State::Initialize,
            Phase::Backup { .. } => State::Backup,
            Phase::Probing { .. } => State::Probing,
            Phase::Active { .. } => State::Active,
            Phase::Leaving { .. } => State::Leaving,
            Phase::Fault => State::Fault,
        }
    }

    /// Since when.
    pub fn since(&self) -> Moment {
        self.since
    }

    /// What keeps it from claiming the address, when it last would have.
    pub fn obstacle(&self) -> Option<Obstacle> {
        self.obstacle
    }

    /// The owner that was heard last, unless it has left or is this node.
    pub fn owner(&self) -> Option<IpAddr> {
        self.owner.map(|(heard, _)| heard.source)
    }

    /// What was counted.
    pub fn figures(&self) -> Figures {
        self.figures
    }

    /// What this node says over the second path, with each [`Policy::interval`].
    pub fn heartbeat(&self) -> Heartbeat {
        let is_in = !matches!(self.phase, Phase::Initialize);
        let owns = self.state() == State::Active;
        // An owner that has lost its witnesses goes on, with the priority of its adverts.
        let may = is_in && (owns || self.is_witnessed());
        Heartbeat {
            node: self.own,
            owns,
            claim: self.claim.filter(|_| may),
            boot: self.boot,
            claims: self.figures.claims,
            wants: self.asks_since.is_some() && self.state() == State::Backup,
        }
    }

    /// When a [`Input::Tick`] has something to do.
    pub fn next_deadline(&self) -> Moment {
        match self.phase {
            Phase::Initialize | Phase::Fault => Moment::NEVER,
            Phase::Backup { until, asks: true } => until - self.policy.probing(),
            Phase::Backup { until, asks: false }
            | Phase::Probing { until, left: 0, .. }
            | Phase::Leaving { until, left: 0, .. } => until,
            Phase::Probing { until, next, .. } | Phase::Leaving { until, next, .. } => {
                next.min(until)
            }
            Phase::Active { advert, announcer, .. } => advert.min(announcer.next()),
        }
    }

    /// Something has happened; what is to be done about it. After a wait, what has come in is
    /// handed over before a [`Input::Tick`]: it may be what the wait was for.
    pub fn handle(&mut self, input: Input, now: Moment) -> Vec<Action> {
        let mut out = Vec::new();
        self.look_at_the_clock(now, &mut out);
        match input {
            Input::Start => self.start(now, &mut out),
            Input::Inherit => self.inherit(now, &mut out),
            Input::Tick => {}
            Input::Heard(heard) => self.heard(heard, now, &mut out),
            Input::Claim(claim) => self.claim(claim, now, &mut out),
            Input::Witness(reachable) => {
                self.witness = reachable;
                self.look_again(Obstacle::NoWitness, now);
            }
            Input::Heartbeat(heartbeat) => self.heartbeat_came(heartbeat, now, &mut out),
            Input::Silence(node) => {
                for (peer, _) in self.peers.iter_mut().filter(|(peer, _)| peer.node == node) {
                    (peer.owns, peer.claim) = (false, None);
                }
                self.look_again(Obstacle::PeerOwns, now);
            }
            Input::Seen => self.seen(now, &mut out),
            Input::Lost => self.lost(now, &mut out),
            Input::Refused => self.refused(now, &mut out),
            Input::Move => {
                self.moved = true;
                self.leave(false, Cause::Moved, now, &mut out);
            }
            Input::Resume => self.moved = false,
            Input::Stop => self.stop(now, &mut out),
        }
        self.tick(now, &mut out);
        out
    }

    /// The rules have changed. The state stays; what is tracked is said anew ([`Input::Claim`]).
    pub fn reconfigure(&mut self, policy: Arc<Policy>, now: Moment) -> Vec<Action> {
        let addresses_changed = self.policy.addresses != policy.addresses;
        if !matches!(self.phase, Phase::Backup { .. } | Phase::Probing { .. }) {
            self.interval = policy.interval;
        }
        self.policy = policy;
        let mut out = Vec::new();
        if let Phase::Active { advert, announcer, .. } = &mut self.phase {
            *advert = now;
            if addresses_changed {
                *announcer = Announcer::new(now);
                out.extend([Action::Take, Action::Announce(ANNOUNCEMENTS)]);
            }
        }
        self.tick(now, &mut out);
        out
    }

    /// A node that slept past its time does nothing that was due before it has listened.
    fn look_at_the_clock(&mut self, now: Moment, out: &mut Vec<Action>) {
        match self.phase {
            Phase::Active { sent, .. } => {
                let slept = now.since(sent);
                if slept >= self.policy.interval * DOWN_INTERVALS {
                    // Whoever owns it by now hears so, and announces itself again.
                    self.advertise(0, out);
                    out.extend([Action::Release, Action::Tell(Event::Slept(slept))]);
                    self.listen(Cause::Slept, now, out);
                }
            }
            Phase::Backup { until, .. } | Phase::Probing { until, .. } => {
                let slept = now.since(until);
                if slept >= self.interval {
                    out.push(Action::Tell(Event::Slept(slept)));
                    self.listen(Cause::Slept, now, out);
                }
            }
            Phase::Initialize | Phase::Leaving { .. } | Phase::Fault => {}
        }
    }

    fn start(&mut self, now: Moment, out: &mut Vec<Action>) {
        if !matches!(self.phase, Phase::Initialize) {
            return;
        }
        self.owner = None;
        self.interval = self.policy.interval;
        match self.claim {
            None => self.enter(Phase::Fault, Cause::Failed, now, out),
            Some(_) => self.listen(Cause::Started, now, out),
        }
        // RFC 9568 §6.4.1 (110): the addresses are its own, nobody has to be waited for.
        if self.claim == Some(ADDRESS_OWNER) && self.is_witnessed() {
            self.own_it(Cause::Started, now, out);
        }
    }

    /// The others have heard the owner up to now, and go on hearing it.
    fn inherit(&mut self, now: Moment, out: &mut Vec<Action>) {
        match self.claim {
            Some(_) if matches!(self.phase, Phase::Initialize) => {
                self.own_it(Cause::Inherited, now, out);
            }
            _ => self.start(now, out),
        }
    }

    /// What was due by now is done.
    fn tick(&mut self, now: Moment, out: &mut Vec<Action>) {
        match self.phase {
            Phase::Initialize | Phase::Fault => {}
            Phase::Backup { asks, .. } => {
                if self.next_deadline() <= now {
                    self.owner_is_gone(asks, now, out);
                }
            }
            Phase::Probing { until, next, left } => {
                if until <= now {
                    self.nobody_answered(now, out);
                } else if left > 0 && next <= now {
                    out.push(Action::Probe);
                    self.phase =
                        Phase::Probing { until, next: now + self.probe_gap(), left: left - 1 };
                }
            }
            Phase::Active { .. } => self.keep(now, out),
            Phase::Leaving { until, next, left, stops } => {
                if until <= now {
                    self.nobody_came(stops, now, out);
                } else if left > 0 && next <= now {
                    self.advertise(0, out);
                    let next = now + self.policy.interval / LEAVING_PART;
                    self.phase = Phase::Leaving { until, next, left: left - 1, stops };
                }
            }
        }
    }

    fn probe_gap(&self) -> Duration {
        self.policy.probing() / u32::from(PROBES)
    }

    /// In Backup: the silence is long enough.
    fn owner_is_gone(&mut self, asks: bool, now: Moment, out: &mut Vec<Action>) {
        if let Some((obstacle, again)) = self.find_obstacle(asks, now) {
            self.meet(obstacle, out);
            self.phase = self.wait_until(again);
        } else if asks {
            // Anew, if this is late: an answer needs its time.
            let (until, next) = (now + self.policy.probing(), now + self.probe_gap());
            let phase = Phase::Probing { until, next, left: PROBES - 1 };
            self.enter(phase, Cause::OwnerSilent, now, out);
            out.push(Action::Probe);
        } else {
            self.own_it(Cause::OwnerLeft, now, out);
        }
    }

    /// In Probing: the time is over.
    fn nobody_answered(&mut self, now: Moment, out: &mut Vec<Action>) {
        if let Some((obstacle, again)) = self.find_obstacle(true, now) {
            self.meet(obstacle, out);
            self.enter(self.wait_until(again), Cause::Withheld, now, out);
        } else {
            let why = if self.answered > 0 { Cause::OwnerSilent } else { Cause::Unanswered };
            self.own_it(why, now, out);
        }
    }

    /// Backup that begins to ask at this moment.
    fn wait_until(&self, moment: Moment) -> Phase {
        Phase::Backup { until: moment + self.policy.probing(), asks: true }
    }

    /// What stands between this node and an address whose owner is silent, or has left, and when
    /// to look again.
    fn find_obstacle(&self, is_silent: bool, now: Moment) -> Option<(Obstacle, Moment)> {
        if !self.is_witnessed() {
            return Some((Obstacle::NoWitness, now + self.interval));
        }
        let owns = |(peer, came): &&(Heartbeat, Moment)| peer.owns && self.is_fresh(*came, now);
        let owner = self.peers.iter().rfind(owns).filter(|_| is_silent);
        owner.map(|(_, came)| (Obstacle::PeerOwns, *came + self.freshness()))
    }

    /// An obstacle may be gone: who waits for that looks again.
    fn look_again(&mut self, obstacle: Obstacle, now: Moment) {
        let is_waiting = matches!(self.phase, Phase::Backup { .. });
        if is_waiting && self.obstacle == Some(obstacle) {
            self.phase = self.wait_until(now);
        }
    }

    /// Nothing is claimed without this, whatever else is known.
    fn is_witnessed(&self) -> bool {
        self.witness || !self.policy.has_witnesses
    }

    /// For how long it holds what a peer has said: as long as an owner may be silent.
    fn freshness(&self) -> Duration {
        self.policy.interval * DOWN_INTERVALS
    }

    fn is_fresh(&self, came: Moment, now: Moment) -> bool {
        now.since(came) < self.freshness()
    }

    /// Told once.
    fn meet(&mut self, obstacle: Obstacle, out: &mut Vec<Action>) {
        if self.obstacle != Some(obstacle) {
            self.obstacle = Some(obstacle);
            out.push(Action::Tell(Event::Withheld(obstacle)));
        }
    }

    fn own_it(&mut self, why: Cause, now: Moment, out: &mut Vec<Action>) {
        let silent = matches!(why, Cause::OwnerSilent | Cause::Unanswered);
        self.figures.gap = self.owner.filter(|_| silent).map(|(_, at)| now.since(at));
        self.figures.claims += 1;
        self.owner = None;
        (self.weaker_since, self.asks_since) = (None, None);
        self.obstacle = None;
        self.answered = 0;
        self.moved = false;
        self.interval = self.policy.interval;
        let phase = Phase::Active {
            advert: now + self.policy.interval,
            sent: now,
            replied: now,
            announcer: Announcer::new(now),
            lost: false,
        };
        // The advert first: an owner that yields to it lets go before others are told.
        self.enter(phase, why, now, out);
        self.advertise(self.claim.unwrap_or(0), out);
        out.extend([Action::Take, Action::Announce(ANNOUNCEMENTS)]);
    }

    /// In Active: adverts and announcements that are due.
    fn keep(&mut self, now: Moment, out: &mut Vec<Action>) {
        let interval = self.policy.interval;
        let Phase::Active { advert, sent, announcer, lost, .. } = &mut self.phase else { return };
        if *advert <= now {
            // Kept in step, but what was missed is not made up for.
            *advert = (*advert + interval).max(now + interval / 2);
            *sent = now;
            if std::mem::take(lost) {
                out.extend([Action::Take, Action::Announce(1)]);
            }
            let priority = self.claim.unwrap_or(0);
            self.figures.adverts_sent += 1;
            out.push(Action::Advertise(priority));
        }
        out.extend(announcer.due(now).map(Action::Announce));
    }

    fn advertise(&mut self, priority: u8, out: &mut Vec<Action>) {
        self.figures.adverts_sent += 1;
        out.push(Action::Advertise(priority));
    }

    fn heard(&mut self, heard: Heard, now: Moment, out: &mut Vec<Action>) {
        self.figures.adverts_heard += 1;
        match self.phase {
            Phase::Initialize | Phase::Fault => {}
            Phase::Backup { .. } | Phase::Probing { .. } => self.owner_heard(heard, now, out),
            Phase::Active { .. } => {
                self.met(heard.priority, heard.source, now, out);
                if self.state() == State::Backup {
                    self.owner_heard(heard, now, out);
                }
            }
            Phase::Leaving { .. } if heard.priority == 0 => {}
            Phase::Leaving { stops, .. } => {
                out.push(Action::Release);
                self.note_owner(heard, now);
                self.gone(stops, Cause::OwnerHeard, now, out);
            }
        }
    }

    fn note_owner(&mut self, heard: Heard, now: Moment) {
        self.owner = Some((heard, now));
        self.interval = heard.interval;
        self.answered = 0;
        self.obstacle = None;
    }

    /// In Backup or Probing.
    fn owner_heard(&mut self, heard: Heard, now: Moment, out: &mut Vec<Action>) {
        let Some(claim) = self.claim else { return };
        if heard.priority == 0 {
            if self.owner().is_some_and(|owner| owner != heard.source) {
                // A second owner has met the one this node listens to.
                return;
            }
            // What it answers for it answers until it hears its successor, so nobody is asked.
            let soon = now + self.policy.skew(claim, self.interval);
            let until = match self.phase {
                Phase::Backup { until, asks: false } => until.min(soon),
                _ => soon,
            };
            self.owner = None;
            self.be_backup(Phase::Backup { until, asks: false }, Cause::OwnerLeft, now, out);
            return;
        }
        self.note_owner(heard, now);
        if self.preempts(heard.priority, claim, now) {
            if !self.asks(heard.source, now) {
                self.own_it(Cause::Stronger, now, out);
                return;
            }
        } else {
            self.asks_since = None;
        }
        let until = now + self.policy.down(claim, self.interval);
        self.be_backup(Phase::Backup { until, asks: true }, Cause::OwnerHeard, now, out);
    }

    /// Whether an owner with this priority is to have the address no longer.
    fn preempts(&mut self, priority: u8, claim: u8, now: Moment) -> bool {
        if priority >= claim {
            self.weaker_since = None;
            return false;
        }
        let heard_for = now.since(*self.weaker_since.get_or_insert(now));
        let wants = claim == ADDRESS_OWNER
            || matches!(self.policy.preempt, Preempt::After(delay) if heard_for >= delay);
        wants && !self.moved && self.is_witnessed()
    }

    fn claim(&mut self, claim: Option<u8>, now: Moment, out: &mut Vec<Action>) {
        self.claim = claim;
        match (claim, self.phase) {
            (_, Phase::Initialize)
            | (None, Phase::Fault)
            | (Some(_), Phase::Backup { .. } | Phase::Probing { .. } | Phase::Leaving { .. }) => {}
            (None, Phase::Leaving { stops: true, .. }) => {
                out.push(Action::Release);
                self.enter(Phase::Initialize, Cause::Stopped, now, out);
            }
            (None, _) => {
                if self.state().owns() {
                    self.advertise(0, out);
                    out.push(Action::Release);
                }
                self.enter(Phase::Fault, Cause::Failed, now, out);
            }
            (Some(_), Phase::Fault) => self.listen(Cause::Recovered, now, out),
            (Some(_), Phase::Active { .. }) => self.make_way(now, out),
        }
    }

    fn heartbeat_came(&mut self, heartbeat: Heartbeat, now: Moment, out: &mut Vec<Action>) {
        let known = self.peers.iter().position(|(peer, _)| peer.node == heartbeat.node);
        let before = known.map(|at| self.peers.remove(at).0);
        if self.peers.len() == MOST_PEERS {
            self.peers.remove(0);
        }
        self.peers.push((heartbeat, now));
        if !heartbeat.owns {
            self.look_again(Obstacle::PeerOwns, now);
        }
        // What was said before this node became owner may still be under way.
        let is_settled = now.since(self.since) >= self.policy.interval;
        if heartbeat.owns && self.state() == State::Active && is_settled {
            self.met(heartbeat.claim.unwrap_or(0), heartbeat.node, now, out);
        } else if self.state() == State::Active
            && before.is_none_or(|it| it.owns || !it.has_claimed_as_often(&heartbeat))
        {
            // It has owned the address since, or has just started: neighbours may know its MAC.
            self.assert_itself(now, out);
        } else {
            self.make_way(now, out);
        }
    }

    fn refused(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.state().owns() {
            self.advertise(0, out);
            out.push(Action::Release);
            self.listen(Cause::Refused, now, out);
        }
    }

    /// Backup from the beginning: an owner has all the time it may take.
    fn listen(&mut self, why: Cause, now: Moment, out: &mut Vec<Action>) {
        (self.weaker_since, self.asks_since) = (None, None);
        let until = now + self.policy.down(self.claim.unwrap_or(1), self.interval);
        self.be_backup(Phase::Backup { until, asks: true }, why, now, out);
    }

    /// Nothing is told when it was Backup before.
    fn be_backup(&mut self, phase: Phase, why: Cause, now: Moment, out: &mut Vec<Action>) {
        if let Phase::Backup { .. } = self.phase {
            self.phase = phase;
        } else {
            self.enter(phase, why, now, out);
        }
    }

    fn enter(&mut self, phase: Phase, why: Cause, now: Moment, out: &mut Vec<Action>) {
        let from = self.state();
        self.phase = phase;
        self.since = now;
        out.push(Action::Tell(Event::Became { from, to: self.state(), why }));
    }
}

#[cfg(test)]
mod tests;
