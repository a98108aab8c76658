//! A program that ends with its owner.

use std::path::Path;
use std::process::{self, Command};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::clock;

/// Ended when dropped: asked first, so that a master ends its workers, then killed.
#[derive(Debug)]
pub(super) struct Child(process::Child);

impl Child {
    /// Longer than any of them takes to end without connections to finish.
    const PATIENCE: Duration = Duration::from_secs(3);

    pub(super) fn spawn(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_owned();
        let child = command.spawn();
        Ok(Self(child.with_context(|| format!("cannot start {}", Path::new(&program).display()))?))
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(Some(_)))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            // Not reaped yet, so the id is still this child's; gone already is as good as asked.
            let _ = kill_process(pid, Signal::TERM);
        }
        if !clock::wait_until(Self::PATIENCE, || self.has_ended()) {
            // Fails only for a child that has ended meanwhile.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}
