//! One open place and the machine that decides what is done there.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use evenkeel_core::config::Vip;
use evenkeel_core::vrrp::machine::{Action, Input, Machine, State};
use evenkeel_core::vrrp::track::{self, Weight};
use evenkeel_sys::link::Alarm;

use super::seal::Seal;
use super::station::{Said, Station};
use super::{End, PeerWord, Post};
use crate::clock;

/// What a refusal of the kernel leads to may be refused again, by other sockets than before.
const MOST_ROUNDS: usize = 4;

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Stopped,
    /// The interface is another one.
    Moved,
    /// It cannot be waited.
    Broken(String),
}

/// A driver with all it needs to act.
#[derive(Debug)]
pub(super) struct Session<'d> {
    pub(super) post: &'d Post,
    pub(super) seal: &'d mut Seal,
    station: Station,
    machine: Machine,
    vip: Arc<Vip>,
    claim: Option<u8>,
    /// What has failed of what the claim depends on.
    failed: Vec<(Arc<str>, Weight)>,
    is_witnessed: bool,
    /// The other node of the pair, while it is heard over their link.
    peer: Option<IpAddr>,
    stops: bool,
    hands_over: bool,
}

impl<'d> Session<'d> {
    pub(super) fn new(
        vip: &Arc<Vip>,
        station: Station,
        boot: u64,
        (post, seal): (&'d Post, &'d mut Seal),
    ) -> Self {
        let policy = Arc::clone(&vip.policy);
        let machine = Machine::new(policy, station.own(), boot, clock::since_boot());
        let claim = Some(vip.policy.priority);
        Self {
            post,
            seal,
            station,
            machine,
            vip: Arc::clone(vip),
            claim,
            failed: Vec::new(),
            is_witnessed: false,
            peer: None,
            stops: false,
            hands_over: false,
        }
    }

    /// Waits and acts until there is nothing left to do here; the rules as they are then.
    pub(super) fn live(mut self, alarm: &Alarm, first: Input) -> (Ended, Arc<Vip>) {
        self.track();
        self.feed(first);
        loop {
            self.show();
            if self.hands_over {
                // Without a word: the addresses stay where they are, for the process that comes next.
                self.station.hand_over();
                return (Ended::Stopped, self.vip);
            }
            if self.stops && self.machine.state() == State::Initialize {
                return (Ended::Stopped, self.vip);
            }
            if let Err(error) = self.wait(alarm) {
                self.feed(Input::Claim(None));
                return (Ended::Broken(format!("cannot wait for packets: {error}")), self.vip);
            }
            if self.turn() {
                self.feed(Input::Claim(None));
                return (Ended::Moved, self.vip);
            }
        }
    }

    fn wait(&self, alarm: &Alarm) -> io::Result<()> {
        let deadline = clock::until(self.machine.next_deadline());
        let [adverts, neighbours, watch] = self.station.sources();
        alarm.wait(deadline, &[adverts, neighbours, watch, self.post.bell()])
    }

    /// Everything that has come is handed over before the time is looked at: it may be what the
    /// wait was for. `true`: this place is gone.
    fn turn(&mut self) -> bool {
        for _ in 0..Station::MOST_HEARD {
            match self.station.hear(self.seal) {
                None => break,
                Some(Said::Refused { reason, source }) => self.post.board().refused(reason, source),
                Some(Said::Advert { heard, same }) => {
                    self.post.board().heard();
                    if !same {
                        self.post.board().differs(heard.source);
                    }
                    self.feed(Input::Heard(heard));
                }
            }
        }
        if self.station.others_seen() {
            self.feed(Input::Seen);
        }
        let look = self.station.look();
        if look.moved {
            return true;
        }
        self.track();
        if look.lost {
            self.feed(Input::Lost);
        }
        self.obey();
        self.feed(Input::Tick);
        false
    }

    /// What others want of it.
    fn obey(&mut self) {
        let wishes = self.post.take_wishes();
        if let Some((vip, _)) = wishes.vip {
            self.follow(vip);
        }
        if let Some(is_moved) = wishes.moves {
            self.feed(if is_moved { Input::Move } else { Input::Resume });
        }
        match wishes.peer {
            None => {}
            Some(PeerWord::Says(heartbeat)) => {
                self.peer = Some(heartbeat.node);
                self.feed(Input::Heartbeat(heartbeat));
            }
            Some(PeerWord::Silent) => {
                if let Some(node) = self.peer.take() {
                    self.feed(Input::Silence(node));
                }
            }
        }
        match wishes.end {
            None => {}
            Some(End::Leave) => {
                self.stops = true;
                self.feed(Input::Stop);
            }
            Some(End::HandOver) => {
                self.hands_over = true;
                self.post.board().hand_over();
            }
        }
    }

    fn follow(&mut self, vip: Arc<Vip>) {
        if let Err(error) = self.station.follow(&vip) {
            self.post.board().trouble("cannot remove an address", &error);
        }
        self.seal.follow(&vip);
        self.post.board().follow(&vip);
        let policy = Arc::clone(&vip.policy);
        self.vip = vip;
        let actions = self.machine.reconfigure(policy, clock::since_boot());
        if self.act(actions) {
            self.feed(Input::Refused);
        }
        self.track();
    }

    /// What this node's claim is worth by what it depends on, and whether anybody sees it.
    fn track(&mut self) {
        let outlook = self.post.outlook();
        let is_witnessed = outlook.witnesses.contains(&true);
        self.failed.clear();
        if !self.station.is_up() {
            self.failed.push(("the interface is down".into(), Weight::All));
        }
        for (track, failed) in self.vip.track.iter().zip(&outlook.failed) {
            self.failed.extend(failed.clone().map(|reason| (reason, track.weight)));
        }
        drop(outlook);
        let weights = self.failed.iter().map(|(_, weight)| *weight);
        let claim = track::claim(self.vip.policy.priority, weights);
        if claim != self.claim {
            self.claim = claim;
            self.feed(Input::Claim(claim));
        }
        if is_witnessed != self.is_witnessed {
            self.is_witnessed = is_witnessed;
            self.feed(Input::Witness(is_witnessed));
        }
    }

    /// The machine hears of it, and what it says is done.
    fn feed(&mut self, input: Input) {
        let mut next = Some(input);
        for _ in 0..MOST_ROUNDS {
            let Some(input) = next.take() else { return };
            let actions = self.machine.handle(input, clock::since_boot());
            if self.act(actions) {
                next = Some(Input::Refused);
            }
        }
    }

    /// `true`: the kernel does not take the addresses.
    fn act(&mut self, actions: Vec<Action>) -> bool {
        let mut refused = false;
        for action in actions {
            let (what, result) = match action {
                Action::Advertise(priority) => {
                    let sent = self.station.advertise(priority, self.seal);
                    self.post.board().sent(sent);
                    let keeps = self.machine.state().owns();
                    let renewed = if keeps { self.renew() } else { Ok(()) };
                    refused |= renewed.is_err();
                    ("cannot renew the address", renewed)
                }
                Action::Take => {
                    let taken = self.station.take(clock::since_boot());
                    refused |= taken.is_err();
                    ("cannot add the address", taken)
                }
                Action::Release => ("cannot remove the address", self.station.release()),
                Action::Probe => ("cannot ask for the address", self.station.probe()),
                Action::Announce(times) => {
                    ("cannot announce the address", self.station.announce(times))
                }
                Action::Tell(event) => {
                    let failed = self.failed.iter().find(|(_, weight)| *weight == Weight::All);
                    let failed = failed.map(|(reason, _)| &**reason);
                    self.post.board().heed(event, &self.machine, failed);
                    continue;
                }
            };
            if let Err(error) = result {
                self.post.board().trouble(what, &error);
            }
        }
        refused
    }

    fn renew(&mut self) -> io::Result<()> {
        self.station.renew(clock::since_boot())
    }

    fn show(&self) {
        let failed = self.failed.iter().map(|(reason, _)| Arc::clone(reason)).collect();
        self.post.board().show(&self.machine, self.station.own(), (self.claim, failed));
    }
}
