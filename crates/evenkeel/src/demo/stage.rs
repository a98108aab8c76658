//! What the demo stands on: networks of its own, or loopback addresses where those cannot be had.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use anyhow::{Context as _, Result};
use evenkeel_sys::link::Interfaces;
use evenkeel_sys::{Network, leave_network};
use tokio::net::{TcpSocket, TcpStream};

use super::scene::{Actor, BALANCERS, CLONE, Ground};
use super::stores::Stores;

/// What this program is called with to try whether it may make networks.
pub(crate) const NETWORK_VERB: &str = "demo-network";

const BRIDGE: &str = "br0";
/// Of the network of a balancer.
const INTERFACE: &str = "eth0";
const PREFIX: u8 = 24;

/// The networks: that of this process, and one for each balancer.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) ground: Ground,
    balancers: Vec<Network>,
}

impl Stage {
    /// Why networks of their own cannot be had, as a process finds that tries.
    pub(super) fn obstacle() -> Option<String> {
        match Command::new("/proc/self/exe").arg(NETWORK_VERB).output() {
            Ok(tried) if tried.status.success() => None,
            Ok(tried) => Some(String::from_utf8_lossy(&tried.stderr).trim().to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// Leaves the machine's network for one with a bridge, which everybody but the balancers lives
    /// on; to be called before there are threads. Listening sockets from before stay where they are.
    pub(super) fn link() -> Result<Self> {
        leave_network().context("cannot leave the machine's network")?;
        let ground = Ground::Link;
        let mut here = Interfaces::open().context("cannot speak to the kernel")?;
        wire_home(&mut here).context("cannot make a bridge")?;
        let mut balancers = Vec::new();
        for number in 0..BALANCERS {
            let far = Network::new().context("cannot make a network")?;
            wire_balancer(&mut here, &far, number)
                .with_context(|| format!("cannot connect {}", Actor::Balancer(number)))?;
            balancers.push(far);
        }
        Ok(Self { ground, balancers })
    }

    /// Stays where it is.
    pub(super) const fn loopback() -> Self {
        Self { ground: Ground::Loopback, balancers: Vec::new() }
    }

    /// Does something where `actor` is: what is opened or started meanwhile stays there.
    pub(super) fn within<T>(&self, actor: Actor, what: impl FnOnce() -> T) -> io::Result<T> {
        let Actor::Balancer(number) = actor else { return Ok(what()) };
        match self.balancers.get(usize::from(number)) {
            Some(network) => network.within(what),
            None => Ok(what()),
        }
    }

    /// A connection from where `actor` is.
    pub(super) async fn connect(&self, actor: Actor, to: SocketAddr) -> io::Result<TcpStream> {
        self.within(actor, TcpSocket::new_v4)??.connect(to).await
    }
}

/// A bridge with the addresses of everybody who lives on it.
fn wire_home(here: &mut Interfaces) -> io::Result<()> {
    let ground = Ground::Link;
    here.add_bridge(BRIDGE)?;
    let bridge = index(here, BRIDGE)?;
    let everybody = Stores { in_mariadb: true, in_redis: true }.ensemble().chain([CLONE]);
    let inhabitants = everybody.filter(|it| !matches!(it, Actor::Balancer(_)));
    let hosts = inhabitants.map(|actor| ground.host(actor));
    for host in [ground.home()].into_iter().chain(hosts) {
        here.give(bridge, IpAddr::V4(host), PREFIX)?;
    }
    here.raise(bridge, None)
}

/// A cable from the bridge to the network of a balancer.
fn wire_balancer(here: &mut Interfaces, far: &Network, number: u8) -> io::Result<()> {
    let actor = Actor::Balancer(number);
    let port = actor.to_string();
    here.add_pair(&port, INTERFACE, far)?;
    let (port, bridge) = (index(here, &port)?, index(here, BRIDGE)?);
    here.raise(port, Some(bridge))?;
    far.within(|| {
        let mut there = Interfaces::open()?;
        let port = index(&mut there, INTERFACE)?;
        there.give(port, IpAddr::V4(Ground::Link.host(actor)), PREFIX)?;
        there.raise(port, None)
    })?
}

fn index(interfaces: &mut Interfaces, name: &str) -> io::Result<u32> {
    let found = interfaces.find(name)?;
    found.map(|it| it.index).ok_or_else(|| io::ErrorKind::NotFound.into())
}
