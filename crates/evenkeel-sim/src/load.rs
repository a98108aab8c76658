//! Load, each answer of which is proved: steady as from many clients who do not wait for one
//! another, or as fast as a few connections allow.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::body::Body;
use crate::client::Client;
use crate::clock;
use crate::http1::Broken;

/// What is sent where.
#[derive(Clone, Debug)]
pub struct Plan {
    pub address: SocketAddr,
    pub pace: Pace,
    /// Every so many requests one is a POST; 0: none is.
    pub post_every: u64,
    /// Bytes of each answer's body.
    pub size: u64,
    /// The client ends its half of the connection after each request.
    pub half_close: bool,
    /// How long a client waits for a byte.
    pub patience: Duration,
}

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// So many each second, whatever becomes of the earlier ones; every second one on a new connection.
    Steady { per_second: u32 },
    /// On each of so many connections the next one after the answer, until all are sent.
    Rush { connections: u64, requests: u64 },
}

impl Plan {
    /// GETs at a steady pace for small bodies.
    pub fn steady(address: SocketAddr, per_second: u32) -> Self {
        Self::at(address, Pace::Steady { per_second })
    }

    /// GETs for small bodies as fast as they are answered.
    pub fn rush(address: SocketAddr, connections: u64, requests: u64) -> Self {
        Self::at(address, Pace::Rush { connections, requests })
    }

    fn at(address: SocketAddr, pace: Pace) -> Self {
        let patience = clock::PATIENCE;
        Self { address, pace, post_every: 0, size: 1000, half_close: false, patience }
    }
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// Answered, but not with 200.
    Status(u16),
    Broken(Broken),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Broken(Broken::Garbage(_)) => f.write_str("garbage"),
            Self::Broken(broken) => write!(f, "{broken}"),
        }
    }
}

/// Failures by kind.
pub type Failures = BTreeMap<Failure, u64>;

/// What became of the requests.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub sent: u64,
    pub ok: u64,
    pub failed_gets: Failures,
    pub failed_posts: Failures,
    /// Answers delivered as complete whose body is not the one that was sent.
    pub corrupt: u64,
    /// Kept connections that turned out to be closed when a GET was to be sent on them; it was
    /// sent again on another, as every client does.
    pub stale: u64,
    /// From the moment a request was due until its answer was complete; in no order.
    pub times: Vec<Duration>,
}

impl Report {
    /// Every request was answered with 200 and the right body.
    pub fn is_clean(&self) -> bool {
        self.ok == self.sent && self.corrupt == 0
    }

    /// The time that so many of a thousand requests did not exceed.
    pub fn per_mille(&self, share: usize) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        times.get((times.len() * share / 1000).min(last)).copied().unwrap_or_default()
    }

    /// Number of failed requests.
    pub fn failed(failures: &Failures) -> u64 {
        failures.values().sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, ok, failed_gets, failed_posts, corrupt, stale, times: _ } = self;
        let list = |failures: &Failures| {
            let kinds = failures.iter().map(|(kind, count)| format!("{count}×{kind}"));
            kinds.collect::<Vec<_>>().join(" ")
        };
        let (gets, posts) = (list(failed_gets), list(failed_posts));
        write!(f, "{sent} sent, {ok} ok, GET failed [{gets}], POST failed [{posts}], ")?;
        write!(f, "{corrupt} corrupt, {stale} stale")
    }
}

/// Load under way.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    driver: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    plan: Plan,
    /// Part of every target, so that servers can tell loads apart.
    name: String,
    stop: AtomicBool,
    next: AtomicU64,
    idle: Mutex<Vec<Client>>,
    report: Mutex<Report>,
}

impl Load {
    /// Begins.
    pub fn start(plan: Plan) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let shared = Arc::new(Shared {
            name: format!("/load/{}", NEXT.fetch_add(1, Ordering::Relaxed)),
            stop: AtomicBool::new(false),
            next: AtomicU64::new(0),
            idle: Mutex::default(),
            report: Mutex::default(),
            plan,
        });
        let driving = Arc::clone(&shared);
        let driver = thread::spawn(move || match driving.plan.pace {
            Pace::Steady { per_second } => steady(&driving, per_second),
            Pace::Rush { connections, requests } => rush(&driving, connections, requests),
        });
        Self { shared, driver }
    }

    /// Requests answered with 200 and the right body so far.
    pub fn ok(&self) -> u64 {
        self.shared.report.lock().expect("no holder panics").ok
    }

    /// Whether all requests of a rush are done.
    pub fn is_done(&self) -> bool {
        self.driver.is_finished()
    }

    /// Sends no more, and waits for what is under way.
    pub fn stop(self) -> Report {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.finish()
    }

    /// Waits for the end of a rush.
    pub fn finish(self) -> Report {
        self.driver.join().expect("the load does not panic");
        let report = self.shared.report.lock().expect("no holder panics");
        report.clone()
    }
}

/// How many requests that are not to be repeated came more than once, and how many others did.
pub fn repeats<'a>(seen: impl IntoIterator<Item = (&'a str, &'a str)>) -> (usize, usize) {
    let mut counts = BTreeMap::<_, usize>::new();
    for request in seen {
        *counts.entry(request).or_default() += 1;
    }
    let twice = |post: bool| {
        let of_kind = counts.iter().filter(|((method, _), _)| (*method == "POST") == post);
        of_kind.filter(|(_, count)| **count > 1).count()
    };
    (twice(true), twice(false))
}

/// Connections kept between requests: more than are needed at once while all is well, few against
/// any limit of what is under test.
const MOST_IDLE: usize = 16;

fn steady(shared: &Arc<Shared>, per_second: u32) {
    let start = clock::now();
    let mut under_way = Vec::new();
    for number in 0_u32.. {
        let due = start + Duration::from_secs(1) * number / per_second;
        clock::pause_until(due);
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        let sending = Arc::clone(shared);
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        under_way.push(thread::spawn(move || {
            let fresh = number.is_multiple_of(2);
            let kept = if fresh { None } else { lock(&sending.idle).pop() };
            let kept = request(&sending, number, due, kept);
            let mut idle = lock(&sending.idle);
            if idle.len() < MOST_IDLE {
                idle.extend(kept);
            }
        }));
        under_way.retain(|thread| !thread.is_finished());
    }
    for thread in under_way {
        thread.join().expect("a request does not panic");
    }
}

fn rush(shared: &Arc<Shared>, connections: u64, requests: u64) {
    thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut kept = None;
                loop {
                    let number = shared.next.fetch_add(1, Ordering::Relaxed);
                    if number >= requests || shared.stop.load(Ordering::Relaxed) {
                        return;
                    }
                    kept = request(shared, number, clock::now(), kept.take());
                }
            });
        }
    });
}

/// One request and its place in the report; the connection if it is good for another.
fn request(shared: &Shared, number: u64, due: Instant, kept: Option<Client>) -> Option<Client> {
    let plan = &shared.plan;
    let post = plan.post_every > 0 && number % plan.post_every == plan.post_every - 1;
    let target = format!("{}/{number}?size={}", shared.name, plan.size);
    let mut stale = false;
    let mut outcome = Err(Broken::Closed);
    // A POST is never sent on a connection that may be closed already: it could not be repeated.
    if let Some(client) = kept.filter(|_| !post && !plan.half_close) {
        outcome = exchange(plan, client, post, &target);
        stale = matches!(outcome, Err(Broken::Closed | Broken::Reset));
    }
    if matches!(outcome, Err(Broken::Closed | Broken::Reset)) {
        let fresh = Client::connect(plan.address);
        outcome = fresh.and_then(|client| exchange(plan, client, post, &target));
    }
    let time = clock::now().saturating_duration_since(due);
    let mut report = lock(&shared.report);
    report.sent += 1;
    report.stale += u64::from(stale);
    report.times.push(time);
    let failures = if post { &mut report.failed_posts } else { &mut report.failed_gets };
    match outcome {
        Ok((200, true, kept)) => {
            report.ok += 1;
            return kept;
        }
        Ok((200, false, _)) => report.corrupt += 1,
        Ok((status, ..)) => *failures.entry(Failure::Status(status)).or_default() += 1,
        Err(broken) => *failures.entry(Failure::Broken(broken)).or_default() += 1,
    }
    None
}

/// Status, whether the body is right, and the connection if it is good for another request.
type Outcome = Result<(u16, bool, Option<Client>), Broken>;

fn exchange(plan: &Plan, mut client: Client, post: bool, target: &str) -> Outcome {
    client.set_patience(plan.patience);
    let method = if post { "POST" } else { "GET" };
    let body = if post { "Content-Length: 5\r\n\r\nhello" } else { "\r\n" };
    client.try_send(format!("{method} {target} HTTP/1.1\r\nHost: load.example\r\n{body}"))?;
    if plan.half_close {
        client.finish();
    }
    let answer = client.try_answer(method)?;
    let intact = answer.body.size == plan.size && answer.body.hash == Body::hash(target, plan.size);
    Ok((answer.status, intact, answer.keeps.then_some(client)))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no holder panics")
}
