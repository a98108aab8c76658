//! Who is in the demo, where they are, and the files they are started with. Values only.

use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// Simulated devices.
pub(super) const DEVICES: usize = 60;
/// Servers of each kind.
pub(super) const SERVERS: u8 = 2;
/// The further comm server that the drill makes.
pub(super) const CLONE: Actor = Actor::Comm(SERVERS);
pub(super) const BALANCERS: u8 = 2;
pub(super) const SHARDS: u8 = 3;
/// Where comm listens, on servers and balancers.
const COMM_PORT: u16 = 5000;
/// Where web does.
const WEB_PORT: u16 = 8443;
/// Where balancers end TLS themselves.
const FRONT_PORT: u16 = 9443;
/// The listener there, and its pool: the web servers once more.
pub(super) const FRONT: &str = "front";
/// Where a server says how it is.
const HEALTH_PORT: u16 = 8444;
/// Where a balancer's API is.
const ADMIN_PORT: u16 = 7070;
/// Where the servers of shards listen, and where nodes of Redis do.
const DATABASE_PORT: u16 = 3306;
const CACHE_PORT: u16 = 6379;

/// Somebody with a part in the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Actor {
    Balancer(u8),
    Comm(u8),
    Web(u8),
    /// A shard; with `MariaDB` its primary.
    Shard(u8),
    /// The server that replicates it, at first.
    Replica(u8),
    /// A node of Redis, and the one that replicates it.
    Cache(u8),
    CacheReplica(u8),
}

impl Actor {
    /// Those who are in every demo, in the order they are shown.
    pub(super) fn ensemble() -> impl Iterator<Item = Self> {
        let balancers = (0..BALANCERS).map(Self::Balancer);
        let comms = (0..SERVERS).map(Self::Comm);
        let webs = (0..SERVERS).map(Self::Web);
        balancers.chain(comms).chain(webs).chain((0..SHARDS).map(Self::Shard))
    }

    /// The pool of a server.
    pub(super) const fn pool(self) -> Option<&'static str> {
        match self {
            Self::Comm(_) => Some("comm"),
            Self::Web(_) => Some("web"),
            Self::Balancer(_)
            | Self::Shard(_)
            | Self::Replica(_)
            | Self::Cache(_)
            | Self::CacheReplica(_) => None,
        }
    }

    /// Whether it does nothing but keep something for the servers.
    pub(super) const fn is_store(self) -> bool {
        !matches!(self, Self::Balancer(_) | Self::Comm(_) | Self::Web(_))
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Balancer(number) => write!(f, "lb{number}"),
            Self::Comm(number) => write!(f, "cs{number}"),
            Self::Web(number) => write!(f, "ws{number}"),
            Self::Shard(number) => write!(f, "db{number}"),
            Self::Replica(number) => write!(f, "db{number}r"),
            Self::Cache(number) => write!(f, "rd{number}"),
            Self::CacheReplica(number) => write!(f, "rd{number}r"),
        }
    }
}

/// What the demo stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// Networks of its own: a bridge, a cable to each balancer, a virtual address.
    Link,
    /// Loopback addresses of this machine.
    Loopback,
}

impl Ground {
    fn address(self, last: u8) -> Ipv4Addr {
        match self {
            // RFC 5737 §3: for documents, and nobody's.
            Self::Link => Ipv4Addr::new(192, 0, 2, last),
            Self::Loopback => Ipv4Addr::new(127, 77, 0, last),
        }
    }

    /// Where everything but the balancers is at home.
    pub(super) fn home(self) -> Ipv4Addr {
        self.address(1)
    }

    pub(super) fn host(self, actor: Actor) -> Ipv4Addr {
        self.address(match actor {
            Actor::Balancer(number) => 2 + number,
            Actor::Comm(number) => 20 + number,
            Actor::Web(number) => 30 + number,
            Actor::Shard(number) => 40 + number,
            Actor::Replica(number) => 50 + number,
            Actor::Cache(number) => 60 + number,
            Actor::CacheReplica(number) => 70 + number,
        })
    }

    /// The virtual address.
    pub(super) fn vip(self) -> Ipv4Addr {
        self.address(10)
    }

    /// Where devices connect: the virtual address, or where the demo forwards from.
    pub(super) fn comm(self) -> SocketAddr {
        at(self.entrance(), COMM_PORT)
    }

    /// Where browsers connect.
    pub(super) fn site(self) -> SocketAddr {
        at(self.entrance(), WEB_PORT)
    }

    /// The same site, where TLS ends at the balancer.
    pub(super) fn front(self) -> SocketAddr {
        at(self.entrance(), FRONT_PORT)
    }

    fn entrance(self) -> Ipv4Addr {
        match self {
            Self::Link => self.vip(),
            Self::Loopback => self.home(),
        }
    }

    /// Where the balancers listen for devices and browsers.
    pub(super) fn fronts(self, port: u16) -> Vec<SocketAddr> {
        match self {
            Self::Link => vec![at(self.vip(), port)],
            Self::Loopback => {
                (0..BALANCERS).map(|number| at(self.host(Actor::Balancer(number)), port)).collect()
            }
        }
    }

    /// Where a server does its work.
    pub(super) fn work(self, actor: Actor) -> SocketAddr {
        let port = match actor {
            Actor::Comm(_) => COMM_PORT,
            Actor::Web(_) => WEB_PORT,
            Actor::Balancer(_) => ADMIN_PORT,
            Actor::Shard(_) | Actor::Replica(_) => DATABASE_PORT,
            Actor::Cache(_) | Actor::CacheReplica(_) => CACHE_PORT,
        };
        at(self.host(actor), port)
    }

    /// Where a server says how it is.
    pub(super) fn health(self, actor: Actor) -> SocketAddr {
        at(self.host(actor), HEALTH_PORT)
    }

    /// Where a balancer's API is: loopback, in whichever network it is.
    pub(super) fn admin(number: u8) -> SocketAddr {
        at(Self::Loopback.host(Actor::Balancer(number)), ADMIN_PORT)
    }
}

fn at(host: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddrV4::new(host, port).into()
}

/// The configuration of a balancer.
pub(super) fn balancer(ground: Ground, number: u8) -> String {
    let own = Actor::Balancer(number);
    let admin = Ground::admin(number);
    let front = match ground {
        Ground::Link => ground.vip(),
        Ground::Loopback => ground.host(own),
    };
    let mut text = format!(
        "[node]\nname = \"{own}\"\nstate_dir = \"{own}\"\nworkers = 1\ndrain = \"1s\"\n\n\
         [admin]\nbind = \"{admin}\"\n"
    );
    // Both pools of web servers are the same servers: one is passed the clients' TLS, the other is
    // spoken to in TLS of this node's.
    let certificates = "certificates = [{ chain = \"site.pem\", key = \"site.key\" }]\n";
    let in_tls = "upstream = \"https\"\ntls = { ca = \"site.pem\" }\n";
    for (name, protocol, port, actor, [of_listener, of_pool]) in [
        ("comm", "tcp", COMM_PORT, Actor::Comm as fn(u8) -> Actor, ["", ""]),
        ("web", "tls", WEB_PORT, Actor::Web, ["", ""]),
        (FRONT, "https", FRONT_PORT, Actor::Web, [certificates, in_tls]),
    ] {
        let servers: Vec<String> = (0..SERVERS)
            .map(actor)
            .map(|it| format!("{{ address = \"{}\", name = \"{it}\" }}", ground.work(it)))
            .collect();
        let servers = servers.join(", ");
        write!(
            text,
            "\n[listener.{name}]\nbind = [\"{front}:{port}\"]\nprotocol = \"{protocol}\"\n\
             pool = \"{name}\"\n{of_listener}\n\
             [pool.{name}]\nservers = [{servers}]\n{of_pool}\n\
             [pool.{name}.check]\nkind = \"deep\"\npath = \"/health?deep\"\nport = {HEALTH_PORT}\n\
             interval = \"1s\"\nfast = \"250ms\"\n"
        )
        .expect("strings grow");
    }
    if ground == Ground::Link {
        let priority = 150 - 50 * u16::from(number);
        write!(
            text,
            "\n[vip.site]\naddress = \"{front}/24\"\ninterface = \"eth0\"\nrouter_id = 77\n\
             priority = {priority}\nadvertise = \"fast\"\n"
        )
        .expect("strings grow");
    }
    text
}

/// What an order from another terminal wants of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Kill,
    Stop,
    Start,
    Load,
}

impl Word {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Load => "load",
        }
    }

    /// An order as it is sent, and for whom; `Err`: what to say to who sent it.
    pub(super) fn parse(line: &str, cast: &[Actor]) -> Result<(Self, Actor), String> {
        let (word, name) = line.split_once(' ').unwrap_or((line, ""));
        let all = [Self::Kill, Self::Stop, Self::Start, Self::Load];
        let known = all.into_iter().find(|it| it.word() == word);
        let known = known.ok_or_else(|| format!("`{word}` is no order of the demo"))?;
        let actor = cast.iter().find(|actor| actor.to_string() == name).ok_or_else(|| {
            let names: Vec<String> = cast.iter().map(ToString::to_string).collect();
            format!("there is no `{name}` in the demo; there are: {}", names.join(", "))
        })?;
        Ok((known, *actor))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::demo::stores::Stores;

    #[test]
    fn everybody_has_a_place_of_their_own() {
        for ground in [Ground::Link, Ground::Loopback] {
            let stores = Stores { in_mariadb: true, in_redis: true };
            let actors = stores.ensemble().chain([CLONE]);
            let mut hosts: Vec<_> = actors.map(|actor| ground.host(actor)).collect();
            hosts.extend([ground.home(), ground.vip()]);
            let all: BTreeSet<_> = hosts.iter().collect();
            assert_eq!(all.len(), hosts.len(), "{hosts:?}");
        }
    }

    #[test]
    fn an_order_names_what_and_whom() {
        let cast: Vec<Actor> = Actor::ensemble().collect();
        assert_eq!(Word::parse("kill cs0", &cast), Ok((Word::Kill, Actor::Comm(0))));
        assert_eq!(Word::parse("load db2", &cast), Ok((Word::Load, Actor::Shard(2))));
        let error = Word::parse("stop cs7", &cast).unwrap_err();
        assert_eq!(
            error,
            "there is no `cs7` in the demo; there are: lb0, lb1, cs0, cs1, ws0, ws1, db0, db1, db2"
        );
        for bad in ["", "kill", "burn cs0", "kill  cs0", "kill cs0 "] {
            Word::parse(bad, &cast).expect_err(bad);
        }
    }

    #[test]
    fn a_virtual_address_is_only_where_there_is_a_link() {
        let text = balancer(Ground::Link, 1);
        assert!(text.contains("priority = 100\n") && text.contains("192.0.2.10/24"), "{text}");
        assert!(!balancer(Ground::Loopback, 1).contains("vip"));
    }
}
