//! Interfaces and the addresses on them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::netlink::{
    ALL, CREATE, DELETE_ADDRESS, DELETE_LINK, GET_ADDRESS, GET_LINK, Message, NEW_ADDRESS,
    NEW_LINK, Netlink, REPLACE, Request,
};

/// The groups that hear of interfaces and of addresses of both families.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 10;

const LINK_ADDRESS: u16 = 1;
pub(super) const LINK_NAME: u16 = 3;
const RUNNING: u32 = 0x1 | 0x40; // IFF_UP and IFF_RUNNING

const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const LABEL: u16 = 3;
const LIFETIME: u16 = 6;
const FLAGS: u16 = 8;
/// Not to be asked for by the kernel: who adds it has asked already.
const NO_DETECTION: u32 = 0x02;
/// Somebody else has it, or that is not known yet: the kernel does not use it.
const UNUSABLE: u32 = 0x08 | 0x40;
const FOR_GOOD: u32 = u32::MAX;

/// An interface as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number; another one once it has been made anew.
    pub index: u32,
    /// Up, with a carrier.
    pub is_up: bool,
    /// `None`: it is not Ethernet.
    pub mac: Option<[u8; 6]>,
}

/// An address on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    pub address: IpAddr,
    pub prefix: u8,
    /// How long it was given when it was last set; `None`: for good.
    pub lifetime: Option<Duration>,
    /// It can be sent from.
    pub is_usable: bool,
}

/// An address to be put on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewAddress<'a> {
    pub address: IpAddr,
    pub prefix: u8,
    /// IPv4 only: at most 15 bytes, beginning with the name of the interface.
    pub label: Option<&'a str>,
    /// Whole seconds, at least one. The kernel removes it when they have passed.
    pub lifetime: Duration,
}

/// Looks at interfaces and changes their addresses. What changes needs `CAP_NET_ADMIN`.
#[derive(Debug)]
pub struct Interfaces(pub(super) Netlink);

impl Interfaces {
    pub fn open() -> io::Result<Self> {
        Netlink::open(0).map(Self)
    }

    /// The interface of this name; `None`: there is none.
    pub fn find(&mut self, name: &str) -> io::Result<Option<Interface>> {
        let text = [name.as_bytes(), &[0]].concat();
        let request = Request::new(GET_LINK, 0, &[0; 16]).with(LINK_NAME, &text);
        let mut found = None;
        match self.0.ask(request, |message| found = interface(&message)) {
            Ok(()) => Ok(found),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The addresses on an interface, of one family, in the kernel's order.
    pub fn addresses(&mut self, index: u32, is_v4: bool) -> io::Result<Vec<InterfaceAddress>> {
        let family = if is_v4 { FAMILY_V4 } else { FAMILY_V6 };
        let request = Request::new(GET_ADDRESS, ALL, &[family, 0, 0, 0, 0, 0, 0, 0]);
        let mut found = Vec::new();
        self.0.ask(request, |message| {
            let known = address(&message);
            found.extend(known.filter(|(at, _)| *at == index).map(|(_, address)| address));
        })?;
        Ok(found)
    }

    /// Adds an address, or begins its lifetime anew.
    pub fn put(&mut self, index: u32, new: NewAddress<'_>) -> io::Result<()> {
        let NewAddress { address, prefix, label, lifetime } = new;
        let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(FOR_GOOD - 1).max(1);
        // One of IPv6 that others are spoken to from is chosen among the preferred ones: not this.
        let preferred = if address.is_ipv4() { seconds } else { 0 };
        let mut times = Vec::with_capacity(16);
        for number in [preferred, seconds, 0, 0] {
            times.extend(number.to_ne_bytes());
        }
        let head = head(index, address, prefix);
        let request = Request::new(NEW_ADDRESS, CREATE | REPLACE, &head);
        let request = with_address(request, address).with(LIFETIME, &times);
        let request = match label {
            Some(label) => request.with(LABEL, &[label.as_bytes(), &[0]].concat()),
            None => request,
        };
        let request = if address.is_ipv6() {
            request.with(FLAGS, &NO_DETECTION.to_ne_bytes())
        } else {
            request
        };
        self.0.ask(request, |_| {})
    }

    /// Removes an address; that it is not there is no error.
    pub fn remove(&mut self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        let request = Request::new(DELETE_ADDRESS, 0, &head(index, address, prefix));
        match self.0.ask(with_address(request, address), |_| {}) {
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::ENODEV)) =>
            {
                Ok(())
            }
            other => other,
        }
    }
}

/// What has happened to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there, not there, up, down, or something else about it.
    Link,
    /// An address has come, or its lifetime has begun anew.
    AddressCame,
    AddressWent,
}

/// Hears of interfaces and addresses.
#[derive(Debug)]
pub struct InterfacesWatch(Netlink);

impl InterfacesWatch {
    pub fn open() -> io::Result<Self> {
        Netlink::open(GROUPS).map(Self)
    }

    /// Hands on what has happened to the interface with this number, or to any one with `name`.
    /// After an error anything may have.
    pub fn drain(
        &mut self,
        (index, name): (u32, &str),
        mut hear: impl FnMut(Change),
    ) -> io::Result<()> {
        self.0.drain(|message| match message.kind {
            NEW_LINK | DELETE_LINK if concerns(&message, index, name) => hear(Change::Link),
            NEW_ADDRESS if is_on(&message, index) => hear(Change::AddressCame),
            DELETE_ADDRESS if is_on(&message, index) => hear(Change::AddressWent),
            _ => {}
        })
    }
}

/// An interface that is made anew has another number and the same name.
fn concerns(message: &Message<'_>, index: u32, name: &str) -> bool {
    let Some((fixed, attributes)) = message.parts::<16>() else { return false };
    let called = attributes.get(LINK_NAME).and_then(|value| value.strip_suffix(&[0]));
    number(fixed, 4) == Some(index) || called == Some(name.as_bytes())
}

fn is_on(message: &Message<'_>, index: u32) -> bool {
    address(message).is_some_and(|(at, _)| at == index)
}

impl AsFd for InterfacesWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// As the kernel numbers it.
pub(super) const fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { FAMILY_V4 } else { FAMILY_V6 }
}

/// The fixed part of messages about addresses: family, prefix, flags, scope, interface.
pub(super) fn head(index: u32, address: IpAddr, prefix: u8) -> Vec<u8> {
    let mut head = vec![family(address), prefix, 0, 0];
    head.extend(index.to_ne_bytes());
    head
}

pub(super) fn with_address(request: Request, address: IpAddr) -> Request {
    match address {
        IpAddr::V4(address) => {
            request.with(LOCAL, &address.octets()).with(ADDRESS, &address.octets())
        }
        IpAddr::V6(address) => {
            request.with(LOCAL, &address.octets()).with(ADDRESS, &address.octets())
        }
    }
}

fn interface(message: &Message<'_>) -> Option<Interface> {
    let (fixed, attributes) = message.parts::<16>()?;
    Some(Interface {
        index: number(fixed, 4)?,
        is_up: number(fixed, 8)? & RUNNING == RUNNING,
        mac: attributes.get(LINK_ADDRESS).and_then(|value| value.try_into().ok()),
    })
}

/// An address, with the number of its interface.
fn address(message: &Message<'_>) -> Option<(u32, InterfaceAddress)> {
    let (fixed, attributes) = message.parts::<8>()?;
    let [_, prefix, flags, ..] = *fixed;
    // On a link with two ends the one is here, the other is the far one.
    let written = attributes.get(LOCAL).or_else(|| attributes.get(ADDRESS))?;
    let address = match written.len() {
        4 => IpAddr::from(Ipv4Addr::from(*written.first_chunk::<4>()?)),
        16 => IpAddr::from(Ipv6Addr::from(*written.first_chunk::<16>()?)),
        _ => return None,
    };
    let all_flags = attributes.get(FLAGS).and_then(|value| number(value, 0));
    let seconds = attributes.get(LIFETIME).and_then(|value| number(value, 4));
    let seconds = seconds.filter(|seconds| *seconds != FOR_GOOD);
    let found = InterfaceAddress {
        address,
        prefix,
        lifetime: seconds.map(|seconds| Duration::from_secs(u64::from(seconds))),
        is_usable: all_flags.unwrap_or_else(|| u32::from(flags)) & UNUSABLE == 0,
    };
    Some((number(fixed, 4)?, found))
}

/// Of the byte order of this machine.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk::<4>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_found() {
        let mut interfaces = Interfaces::open().unwrap();
        let loopback = interfaces.find("lo").unwrap().unwrap();
        assert_eq!(interfaces.find("no-such").unwrap(), None);
        let addresses = interfaces.addresses(loopback.index, true).unwrap();
        if loopback.is_up {
            let own = addresses.iter().find(|it| it.address.is_loopback()).unwrap();
            assert_eq!((own.prefix, own.lifetime, own.is_usable), (8, None, true));
        }
    }
}
