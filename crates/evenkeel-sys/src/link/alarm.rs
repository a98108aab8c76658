//! Waiting on the clock that does not stand still while the machine is suspended.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::{Errno, read, write};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

/// Time since the machine started, with the time it was suspended (`CLOCK_BOOTTIME`). Nobody can
/// set it.
pub fn boot_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}

/// Has the calling thread run before all that are not real-time threads. Needs `CAP_SYS_NICE`.
pub fn raise_priority() -> io::Result<()> {
    // The lowest of the real-time priorities: there is nothing else to be ahead of.
    let parameter = libc::sched_param { sched_priority: 1 };
    // Programs this thread starts are ordinary again.
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 is the calling thread; the pointer is to a sched_param on this stack, which the
    // kernel only reads during the call.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A deadline by [`boot_time`]. One that has passed while the machine was suspended wakes at once
/// when it goes on.
#[derive(Debug)]
pub struct Alarm(OwnedFd);

impl Alarm {
    /// One that does not ring.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Self(timerfd_create(TimerfdClockId::Boottime, flags)?))
    }

    /// Waits until one of `sources` can be read, or it is `at`; `None`: for a source only.
    pub fn wait(&self, at: Option<Duration>, sources: &[BorrowedFd<'_>]) -> io::Result<()> {
        // Zero would switch it off.
        let at = at.map_or(Duration::ZERO, |at| at.max(Duration::from_nanos(1)));
        let spec = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(at).map_err(io::Error::other)?,
        };
        timerfd_settime(&self.0, TimerfdTimerFlags::ABSTIME, &spec)?;
        let all = sources.iter().copied().chain([self.0.as_fd()]);
        let mut polled: Vec<PollFd<'_>> =
            all.map(|source| PollFd::from_borrowed_fd(source, PollFlags::IN)).collect();
        match poll(&mut polled, None) {
            // A signal: who waits looks at everything anyway.
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Wakes a thread that waits for it in [`Alarm::wait`].
#[derive(Debug)]
pub struct Bell(OwnedFd);

impl Bell {
    pub fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// It can be read until it is hushed.
    pub fn ring(&self) {
        // Full: it has been rung often enough.
        let _ = write(&self.0, &1_u64.to_ne_bytes());
    }

    /// It has been heard.
    pub fn hush(&self) {
        // Empty: nobody rang.
        let _ = read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_for_a_time_or_a_bell() {
        let (alarm, bell) = (Alarm::new().unwrap(), Bell::new().unwrap());
        let at = boot_time() + Duration::from_millis(5);
        alarm.wait(Some(at), &[bell.as_fd()]).unwrap();
        assert!(boot_time() >= at);
        alarm.wait(Some(Duration::ZERO), &[]).unwrap();
        bell.ring();
        alarm.wait(None, &[bell.as_fd()]).unwrap();
        bell.hush();
        alarm.wait(Some(at), &[bell.as_fd()]).unwrap();
    }
}
