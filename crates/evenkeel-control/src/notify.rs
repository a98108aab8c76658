//! Telling the service manager how the program is (`sd_notify`).

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::time::{ClockId, clock_gettime};

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Serving, for the first time or again.
    Ready,
    Reloading,
    Stopping,
}

/// Tells the service manager, if one started us. A manager that does not listen is no reason to
/// stop serving.
pub(crate) fn notify(notice: Notice) {
    let Some(socket) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&socket, notice) {
        tracing::debug!("cannot tell the service manager that we are {notice:?}: {error}");
    }
}

fn send(socket: &OsStr, notice: Notice) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let message = match notice {
        Notice::Ready => "READY=1\n".to_owned(),
        // The manager orders this against the signal it sent.
        Notice::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}\n", monotonic_micros()),
        Notice::Stopping => "STOPPING=1\n".to_owned(),
    };
    UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address)?;
    Ok(())
}

fn monotonic_micros() -> u128 {
    let now = clock_gettime(ClockId::Monotonic);
    std::time::Duration::try_from(now).unwrap_or_default().as_micros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_one_datagram() {
        let name = format!("evenkeel-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let mut received = [0; 128];
        for (notice, expected) in [
            (Notice::Ready, "READY=1\n"),
            (Notice::Reloading, "RELOADING=1\nMONOTONIC_USEC="),
            (Notice::Stopping, "STOPPING=1\n"),
        ] {
            send(OsStr::new(&format!("@{name}")), notice).unwrap();
            let length = manager.recv(&mut received).unwrap();
            assert!(received[..length].starts_with(expected.as_bytes()), "{notice:?}");
        }
    }
}
