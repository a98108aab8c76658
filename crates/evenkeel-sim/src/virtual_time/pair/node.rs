//! A node: its machine, its program and its kernel.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::moment::Moment;
use evenkeel_core::vrrp::machine::{Heartbeat, Input, Machine, State};
use evenkeel_core::vrrp::policy::Policy;

/// What a kernel keeps for a program that does not read.
const MOST_UNREAD: usize = 64;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) address: IpAddr,
    pub(super) policy: Arc<Policy>,
    pub(super) machine: Machine,
    /// How often its program was started.
    boot: u64,
    pub(super) program: Program,
    /// Whether the kernel answers for the virtual address.
    pub(super) holds: bool,
    /// What has come in while the program was frozen.
    pub(super) unread: Vec<Input>,
    /// Its clock is that much ahead of the world's.
    pub(super) ahead: Duration,
    /// The next wake-up on the agenda.
    pub(super) wakes_at: Moment,
    /// The kernel does not add addresses.
    pub(super) refuses: bool,
    pub(super) claim: Option<u8>,
    pub(super) witness: bool,
    /// Its last heartbeat.
    pub(super) said: Option<Heartbeat>,
    /// When the last one arrives at each of the others.
    pub(super) told_by: Vec<Moment>,
    /// Who wants the address from it.
    pub(super) asked_by: Option<IpAddr>,
    /// It finishes what is under way, and will give the address away then.
    pub(super) parts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Runs,
    /// SIGSTOP.
    Frozen,
    /// Not there.
    Gone,
}

impl Node {
    /// One of `count`.
    pub(super) fn new(address: IpAddr, policy: Arc<Policy>, count: usize, now: Moment) -> Self {
        Self {
            address,
            machine: Machine::new(Arc::clone(&policy), address, 0, now),
            boot: 0,
            program: Program::Gone,
            holds: false,
            unread: Vec::new(),
            ahead: Duration::ZERO,
            wakes_at: Moment::NEVER,
            refuses: false,
            claim: Some(policy.priority),
            witness: true,
            said: None,
            told_by: vec![now; count],
            asked_by: None,
            parts: false,
            policy,
        }
    }

    /// What its own clock says.
    pub(super) fn clock(&self, now: Moment) -> Moment {
        now + self.ahead
    }

    /// A new program knows nothing.
    pub(super) fn start(&mut self, now: Moment) {
        self.boot += 1;
        let policy = Arc::clone(&self.policy);
        self.machine = Machine::new(policy, self.address, self.boot, self.clock(now));
        self.program = Program::Runs;
        (self.asked_by, self.parts) = (None, false);
        self.unread.clear();
        for input in [Input::Claim(self.claim), Input::Witness(self.witness)] {
            let actions = self.machine.handle(input, self.clock(now));
            assert!(actions.is_empty(), "{input:?} before the start: {actions:?}");
        }
    }

    pub(super) fn runs(&self) -> bool {
        self.program == Program::Runs
    }

    pub(super) fn keep(&mut self, input: Input) {
        if self.unread.len() < MOST_UNREAD {
            self.unread.push(input);
        }
    }

    /// Its program thinks that it owns the address, and is there to act on it.
    pub(super) fn owns(&self) -> bool {
        self.runs() && self.machine.state() == State::Active
    }

    /// Somebody answers, and not only a kernel that was left behind.
    pub(super) fn serves(&self) -> bool {
        self.runs() && self.machine.state().owns() && self.holds
    }

    /// What it hears over the second path; `true`: it is asked for the address, and begins to part.
    pub(super) fn hears(&mut self, heartbeat: &Heartbeat) -> bool {
        if heartbeat.wants {
            self.asked_by = Some(heartbeat.node);
        } else if self.asked_by == Some(heartbeat.node) {
            self.asked_by = None;
        }
        let begins = self.owns() && self.asked_by.is_some() && !self.parts;
        self.parts |= begins;
        begins
    }

    /// It may own the address as far as it knows itself.
    pub(super) fn is_able(&self) -> bool {
        let Heartbeat { claim, .. } = self.machine.heartbeat();
        let stays = self.machine.state() != State::Leaving;
        self.runs() && claim.is_some() && stays && !self.refuses
    }
}
