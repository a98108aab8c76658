//! Open-loop load: requests leave by the clock whether or not earlier ones were answered in time,
//! and a request's latency starts when it was due, so that a stall is not hidden by its own queue.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::event::{Timespec, epoll};

use super::http::Connection;
use super::load::CONNECTIONS;
use super::scenario::SMALL;
use crate::clock;

/// How long answers may take after the last request; then they count as lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// The 99th percentile in microseconds at `rate` requests a second over `duration`, on one thread.
/// Every answer must be 200.
pub(super) fn p99(address: SocketAddr, rate: f64, duration: Duration) -> Result<f64> {
    let mut generator = Generator::connect(address)?;
    let interval = Duration::from_secs_f64(1.0 / rate);
    let mut due = clock::now();
    let end = due + duration;
    let mut latencies = Vec::new();
    while due < end || generator.is_waiting() {
        let now = clock::now();
        while due <= now && due < end {
            generator.send(due)?;
            due += interval;
        }
        let until = if due < end { due } else { end + PATIENCE };
        let left = until.saturating_duration_since(now);
        if left.is_zero() && due >= end {
            bail!("{address}: unanswered {} s after the last request", PATIENCE.as_secs());
        }
        generator.receive(left, &mut latencies)?;
    }
    Ok(percentile(&mut latencies, 99).as_secs_f64() * 1e6)
}

struct Generator {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    /// By connection: when the request it carries was due.
    carried: Vec<Option<Instant>>,
    /// Connections that carry none.
    idle: Vec<usize>,
    /// Requests that were due while every connection carried one.
    late: VecDeque<Instant>,
}

impl Generator {
    fn connect(address: SocketAddr) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll_create")?;
        let mut connections = Vec::new();
        for place in 0..CONNECTIONS {
            let mut connection = Connection::open(address, SMALL)?;
            connection.get().context("the first request")?;
            let data = epoll::EventData::new_u64(place.into());
            epoll::add(&epoll, &connection, data, epoll::EventFlags::IN).context("epoll_ctl")?;
            connections.push(connection);
        }
        let (carried, idle) = (vec![None; connections.len()], (0..connections.len()).collect());
        Ok(Self { epoll, connections, carried, idle, late: VecDeque::new() })
    }

    fn is_waiting(&self) -> bool {
        self.idle.len() < self.connections.len()
    }

    fn send(&mut self, due: Instant) -> Result<()> {
        let Some(place) = self.idle.pop() else {
            self.late.push_back(due);
            return Ok(());
        };
        self.carried[place] = Some(due);
        self.connections[place].send()
    }

    /// Waits at most `limit` for answers and takes those that are there.
    fn receive(&mut self, limit: Duration, latencies: &mut Vec<Duration>) -> Result<()> {
        let mut events = Vec::with_capacity(self.connections.len());
        let limit = Timespec::try_from(limit).context("a wait too long for the kernel")?;
        epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&limit))
            .context("epoll_wait")?;
        for event in events {
            let place = usize::try_from(event.data.u64()).context("a place among connections")?;
            match self.connections[place].receive()? {
                None => continue,
                Some(200) => {}
                Some(status) => bail!("answered {status}"),
            }
            let due = self.carried[place].take().context("an answer nobody asked for")?;
            latencies.push(clock::now().saturating_duration_since(due));
            self.idle.push(place);
            if let Some(due) = self.late.pop_front() {
                self.send(due)?;
            }
        }
        Ok(())
    }
}

/// The smallest value that `percent` of all do not exceed.
fn percentile(values: &mut [Duration], percent: usize) -> Duration {
    values.sort_unstable();
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_seen() {
        let mut values: Vec<Duration> = (1..=200).rev().map(Duration::from_micros).collect();
        assert_eq!(percentile(&mut values, 99), Duration::from_micros(198));
        assert_eq!(percentile(&mut values[..1], 99), Duration::from_micros(1));
        assert_eq!(percentile(&mut [], 99), Duration::ZERO);
    }
}
