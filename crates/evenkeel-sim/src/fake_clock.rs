//! A wall clock for one program that a test sets, by libfaketime.

use std::fs;
use std::path::PathBuf;

use crate::balancer::Start;
use crate::scratch::Scratch;

/// Where libfaketime reads the offset.
const FILE: &str = "clock";

/// A wall clock; the monotonic one stays as it is.
#[derive(Debug)]
pub struct FakeClock {
    library: PathBuf,
    scratch: Scratch,
}

impl FakeClock {
    /// One that is right. `None`: libfaketime is not installed.
    pub fn new() -> Option<Self> {
        let clock = Self { library: library()?, scratch: Scratch::new("clock") };
        clock.set("+0");
        Some(clock)
    }

    /// The node sees this clock.
    #[must_use]
    pub fn show(&self, start: Start) -> Start {
        start
            .variable("LD_PRELOAD", &self.library.to_string_lossy())
            .variable("FAKETIME_TIMESTAMP_FILE", &self.scratch.file(FILE).to_string_lossy())
            .variable("FAKETIME_NO_CACHE", "1")
            .variable("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    /// The node's clocks, the monotonic one too, are so many times as fast. `None`: libfaketime is
    /// not installed.
    pub fn hasten(start: Start, faster: u32) -> Option<Start> {
        let library = library()?;
        let start = start.variable("LD_PRELOAD", &library.to_string_lossy());
        Some(start.variable("FAKETIME", &format!("+0 x{faster}")))
    }

    /// Moves it, from what is right, by so much: `+1d`.
    pub fn set(&self, offset: &str) {
        self.scratch.write(FILE, offset);
    }
}

fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten();
    let mut libraries = folders.map(|it| it.path().join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.is_file())
}
