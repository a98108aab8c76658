//! Telling the service manager how the program is (`sd_notify`).

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::node::Node;

/// How long a service manager that reads nothing may hold up the control thread.
const PATIENCE: Duration = Duration::from_secs(1);

/// Characters of a standing that a service manager shows beside much else: the log has all of it.
const MOST_STANDING: usize = 300;

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice<'a> {
    /// Serving, for the first time or again.
    Ready,
    Reloading,
    Stopping,
    /// Another process is the service from now on.
    ReplacedBy(u32),
    /// Every engine thread lives.
    Alive,
    /// How it stands, for people: one line.
    Standing(&'a str),
}

/// Tells the service manager, if one started us. A manager that does not listen is no reason to
/// stop serving.
pub(crate) fn notify(notice: Notice<'_>) {
    let Some(socket) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&socket, notice) {
        tracing::debug!("cannot tell the service manager that we are {notice:?}: {error}");
    }
}

/// Tells a service manager that wants to know (`WatchdogSec`) twice in its time that all engine threads
/// live. One that hangs silences this, and the manager starts the node anew. Never returns.
pub(crate) async fn keep_watchdog(node: &Node) {
    let Some(period) = watchdog_period() else { return std::future::pending().await };
    loop {
        node.answers().await;
        notify(Notice::Alive);
        tokio::time::sleep(period / 2).await;
    }
}

/// `WATCHDOG_USEC`, if it is meant for this process (`sd_watchdog_enabled(3)`).
fn watchdog_period() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let ours =
        number("WATCHDOG_PID").is_none_or(|process| process == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|micros| ours && *micros > 0).map(Duration::from_micros)
}

fn send(socket: &OsStr, notice: Notice<'_>) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let message = match notice {
        Notice::Ready => "READY=1\n".to_owned(),
        // The manager orders this against the signal it sent.
        Notice::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}\n", monotonic_micros()),
        Notice::Stopping => "STOPPING=1\n".to_owned(),
        Notice::ReplacedBy(process) => format!("MAINPID={process}\nREADY=1\n"),
        Notice::Alive => "WATCHDOG=1\n".to_owned(),
        Notice::Standing(words) => {
            let words: String = words.chars().take(MOST_STANDING).collect();
            // A line of its own would be another word to the manager.
            format!("STATUS={}\n", words.replace('\n', " "))
        }
    };
    let unbound = UnixDatagram::unbound()?;
    if notice == Notice::Alive {
        // The next one says the same.
        unbound.set_nonblocking(true)?;
    } else {
        unbound.set_write_timeout(Some(PATIENCE))?;
    }
    unbound.send_to_addr(message.as_bytes(), &address)?;
    Ok(())
}

fn monotonic_micros() -> u128 {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::try_from(now).unwrap_or_default().as_micros()
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
            (Notice::ReplacedBy(7), "MAINPID=7\nREADY=1\n"),
            (Notice::Alive, "WATCHDOG=1\n"),
            (Notice::Standing("all is well"), "STATUS=all is well\n"),
        ] {
            send(OsStr::new(&format!("@{name}")), notice).unwrap();
            let length = manager.recv(&mut received).unwrap();
            assert!(received[..length].starts_with(expected.as_bytes()), "{notice:?}");
        }
    }
}
