//! What a virtual address tells of itself: its state for whoever asks, events for whoever listens.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::config::Vip;
use evenkeel_core::moment::Moment;
use evenkeel_core::vrrp::Reason;
use evenkeel_core::vrrp::machine::{Event, Heartbeat, Machine, State};
use evenkeel_core::vrrp::policy::{DOWN_INTERVALS, Policy};
use tokio::sync::Notify;

use super::words;
use crate::clock;
use crate::status::VipStatus;
use crate::worker::Shared;

/// Conflicts and stray adverts are counted each, and told once in this time: who spoofs must not
/// fill the log.
const BETWEEN_NEWS: Duration = Duration::from_secs(10);

/// Everything that is told of one virtual address.
#[derive(Debug)]
pub(super) struct Board {
    shared: Arc<Shared>,
    /// Told when the heartbeat is another one.
    said: Arc<Notify>,
    status: VipStatus,
    /// When news of this kind was told last.
    told: Vec<(&'static str, Moment)>,
    is_mute: bool,
    handed_over: bool,
    /// What the machine says of itself, and when it said so.
    heartbeat: Option<(Heartbeat, Moment)>,
}

impl Board {
    pub(super) fn new(shared: Arc<Shared>, said: Arc<Notify>, vip: &Vip) -> Self {
        let status = VipStatus {
            name: Arc::clone(&vip.name),
            interface: Arc::clone(&vip.interface),
            router_id: vip.policy.router_id.get(),
            addresses: Vec::new(),
            state: State::Initialize,
            reason: "starts".into(),
            since: clock::wall(),
            source: None,
            owner: None,
            priority: 0,
            claim: None,
            failed: Vec::new(),
            is_moved: false,
            obstacle: None,
            claims_total: 0,
            conflicts_total: 0,
            adverts_sent_total: 0,
            adverts_heard_total: 0,
            send_failures_total: 0,
            refusals_total: [0; Reason::ALL.len()],
            gap: None,
        };
        let mut board = Self {
            shared,
            said,
            status,
            told: Vec::new(),
            is_mute: false,
            handed_over: false,
            heartbeat: None,
        };
        board.follow(vip);
        board
    }

    pub(super) fn status(&self) -> VipStatus {
        self.status.clone()
    }

    pub(super) fn state(&self) -> State {
        self.status.state
    }

    /// Its rules have changed.
    pub(super) fn follow(&mut self, vip: &Vip) {
        let both = vip.policy.addresses.iter().copied().zip(vip.prefixes.iter().copied());
        self.status.addresses = both.collect();
        self.status.priority = vip.policy.priority;
    }

    /// It takes no part, for a reason outside of the machine.
    pub(super) fn fault(&mut self, reason: &str) {
        let is_news = self.status.state != State::Fault || *self.status.reason != *reason;
        self.become_state(State::Fault, reason.into());
        (self.status.owner, self.status.claim) = (None, None);
        self.say(None);
        if is_news {
            self.tell("vip-fault", format!("takes no part: {reason}"));
        }
    }

    /// It ends, and what it owns now is for the process that comes next.
    pub(super) fn hand_over(&mut self) {
        self.handed_over = self.status.state == State::Active;
    }

    pub(super) fn handed_over(&self) -> bool {
        self.handed_over
    }

    /// It has ended.
    pub(super) fn stopped(&mut self) {
        self.become_state(State::Initialize, "stopped".into());
        self.say(None);
    }

    /// What does not come with an event.
    pub(super) fn show(
        &mut self,
        machine: &Machine,
        source: IpAddr,
        (claim, failed): (Option<u8>, Vec<Arc<str>>),
    ) {
        if failed != self.status.failed {
            let new = failed.iter().filter(|it| !self.status.failed.contains(it));
            let news: Vec<String> = new.map(|it| format!("has failed: {it}")).collect();
            let gone = self.status.failed.iter().filter(|it| !failed.contains(it));
            let gone: Vec<String> = gone.map(|it| format!("works again: {it}")).collect();
            let message = news.into_iter().chain(gone).collect::<Vec<_>>().join("; ");
            self.tell("vip-track", message);
        }
        let status = &mut self.status;
        status.failed = failed;
        (status.source, status.claim) = (Some(source), claim);
        status.owner = if status.state.owns() { Some(source) } else { machine.owner() };
        status.obstacle = machine.obstacle().map(words::obstacle);
        self.say(Some(machine.heartbeat()));
    }

    /// What the other node of the pair is to hear; news at once.
    fn say(&mut self, heartbeat: Option<Heartbeat>) {
        let before = self.heartbeat.map(|(heartbeat, _)| heartbeat);
        self.heartbeat = heartbeat.map(|it| (it, clock::since_boot()));
        if before != heartbeat {
            self.said.notify_one();
        }
    }

    /// What the machine last said of itself. An owner has a turn with each advert: one that has
    /// had none for as long as it may be silent is not there to speak for.
    pub(super) fn heartbeat(&self, policy: &Policy) -> Option<Heartbeat> {
        let (heartbeat, said) = self.heartbeat?;
        let silent = clock::since_boot().since(said);
        let is_alive = !heartbeat.owns || silent < policy.interval * DOWN_INTERVALS;
        is_alive.then_some(heartbeat)
    }

    pub(super) fn set_moved(&mut self, is_moved: bool) {
        self.status.is_moved = is_moved;
    }

    /// An operator, a machine or the kernel has said something.
    pub(super) fn heed(&mut self, event: Event, machine: &Machine, failed: Option<&str>) {
        match event {
            Event::Became { from, to, why } => {
                let reason = match failed {
                    Some(failed) if to == State::Fault => failed.to_owned(),
                    _ => words::why(to, why, machine.owner()),
                };
                if to == State::Active {
                    self.status.is_moved = false;
                }
                if to == State::Active && from != State::Leaving {
                    self.status.claims_total += 1;
                    self.status.gap = machine.figures().gap.or(self.status.gap);
                }
                let message = format!("{} → {}: {reason}", from.label(), to.label());
                self.become_state(to, reason.into());
                // Who may not claim asks again and again.
                if [from, to].iter().all(|it| matches!(it, State::Backup | State::Probing)) {
                    self.tell_seldom("vip-state", || message);
                } else {
                    self.tell("vip-state", message);
                }
            }
            Event::Withheld(obstacle) => {
                let message = format!("not claimed: {}", words::obstacle(obstacle));
                self.tell("vip-withheld", message);
            }
            Event::Conflict(node) => {
                self.status.conflicts_total += 1;
                let who = node.map_or_else(|| "another machine".to_owned(), |it| it.to_string());
                self.tell_seldom("vip-conflict", || format!("{who} uses the address as well"));
            }
            Event::Restored => {
                let message = "the address was gone from the interface: put back".to_owned();
                self.tell_seldom("vip-restored", || message);
            }
            Event::Slept(time) => {
                let seconds = time.as_secs_f64();
                self.tell("vip-slept", format!("this node was asleep for {seconds:.1} s"));
            }
            Event::NobodyTook => {
                self.tell("vip-unmoved", "no other node took the address: kept".to_owned());
            }
        }
    }

    pub(super) fn heard(&mut self) {
        self.status.adverts_heard_total += 1;
    }

    /// Another one has the number of this virtual router and other addresses.
    pub(super) fn differs(&mut self, source: IpAddr) {
        self.tell_seldom("vip-differs", || {
            format!("{source} has other addresses for it: the nodes are configured differently")
        });
    }

    pub(super) fn refused(&mut self, reason: Reason, source: IpAddr) {
        let at = Reason::ALL.iter().position(|it| *it == reason);
        self.status.refusals_total[at.expect("all are in the list")] += 1;
        // Other virtual routers of the link are none of its business.
        if !matches!(reason, Reason::RouterId | Reason::Own) {
            self.tell_seldom("vip-advert-refused", || format!("from {source}: {reason}"));
        }
    }

    /// An advert went out, or did not.
    pub(super) fn sent(&mut self, result: io::Result<()>) {
        match result {
            Ok(()) => {
                self.status.adverts_sent_total += 1;
                self.is_mute = false;
            }
            Err(error) => {
                self.status.send_failures_total += 1;
                if !std::mem::replace(&mut self.is_mute, true) {
                    self.tell("vip-mute", format!("its adverts cannot be sent: {error}"));
                }
            }
        }
    }

    /// Where this node's adverts come from.
    pub(super) fn source(&self) -> Option<IpAddr> {
        self.status.source
    }

    /// A program was told to take the addresses or to release them, or cannot.
    pub(super) fn command(&mut self, done: Result<&str, &str>) {
        match done {
            Ok(action) => self.tell("vip-command", format!("the program was told: {action}")),
            Err(reason) => {
                self.tell_seldom("vip-trouble", || format!("the program: {reason}; called again"));
            }
        }
    }

    /// The kernel would not do what was asked of it.
    pub(super) fn trouble(&mut self, what: &str, error: &io::Error) {
        self.tell_seldom("vip-trouble", || format!("{what}: {error}"));
    }

    fn become_state(&mut self, state: State, reason: Arc<str>) {
        if self.status.state != state {
            self.status.since = clock::wall();
        }
        (self.status.state, self.status.reason) = (state, reason);
    }

    fn tell(&self, kind: &'static str, message: String) {
        self.shared.tell(kind, self.status.name.to_string(), message);
    }

    fn tell_seldom(&mut self, kind: &'static str, message: impl FnOnce() -> String) {
        let now = clock::since_boot();
        let known = self.told.iter_mut().find(|(it, _)| *it == kind);
        match known {
            Some((_, last)) if now.since(*last) < BETWEEN_NEWS => return,
            Some((_, last)) => *last = now,
            None => self.told.push((kind, now)),
        }
        self.tell(kind, message());
    }
}
