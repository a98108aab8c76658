//! A process that takes addresses off the interface when the one that owns them has died or is
//! frozen.
//!
//! The kernel does so by itself, but reckons in whole seconds; where adverts come faster than that,
//! the next owner is there before. The guard is killed with the whole of a service at times: then
//! the kernel's second is what there is.

use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use evenkeel_sys::link::{Alarm, Interfaces, boot_time, raise_priority};

/// What this program is called with to be a guard.
pub const GUARD_VERB: &str = "vip-guard";
/// This program, also if its file has been replaced.
const PROGRAM: &str = "/proc/self/exe";
/// An owner that is silent for so many tenths of an interval does not own: the next one claims
/// after 30, and asks first.
const SILENT_TENTHS: u32 = 25;
/// After a death, before the addresses go: the kernel says goodbye to the dead one's clients from
/// them, without which they wait for answers that do not come. The next owner asks twice as late.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// A guard ends soon after nobody speaks to it any more; one that does not is killed.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks whether it has ended: the system cannot be asked to wait for a child for a while.
const LOOK: Duration = Duration::from_millis(5);
/// A line with as many addresses as an advert can have.
const MOST_LINE: usize = 64 * 1024;

/// The guard of one virtual address, as its owner has it. The addresses it holds go when this is
/// dropped: [`Self::release`] comes first, or [`Self::dismiss`] if that fails. Nothing here waits for
/// it, who speaks to it has adverts to send.
#[derive(Debug)]
pub(super) struct Guard {
    /// `None`: another thread waits for its end.
    child: Option<Child>,
    line: UnixStream,
}

impl Guard {
    pub(super) fn start() -> io::Result<Self> {
        Self::from_program(Command::new(PROGRAM).arg(GUARD_VERB))
    }

    fn from_program(program: &mut Command) -> io::Result<Self> {
        let (line, end) = UnixStream::pair()?;
        line.set_nonblocking(true)?;
        let child = program
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(end)))
            .stdout(Stdio::null())
            .process_group(0) // what a terminal sends is not for it
            .spawn()?;
        Ok(Self { child: Some(child), line })
    }

    /// These addresses are to go when the owner is silent for too long.
    pub(super) fn hold(
        &mut self,
        index: u32,
        interval: Duration,
        addresses: &[(IpAddr, u8)],
    ) -> io::Result<()> {
        let silent = interval * SILENT_TENTHS / 10;
        let all = addresses.iter().map(|(address, prefix)| format!("{address}/{prefix}"));
        let all = all.collect::<Vec<_>>().join(" ");
        self.say(&format!("hold {index} {} {all}", silent.as_millis()))
    }

    /// The owner is there.
    pub(super) fn beat(&mut self) -> io::Result<()> {
        self.say("beat")
    }

    /// The addresses are nothing to it any more.
    pub(super) fn release(&mut self) -> io::Result<()> {
        self.say("release")
    }

    /// Ends one that does not listen, and would take the addresses when it sees that nobody speaks.
    pub(super) fn dismiss(mut self) {
        if let Some(child) = &mut self.child {
            // Does not wait. Should it see the end of its line before this reaches it, the last
            // words of its owner hold it up.
            let _ = child.kill();
        }
    }

    /// A line that does not fit is one too many: it has not been read for thousands of beats.
    fn say(&mut self, words: &str) -> io::Result<()> {
        self.line.write_all(format!("{words}\n").as_bytes())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(child) = self.child.take() else { return };
        // Without a thread it ends all the same, and is waited for by the system when this process
        // has ended.
        let _ = thread::Builder::new().name("vip-guard-end".into()).spawn(|| see_off(child));
    }
}

/// Waits for the end of a guard whose line is closed, so that none is left behind.
fn see_off(mut child: Child) {
    let until = boot_time() + PATIENCE;
    while matches!(child.try_wait(), Ok(None)) && boot_time() < until {
        thread::sleep(LOOK);
    }
    // By its own id, whether or not it has ended.
    let _ = child.kill();
    let _ = child.wait();
}

/// What a guard has been told.
#[derive(Debug, Default)]
struct Duty {
    held: Option<Held>,
    /// The beginning of a line.
    unread: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    index: u32,
    silent: Duration,
    addresses: Vec<(IpAddr, u8)>,
    /// Since the machine started; `None`: they have gone, and the owner has not spoken since.
    until: Option<Duration>,
}

impl Duty {
    /// Takes what was said `now`.
    fn hear(&mut self, bytes: &[u8], now: Duration) {
        self.unread.extend_from_slice(bytes);
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            self.heed(&String::from_utf8_lossy(&line), now);
        }
        self.unread.truncate(MOST_LINE);
    }

    fn heed(&mut self, line: &str, now: Duration) {
        match line.trim_end().split_once(' ') {
            Some(("hold", rest)) => self.held = held(rest, now),
            None if line.trim_end() == "beat" => {
                if let Some(held) = &mut self.held {
                    held.until = Some(now + held.silent);
                }
            }
            None if line.trim_end() == "release" => self.held = None,
            // Words of another version.
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Duration> {
        self.held.as_ref()?.until
    }

    /// What has to go `now`, once.
    fn due(&mut self, now: Duration) -> Option<&Held> {
        let held = self.held.as_mut()?;
        if held.until? > now {
            return None;
        }
        held.until = None;
        Some(held)
    }
}

fn held(words: &str, now: Duration) -> Option<Held> {
    let mut words = words.split(' ');
    let index = words.next()?.parse().ok()?;
    let silent = Duration::from_millis(words.next()?.parse().ok()?);
    let addresses = words
        .map(|word| {
            let (address, prefix) = word.split_once('/')?;
            Some((address.parse().ok()?, prefix.parse().ok()?))
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Held { index, silent, addresses, until: Some(now + silent) })
}

/// Guards what it is told on standard input, to its end.
///
/// # Errors
/// When the system refuses what a guard needs; whoever started it goes on without one.
pub fn stand_guard() -> io::Result<()> {
    // Ordinary priority is no reason not to try.
    let _ = raise_priority();
    let mut line = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    line.set_nonblocking(true)?;
    let (mut interfaces, alarm) = (Interfaces::open()?, Alarm::new()?);
    let (mut duty, mut bytes) = (Duty::default(), [0; 4_096]);
    loop {
        alarm.wait(duty.deadline(), &[line.as_fd()])?;
        // What was said is heard before the time is looked at: it may be the beat.
        let ended = loop {
            match line.read(&mut bytes) {
                Ok(0) => break true,
                Ok(read) => duty.hear(&bytes[..read], boot_time()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break true,
            }
        };
        if ended && duty.held.is_some() {
            alarm.wait(Some(boot_time() + LAST_WORDS), &[])?;
        }
        let now = if ended { Duration::MAX } else { boot_time() };
        if let Some(Held { index, addresses, .. }) = duty.due(now) {
            for &(address, prefix) in addresses {
                // What it cannot remove the kernel does in a moment.
                let _ = interfaces.remove(*index, address, prefix);
            }
        }
        if ended {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// How long a state is waited for before the test fails.
    const LIMIT: Duration = Duration::from_secs(20);

    const fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn who_is_silent_loses_the_addresses_once() {
        let mut duty = Duty::default();
        assert_eq!(duty.deadline(), None);
        duty.hear(b"hold 3 250 192.0.2.10/24 fd00::1", at(1_000));
        assert_eq!(duty.deadline(), None, "the line has no end yet");
        duty.hear(b"0/64\nbeat\n", at(1_000));
        assert_eq!(duty.deadline(), Some(at(1_250)));
        duty.hear(b"beat\n", at(1_100));
        assert_eq!(duty.due(at(1_349)), None);
        let addresses = vec![([192, 0, 2, 10].into(), 24), ("fd00::10".parse().unwrap(), 64)];
        let due = duty.due(at(1_350)).cloned().unwrap();
        assert_eq!((due.index, due.addresses), (3, addresses));
        assert_eq!(duty.due(at(9_999)), None);
        assert_eq!(duty.deadline(), None);
        // It was only late, and has put them back.
        duty.hear(b"beat\n", at(2_000));
        assert_eq!(duty.deadline(), Some(at(2_250)));
        assert!(duty.due(Duration::MAX).is_some(), "nobody speaks any more");
    }

    #[test]
    fn one_that_does_not_listen_is_killed() {
        let mut guard = Guard::from_program(Command::new("/bin/sleep").arg("1000")).unwrap();
        let process = guard.child.as_ref().unwrap().id();
        let full = (0..).find_map(|_| guard.beat().err()).unwrap();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        guard.dismiss();
        let until = boot_time() + LIMIT;
        while Path::new(&format!("/proc/{process}")).exists() {
            assert!(boot_time() < until, "it is still there");
            // wait: between two looks
            thread::sleep(LOOK);
        }
    }

    #[test]
    fn what_was_released_stays() {
        let mut duty = Duty::default();
        duty.hear(b"hold 3 250 192.0.2.10/24\nrelease\n", at(0));
        assert_eq!(duty.due(Duration::MAX), None);
        for unknown in
            ["hold\n", "hold x 1\n", "hold 1 1 y\n", "hold 1 1 10.0.0.1/z\n", "\n", "go on\n"]
        {
            duty.hear(unknown.as_bytes(), at(0));
            assert_eq!(duty.due(Duration::MAX), None, "{unknown}");
        }
        duty.hear(&vec![b'x'; 3 * MOST_LINE], at(0));
        assert_eq!(duty.unread.len(), MOST_LINE);
    }
}
