//! A real browser that is told what to do, one step after the other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::wait_until;
use crate::process::{self, Process};

/// A browser starts, and has a patience of its own for each step.
const STEP: Duration = Duration::from_secs(40);

/// Why there is no browser.
pub const NO_BROWSER: &str =
    "node or chromium is not installed, or `npm ci` was not run in dashboard/";

/// A browser; it ends with this value.
#[derive(Debug)]
pub struct Browser {
    process: Process,
    steps: usize,
}

impl Browser {
    /// `None` where there is none, or nothing to drive it with.
    pub fn start() -> Option<Self> {
        let folder = dashboard();
        let chromium = process::find("chromium")?;
        if !folder.join("node_modules/playwright-core").is_dir() {
            return None;
        }
        let mut command = process::bound(&process::find("node")?);
        command.arg("test/browser.mjs").current_dir(folder).env("CHROMIUM", chromium);
        Some(Self { process: Process::start("browser", command), steps: 0 })
    }

    /// One step of `dashboard/test/browser.mjs`; what it has read, if it reads something.
    #[track_caller]
    pub fn does(&mut self, step: &str) -> String {
        self.process.tell(step);
        let done = self.steps;
        wait_until(&format!("the browser has done `{step}`"), STEP, || {
            assert!(self.process.is_running(), "{step}: {}", self.process.stderr.text());
            self.process.stdout.lines().len() > done
        });
        self.steps += 1;
        let said = self.process.stdout.lines().swap_remove(done);
        let read = said.strip_prefix("ok").unwrap_or_else(|| panic!("{said}"));
        read.trim_start().to_owned()
    }
}

/// A node that is none (`dashboard/mock/server.mjs`), with this many servers, whose figures come each
/// `period`; it ends with this value.
#[derive(Debug)]
pub struct MockNode {
    process: Process,
}

impl MockNode {
    /// Starts it. Where a browser starts there is what runs it.
    #[track_caller]
    pub fn start(servers: usize, period: Duration) -> Self {
        let node = process::find("node").expect("a browser has started by it");
        let mut command = process::bound(&node);
        let (servers, period) = (servers.to_string(), period.as_millis().to_string());
        command.args(["mock/server.mjs", "--port", "0", "--servers", &servers]);
        command.args(["--period", &period]).current_dir(dashboard());
        let process = Process::start("mock node", command);
        wait_until("the mock node listens", STEP, || !process.stdout.lines().is_empty());
        Self { process }
    }

    /// Where its page is.
    pub fn url(&self) -> String {
        self.process.stdout.lines().swap_remove(0)
    }
}

fn dashboard() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboard")
}
