//! Messages of netlink (RFC 3549, netlink(7), rtnetlink(7)): written, sent, and read back.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send,
    socket_with, sockopt,
};

pub(super) const GET_LINK: u16 = 18;
pub(super) const NEW_LINK: u16 = 16;
pub(super) const DELETE_LINK: u16 = 17;
pub(super) const NEW_ADDRESS: u16 = 20;
pub(super) const DELETE_ADDRESS: u16 = 21;
pub(super) const GET_ADDRESS: u16 = 22;

pub(super) const ALL: u16 = 0x300;
pub(super) const CREATE: u16 = 0x400;
pub(super) const REPLACE: u16 = 0x100;
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;

const ERROR: u16 = 2;
const DONE: u16 = 3;

const HEAD_BYTES: usize = 16;
/// The kernel fills at most this much at once (`NLMSG_GOODSIZE`, and 32 KiB for dumps).
const BUFFER_BYTES: usize = 32 * 1024;
/// The kernel answers before it returns; this is for the day it does not.
const PATIENCE: Duration = Duration::from_secs(1);
/// Parts of one answer: more addresses, or connections at some 300 a part, than any machine has.
const MOST_PARTS: usize = 10_000;

/// A request being written.
#[derive(Debug)]
pub(super) struct Request(Vec<u8>);

impl Request {
    /// `body` is the fixed part of this kind.
    pub(super) fn new(kind: u16, flags: u16, body: &[u8]) -> Self {
        // Each kind of request is answered, by what it asks for or by an acknowledgement.
        let flags = REQUEST | flags | if flags & ALL == ALL { 0 } else { ACKNOWLEDGE };
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(body);
        Self(bytes)
    }

    #[must_use]
    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        self.0.extend(attribute(kind, value));
        self
    }

    fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).expect("requests are short");
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.0
    }
}

/// An attribute, as it stands in a message or in the value of another one.
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).expect("attributes are short");
    let mut bytes = Vec::with_capacity(usize::from(length).next_multiple_of(4));
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A message that has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'b> {
    pub(super) kind: u16,
    sequence: u32,
    body: &'b [u8],
}

impl<'b> Message<'b> {
    /// The fixed part and the attributes; `None`: it is too short.
    pub(super) fn parts<const N: usize>(&self) -> Option<(&'b [u8; N], Attributes<'b>)> {
        let (fixed, rest) = self.body.split_first_chunk::<N>()?;
        Some((fixed, Attributes(rest)))
    }
}

/// The attributes of a message; they end where they cannot be told apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'b>(&'b [u8]);

impl<'b> Attributes<'b> {
    /// The value of the first one of this kind.
    pub(super) fn get(mut self, wanted: u16) -> Option<&'b [u8]> {
        loop {
            let (kind, value) = self.pop()?;
            if kind == wanted {
                return Some(value);
            }
        }
    }

    fn pop(&mut self) -> Option<(u16, &'b [u8])> {
        let ([a, b, c, d], rest) = self.0.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([*a, *b])).checked_sub(4)?;
        let value = rest.get(..length)?;
        self.0 = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        // The two high bits say how the value is written.
        Some((u16::from_ne_bytes([*c, *d]) & 0x3fff, value))
    }
}

/// The messages in what was received; they end where they cannot be told apart.
#[derive(Debug)]
struct Messages<'b>(&'b [u8]);

impl<'b> Iterator for Messages<'b> {
    type Item = Message<'b>;

    fn next(&mut self) -> Option<Self::Item> {
        let (head, _) = self.0.split_first_chunk::<HEAD_BYTES>()?;
        let (length, rest) = head.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_ne_bytes(*length)).ok()?;
        let body = self.0.get(HEAD_BYTES..length)?;
        let kind = u16::from_ne_bytes([rest[0], rest[1]]);
        let sequence = u32::from_ne_bytes([rest[4], rest[5], rest[6], rest[7]]);
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind, sequence, body })
    }
}

/// A way to the kernel.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// To rtnetlink; hears of what these groups are told.
    pub(super) fn open(groups: u32) -> io::Result<Self> {
        Self::open_on(None, groups)
    }

    /// To another part of the kernel.
    pub(super) fn open_on(part: Option<Protocol>, groups: u32) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, part)?;
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Asks, hands each message of the answer to `hear`, and returns how it ended.
    pub(super) fn ask(
        &mut self,
        request: Request,
        mut hear: impl FnMut(Message<'_>),
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        send(&self.socket, &request.finish(self.sequence), SendFlags::empty())?;
        for _ in 0..MOST_PARTS {
            let (length, _) = recv(&self.socket, &mut self.buffer[..], RecvFlags::empty())?;
            for message in Messages(&self.buffer[..length]) {
                if message.sequence != self.sequence {
                    continue; // the rest of an answer that was given up
                }
                match message.kind {
                    DONE => return Ok(()),
                    ERROR => return outcome(&message),
                    _ => hear(message),
                }
            }
        }
        Err(io::Error::other("the kernel's answer has no end"))
    }

    /// Hands on what has come unasked. An error means that something was missed.
    pub(super) fn drain(&mut self, mut hear: impl FnMut(Message<'_>)) -> io::Result<()> {
        for _ in 0..MOST_PARTS {
            match recv(&self.socket, &mut self.buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => Messages(&self.buffer[..length]).for_each(&mut hear),
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// An error message with the number 0 says that all is well.
fn outcome(message: &Message<'_>) -> io::Result<()> {
    let number = message.body.first_chunk::<4>().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    if number == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(number.saturating_neg())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let request = Request::new(GET_LINK, 0, &[7; 16]).with(3, b"eth0\0").with(1, &[1; 6]);
        let bytes = request.finish(9);
        let all: Vec<Message<'_>> = Messages(&bytes).collect();
        let [message] = all[..] else { panic!("{all:?}") };
        assert_eq!((message.kind, message.sequence), (GET_LINK, 9));
        let (body, attributes) = message.parts::<16>().unwrap();
        assert_eq!(body, &[7; 16]);
        assert_eq!(attributes.get(3), Some(&b"eth0\0"[..]));
        assert_eq!((attributes.get(1), attributes.get(2)), (Some(&[1; 6][..]), None));
        for end in 0..bytes.len() {
            // Cut anywhere, nothing panics and nothing is made up.
            assert_eq!(Messages(&bytes[..end]).count(), 0);
        }
        assert_eq!(Attributes(&[3, 0, 1, 0, 9]).get(1), None, "shorter than its own head");
    }
}
