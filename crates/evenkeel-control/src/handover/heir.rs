//! The process that comes next, seen from the one it replaces.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, LazyLock};
use std::{env, io};

use evenkeel_engine::OpenAddress;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::{Channel, MOST_DESCRIPTORS, Message, PATIENCE, VARIABLE, VERSION};

/// What was started, by the name it was started by: something new may have been put there since, or a
/// link may lead elsewhere, and that is then what to start.
static PROGRAM: LazyLock<io::Result<PathBuf>> = LazyLock::new(program);

/// Variables that speak to one process and not to the next.
const NOT_PASSED_ON: [&str; 4] = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID"];

/// Why the process that runs goes on.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum UpgradeError {
    #[error("it is not known where this program is: {0}")]
    NoProgram(String),
    #[error("cannot start {}: {source}", program.display())]
    Start { program: PathBuf, source: Arc<io::Error> },
    #[error("cannot hand the sockets over: {0}")]
    Handover(Arc<io::Error>),
    #[error("the new process refuses: {0}")]
    Refused(String),
    #[error("the new process ended before it was ready ({0}); its log says why")]
    Ended(ExitStatus),
    #[error("the new process was not ready within {} s", PATIENCE.as_secs())]
    Late,
    #[error("an upgrade is under way")]
    UnderWay,
    #[error("the node is stopping")]
    Stopping,
}

/// A process that serves on the same sockets. It is killed with this value, until it is let go.
#[derive(Debug)]
pub(crate) struct Heir {
    child: Child,
    channel: Channel,
    lives_on: bool,
}

/// To be called at the start, while the program is where it was.
pub(super) fn remember_program() {
    LazyLock::force(&PROGRAM);
}

impl Heir {
    /// Starts the program anew, with the arguments of this one, and returns once it serves.
    pub(crate) async fn start(
        addresses: Vec<OpenAddress>,
        admin: TcpListener,
    ) -> Result<Self, UpgradeError> {
        let program =
            PROGRAM.as_ref().map_err(|error| UpgradeError::NoProgram(error.to_string()))?;
        let handover = |error| UpgradeError::Handover(Arc::new(error));
        let (channel, theirs) = Channel::pair().map_err(handover)?;
        let start =
            |source| UpgradeError::Start { program: program.clone(), source: Arc::new(source) };
        let child = spawn(program, theirs).map_err(start)?;
        let mut heir = Self { child, channel, lives_on: false };
        let talk = {
            let channel = Channel(heir.channel.0.try_clone().map_err(handover)?);
            tokio::task::spawn_blocking(move || {
                bequeath(&channel, addresses, admin)?;
                channel.receive().map(|(message, _)| message)
            })
        };
        // Its own waits are bounded; this one is for a peer that says a little now and then.
        match tokio::time::timeout(PATIENCE, talk).await {
            Ok(Ok(Ok(Message::Ready))) => Ok(heir),
            Ok(Ok(Ok(Message::Failed { reason }))) => Err(UpgradeError::Refused(reason)),
            Ok(Ok(Ok(other))) => Err(handover(io::Error::other(format!("it says {other:?}")))),
            Ok(Ok(Err(error))) if is_late(&error) => Err(UpgradeError::Late),
            // Nobody is at the other end.
            Ok(Ok(Err(error))) => match tokio::time::timeout(PATIENCE, heir.child.wait()).await {
                Ok(Ok(status)) => Err(UpgradeError::Ended(status)),
                _ => Err(handover(error)),
            },
            Ok(Err(_panicked)) => Err(handover(io::Error::other("a defect of this program"))),
            Err(_elapsed) => Err(UpgradeError::Late),
        }
    }

    /// Gives it the admin address.
    pub(crate) fn take_over(&self) {
        // Should it have ended meanwhile, that is seen soon.
        let _ = self.channel.send(&Message::TakeOver, &[] as &[OwnedFd]);
    }

    /// Tells it that the virtual addresses are its own, and which this process owned to the end.
    pub(crate) fn leave_vips(&self, owned: Vec<String>) {
        // As above.
        let _ = self.channel.send(&Message::Vips { owned }, &[] as &[OwnedFd]);
    }

    /// 0 once it has ended.
    pub(crate) fn process(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Returns when it ends.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Passes on that the node is to stop.
    pub(crate) fn stop(&self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // A child that nobody has waited for: the number is still its own.
            let _ = kill_process(id, Signal::TERM);
        }
    }

    /// From now on it lives without this process.
    pub(crate) fn let_go(mut self) {
        self.lives_on = true;
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        if !self.lives_on {
            // It has ended already, or does so now.
            let _ = self.child.start_kill();
        }
    }
}

fn program() -> io::Result<PathBuf> {
    let named = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    if named.components().count() > 1 {
        return std::path::absolute(named);
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    let found =
        env::split_paths(&folders).map(|folder| folder.join(&named)).find(|it| it.is_file());
    found.map_or_else(env::current_exe, std::path::absolute)
}

fn spawn(program: &PathBuf, handover: OwnedFd) -> io::Result<Child> {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let mut command = Command::new(program);
    for variable in NOT_PASSED_ON {
        command.env_remove(variable);
    }
    command.args(arguments).env(VARIABLE, VERSION).stdin(Stdio::from(handover)).spawn()
}

fn bequeath(channel: &Channel, addresses: Vec<OpenAddress>, admin: TcpListener) -> io::Result<()> {
    for OpenAddress { address, sockets } in addresses {
        for sockets in sockets.chunks(MOST_DESCRIPTORS) {
            channel.send(&Message::Listener { address }, sockets)?;
        }
    }
    channel.send(&Message::Admin, &[admin])?;
    channel.send(&Message::End, &[] as &[OwnedFd])
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
