//! Links made of software: bridges, and cables between networks (veth(4)).

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;

use super::interface::{Interfaces, LINK_NAME, head, with_address};
use super::netlink::{CREATE, NEW_ADDRESS, NEW_LINK, Request, attribute};
use crate::network::Network;

const LINK_INFO: u16 = 18;
const MASTER: u16 = 10;
const NETWORK_FD: u16 = 28;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;
const BRIDGE_FORWARD_DELAY: u16 = 1;
const BRIDGE_SNOOPING: u16 = 23;
/// That something of this name must not be there yet (`NLM_F_EXCL`).
const EXCLUSIVE: u16 = 0x200;
const UP: u32 = 1; // IFF_UP

impl Interfaces {
    /// A bridge that carries packets at once and multicast to everybody.
    pub fn add_bridge(&mut self, name: &str) -> io::Result<()> {
        let delay = attribute(BRIDGE_FORWARD_DELAY, &0_u32.to_ne_bytes());
        let data = [delay, attribute(BRIDGE_SNOOPING, &[0])].concat();
        self.add(name, b"bridge", &data)
    }

    /// A cable with its one end here and the other one in `network`.
    pub fn add_pair(&mut self, name: &str, far: &str, network: &Network) -> io::Result<()> {
        let mut peer = fixed(0, 0);
        peer.extend(attribute(LINK_NAME, &terminated(far)));
        let number = network.as_fd().as_raw_fd();
        peer.extend(attribute(NETWORK_FD, &number.to_ne_bytes()));
        self.add(name, b"veth", &attribute(VETH_PEER, &peer))
    }

    /// Switches an interface on, as a port of the bridge `master` if there is one.
    pub fn raise(&mut self, index: u32, master: Option<u32>) -> io::Result<()> {
        let request = Request::new(NEW_LINK, 0, &fixed(index, UP));
        let request = match master {
            Some(master) => request.with(MASTER, &master.to_ne_bytes()),
            None => request,
        };
        self.0.ask(request, |_| {})
    }

    /// Puts an address on an interface for good.
    pub fn give(&mut self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        let request = Request::new(NEW_ADDRESS, CREATE | EXCLUSIVE, &head(index, address, prefix));
        self.0.ask(with_address(request, address), |_| {})
    }

    fn add(&mut self, name: &str, kind: &[u8], data: &[u8]) -> io::Result<()> {
        let info = [attribute(INFO_KIND, kind), attribute(INFO_DATA, data)].concat();
        let request = Request::new(NEW_LINK, CREATE | EXCLUSIVE, &fixed(0, 0));
        let request = request.with(LINK_NAME, &terminated(name)).with(LINK_INFO, &info);
        self.0.ask(request, |_| {})
    }
}

/// The fixed part of messages about interfaces: of any family, with `flags` to be set.
fn fixed(index: u32, flags: u32) -> Vec<u8> {
    let mut fixed = vec![0; 4];
    fixed.extend(index.to_ne_bytes());
    fixed.extend(flags.to_ne_bytes());
    fixed.extend(flags.to_ne_bytes());
    fixed
}

fn terminated(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}
