//! A virtual address on its interface: sockets, packets, and the addresses the kernel has.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::config::Vip;
use evenkeel_core::moment::Moment;
use evenkeel_core::neighbour::{Mac, arp, ndp};
use evenkeel_core::vrrp::machine::Heard;
use evenkeel_core::vrrp::packet::{self, Advert};
use evenkeel_core::vrrp::{Envelope, GROUP_V4, GROUP_V6, HOP_LIMIT, PROTOCOL, Reason};
use evenkeel_sys::link::{
    AdvertSocket, Change, FrameSocket, IPV6, Interface, InterfaceAddress, Interfaces,
    InterfacesWatch, MOST_PACKET_BYTES, NeighbourSocket, NewAddress,
};

use super::guard::Guard;
use super::hand::Hand;
use super::seal::Seal;

/// Read in one turn of one socket: more than the kernel holds of such packets, so nothing that
/// came before a deadline is left when it is looked at.
const MOST_PACKETS: usize = 1_024;
/// So many intervals a dead or frozen owner's kernel answers for the address. The next owner asks
/// for it before the third has passed, and must not be answered.
const LIFETIME_INTERVALS: u32 = 2;
/// So many intervals after the last advert the next owner claims, at the earliest.
const CLAIM_INTERVALS: u32 = 3;
/// What it means to have no guard.
const SECOND: &str = "if this process dies, its kernel answers for the address for up to a second";
/// The kernel reckons lifetimes in whole seconds.
const LEAST_LIFETIME: Duration = Duration::from_secs(1);
/// Two of version 2's longest intervals: an address with a longer lifetime is none that a run of
/// this program has left behind.
const MOST_LIFETIME: Duration = Duration::from_secs(510);
/// Between two renewals, if adverts come faster: each one is told to all who watch the addresses
/// of this machine.
const LEAST_RENEWAL: Duration = Duration::from_millis(200);

/// Asks for addresses and hears who has them.
#[derive(Debug)]
enum Neighbours {
    V4(FrameSocket),
    V6 { speaks: FrameSocket, hears: NeighbourSocket },
}

/// What has become of the interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// An address that this node owns may be gone.
    pub(super) lost: bool,
    /// The sockets are of no use any more.
    pub(super) moved: bool,
}

/// An open place on an interface.
#[derive(Debug)]
pub(super) struct Station {
    vip: Arc<Vip>,
    interfaces: Interfaces,
    watch: InterfacesWatch,
    interface: Interface,
    mac: Mac,
    own: IpAddr,
    adverts: AdvertSocket,
    neighbours: Neighbours,
    /// In place of the kernel: then nothing is added here, nor is the link asked or told.
    hand: Option<Hand>,
    /// Where the kernel's lifetimes are too long.
    guard: Option<Guard>,
    buffer: Vec<u8>,
    /// Addresses that this node has put on the interface.
    mine: Vec<(IpAddr, u8)>,
    renewed: Moment,
}

/// What was heard of another node.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// `same`: it has the same addresses.
    Advert {
        heard: Heard,
        same: bool,
    },
    Refused {
        reason: Reason,
        source: IpAddr,
    },
}

impl Station {
    /// Opens everything; an error is a sentence for the operator. `all`: every virtual address of
    /// this node.
    pub(super) fn open(
        vip: &Arc<Vip>,
        all: &[IpAddr],
        inherits: bool,
        hand: Option<Hand>,
    ) -> Result<Self, String> {
        let name = &*vip.interface;
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    format!("{what}: {error}; it needs CAP_NET_RAW and CAP_NET_ADMIN")
                }
                _ => format!("{what}: {error}"),
            }
        };
        let watch = InterfacesWatch::open().map_err(failed("cannot watch interfaces"))?;
        let mut interfaces = Interfaces::open().map_err(failed("cannot look at interfaces"))?;
        let interface = interfaces.find(name).map_err(failed("cannot look at interfaces"))?;
        let interface = interface.ok_or_else(|| format!("there is no interface {name}"))?;
        let mac = interface.mac.map(Mac);
        let mac = mac.ok_or_else(|| format!("{name} is no Ethernet interface"))?;
        let is_v4 = vip.policy.is_v4();
        let there = interfaces.addresses(interface.index, is_v4);
        let there = there.map_err(failed("cannot look at addresses"))?;
        let own = own_address(vip, all, &there).ok_or_else(|| {
            format!("{name} has no address of its own that adverts can come from")
        })?;
        let place = (interface.index, name);
        let group = vip.policy.peers.is_empty().then(|| group(is_v4));
        let adverts = AdvertSocket::open(PROTOCOL, place, own, group);
        let adverts = adverts.map_err(failed("cannot open a socket for adverts"))?;
        let neighbours = Neighbours::open(place, is_v4);
        let neighbours = neighbours.map_err(failed("cannot open a socket for neighbours"))?;
        let mut station = Self {
            vip: Arc::clone(vip),
            interfaces,
            watch,
            interface,
            mac,
            own,
            adverts,
            neighbours,
            guard: guard(vip, hand.is_some()),
            hand,
            buffer: vec![0; MOST_PACKET_BYTES],
            mine: Vec::new(),
            renewed: Moment::START,
        };
        if !inherits && station.hand.is_none() {
            station.clear(&there);
        }
        Ok(station)
    }

    /// Removes what a run before has left.
    fn clear(&mut self, there: &[InterfaceAddress]) {
        let left = there
            .iter()
            .filter(|it| self.vip.policy.addresses.contains(&it.address) && was_ours(it));
        let left: Vec<_> = left.map(|it| (it.address, it.prefix)).collect();
        for (address, prefix) in left {
            // If it cannot be removed, the kernel does so in a moment.
            let _ = self.interfaces.remove(self.interface.index, address, prefix);
        }
    }

    /// Where this node's adverts come from.
    pub(super) fn own(&self) -> IpAddr {
        self.own
    }

    /// The interface can be used.
    pub(super) fn is_up(&self) -> bool {
        self.interface.is_up
    }

    /// What to wait for.
    pub(super) fn sources(&self) -> [BorrowedFd<'_>; 3] {
        let neighbours = match &self.neighbours {
            Neighbours::V4(socket) => socket.as_fd(),
            Neighbours::V6 { hears, .. } => hears.as_fd(),
        };
        [self.adverts.as_fd(), neighbours, self.watch.as_fd()]
    }

    /// Other rules for the same place.
    pub(super) fn follow(&mut self, vip: &Arc<Vip>) -> io::Result<()> {
        if guards(vip) != guards(&self.vip) {
            // One that is not told to let go takes the addresses along.
            self.hand_over();
            self.guard = guard(vip, self.hand.is_some());
        }
        self.vip = Arc::clone(vip);
        let gone = self.mine.iter().copied().filter(|(it, _)| !vip.policy.addresses.contains(it));
        let gone: Vec<_> = gone.collect();
        self.mine.retain(|it| !gone.contains(it));
        for (address, prefix) in gone {
            self.interfaces.remove(self.interface.index, address, prefix)?;
        }
        self.hold();
        Ok(())
    }

    /// What has happened to the interface since the last look.
    pub(super) fn look(&mut self) -> Look {
        let (mut went, mut changed) = (false, false);
        let place = (self.interface.index, &*self.vip.interface);
        let heard = self.watch.drain(place, |change| match change {
            Change::Link => changed = true,
            Change::AddressWent => went = true,
            Change::AddressCame => {}
        });
        if heard.is_err() {
            (went, changed) = (true, true);
        }
        let mut look = Look::default();
        if changed {
            match self.interfaces.find(&self.vip.interface) {
                Ok(Some(now)) => {
                    look.moved = (now.index, now.mac) != (self.interface.index, self.interface.mac);
                    self.interface = now;
                }
                Ok(None) => look.moved = true,
                // As it was, until the next look.
                Err(_) => {}
            }
        }
        if went && let Ok(there) = self.there() {
            look.moved |= !there.iter().any(|it| it.address == self.own);
            let has = |wanted: &IpAddr| there.iter().any(|it| it.address == *wanted);
            look.lost = self.hand.is_none() && !self.vip.policy.addresses.iter().all(has);
        }
        look
    }

    fn there(&mut self) -> io::Result<Vec<InterfaceAddress>> {
        self.interfaces.addresses(self.interface.index, self.own.is_ipv4())
    }

    /// The next advert, judged.
    pub(super) fn hear(&mut self, seal: &mut Seal) -> Option<Said> {
        let arrived = self.adverts.receive(&mut self.buffer).ok()??;
        let (source, destination) = (arrived.source, arrived.destination);
        let envelope = Envelope { source, destination, hop_limit: arrived.hop_limit };
        let policy = &self.vip.policy;
        let judged = packet::parse(arrived.payload, &envelope).and_then(|packet| {
            policy.admit(&packet.advert, &envelope, self.own)?;
            seal.admit(&packet, &envelope)?;
            Ok(packet.advert)
        });
        Some(match judged {
            Ok(advert) => {
                let same = policy.same_addresses(&advert);
                let Advert { priority, interval, .. } = advert;
                Said::Advert { heard: Heard { source, priority, interval }, same }
            }
            Err(reason) => Said::Refused { reason, source },
        })
    }

    /// How many adverts may be heard in one turn.
    pub(super) const MOST_HEARD: usize = MOST_PACKETS;

    /// Whether somebody else speaks from one of the addresses.
    pub(super) fn others_seen(&mut self) -> bool {
        let mut seen = false;
        for _ in 0..MOST_PACKETS {
            let Some(claims) = self.neighbours.hear(&mut self.buffer, self.mac, &self.vip) else {
                break;
            };
            seen |= claims;
        }
        seen && self.hand.is_none()
    }

    /// Sends an advert to the group or to each peer; the first failure, after all were tried.
    pub(super) fn advertise(&mut self, priority: u8, seal: &mut Seal) -> io::Result<()> {
        let policy = &self.vip.policy;
        let group = [group(self.own.is_ipv4())];
        let peers = if policy.peers.is_empty() { &group[..] } else { &policy.peers };
        let advert = policy.advert(priority);
        let mut result = Ok(());
        for &destination in peers {
            let envelope = Envelope { source: self.own, destination, hop_limit: HOP_LIMIT };
            let mut bytes = Vec::new();
            packet::write(&mut bytes, &advert, &envelope, self.vip.checksum);
            seal.sign(&mut bytes, &envelope);
            let sent = self.adverts.send(&bytes, destination);
            result = result.and(sent);
        }
        result
    }

    /// Asks once who has each address.
    pub(super) fn probe(&self) -> io::Result<()> {
        self.speak(Neighbours::probe)
    }

    /// Says so many times that each address is here.
    pub(super) fn announce(&self, times: u8) -> io::Result<()> {
        (0..times).try_for_each(|_| self.speak(Neighbours::announce))
    }

    fn speak(&self, say: fn(&Neighbours, Mac, IpAddr) -> io::Result<()>) -> io::Result<()> {
        let mut result = Ok(());
        if self.hand.is_some() {
            return result;
        }
        for &address in &self.vip.policy.addresses {
            let said = say(&self.neighbours, self.mac, address);
            result = result.and(said);
        }
        result
    }

    /// Puts the addresses on the interface. Those that are there for good are somebody else's, and
    /// stay as they are.
    pub(super) fn take(&mut self, now: Moment) -> io::Result<()> {
        if let Some(hand) = &self.hand {
            hand.want(true);
            return Ok(());
        }
        let there = self.there()?;
        self.mine.clear();
        let vip = Arc::clone(&self.vip);
        for (&address, &prefix) in vip.policy.addresses.iter().zip(&vip.prefixes) {
            let found = there.iter().find(|it| it.address == address);
            if found.is_none_or(was_ours) {
                self.mine.push((address, found.map_or(prefix, |it| it.prefix)));
            }
        }
        self.hold();
        self.put(now)
    }

    /// The guard knows what there is, if there is one. Without it the kernel does what it can.
    fn hold(&mut self) {
        let Some(guard) = &mut self.guard else { return };
        if self.mine.is_empty() {
            return;
        }
        let held = guard.hold(self.interface.index, self.vip.policy.interval, &self.mine);
        self.dismiss(held);
    }

    /// A guard that does not listen is none.
    fn dismiss(&mut self, said: io::Result<()>) {
        if let Err(error) = said {
            tracing::warn!("vip {}: its guard has ended ({error}); {SECOND}", self.vip.name);
            if let Some(guard) = self.guard.take() {
                guard.dismiss();
            }
        }
    }

    /// The addresses stay where they are when this is gone.
    pub(super) fn hand_over(&mut self) {
        if let Some(said) = self.guard.as_mut().map(Guard::release) {
            self.dismiss(said);
        }
    }

    /// The kernel keeps the addresses for another while.
    pub(super) fn renew(&mut self, now: Moment) -> io::Result<()> {
        if let Some(said) = self.guard.as_mut().map(Guard::beat) {
            self.dismiss(said);
        }
        if now.since(self.renewed) < LEAST_RENEWAL { Ok(()) } else { self.put(now) }
    }

    fn put(&mut self, now: Moment) -> io::Result<()> {
        let lifetime = lifetime(&self.vip);
        let label = self.vip.label.as_deref();
        for &(address, prefix) in &self.mine {
            let new = NewAddress { address, prefix, label, lifetime };
            self.interfaces.put(self.interface.index, new)?;
        }
        self.renewed = now;
        Ok(())
    }

    /// Removes what was put there; the first failure, after all were tried.
    pub(super) fn release(&mut self) -> io::Result<()> {
        if let Some(hand) = &self.hand {
            hand.want(false);
        }
        self.hand_over();
        let mut result = Ok(());
        for (address, prefix) in std::mem::take(&mut self.mine) {
            let removed = self.interfaces.remove(self.interface.index, address, prefix);
            result = result.and(removed);
        }
        result
    }
}

/// How long the kernel keeps an address that is not renewed.
fn lifetime(vip: &Vip) -> Duration {
    let twice = vip.policy.interval * LIFETIME_INTERVALS;
    let whole = Duration::from_secs(twice.as_secs() + u64::from(twice.subsec_nanos() > 0));
    whole.max(LEAST_LIFETIME)
}

/// Whether the next owner asks for an address while a dead one's kernel still has it.
fn guards(vip: &Vip) -> bool {
    lifetime(vip) >= vip.policy.interval * CLAIM_INTERVALS
}

fn guard(vip: &Vip, has_hand: bool) -> Option<Guard> {
    if has_hand || !guards(vip) {
        return None;
    }
    let started = Guard::start();
    let failed =
        |error: &_| tracing::warn!("vip {}: it has no guard ({error}); {SECOND}", vip.name);
    started.inspect_err(failed).ok()
}

impl Neighbours {
    fn open((index, name): (u32, &str), is_v4: bool) -> io::Result<Self> {
        if is_v4 {
            return FrameSocket::open(index, arp::ETHER_TYPE).map(Self::V4);
        }
        let hears = NeighbourSocket::open((index, name))?;
        Ok(Self::V6 { speaks: FrameSocket::to_send(index, IPV6)?, hears })
    }

    fn probe(&self, mac: Mac, address: IpAddr) -> io::Result<()> {
        match (self, address) {
            (Self::V4(socket), IpAddr::V4(address)) => {
                socket.send(&arp::Message::probe(mac, address).write(), Mac::BROADCAST.0)
            }
            (Self::V6 { speaks, .. }, IpAddr::V6(address)) => {
                let (message, envelope) = ndp::Message::probe(address);
                let (packet, group) = message.packet(&envelope);
                speaks.send(&packet, group.0)
            }
            _ => Ok(()),
        }
    }

    fn announce(&self, mac: Mac, address: IpAddr) -> io::Result<()> {
        match (self, address) {
            (Self::V4(socket), IpAddr::V4(address)) => {
                socket.send(&arp::Message::announcement(mac, address).write(), Mac::BROADCAST.0)
            }
            (Self::V6 { speaks, .. }, IpAddr::V6(address)) => {
                let (message, envelope) = ndp::Message::announcement(mac, address);
                let (packet, group) = message.packet(&envelope);
                speaks.send(&packet, group.0)
            }
            _ => Ok(()),
        }
    }

    /// Whether the next message shows that somebody else has an address of `vip`; `None`: there is
    /// no message.
    fn hear(&self, buffer: &mut [u8], mac: Mac, vip: &Vip) -> Option<bool> {
        let addresses = &vip.policy.addresses;
        match self {
            Self::V4(socket) => {
                let message = arp::Message::parse(socket.receive(buffer).ok()??);
                Some(message.is_some_and(|message| {
                    let claims =
                        |it: &IpAddr| matches!(it, IpAddr::V4(it) if message.claims(mac, *it));
                    addresses.iter().any(claims)
                }))
            }
            Self::V6 { hears, .. } => {
                let arrived = hears.receive(buffer).ok()??;
                let (IpAddr::V6(source), IpAddr::V6(destination)) =
                    (arrived.source, arrived.destination)
                else {
                    return Some(false);
                };
                let envelope = ndp::Envelope { source, destination, hop_limit: arrived.hop_limit };
                let message = ndp::Message::parse(arrived.payload, &envelope);
                Some(message.is_some_and(|message| {
                    let claims =
                        |it: &IpAddr| matches!(it, IpAddr::V6(it) if message.claims(mac, *it));
                    addresses.iter().any(claims)
                }))
            }
        }
    }
}

fn group(is_v4: bool) -> IpAddr {
    if is_v4 { GROUP_V4.into() } else { GROUP_V6.into() }
}

/// As this program puts them.
fn was_ours(address: &InterfaceAddress) -> bool {
    address.lifetime.is_some_and(|lifetime| lifetime <= MOST_LIFETIME)
}

/// The address that adverts come from: what was configured if it is there, else the first one that
/// no virtual address is.
fn own_address(vip: &Vip, all: &[IpAddr], there: &[InterfaceAddress]) -> Option<IpAddr> {
    let link_local = |it: IpAddr| match it {
        IpAddr::V4(_) => true,
        IpAddr::V6(it) => Ipv6Addr::is_unicast_link_local(&it),
    };
    let usable = there.iter().filter(|it| it.is_usable).map(|it| it.address);
    let mut fit = usable.filter(|it| link_local(*it) && !all.contains(it));
    match vip.source {
        Some(source) => fit.find(|it| *it == source),
        None => fit.next(),
    }
}
