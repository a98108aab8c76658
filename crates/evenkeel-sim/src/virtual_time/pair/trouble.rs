//! What goes wrong.

use std::time::Duration;

use evenkeel_core::vrrp::machine::Input;

use super::node::Program;
use super::world::{Happening, Mending, Packet, World};

/// What is wrong with the network.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    /// Of a hundred packets on the link.
    pub(super) loss: usize,
    pub(super) doubled: usize,
    /// Beyond what a packet takes anyway; more than the time between two packets changes their
    /// order.
    pub(super) delay: Duration,
    /// From, to: nothing gets through on the link.
    cut: Vec<(usize, usize)>,
    /// From, to: no adverts, but everything else.
    filtered: Vec<(usize, usize)>,
    /// From, to: no heartbeats.
    silent: Vec<(usize, usize)>,
}

impl Trouble {
    pub(super) fn none() -> Self {
        Self {
            loss: 0,
            doubled: 0,
            delay: Duration::ZERO,
            cut: Vec::new(),
            filtered: Vec::new(),
            silent: Vec::new(),
        }
    }

    pub(super) fn is_none(&self) -> bool {
        let Self { loss, doubled: _, delay, cut, filtered, silent } = self;
        *loss == 0 && delay.is_zero() && cut.is_empty() && filtered.is_empty() && silent.is_empty()
    }

    /// Whether adverts get there for certain and soon.
    pub(super) fn is_heard(&self, from: usize, to: usize) -> bool {
        let way = (from, to);
        let is_open = !self.cut.contains(&way) && !self.filtered.contains(&way);
        is_open && self.loss == 0 && self.delay.is_zero()
    }

    /// Whether heartbeats get there for certain and soon.
    pub(super) fn is_told(&self, from: usize, to: usize) -> bool {
        !self.silent.contains(&(from, to)) && self.delay.is_zero()
    }

    pub(super) fn lets_through(&self, from: usize, to: usize, packet: Packet) -> bool {
        let way = (from, to);
        match packet {
            Packet::Heartbeat(_) => !self.silent.contains(&way),
            Packet::Advert(_) => !self.cut.contains(&way) && !self.filtered.contains(&way),
            Packet::Probe(_) | Packet::Answer | Packet::Announcement => !self.cut.contains(&way),
        }
    }
}

impl World {
    pub(super) fn something_goes_wrong(&mut self) {
        self.rules.are_disturbed(self.agenda.now());
        let at = self.dice.below(self.nodes.len());
        let other = (at + 1 + self.dice.below(self.nodes.len() - 1)) % self.nodes.len();
        let long = self.some(self.interval * 12);
        match self.dice.below(18) {
            0 => self.trouble.loss = [0, 5, 30, 60][self.dice.below(4)],
            1 => self.trouble.delay = self.interval * [0, 1, 3][self.dice.below(3)] / 4,
            2 => self.trouble.doubled = self.dice.below(50),
            3 => self.trouble.cut.push((at, other)),
            4 => self.trouble.cut.extend([(at, other), (other, at)]),
            5 => self.trouble.filtered.push((at, other)),
            6 => self.trouble.silent.extend([(at, other), (other, at)]),
            7 | 8 => self.heal(),
            9 | 10 => self.freeze(at, long),
            11 => {
                let left = [Duration::ZERO, Duration::from_millis(20), self.interval * 3];
                let left = left[self.dice.below(3)];
                self.kill(at, left);
                self.agenda.after(long, Happening::Mend(at, Mending::Program));
            }
            12 => {
                self.tell(at, Input::Stop);
                self.agenda.after(long + self.interval * 3, Happening::Mend(at, Mending::Program));
            }
            13 => {
                let low = u8::try_from(1 + self.dice.below(254)).expect("below 255");
                self.nodes[at].claim = Some(low).filter(|low| low % 3 > 0);
                self.tell(at, Input::Claim(self.nodes[at].claim));
                self.agenda.after(long, Happening::Mend(at, Mending::Claim));
            }
            14 => {
                self.nodes[at].witness = false;
                self.tell(at, Input::Witness(false));
                self.agenda.after(long, Happening::Mend(at, Mending::Witness));
            }
            15 => {
                let wish = [Input::Move, Input::Resume][self.dice.below(2)];
                self.tell(at, wish);
            }
            16 => {
                if self.nodes[at].holds && self.nodes[at].runs() {
                    self.nodes[at].holds = false;
                    self.tell(at, Input::Lost);
                }
                self.nodes[at].refuses = self.dice.below(2) == 0;
                self.agenda.after(long, Happening::Mend(at, Mending::Refusal));
            }
            _ => {
                // The clock of a machine that was asleep as a whole.
                self.nodes[at].ahead += long;
                self.tell(at, Input::Tick);
            }
        }
    }

    fn heal(&mut self) {
        self.trouble = Trouble::none();
    }

    fn freeze(&mut self, at: usize, long: Duration) {
        if self.nodes[at].runs() {
            self.nodes[at].program = Program::Frozen;
            self.agenda.after(long, Happening::Mend(at, Mending::Program));
        }
    }

    /// The program is killed; its kernel answers for it for a while.
    pub(super) fn kill(&mut self, at: usize, left: Duration) {
        let node = &mut self.nodes[at];
        node.program = Program::Gone;
        node.unread.clear();
        self.has_ended(at);
        let node = &mut self.nodes[at];
        if left.is_zero() {
            node.holds = false;
        } else {
            self.agenda.after(left, Happening::Mend(at, Mending::Kernel));
        }
    }

    pub(super) fn mend(&mut self, at: usize, mending: Mending) {
        self.rules.are_disturbed(self.agenda.now());
        let node = &mut self.nodes[at];
        match mending {
            Mending::Program => self.wake_up(at),
            Mending::Kernel if node.program == Program::Gone => node.holds = false,
            Mending::Kernel => {}
            Mending::Claim => {
                node.claim = Some(node.policy.priority);
                self.tell(at, Input::Claim(self.nodes[at].claim));
            }
            Mending::Witness => {
                node.witness = true;
                self.tell(at, Input::Witness(true));
            }
            Mending::Refusal => node.refuses = false,
        }
    }

    /// The trouble is over.
    pub(super) fn all_is_well(&mut self) {
        self.heal();
        for at in 0..self.nodes.len() {
            for mending in [Mending::Claim, Mending::Witness, Mending::Refusal] {
                self.mend(at, mending);
            }
            self.mend(at, Mending::Program);
            self.tell(at, Input::Resume);
        }
    }
}
