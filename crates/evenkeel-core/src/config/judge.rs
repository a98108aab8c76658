//! How servers are judged, and what is done about requests that fail or come too many.

use std::time::Duration;

/// When a request is given to another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Further tries after the first; 0 to [`Retry::MOST_ATTEMPTS`]. Default 2.
    pub attempts: u8,
    /// Default `connect`, `reset-before-answer` and `timeout`.
    pub on: RetryOn,
    /// Also requests that must not be done twice (RFC 9110 §9.2.2). Default off: an operator who
    /// writes it answers for what is then done twice.
    pub unsafe_methods: bool,
    /// For the first byte of an answer to one try; else what `timeouts.first_byte` says.
    pub per_try: Option<Duration>,
    pub backoff: Backoff,
    pub budget: RetryBudget,
}

impl Retry {
    /// Further tries after the first; more would turn one bad request into a small storm.
    pub const MOST_ATTEMPTS: u8 = 10;
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 2,
            on: RetryOn::default(),
            unsafe_methods: false,
            per_try: None,
            backoff: Backoff::default(),
            budget: RetryBudget::default(),
        }
    }
}

/// How long to wait before a further try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait before the first such try; doubled for each one after it. Default 25 ms.
    pub base: Duration,
    /// However often it was doubled. Default 250 ms.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(25), most: Duration::from_millis(250) }
    }
}

/// How many further tries a pool may make, whatever single requests are allowed: it is what keeps
/// retries from burying servers that are slow because they have too much to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    /// Share of the requests of the last [`crate::budget::WINDOW`]; 0 to 100. Default 20.
    pub percent: u8,
    /// Always allowed, over the same time; in tries a second. Default 10.
    pub floor: u16,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { percent: 20, floor: 10 }
    }
}

/// The outcomes that allow another try. Whether the request may be repeated is judged apart from this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryOn {
    /// No connection could be made: nothing was sent, so any method may be tried again.
    pub connect: bool,
    /// The connection ended before the first byte of an answer.
    pub reset_before_answer: bool,
    /// No first byte in time.
    pub timeout: bool,
    /// Answers with one of these statuses (500 to 599).
    pub statuses: Vec<u16>,
}

impl Default for RetryOn {
    fn default() -> Self {
        Self { connect: true, reset_before_answer: true, timeout: true, statuses: Vec::new() }
    }
}

/// Judging by traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlier {
    /// Failures in a row (no connection, reset, no answer in time, unreadable answer) that take a
    /// server down. `None`: rows do not judge. Default 5; a check then follows at once.
    pub consecutive_failures: Option<u32>,
    /// Failing more often than the others of the pool. `None`: shares do not judge.
    pub failure_rate: Option<FailureRate>,
    /// Without a check to bring it back, a server taken down returns after this. Default 30 s.
    pub ejection: Duration,
    /// Share of the pool's servers that may be out, in percent, before no more are taken out by
    /// what is inferred; one always may. 0 to 100. Default 33.
    pub cap_percent: u8,
}

impl Default for Outlier {
    fn default() -> Self {
        Self {
            consecutive_failures: Some(5),
            failure_rate: Some(FailureRate::default()),
            ejection: Duration::from_secs(30),
            cap_percent: 33,
        }
    }
}

/// When a server fails so much more often than its peers that it must be the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureRate {
    /// How far from the mean of its peers, in hundredths of their standard deviation. Default 300.
    pub deviations_percent: u16,
    /// Requests of a window below which a server is not judged. Default 50.
    pub least_requests: u32,
    /// Default 10 s.
    pub window: Duration,
}

impl Default for FailureRate {
    fn default() -> Self {
        Self { deviations_percent: 300, least_requests: 50, window: Duration::from_secs(10) }
    }
}

/// What may be under way at once, in a pool and at each of its servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BreakerLimits {
    pub pool: Limits,
    pub server: Limits,
}

/// What may be under way at once; `None` is no limit. All off by default: a retry budget holds
/// retries, and a queue holds what waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests waiting for a server or its connection.
    pub pending: Option<u32>,
    /// Requests, the waiting ones included.
    pub requests: Option<u32>,
    /// Requests in a further try.
    pub retries: Option<u32>,
}

/// Sending a request to a second server when the first one is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedge {
    /// Late is later than this share of the route's answers, in percent; 50 to 99. Default 95.
    pub percent: u8,
    /// But never sooner than this. Default 5 ms.
    pub least: Duration,
}

impl Default for Hedge {
    fn default() -> Self {
        Self { percent: 95, least: Duration::from_millis(5) }
    }
}

/// When this node has more to do than it can, and answers the least important routes with 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shed {
    /// Longest wait in the queue of any pool that is still well. `None`: does not matter.
    pub queue_wait: Option<Duration>,
    /// Share of its processors this node may use and still be well, in percent; 1 to 100. `None`:
    /// does not matter.
    pub cpu_percent: Option<u8>,
}

impl Default for Shed {
    /// A queue's wait of 1 s, long before requests give it up, and 90 % of the processors.
    fn default() -> Self {
        Self { queue_wait: Some(Duration::from_secs(1)), cpu_percent: Some(90) }
    }
}

/// How important a route is: [`Priority::LEAST`] is shed first, [`Priority::MOST`] never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(u8);

impl Priority {
    /// Shed first.
    pub const LEAST: Self = Self(0);
    /// Never shed.
    pub const MOST: Self = Self(9);

    /// `None` above [`Priority::MOST`].
    pub fn new(priority: u8) -> Option<Self> {
        (priority <= Self::MOST.0).then_some(Self(priority))
    }

    /// 0 to 9.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    /// 5.
    fn default() -> Self {
        Self(5)
    }
}
