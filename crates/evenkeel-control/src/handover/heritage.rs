//! What a new process finds: sockets of the process before it, or of the service manager.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::{env, io, mem};

use evenkeel_engine::OpenAddress;
use listenfd::ListenFd;

use super::heir::remember_program;
use super::{Channel, Message, VARIABLE, VERSION, cut};

/// Addresses in a handover; as many listeners as a configuration has would be far fewer.
const MOST_ADDRESSES: usize = 4_096;

/// What a node starts with.
#[derive(Debug, Default)]
pub struct Estate {
    pub(crate) addresses: Vec<OpenAddress>,
    /// The process before still sees to the virtual addresses.
    pub(crate) awaits_vips: bool,
}

/// What is there before the configuration is read.
#[derive(Debug, Default)]
pub struct Heritage {
    addresses: Vec<OpenAddress>,
    admin: Option<TcpListener>,
    /// To the process before.
    channel: Option<Channel>,
}

/// Why there is no telling what there is.
#[derive(Debug, thiserror::Error)]
pub enum HeritageError {
    #[error(
        "{VARIABLE} says that another process hands over, in a way this program does not know \
         ({version}, not {VERSION}): start the new version anew instead of upgrading to it"
    )]
    Version { version: String },
    #[error("cannot take the sockets of the process before")]
    Handover { source: io::Error },
    #[error("cannot take the sockets of the service manager (LISTEN_FDS)")]
    Passed { source: io::Error },
}

impl Heritage {
    /// What the process before, or a socket unit, has left for this one. Mostly nothing.
    pub fn receive() -> Result<Self, HeritageError> {
        remember_program();
        match env::var(VARIABLE) {
            Err(_) => Self::passed().map_err(|source| HeritageError::Passed { source }),
            Ok(version) if version == VERSION => {
                Self::handed_over().map_err(|source| HeritageError::Handover { source })
            }
            Ok(version) => Err(HeritageError::Version { version }),
        }
    }

    fn handed_over() -> io::Result<Self> {
        let channel = Channel::new(io::stdin().as_fd().try_clone_to_owned()?)?;
        let mut heritage = Self::default();
        loop {
            let (message, descriptors) = channel.receive()?;
            match message {
                Message::Listener { address } => heritage.add(address, descriptors)?,
                Message::Admin => heritage.admin = descriptors.into_iter().next().map(Into::into),
                Message::End => break,
                Message::Ready
                | Message::Failed { .. }
                | Message::TakeOver
                | Message::Vips { .. } => {
                    return Err(io::Error::other("it speaks out of turn"));
                }
            }
        }
        heritage.channel = Some(channel);
        Ok(heritage)
    }

    /// Of a socket unit (`sd_listen_fds(3)`): which is which is told by the addresses.
    fn passed() -> io::Result<Self> {
        let mut passed = ListenFd::from_env();
        let mut heritage = Self::default();
        for index in 0..passed.len() {
            let Some(socket) = passed.take_tcp_listener(index)? else { continue };
            socket.set_nonblocking(true)?;
            heritage.add(socket.local_addr()?, vec![socket.into()])?;
        }
        Ok(heritage)
    }

    fn add(&mut self, address: SocketAddr, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        let sockets = descriptors.into_iter().map(TcpListener::from);
        if let Some(known) = self.addresses.iter_mut().find(|known| known.address == address) {
            known.sockets.extend(sockets);
            return Ok(());
        }
        if self.addresses.len() == MOST_ADDRESSES {
            return Err(io::Error::other(format!("more than {MOST_ADDRESSES} addresses")));
        }
        self.addresses.push(OpenAddress { address, sockets: sockets.collect() });
        Ok(())
    }

    /// The admin address, if it comes from before: by handover, or as one of the addresses passed.
    pub fn take_admin(&mut self, bind: SocketAddr) -> Option<TcpListener> {
        let passed = self.addresses.iter().position(|open| open.address == bind);
        let mut passed = passed.map(|at| self.addresses.swap_remove(at).sockets);
        self.admin.take().or_else(|| passed.as_mut().and_then(Vec::pop))
    }

    /// The rest, but for what comes later.
    pub fn take_estate(&mut self) -> Estate {
        let addresses = mem::take(&mut self.addresses);
        Estate { addresses, awaits_vips: self.channel.is_some() }
    }

    /// This process serves: waits until the admin address is its own, if there is one before it.
    /// Blocks.
    pub fn ready(&self) {
        let Some(channel) = &self.channel else { return };
        let taken_over = channel.send(&Message::Ready, &[] as &[OwnedFd]).and_then(|()| {
            match channel.receive()?.0 {
                Message::TakeOver => Ok(()),
                other => Err(io::Error::other(format!("it says {other:?}"))),
            }
        });
        if let Err(error) = taken_over {
            // It is gone, so there is nobody left to wait for.
            tracing::warn!("the process before has not handed over to the end: {error}");
        }
    }

    /// Waits until the process before has let go of the virtual addresses; the names of those it owned.
    /// `None`: there is none before. Blocks.
    pub(crate) fn await_vips(self) -> Option<Vec<String>> {
        let channel = self.channel?;
        Some(match channel.receive() {
            Ok((Message::Vips { owned }, _)) => owned,
            // It is gone, and with it what it could have handed over.
            _ => Vec::new(),
        })
    }

    /// This process does not serve.
    pub fn failed(&self, reason: &str) {
        let Some(channel) = &self.channel else { return };
        // It sees this process end in any case.
        let _ = channel.send(&Message::Failed { reason: cut(reason) }, &[] as &[OwnedFd]);
    }
}
