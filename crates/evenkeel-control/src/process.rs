//! What this process uses, and what it may use.

use std::fs;

use rustix::process::{Resource, geteuid, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// What the process uses now. What the system does not say is left out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) virtual_bytes: Option<u64>,
    pub(crate) threads: Option<u64>,
    pub(crate) open_fds: Option<u64>,
    pub(crate) max_fds: Option<u64>,
}

impl Figures {
    pub(crate) fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = std::time::Duration::try_from(cpu).unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let said = |name| {
            let rest: &str = status.lines().find_map(|line| line.strip_prefix(name))?;
            rest.trim_end_matches("kB").trim().parse::<u64>().ok()
        };
        let open_fds = fs::read_dir("/proc/self/fd").map(Iterator::count).ok();
        Self {
            cpu_seconds: cpu.as_secs_f64(),
            resident_bytes: said("VmRSS:").map(|kib| kib * 1024),
            virtual_bytes: said("VmSize:").map(|kib| kib * 1024),
            threads: said("Threads:"),
            open_fds: open_fds.and_then(|count| u64::try_from(count).ok()),
            max_fds: getrlimit(Resource::Nofile).current,
        }
    }
}

/// Whether this runs with every right there is; it needs none but to bind low ports.
pub fn is_root() -> bool {
    geteuid().is_root()
}
