//! From one process to the next: a new one, of a new binary perhaps, gets the listening sockets while
//! the old one goes on serving, so that no client finds nobody there.
//!
//! The two speak over a pair of sockets, of which the new process finds its end at its stdin. One
//! datagram is one message; what a message is about comes with it as descriptors (`SCM_RIGHTS`,
//! unix(7)). The old one says what there is and `End`; the new one says `Ready` once it serves, or
//! why it cannot; the old one answers `TakeOver`, and the admin address changes hands. When it no
//! longer stands by, it lets go of the virtual addresses and says which it owned (`Vips`).

mod heir;
mod heritage;

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

pub(crate) use self::heir::{Heir, UpgradeError};
pub use self::heritage::{Estate, Heritage, HeritageError};

/// Says to a process that its stdin is a handover; its value is the version of what is spoken there.
const VARIABLE: &str = "EVENKEEL_HANDOVER";

/// Spoken here. A process that does not know it says so and ends; the old one serves on.
const VERSION: &str = "1";

/// A new process reads files and opens listeners; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the old process stands by to take over again, should the new one end.
pub(crate) const STANDS_BY: Duration = Duration::from_secs(5);

/// Descriptors in one message; the kernel takes 253.
const MOST_DESCRIPTORS: usize = 128;

/// The longest is a reason with faults of a configuration; it is cut to [`MOST_REASON_BYTES`].
const MOST_MESSAGE_BYTES: usize = 16 << 10;

/// Of a reason, before it is written as JSON.
const MOST_REASON_BYTES: usize = 2 << 10;

/// What one process says to the other. What it does not know, it refuses: that is what
/// [`VERSION`] is for.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Message {
    /// With it come sockets that listen on this address, as configured. Those of one address may
    /// come in several messages.
    Listener { address: SocketAddr },
    /// With it comes the socket of the admin address.
    Admin,
    /// That was all there is.
    End,
    /// The new process serves clients.
    Ready,
    /// The new process does not, and ends.
    Failed { reason: String },
    /// The admin address is the new process's.
    TakeOver,
    /// So are the virtual addresses; the old one owned those of these names up to this moment.
    Vips { owned: Vec<String> },
}

/// One end of the pair.
#[derive(Debug)]
struct Channel(OwnedFd);

impl Channel {
    /// Both ends. Neither waits for the other longer than [`PATIENCE`].
    fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self::new(ours)?, theirs))
    }

    fn new(socket: OwnedFd) -> io::Result<Self> {
        set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        Ok(Self(socket))
    }

    fn send(&self, message: &Message, descriptors: &[impl AsFd]) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::Error::other("more descriptors than one message holds"));
        }
        sendmsg(&self.0, &[IoSlice::new(&text)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next message and what came with it. Waits, but no longer than [`PATIENCE`].
    fn receive(&self) -> io::Result<(Message, Vec<OwnedFd>)> {
        let mut text = vec![0; MOST_MESSAGE_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let buffers = &mut [IoSliceMut::new(&mut text)];
        let received = recvmsg(&self.0, buffers, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let descriptors = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let descriptors: Vec<OwnedFd> = descriptors.flatten().collect();
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(io::Error::other("a message longer than any that is spoken here"));
        }
        Ok((serde_json::from_slice(&text[..received.bytes])?, descriptors))
    }
}

/// At most so much of `reason` as a message holds.
fn cut(reason: &str) -> String {
    let end =
        (0..=MOST_REASON_BYTES.min(reason.len())).rev().find(|&end| reason.is_char_boundary(end));
    reason[..end.unwrap_or(0)].to_owned()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn sockets_arrive_with_what_they_are() {
        let (here, there) = Channel::pair().unwrap();
        let there = Channel::new(there).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let sockets: Vec<_> = (0..MOST_DESCRIPTORS).map(|_| socket.try_clone().unwrap()).collect();
        here.send(&Message::Listener { address }, &sockets).unwrap();
        here.send(&Message::End, &[] as &[OwnedFd]).unwrap();
        let (message, descriptors) = there.receive().unwrap();
        assert_eq!(message, Message::Listener { address });
        assert_eq!(descriptors.len(), MOST_DESCRIPTORS);
        let same = TcpListener::from(descriptors.into_iter().next().unwrap());
        assert_eq!(same.local_addr().unwrap(), address);
        assert_eq!(there.receive().unwrap().0, Message::End);
        drop(here);
        assert_eq!(there.receive().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn nonsense_is_refused() {
        let (here, there) = Channel::pair().unwrap();
        let there = Channel::new(there).unwrap();
        for nonsense in ["x", "{}", r#"{"kind":"else"}"#, r#"{"kind":"listener","address":"a"}"#] {
            rustix::io::write(&here.0, nonsense.as_bytes()).unwrap();
            there.receive().unwrap_err();
        }
        let long = vec![b' '; MOST_MESSAGE_BYTES + 1];
        rustix::io::write(&here.0, &long).unwrap();
        there.receive().unwrap_err();
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let long = "é".repeat(MOST_REASON_BYTES);
        assert_eq!(cut(&long).len(), MOST_REASON_BYTES);
        let odd = format!("a{long}");
        assert_eq!(cut(&odd).len(), MOST_REASON_BYTES - 1);
    }
}
