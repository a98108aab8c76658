//! The link, the second path, and the order of events.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::dice::Dice;
use evenkeel_core::moment::Moment;
use evenkeel_core::vrrp::machine::{Action, Event, Heard, Heartbeat, Input, State};
use evenkeel_core::vrrp::policy::{Policy, Preempt};
use evenkeel_core::vrrp::{RouterId, Version};

use super::super::Broken;
use super::super::agenda::Agenda;
use super::node::{Node, Program};
use super::rules::{self, Rules};
use super::trouble::Trouble;
use super::{Bounds, Story};

/// The most actions one input may make.
const MOST_ACTIONS: usize = 10;
/// What a packet takes when nothing is wrong.
pub(super) const CALM_DELAY: Duration = Duration::from_micros(500);
/// For how long a weaker owner must have been heard, where it must, in intervals.
const PREEMPT_INTERVALS: u32 = 5;
/// How long it may take to give the address away, where it is asked to, in the same. Some take longer.
const ASKING_INTERVALS: u32 = 8;
/// How long trouble lasts, in the same.
const TROUBLE_INTERVALS: u32 = 150;

/// What happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Happening {
    /// A packet arrives at this node.
    Arrives(usize, Packet),
    /// A node's deadline.
    Wakes(usize),
    /// A node is due to say over the second path how it is.
    Beats(usize),
    /// Something goes wrong, or well again.
    Trouble,
    Mend(usize, Mending),
    /// What was under way at an owner that was asked for the address has ended.
    Parted(usize),
    /// That owner hears of it no more.
    Resumes(usize),
    /// A node that was killed in the calm comes back.
    Returns(usize),
    /// The next thing of the last act.
    Act(u8),
    End,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Packet {
    Advert(Heard),
    Heartbeat(Heartbeat),
    /// "Who has it?", asked by this node.
    Probe(usize),
    Answer,
    Announcement,
}

/// What ends by itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mending {
    /// A frozen or absent program.
    Program,
    /// A kernel that was left with the address.
    Kernel,
    Claim,
    Witness,
    Refusal,
}

#[derive(Debug)]
pub(super) struct World {
    seed: u64,
    pub(super) dice: Dice,
    pub(super) agenda: Agenda<Happening>,
    pub(super) nodes: Vec<Node>,
    pub(super) interval: Duration,
    pub(super) trouble: Trouble,
    /// Who has last announced itself; nobody, if its program has ended since: whoever still sends
    /// packets there finds nobody, and asks.
    last_word: Option<usize>,
    pub(super) rules: Rules,
    pub(super) story: Story,
    troubled_until: Moment,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let agenda = Agenda::new();
        let now = agenda.now();
        let is_old = dice.below(5) == 0;
        let interval = match dice.below(2) {
            0 if !is_old => Duration::from_millis(100),
            _ => Duration::from_secs(1),
        };
        let has_witnesses = dice.below(2) == 0;
        let count = 2 + dice.below(2);
        let preempt = match dice.below(3) {
            0 => Preempt::Never,
            1 => Preempt::After(Duration::ZERO),
            _ => Preempt::After(interval * PREEMPT_INTERVALS),
        };
        let asking = interval * [0, ASKING_INTERVALS][dice.below(2)];
        let nodes: Vec<Node> = (1..=count)
            .map(|number| {
                let host = u8::try_from(number).expect("three at most");
                let policy = Policy {
                    version: if is_old { Version::V2 } else { Version::V3 },
                    router_id: RouterId::new(51).expect("not 0"),
                    addresses: vec![[192, 0, 2, 10].into()],
                    priority: [100, 100, 150, 255, 1][dice.below(5)],
                    interval,
                    preempt,
                    asking,
                    peers: Vec::new(),
                    password: None,
                    has_witnesses,
                };
                Node::new([192, 0, 2, host].into(), Arc::new(policy), count, now)
            })
            .collect();
        let weakest = nodes[0].policy.down(1, interval);
        let settle = weakest * 3 + interval * 4;
        let bounds = Bounds {
            overlap: interval + CALM_DELAY * 2,
            overlap_told: interval * 2 + CALM_DELAY * 2,
            settle,
            gap: weakest + CALM_DELAY * 4,
            preempted: settle + interval * (PREEMPT_INTERVALS + ASKING_INTERVALS) * 2,
        };
        Self {
            rules: Rules::new(bounds, count, now),
            trouble: Trouble::none(),
            troubled_until: now + interval * TROUBLE_INTERVALS,
            last_word: None,
            story: Story::default(),
            seed,
            dice,
            agenda,
            nodes,
            interval,
        }
    }

    pub(super) fn run(mut self) -> Result<Story, Broken> {
        for at in 0..self.nodes.len() {
            let wait = self.some(self.interval * 3);
            self.agenda.after(wait, Happening::Mend(at, Mending::Program));
            self.agenda.after(wait, Happening::Beats(at));
        }
        self.agenda.after(self.interval, Happening::Trouble);
        while let Some(happening) = self.agenda.next() {
            self.story.events += 1;
            if matches!(happening, Happening::End) {
                break;
            }
            if matches!(happening, Happening::Act(0)) {
                rules::strongest_owns(&self.nodes).map_err(|rule| self.broken(rule))?;
            }
            self.happens(happening);
            self.look()?;
        }
        for node in &self.nodes {
            let figures = node.machine.figures();
            self.story.claims += figures.claims;
            self.story.conflicts += figures.conflicts;
        }
        Ok(self.story)
    }

    pub(super) fn now(&self) -> Moment {
        self.agenda.now()
    }

    /// Up to so much.
    pub(super) fn some(&mut self, most: Duration) -> Duration {
        most / 1_000 * u32::try_from(self.dice.below(1_000)).expect("below 1,000")
    }

    fn broken(&self, rule: String) -> Broken {
        Broken { seed: self.seed, at: self.now(), rule }
    }

    fn look(&mut self) -> Result<(), Broken> {
        let now = self.now();
        let is_calm = self.trouble.is_none();
        let found = self.rules.look(&self.nodes, &self.trouble, is_calm, self.last_word, now);
        let story = &mut self.story;
        let part = |time: Duration| {
            u64::try_from(time.as_micros() * 1_000 / self.interval.as_micros()).unwrap_or(u64::MAX)
        };
        story.longest_overlap = story.longest_overlap.max(part(self.rules.longest_overlap));
        let told = part(self.rules.longest_overlap_told);
        story.longest_overlap_told = story.longest_overlap_told.max(told);
        story.longest_gap = story.longest_gap.max(part(self.rules.longest_gap));
        found.map_err(|rule| {
            let states: Vec<_> = self
                .nodes
                .iter()
                .map(|node| {
                    (node.program, node.machine.state(), node.holds, node.machine.obstacle())
                })
                .collect();
            self.broken(format!("{rule}: {states:?}"))
        })
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Arrives(at, packet) => self.arrives(at, packet),
            Happening::Wakes(at) => self.wakes(at),
            Happening::Beats(at) => {
                if self.nodes[at].runs() {
                    let heartbeat = self.nodes[at].machine.heartbeat();
                    self.send_to_all(at, Packet::Heartbeat(heartbeat));
                }
                self.agenda.after(self.interval, Happening::Beats(at));
            }
            Happening::Trouble if self.now() >= self.troubled_until => {
                self.all_is_well();
                self.agenda.after(self.rules.bounds.preempted, Happening::Act(0));
            }
            Happening::Trouble => {
                self.something_goes_wrong();
                let wait = self.interval / 4 + self.some(self.interval * 6);
                self.agenda.after(wait, Happening::Trouble);
            }
            Happening::Mend(at, mending) => self.mend(at, mending),
            Happening::Parted(at) => self.parted(at),
            Happening::Resumes(at) => self.tell(at, Input::Resume),
            Happening::Returns(at) => {
                self.rules.must_not_be_missed();
                self.mend(at, Mending::Program);
            }
            Happening::Act(number) => self.act(number),
            Happening::End => {}
        }
    }

    /// The last act: everything is well, and one thing happens.
    fn act(&mut self, number: u8) {
        let owner = self.nodes.iter().position(Node::owns);
        let others = self.nodes.iter().filter(|node| node.is_able() && !node.owns()).count();
        let settled = self.rules.bounds.settle + self.interval * 4;
        if let Some(at) = owner.filter(|_| others > 0) {
            match number {
                0 => {
                    self.story.moves += 1;
                    self.rules.must_not_be_missed();
                    self.tell(at, Input::Move);
                }
                1 => {
                    self.rules.is_killed(self.agenda.now());
                    self.kill(at, Duration::ZERO);
                    self.agenda.after(settled, Happening::Returns(at));
                }
                _ => {
                    self.rules.may_be_missed();
                    self.nodes[at].program = Program::Frozen;
                    let wait = self.interval + self.some(self.interval * 8);
                    self.agenda.after(wait, Happening::Mend(at, Mending::Program));
                }
            }
        }
        let next = if number < 2 { Happening::Act(number + 1) } else { Happening::End };
        self.agenda.after(settled * 3, next);
    }

    /// Who was asked for the address gives it, if that is still wanted.
    fn parted(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if std::mem::take(&mut node.parts) && node.owns() && node.asked_by.is_some() {
            self.story.given += 1;
            self.tell(at, Input::Move);
            self.agenda.after(self.interval * 3, Happening::Resumes(at));
        }
    }

    /// A program is told something by somebody on its own machine.
    pub(super) fn tell(&mut self, at: usize, input: Input) {
        let now = self.now();
        let node = &mut self.nodes[at];
        match node.program {
            Program::Gone => {}
            Program::Frozen => node.keep(input),
            Program::Runs => {
                let clock = node.clock(now);
                let actions = node.machine.handle(input, clock);
                self.obey(at, &actions);
                self.say_news(at);
            }
        }
    }

    /// A heartbeat that is another one does not wait for its turn.
    fn say_news(&mut self, at: usize) {
        let heartbeat = self.nodes[at].machine.heartbeat();
        if self.nodes[at].said.replace(heartbeat) != Some(heartbeat) {
            self.send_to_all(at, Packet::Heartbeat(heartbeat));
        }
    }

    fn obey(&mut self, at: usize, actions: &[Action]) {
        assert!(actions.len() <= MOST_ACTIONS, "seed {}: {actions:?}", self.seed);
        let mut is_refused = false;
        for action in actions {
            let node = &mut self.nodes[at];
            match *action {
                Action::Advertise(priority) => {
                    let interval = node.policy.interval;
                    let heard = Heard { source: node.address, priority, interval };
                    self.send_to_all(at, Packet::Advert(heard));
                }
                Action::Probe => self.send_to_all(at, Packet::Probe(at)),
                Action::Take if node.refuses => is_refused = true,
                Action::Take => node.holds = true,
                Action::Release => node.holds = false,
                Action::Announce(times) => {
                    let holds = node.holds;
                    (0..times).filter(|_| holds).for_each(|_| self.announce(at));
                }
                Action::Tell(Event::Withheld(_)) => self.story.withheld += 1,
                Action::Tell(Event::Slept(_)) => self.story.slept += 1,
                Action::Tell(_) => {}
            }
        }
        if is_refused {
            self.tell(at, Input::Refused);
        }
        let node = &mut self.nodes[at];
        if node.runs() && node.machine.state() == State::Initialize {
            node.program = Program::Gone;
            node.holds = false;
            self.has_ended(at);
        }
        self.plan_to_wake(at);
    }

    pub(super) fn has_ended(&mut self, at: usize) {
        self.last_word = self.last_word.filter(|&last| last != at);
        let gone = self.nodes[at].address;
        for node in &mut self.nodes {
            node.asked_by = node.asked_by.filter(|&asks| asks != gone);
        }
    }

    fn announce(&mut self, at: usize) {
        self.send_to_all(at, Packet::Announcement);
        self.last_word = Some(at);
    }

    fn plan_to_wake(&mut self, at: usize) {
        let now = self.now();
        let node = &mut self.nodes[at];
        let deadline = node.machine.next_deadline();
        if !node.runs() || deadline == Moment::NEVER {
            return;
        }
        let clock = node.clock(now);
        assert!(deadline > clock, "seed {}: {deadline} comes again at {clock}", self.seed);
        let when = now + deadline.since(clock);
        if when < node.wakes_at || node.wakes_at <= now {
            node.wakes_at = when;
            self.agenda.at(when, Happening::Wakes(at));
        }
    }

    fn wakes(&mut self, at: usize) {
        let now = self.now();
        let node = &mut self.nodes[at];
        if now >= node.wakes_at {
            node.wakes_at = Moment::NEVER;
        }
        if !node.runs() {
            return;
        }
        if node.machine.next_deadline() <= node.clock(now) {
            self.tell(at, Input::Tick);
        } else {
            self.plan_to_wake(at);
        }
    }

    /// A program runs again, or anew.
    pub(super) fn wake_up(&mut self, at: usize) {
        let now = self.now();
        let node = &mut self.nodes[at];
        match node.program {
            Program::Runs => {}
            Program::Frozen => {
                node.program = Program::Runs;
                for input in std::mem::take(&mut node.unread) {
                    self.tell(at, input);
                }
                self.tell(at, Input::Tick);
            }
            Program::Gone => {
                // What a program before it left behind is removed first.
                node.holds = false;
                node.start(now);
                self.tell(at, Input::Start);
            }
        }
    }

    fn send_to_all(&mut self, from: usize, packet: Packet) {
        for to in 0..self.nodes.len() {
            if to != from {
                self.send(from, to, packet);
            }
        }
    }

    fn send(&mut self, from: usize, to: usize, packet: Packet) {
        if !self.trouble.lets_through(from, to, packet) {
            return;
        }
        // The second path is TCP: late, not lost, and in order.
        let is_stream = matches!(packet, Packet::Heartbeat(_));
        if !is_stream && self.dice.below(100) < self.trouble.loss {
            return;
        }
        let copies = if !is_stream && self.dice.below(100) < self.trouble.doubled { 2 } else { 1 };
        for _ in 0..copies {
            let mut delay = CALM_DELAY + self.some(self.trouble.delay);
            if is_stream {
                let last = &mut self.nodes[from].told_by[to];
                delay = delay.max(last.since(self.agenda.now()));
                *last = self.agenda.now() + delay;
            }
            self.agenda.after(delay, Happening::Arrives(to, packet));
        }
    }

    fn arrives(&mut self, at: usize, packet: Packet) {
        match packet {
            Packet::Advert(heard) => self.tell(at, Input::Heard(heard)),
            Packet::Heartbeat(heartbeat) => {
                let begins = self.nodes[at].runs() && self.nodes[at].hears(&heartbeat);
                // One in four hangs.
                if begins && self.dice.below(4) > 0 {
                    let wait = self.some(self.interval * ASKING_INTERVALS * 3 / 2);
                    self.agenda.after(wait, Happening::Parted(at));
                }
                self.tell(at, Input::Heartbeat(heartbeat));
            }
            Packet::Probe(from) if self.nodes[at].holds => self.send(at, from, Packet::Answer),
            Packet::Probe(_) => {}
            Packet::Answer | Packet::Announcement => self.tell(at, Input::Seen),
        }
    }
}
