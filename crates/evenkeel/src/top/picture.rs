//! What a node's statuses say when one is laid beside the other, rates, and what it says itself of its
//! last second.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use evenkeel_api::{Pool, PoolMode, Server, Status, Tick, Timestamp};

use crate::cli::status::{notes, state, there, vip_state};
use crate::cli::table::{Cell, Colour, cell, plain};

/// Rates kept for each line: a minute at the usual beat.
const KEPT: usize = 60;

/// What the node said of its last second holds for so long.
const NEW: Duration = Duration::from_secs(3);

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    Servers,
    Pools,
    Listeners,
    Vips,
}

impl View {
    pub(super) const ALL: [Self; 4] = [Self::Servers, Self::Pools, Self::Listeners, Self::Vips];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Servers => "servers",
            Self::Pools => "pools",
            Self::Listeners => "listeners",
            Self::Vips => "vips",
        }
    }
}

/// A line of a table.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Pool and server, or the name of what else it is.
    pub(super) name: String,
    pub(super) state: Cell,
    pub(super) since: Option<Duration>,
    /// A second; `None` before there are two pictures.
    pub(super) rate: Option<f64>,
    /// Failures a second, by the statuses.
    pub(super) failures: Option<f64>,
    /// Answers 4xx and 5xx a second.
    pub(super) answered: Option<[f64; 2]>,
    /// Answers 5xx and failures a second; failures alone where the node does not say.
    pub(super) errors: Option<f64>,
    /// Seconds.
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
    /// Requests or connections under way.
    pub(super) in_flight: Option<u32>,
    /// Rates, the oldest first.
    pub(super) trend: Vec<f64>,
    pub(super) why: String,
}

/// A node as last seen.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) status: Status,
    pub(super) taken: Instant,
    trends: BTreeMap<Key, Trend>,
    /// The last second, and when it was told.
    second: Option<(Tick, Instant)>,
}

/// What the node says of the last second of something.
#[derive(Clone, Copy, Debug)]
struct Second {
    answered: [f64; 2],
    errors: f64,
    p50: Option<f64>,
    p99: Option<f64>,
}

/// What is counted, by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Listener(String),
    Server(String, String),
}

#[derive(Debug, Default)]
struct Trend {
    counted: Counted,
    /// A second.
    rate: Option<f64>,
    /// Those before it too, the oldest first.
    rates: VecDeque<f64>,
    failures: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    /// Of requests; else connections are counted, as there are none.
    of_requests: bool,
    requests: u64,
    failures: u64,
}

impl Picture {
    pub(super) fn new(status: Status, taken: Instant) -> Self {
        let trends = counters(&status)
            .map(|(key, counted)| (key, Trend { counted, ..Trend::default() }))
            .collect();
        Self { status, taken, trends, second: None }
    }

    /// What the node did in its last second.
    pub(super) fn figures(&mut self, tick: Tick, taken: Instant) {
        self.second = Some((tick, taken));
    }

    /// The next one.
    pub(super) fn update(&mut self, status: Status, taken: Instant) {
        let seconds = taken.saturating_duration_since(self.taken).as_secs_f64();
        let mut before = std::mem::take(&mut self.trends);
        for (key, counted) in counters(&status) {
            let trend = match before.remove(&key) {
                Some(mut trend) => {
                    trend.count(counted, seconds);
                    trend
                }
                None => Trend { counted, ..Trend::default() },
            };
            self.trends.insert(key, trend);
        }
        (self.status, self.taken) = (status, taken);
        let is_new = |(_, told): &(Tick, Instant)| taken.saturating_duration_since(*told) < NEW;
        self.second = self.second.take().filter(is_new);
    }

    /// Requests and failures a second, of the whole node.
    pub(super) fn totals(&self) -> (Option<f64>, Option<f64>) {
        let of = |wanted: fn(&Key) -> bool, figure: fn(&Trend) -> Option<f64>| {
            let trends = self.trends.iter().filter(|(key, _)| wanted(key));
            sum(trends.map(|(_, trend)| figure(trend)))
        };
        let requests = of(|key| matches!(key, Key::Listener(_)), |trend| trend.rate);
        (requests, of(|key| matches!(key, Key::Server(..)), |trend| trend.failures))
    }

    pub(super) fn lines(&self, view: View, now: SystemTime) -> Vec<Line> {
        let Status { pools, listeners, vips, .. } = &self.status;
        match view {
            View::Servers => {
                let servers = |pool| self.servers(pool, now);
                pools.iter().flat_map(servers).collect()
            }
            View::Pools => pools.iter().map(|it| self.pool(it, now)).collect(),
            View::Listeners => {
                let lines = listeners.iter().map(|it| Line {
                    in_flight: Some(it.connections),
                    why: it.addresses.join(" "),
                    ..self.line(
                        it.name.clone(),
                        plain(&it.protocol),
                        &[Key::Listener(it.name.clone())],
                        self.listener_second(&it.name),
                    )
                });
                lines.collect()
            }
            View::Vips => {
                let lines = vips.iter().map(|it| {
                    let (state, why) = vip_state(it);
                    let owner = it.owner.as_deref().unwrap_or("nobody");
                    let why = format!("owner {owner}; {}; {why}", it.addresses.join(" "));
                    let since = Some(it.since.age(now));
                    Line { since, why, ..self.line(it.name.clone(), state, &[], None) }
                });
                lines.collect()
            }
        }
    }

    /// What is worth a sentence.
    pub(super) fn notes(&self) -> Option<String> {
        notes(&self.status)
    }

    pub(super) fn server(&self, name: &str) -> Option<(&Pool, &Server)> {
        self.status.pools.iter().find_map(|pool| {
            let server = pool.servers.iter().find(|it| full_name(pool, it) == name)?;
            Some((pool, server))
        })
    }

    fn servers<'a>(&'a self, pool: &'a Pool, now: SystemTime) -> impl Iterator<Item = Line> + 'a {
        pool.servers.iter().map(move |server| {
            let (state, since, mut why): (_, Timestamp, _) = state(server);
            why.push_str(&there(server));
            let key = Key::Server(pool.name.clone(), server.name.clone());
            let name = full_name(pool, server);
            Line {
                since: Some(since.age(now)),
                in_flight: Some(server.in_flight),
                why,
                ..self.line(name.clone(), state, &[key], self.server_second(&name))
            }
        })
    }

    fn pool(&self, pool: &Pool, now: SystemTime) -> Line {
        let usable = pool.servers.iter().filter(|it| it.in_use).count();
        let colour = match pool.mode {
            PoolMode::Normal if usable == pool.servers.len() => Colour::Green,
            PoolMode::Normal | PoolMode::Backup | PoolMode::Panic => Colour::Yellow,
            PoolMode::Empty => Colour::Red,
        };
        let keys: Vec<_> = pool.servers.iter().map(|it| (&pool.name, &it.name)).collect();
        let keys = keys.into_iter().map(|(pool, it)| Key::Server(pool.clone(), it.clone()));
        let mut why = vec![pool.balance.clone()];
        match pool.mode {
            PoolMode::Normal | PoolMode::Empty => {}
            PoolMode::Backup => why.push("only backups are left".to_owned()),
            PoolMode::Panic => why.push("health is ignored: too few are up".to_owned()),
        }
        why.extend(pool.degraded.iter().map(|it| format!("degraded({})", it.dependency)));
        if pool.waiting > 0 {
            why.push(format!("{} wait for room", pool.waiting));
        }
        let youngest = pool.servers.iter().map(|it| it.verdict.since.age(now)).min();
        Line {
            since: youngest,
            in_flight: Some(pool.servers.iter().map(|it| it.in_flight).sum()),
            why: why.join(", "),
            ..self.line(
                pool.name.clone(),
                cell(format!("{usable}/{} in use", pool.servers.len()), colour),
                &keys.collect::<Vec<_>>(),
                self.pool_second(&pool.name),
            )
        }
    }

    fn tick(&self) -> Option<&Tick> {
        self.second.as_ref().map(|(tick, _)| tick)
    }

    fn listener_second(&self, name: &str) -> Option<Second> {
        let it = self.tick()?.listeners.get(name)?;
        let answered = [it.answered_4xx, it.answered_5xx];
        Some(Second { answered, errors: it.errors, p50: it.p50, p99: it.p99 })
    }

    fn pool_second(&self, name: &str) -> Option<Second> {
        let it = self.tick()?.pools.get(name)?;
        let answered = [it.answered_4xx, it.answered_5xx];
        Some(Second { answered, errors: it.errors, p50: it.p50, p99: it.p99 })
    }

    fn server_second(&self, name: &str) -> Option<Second> {
        let it = self.tick()?.servers.get(name)?;
        let answered = [it.answered_4xx, it.answered_5xx];
        Some(Second { answered, errors: it.errors, p50: it.p50, p99: it.p99 })
    }

    /// A line with the sums of these trends.
    fn line(&self, name: String, state: Cell, keys: &[Key], second: Option<Second>) -> Line {
        let trends: Vec<_> = keys.iter().filter_map(|key| self.trends.get(key)).collect();
        let longest = trends.iter().map(|trend| trend.rates.len()).max().unwrap_or(0);
        let at = |back: usize| -> f64 { trends.iter().filter_map(|it| it.back(back)).sum() };
        let failures = sum(trends.iter().map(|trend| trend.failures));
        Line {
            name,
            state,
            since: None,
            rate: sum(trends.iter().map(|trend| trend.rate)),
            failures,
            answered: second.map(|it| it.answered),
            errors: second.map(|it| it.errors).or(failures),
            p50: second.and_then(|it| it.p50),
            p99: second.and_then(|it| it.p99),
            in_flight: None,
            trend: (0..longest).rev().map(at).collect(),
            why: String::new(),
        }
    }
}

impl Trend {
    fn count(&mut self, counted: Counted, seconds: f64) {
        let before = std::mem::replace(&mut self.counted, counted);
        let same = seconds > 0.0 && counted.of_requests == before.of_requests;
        let rate = |before: u64, now: u64| {
            // Less than before: another process counts.
            #[expect(clippy::cast_precision_loss, reason = "a rate is shown with few digits")]
            let more = now.checked_sub(before)? as f64;
            same.then(|| more / seconds)
        };
        self.failures = rate(before.failures, counted.failures);
        self.rate = rate(before.requests, counted.requests);
        if let Some(rate) = self.rate {
            if self.rates.len() == KEPT {
                self.rates.pop_front();
            }
            self.rates.push_back(rate);
        }
    }

    /// The rate so many pictures ago.
    fn back(&self, pictures: usize) -> Option<f64> {
        self.rates.iter().rev().nth(pictures).copied()
    }
}

/// Nothing, if there is none.
fn sum(figures: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    figures.flatten().reduce(|one, other| one + other)
}

fn full_name(pool: &Pool, server: &Server) -> String {
    format!("{}/{}", pool.name, server.name)
}

fn counters(status: &Status) -> impl Iterator<Item = (Key, Counted)> {
    let listeners = status.listeners.iter().map(|it| {
        let counted = Counted::new(it.requests_total, it.connections_total, 0);
        (Key::Listener(it.name.clone()), counted)
    });
    let servers = status.pools.iter().flat_map(|pool| {
        pool.servers.iter().map(move |it| {
            let counted = Counted::new(it.requests_total, it.connections_total, it.failures_total);
            (Key::Server(pool.name.clone(), it.name.clone()), counted)
        })
    });
    listeners.chain(servers)
}

impl Counted {
    /// Requests where there are any.
    const fn new(requests: u64, connections: u64, failures: u64) -> Self {
        let of_requests = requests > 0;
        Self { of_requests, requests: if of_requests { requests } else { connections }, failures }
    }
}
