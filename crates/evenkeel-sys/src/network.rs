//! Networks of this process's own (`network_namespaces(7)`): empty at first, gone with the last
//! process and socket in them.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::thread;

use rustix::process::{getgid, getuid};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use crate::link::Interfaces;

/// A network, kept for as long as this value is.
#[derive(Debug)]
pub struct Network(OwnedFd);

impl Network {
    /// That of the calling thread.
    pub fn here() -> io::Result<Self> {
        Ok(Self(File::open("/proc/thread-self/ns/net")?.into()))
    }

    /// One with nothing in it but its loopback interface, which is up. Needs `CAP_SYS_ADMIN`.
    pub fn new() -> io::Result<Self> {
        let made = || {
            unshare(Unshared::Network)?;
            raise_loopback()?;
            Self::here()
        };
        // A thread of its own, so that the calling one stays where it is.
        thread::scope(|scope| scope.spawn(made).join().expect("it does not panic"))
    }

    /// Does something with the calling thread in this network. Sockets that are opened and programs
    /// that are started meanwhile belong to it for good.
    pub fn within<T>(&self, what: impl FnOnce() -> T) -> io::Result<T> {
        let before = Self::here()?;
        self.enter()?;
        let back = Back(before);
        let done = what();
        back.0.enter()?;
        Ok(done)
    }

    fn enter(&self) -> io::Result<()> {
        Ok(move_into_link_name_space(self.as_fd(), Some(LinkNameSpaceType::Network))?)
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Brings the thread back, also when what it does panics.
struct Back(Network);

impl Drop for Back {
    fn drop(&mut self) {
        // An error was told already; twice is once.
        let _ = self.0.enter();
    }
}

/// Leaves the network of this machine for a new one, with the loopback interface up. Listening
/// sockets that were opened before stay on the machine's. Who may not do so as they are becomes root
/// of a user namespace (`user_namespaces(7)`) first, which a process can do only while it has one
/// thread, and not take back.
pub fn leave_network() -> io::Result<()> {
    match unshare(Unshared::Network) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let (user, group) = (getuid().as_raw(), getgid().as_raw());
            unshare(Unshared::UserAndNetwork)?;
            // Groups cannot be mapped by an ordinary user before this.
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
            fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
        }
        left => left?,
    }
    raise_loopback()
}

/// Whether [`leave_network`] works, and links can be made then: for a process that is there for
/// nothing else, since it stays where it has gone.
pub fn try_network() -> io::Result<()> {
    leave_network()?;
    Interfaces::open()?.add_bridge("try")
}

/// Has what is started by `command` be killed when the thread that starts it ends, however it ends.
pub fn ends_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    let tie = move || {
        let kill = Some(rustix::process::Signal::KILL);
        rustix::process::set_parent_process_death_signal(kill)?;
        // It may have died before that was said.
        if rustix::process::getppid() == Some(parent) {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::ESRCH))
        }
    };
    // SAFETY: between fork and exec only system calls are made.
    unsafe { command.pre_exec(tie) };
}

/// What a thread gets of its own.
#[derive(Clone, Copy, Debug)]
enum Unshared {
    Network,
    UserAndNetwork,
}

fn unshare(what: Unshared) -> io::Result<()> {
    let flags = match what {
        Unshared::Network => UnshareFlags::NEWNET,
        Unshared::UserAndNetwork => UnshareFlags::NEWUSER | UnshareFlags::NEWNET,
    };
    // SAFETY: these flags change the network and the user a thread belongs to. The table of
    // descriptors stays as it is, which is what the function warns of.
    Ok(unsafe { unshare_unsafe(flags) }?)
}

fn raise_loopback() -> io::Result<()> {
    let mut interfaces = Interfaces::open()?;
    let loopback = interfaces.find("lo")?.ok_or(io::ErrorKind::NotFound)?;
    interfaces.raise(loopback.index, None)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    /// `None` where networks cannot be had, with the word that the suite counts.
    fn network() -> Option<Network> {
        match Network::new() {
            Ok(network) => Some(network),
            Err(error) => {
                eprintln!("SKIPPED: network namespaces need root: {error}");
                None
            }
        }
    }

    #[test]
    fn two_networks_reach_each_other_over_a_bridge_and_nobody_else() {
        let (Some(switch), Some(far)) = (network(), network()) else { return };
        let near = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let other = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
        let wired = switch.within(|| {
            let mut interfaces = Interfaces::open()?;
            interfaces.add_bridge("br0")?;
            let bridge = interfaces.find("br0")?.expect("it was just made").index;
            interfaces.give(bridge, near, 24)?;
            interfaces.raise(bridge, None)?;
            interfaces.add_pair("port", "eth0", &far)?;
            let port = interfaces.find("port")?.expect("it was just made").index;
            interfaces.raise(port, Some(bridge))
        });
        wired.unwrap().unwrap();
        let listener = far.within(|| {
            let mut interfaces = Interfaces::open()?;
            let port = interfaces.find("eth0")?.expect("it was moved here").index;
            interfaces.give(port, other, 24)?;
            interfaces.raise(port, None)?;
            TcpListener::bind((other, 0))
        });
        let listener = listener.unwrap().unwrap();
        let at = listener.local_addr().unwrap();
        let mut stream = switch.within(|| TcpStream::connect(at)).unwrap().unwrap();
        stream.write_all(b"x").unwrap();
        let mut heard = [0];
        listener.accept().unwrap().0.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"x");
        let here = Interfaces::open().unwrap().find("br0").unwrap();
        assert_eq!(here, None, "the calling thread is back where it was");
    }

    #[test]
    fn a_program_ends_with_the_thread_that_started_it() {
        let start = || {
            let mut command = Command::new("sleep");
            ends_with_parent(command.arg("1000"));
            command.spawn().unwrap()
        };
        let mut child = thread::scope(|scope| scope.spawn(start).join()).unwrap();
        let status = child.wait().unwrap();
        assert!(!status.success(), "{status}");
    }
}
