//! Three servers, a balancer, load: what every fault happens to.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_sim::clock;
use evenkeel_sim::load::{Failures, Load, Plan, Report, repeats};
use evenkeel_sim::origin::{RemoteOrigin, remote_origin};

use crate::matrix::{Allowed, Row};
use crate::subject::{Kind, Subject};
use crate::table::Outcome;

/// As in the measurements the promises come from.
const REQUESTS_A_SECOND: u32 = 150;
/// One request of so many is a POST.
const POST_EVERY: u64 = 10;
/// How long the fault of a row lasts, and half of that before and after it.
const LONG: Duration = Duration::from_secs(6);
const SHORT: Duration = Duration::from_millis(2500);
/// Longest time to be well again after the last fault.
const RECOVERY: Duration = Duration::from_secs(5);

/// All that a row needs.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) servers: [RemoteOrigin; 3],
    pub(crate) subject: Subject,
    /// The length of the fault.
    pub(crate) period: Duration,
    /// Promises found broken by the row itself.
    pub(crate) broken: Vec<String>,
    /// Why the row could not be tried.
    pub(crate) untried: Option<String>,
}

impl Ground {
    pub(crate) fn prepare(row: &Row, against: Kind, short: bool) -> Result<Self, String> {
        let servers = ["0", "1", "2"].map(remote_origin);
        let addresses: Vec<SocketAddr> = servers.iter().map(RemoteOrigin::address).collect();
        let subject = Subject::start(against, row.setup, &addresses)?;
        let period = if short { SHORT } else { LONG };
        Ok(Self { servers, subject, period, broken: Vec::new(), untried: None })
    }

    /// Load, then the fault, then quiet; and what came of it.
    pub(crate) fn try_out(&mut self, row: &Row) -> Result<Outcome, String> {
        let mut plan = Plan::steady(self.subject.address(), REQUESTS_A_SECOND);
        plan.post_every = POST_EVERY;
        (row.load)(&mut plan);
        let load = Load::start(plan);
        self.lasts(0.25);
        (row.inject)(self);
        self.lasts(0.25);
        let report = load.stop();
        if let Some(why) = self.untried.take() {
            return Err(why);
        }
        let mut broken = std::mem::take(&mut self.broken);
        broken.extend(self.judge(row, &report));
        let seen: Vec<_> = self.servers.iter().flat_map(RemoteOrigin::seen).collect();
        let pairs = seen.iter().map(|(method, target)| (method.as_str(), target.as_str()));
        let (repeated, repeats) = repeats(pairs);
        if repeated > 0 {
            broken.push(format!("{repeated} POSTs reached more than one server"));
        }
        Ok(Outcome::Tried { report, repeated, repeats, broken })
    }

    /// This share of the period passes.
    pub(crate) fn lasts(&self, share: f64) {
        clock::pause_until(clock::now() + self.period.mul_f64(share));
    }

    /// One server behaves like this for the period, then well again.
    pub(crate) fn misbehave(&mut self, mode: &str) {
        self.servers[0].set(mode);
        self.lasts(1.0);
        self.servers[0].set("ok");
    }

    fn judge(&mut self, row: &Row, report: &Report) -> Vec<String> {
        let mut broken = Vec::new();
        if report.sent == 0 {
            broken.push("nothing was sent".to_owned());
        }
        if report.corrupt > 0 {
            broken.push(format!("{} corrupt", report.corrupt));
        }
        broken.extend(self.excess("GET", row.gets, &report.failed_gets));
        broken.extend(self.excess("POST", row.posts, &report.failed_posts));
        let p99 = report.per_mille(990);
        if let Some(most) = row.p99
            && p99 > most
        {
            broken.push(format!("p99 {p99:?}, at most {most:?}"));
        }
        if !self.subject.is_running() {
            broken.push("the balancer has ended".to_owned());
        } else if !clock::comes_true(RECOVERY, || is_well(self.subject.address())) {
            broken.push(format!("not well again within {RECOVERY:?}"));
        }
        broken
    }

    /// What failed beyond what may fail.
    fn excess(&self, method: &str, allowed: Allowed, failures: &Failures) -> Option<String> {
        let (kinds, per_second): (&[&str], f64) = match allowed {
            Allowed::None => (&[], 0.0),
            Allowed::Some { kinds, per_second } => (kinds, per_second),
        };
        let names = failures.keys().map(ToString::to_string);
        let wrong: Vec<String> = names.filter(|kind| !kinds.contains(&kind.as_str())).collect();
        if !wrong.is_empty() {
            return Some(format!("{method} failed with {}", wrong.join(", ")));
        }
        let failed = Report::failed(failures);
        // No row makes four thousand million requests.
        let counted = f64::from(u32::try_from(failed).unwrap_or(u32::MAX));
        let most = per_second * self.period.as_secs_f64();
        (counted > most).then(|| format!("{failed} {method} failed, at most {most}"))
    }
}

fn is_well(address: SocketAddr) -> bool {
    Load::start(Plan::rush(address, 1, 3)).finish().is_clean()
}
