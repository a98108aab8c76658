//! CPU time of a process with its children, as the scheduler counts it.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Time on a CPU so far, over all threads of `pid` and of its descendants (nginx's workers).
pub(super) fn spent(pid: u32) -> Result<Duration> {
    let mut total = 0;
    for process in family(pid)? {
        for task in tasks(process)? {
            let path = format!("/proc/{process}/task/{task}/schedstat");
            // A thread may end between being listed and being read; its time is then lost to all.
            let Ok(text) = fs::read_to_string(&path) else { continue };
            total += on_cpu(&text).with_context(|| format!("{path}: {text:?}"))?;
        }
    }
    Ok(Duration::from_nanos(total))
}

/// The same of those threads of `pid` whose names begin so.
pub(super) fn spent_by(pid: u32, name: &str) -> Result<Duration> {
    let mut total = 0;
    for task in tasks(pid)? {
        let read = |file| fs::read_to_string(format!("/proc/{pid}/task/{task}/{file}"));
        let Ok((comm, schedstat)) = read("comm").and_then(|comm| Ok((comm, read("schedstat")?)))
        else {
            continue; // it has ended
        };
        if comm.starts_with(name) {
            total += on_cpu(&schedstat).with_context(|| format!("{schedstat:?}"))?;
        }
    }
    Ok(Duration::from_nanos(total))
}

/// `pid` and its descendants.
pub(super) fn family(pid: u32) -> Result<Vec<u32>> {
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&process) = family.get(next) {
        next += 1;
        for task in tasks(process)? {
            let path = format!("/proc/{process}/task/{task}/children");
            let text = fs::read_to_string(path).unwrap_or_default();
            family.extend(text.split_whitespace().filter_map(|it| it.parse::<u32>().ok()));
        }
    }
    Ok(family)
}

fn tasks(pid: u32) -> Result<Vec<u32>> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"))
        .with_context(|| format!("process {pid} has ended; its log says why"))?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    Ok(names.filter_map(|name| name.to_str()?.parse().ok()).collect())
}

/// Nanoseconds on a CPU: the first of three fields.
fn on_cpu(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_field_counts() {
        assert_eq!(on_cpu("7083422563 52412 1337\n"), Some(7_083_422_563));
        assert_eq!(on_cpu(""), None);
    }

    #[test]
    fn work_shows() {
        let me = std::process::id();
        let before = spent(me).unwrap();
        let busy = || (0..100_000_u64).fold(0, |sum, it| std::hint::black_box(sum ^ it));
        let deadline = Duration::from_secs(10);
        let grew = crate::clock::wait_until(deadline, || {
            std::hint::black_box(busy());
            spent(me).unwrap() > before
        });
        assert!(grew, "ten seconds of work and no CPU time");
    }
}
