//! What this node would do with a request, asked of the functions that would do it, without doing
//! anything: nothing is sent, no turn is taken, no limit is charged.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::config::{Action, Balance, HashOn, Http, Pool, PoolId, Protocol, Retry, Route};
use evenkeel_core::fault::Fault;
use evenkeel_core::hash;
use evenkeel_core::message::forward;
use evenkeel_core::message::request::{self, RequestHead, Space};
use evenkeel_core::pick::{Candidate, Choice, survey};
use evenkeel_core::pool::Member;
use evenkeel_core::route::near;
use evenkeel_core::template::{Fact, Facts};

use crate::clock;
use crate::fleet::{LivePool, mode};
use crate::plan::{LiveListener, Plan};
use crate::receive::{ask, cookie, share_key, stripped, token};
use crate::status::PoolMode;

/// Routes that are told of beside the one that is taken.
const MOST_NEAR: usize = 3;

/// A request that nobody has made.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `None`: the one that speaks `scheme`, and of several the one on `port`.
    pub listener: Option<String>,
    /// `http` or `https`.
    pub scheme: String,
    /// Host with its port, as `Host` has it.
    pub authority: String,
    pub host: String,
    pub port: u16,
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Without `Host`, unless it is to be another one.
    pub headers: Vec<(String, String)>,
    pub from: IpAddr,
}

/// Why nothing can be said of it.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    #[error("there is no listener `{name}`; there are: {}", .others.join(", "))]
    NoSuchListener { name: String, others: Vec<String> },
    #[error("no listener takes {scheme}; there are: {}", .others.join(", "))]
    NoListener { scheme: String, others: Vec<String> },
    #[error("several listeners take {scheme}, none of them on port {port}: say which one of {}", .names.join(", "))]
    Several { scheme: String, port: u16, names: Vec<String> },
}

/// What would be done.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub listener: Arc<str>,
    pub protocol: &'static str,
    /// It listens on the port that was asked for.
    pub on_port: bool,
    /// Where TLS ends here.
    pub certificate: Option<ShownCertificate>,
    /// `None`: the listener's default, or there are no routes.
    pub route: Option<Arc<str>>,
    /// Routes that were near, with what speaks against each; the nearest first.
    pub passed_over: Vec<(Arc<str>, String)>,
    /// What it would have to pass, in this order.
    pub passes: Vec<String>,
    pub outcome: Outcome,
}

/// A certificate that a client would be shown which understands its signatures.
#[derive(Clone, Debug)]
pub struct ShownCertificate {
    pub file: PathBuf,
    pub names: Vec<Arc<str>>,
}

/// Where it would go.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Nowhere. `status` is `None` when the connection would be closed without an answer.
    Refused {
        status: Option<u16>,
        why: String,
    },
    Redirected {
        status: u16,
        location: String,
    },
    File {
        folder: PathBuf,
        path: String,
    },
    Pool(Box<Choosing>),
}

/// How a pool chooses.
#[derive(Clone, Debug)]
pub struct Choosing {
    pub pool: Arc<str>,
    /// With other pools it shares the traffic by chance, and it fell on this one.
    pub by_split: bool,
    pub balance: &'static str,
    pub mode: PoolMode,
    /// The path that was asked for, and the one the server would see.
    pub path: (String, String),
    /// What is hashed, if the pool hashes and the request has it.
    pub key: Option<String>,
    /// The client's cookie means a server that takes it.
    pub keeps_home: bool,
    /// Who is first is left to chance: next time it may be another one.
    pub by_chance: bool,
    pub servers: Vec<Standing>,
    pub tries: Tries,
}

/// A server, in the order of the file.
#[derive(Clone, Debug)]
pub struct Standing {
    pub name: Arc<str>,
    pub address: String,
    /// With what its agent and its slow start make of it.
    pub weight: u16,
    pub ramp_percent: u8,
    pub in_flight: u32,
    pub candidate: Candidate,
    /// What the judge says of it.
    pub reason: Arc<str>,
}

/// What follows when the first server fails.
#[derive(Clone, Debug)]
pub struct Tries {
    /// Further ones the file allows.
    pub most: u8,
    pub on: Vec<String>,
    /// Doing it twice does no harm, or the file says that it may be done.
    pub repeatable: bool,
    pub budget_percent: u8,
    pub budget_floor: u16,
    pub connect: Duration,
    pub first_byte: Duration,
}

impl Plan {
    /// `chance`: any number, for what is left to chance.
    pub(crate) fn explain(&self, asked: &Asked, chance: u64) -> Result<Explanation, ExplainError> {
        clock::refresh();
        let index = self.listener(asked)?;
        let (live, config) = (&self.listeners[index], &self.snapshot.config().listeners[index]);
        let mut explanation = Explanation {
            listener: Arc::clone(&live.name),
            protocol: config.protocol.as_str(),
            on_port: on_port(live, asked),
            certificate: None,
            route: None,
            passed_over: Vec::new(),
            passes: Vec::new(),
            outcome: refused(Fault::NoRoute),
        };
        if let Some(front) = &live.front {
            let Some(place) = front.showing().chosen(Some(&asked.host)) else {
                let why = "no certificate is for this name, and no other is shown".to_owned();
                explanation.outcome = Outcome::Refused { status: None, why };
                return Ok(explanation);
            };
            let certificate = front.certificates().into_iter().nth(place);
            explanation.certificate =
                certificate.map(|it| ShownCertificate { file: it.source, names: it.names });
        }
        let Some(http) = config.protocol.http() else {
            let pool = match &config.protocol {
                Protocol::Tcp { pool } => Some(*pool),
                _ => self.snapshot.tls_router(index).route(Some(&asked.host), |_| false),
            };
            let stream = Arrival { plan: self, asked, chance };
            if let Some(pool) = pool {
                explanation.outcome = stream.choosing(pool, false, None);
            }
            return Ok(explanation);
        };
        let arrival = Arrival { plan: self, asked, chance };
        arrival.understand((index, http), &mut explanation);
        Ok(explanation)
    }

    /// The listener that would take it.
    fn listener(&self, asked: &Asked) -> Result<usize, ExplainError> {
        let names = |all: &[usize]| -> Vec<String> {
            all.iter().map(|&place| self.listeners[place].name.to_string()).collect()
        };
        let all: Vec<usize> = (0..self.listeners.len()).collect();
        if let Some(name) = &asked.listener {
            let found = self.listeners.iter().position(|listener| *listener.name == **name);
            let others = || names(&all);
            return found.ok_or_else(|| ExplainError::NoSuchListener {
                name: name.clone(),
                others: others(),
            });
        }
        let speaks = |&place: &usize| {
            let protocol = &self.snapshot.config().listeners[place].protocol;
            match protocol {
                Protocol::Http(_) => asked.scheme == "http",
                Protocol::Https(_) | Protocol::Tls(_) => asked.scheme == "https",
                Protocol::Tcp { .. } => false,
            }
        };
        let speaking: Vec<usize> = all.iter().copied().filter(speaks).collect();
        let scheme = asked.scheme.clone();
        let here = speaking.iter().find(|&&place| on_port(&self.listeners[place], asked));
        match (here, &speaking[..]) {
            (Some(here), _) | (None, [here]) => Ok(*here),
            (None, []) => Err(ExplainError::NoListener { scheme, others: names(&all) }),
            (None, several) => {
                Err(ExplainError::Several { scheme, port: asked.port, names: names(several) })
            }
        }
    }
}

fn on_port(listener: &LiveListener, asked: &Asked) -> bool {
    listener.bound.iter().any(|bound| bound.actual().port() == asked.port)
}

fn refused(fault: Fault) -> Outcome {
    Outcome::Refused { status: fault.verdict().status, why: fault.to_string() }
}

/// A request on its way through a plan.
#[derive(Clone, Copy)]
struct Arrival<'a> {
    plan: &'a Plan,
    asked: &'a Asked,
    chance: u64,
}

impl Arrival<'_> {
    fn understand(self, (index, http): (usize, &Http), explanation: &mut Explanation) {
        let text = self.head();
        let mut space = Space::new();
        let head = match request::parse(text.as_bytes(), &mut space, &http.limits) {
            Ok(Some(head)) if head.length == text.len() => head,
            Err(refusal) => {
                let why = format!("the request is refused: {}", refusal.reason.label());
                explanation.outcome = Outcome::Refused { status: Some(refusal.status), why };
                return;
            }
            Ok(_) => {
                let why = "a header has an empty line in it".to_owned();
                explanation.outcome = Outcome::Refused { status: Some(400), why };
                return;
            }
        };
        if http.methods.as_ref().is_some_and(|methods| !methods.contains(head.method)) {
            explanation.outcome = refused(Fault::MethodClosed);
            return;
        }
        let router = self.plan.snapshot.http_router(index);
        let taken = ask(&head, |question| router.route(question));
        let named = |place: usize| Arc::clone(&http.routes[place].name);
        explanation.route = taken.map(named);
        explanation.passed_over = ask(&head, |question| {
            let near = near(&http.routes, question, taken, MOST_NEAR).into_iter();
            near.map(|near| (named(near.route), near.why.to_string())).collect()
        });
        let route = taken.map(|place| &http.routes[place]);
        explanation.outcome = match self.pass((index, http), route, &head, &mut explanation.passes)
        {
            Ok(()) => self.follow((index, http), route, &head),
            Err(fault) => refused(fault),
        };
    }

    /// As a client would have sent it.
    fn head(self) -> String {
        let Asked { method, target, authority, headers, .. } = self.asked;
        let mut text = format!("{method} {target} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            let _ = write!(text, "Host: {authority}\r\n"); // writing to memory does not fail
        }
        for (name, value) in headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text + "\r\n"
    }

    /// Guards and passwords. The latter are not looked at: they are only told of.
    fn pass(
        self,
        (index, http): (usize, &Http),
        route: Option<&Route>,
        head: &RequestHead<'_, '_>,
        passes: &mut Vec<String>,
    ) -> Result<(), Fault> {
        let listener = &self.plan.snapshot.config().listeners[index];
        let guards =
            || [Some(&listener.guard), route.map(|route| &route.guard)].into_iter().flatten();
        let address = forward::client_address(head, self.asked.from, &http.trusted_proxies);
        if guards().filter_map(|guard| guard.access.as_ref()).any(|it| !it.admits(address)) {
            return Err(Fault::Denied);
        }
        let rates = &self.plan.snapshot.config().rates;
        for rate in guards().flat_map(|guard| &guard.rates) {
            let rate = &rates[usize::from(rate.0)];
            let dry = if rate.dry_run { ", which refuses nobody" } else { "" };
            passes.push(format!("the limit {}{dry}", rate.name));
        }
        if let Some(route) = route {
            if let Some(basic) = &route.auth.basic {
                passes.push(format!("a password for \"{}\"", basic.realm));
            }
            if let Some(forward) = &route.auth.forward {
                let pool = &self.plan.pools[usize::from(forward.pool.0)].name;
                passes.push(format!("the word of a server of pool {pool}"));
            }
        }
        Ok(())
    }

    fn follow(
        self,
        (index, http): (usize, &Http),
        route: Option<&Route>,
        head: &RequestHead<'_, '_>,
    ) -> Outcome {
        let action = route.map_or(http.default.as_ref(), |route| Some(&route.action));
        let address = forward::client_address(head, self.asked.from, &http.trusted_proxies);
        let path = stripped(head.path, route);
        match action {
            None => refused(Fault::NoRoute),
            Some(Action::Redirect(to)) => {
                let listener = &self.plan.listeners[index].name;
                let name = route.map_or("", |route| &route.name);
                let fact = |fact| self.fact(fact, head, (listener, name));
                let location = to.to.location(Facts(&fact));
                Outcome::Redirected { status: to.status, location }
            }
            Some(Action::Files(files)) => {
                Outcome::File { folder: files.root.to_path_buf(), path: path.to_owned() }
            }
            Some(Action::Pool(pool)) => self.choosing(*pool, false, Some((head, http, route))),
            Some(Action::Split(split)) => {
                let known = share_key(split, head, || address.to_string().into());
                let pool = split.choose(known.unwrap_or(self.chance));
                self.choosing(pool, known.is_none(), Some((head, http, route)))
            }
        }
    }

    /// What can be known of a request that nobody has made.
    fn fact<'f>(
        self,
        fact: Fact,
        head: &'f RequestHead<'_, '_>,
        (listener, route): (&'f str, &'f str),
    ) -> Option<Cow<'f, str>> {
        Some(match fact {
            Fact::ClientIp => self.asked.from.to_string().into(),
            Fact::Host | Fact::Sni => head.host.into(),
            Fact::Path => match head.query {
                Some(query) => format!("{}?{query}", head.path).into(),
                None => head.path.into(),
            },
            Fact::Method => head.method.into(),
            Fact::Scheme => self.asked.scheme.clone().into(),
            Fact::Listener => listener.into(),
            Fact::Route => route.into(),
            Fact::ClientPort
            | Fact::RequestId
            | Fact::TraceId
            | Fact::TlsVersion
            | Fact::Pool
            | Fact::Server => return None,
        })
    }

    /// How the pool would choose. Without a request it is for a stream.
    fn choosing(
        self,
        pool: PoolId,
        by_split: bool,
        request: Option<(&RequestHead<'_, '_>, &Http, Option<&Route>)>,
    ) -> Outcome {
        let live = &self.plan.pools[usize::from(pool.0)];
        let path = request.map_or(("", Cow::Borrowed("")), |(head, _, route)| {
            (head.path, Cow::Borrowed(stripped(head.path, route)))
        });
        let hashed =
            self.hashed(&live.config, request.map(|(head, http, _)| (head, http)), &path.1);
        let token = request.and_then(|(head, _, _)| token(head, live));
        let key = hashed.as_ref().map(|(key, _)| *key);
        let choice = Choice { turn: live.next_turn(), chance: self.chance, key, token };
        let members = live.members();
        let all = survey(&live.roster(), &members, &choice, &live.loads(false));
        let keeps_home = token.is_some()
            && all.iter().any(|it| {
                let first = it.standing == evenkeel_core::pick::Standing::Tried(0);
                first && live.roster().token_to_issue(token, it.member).is_none()
            });
        let idempotent = request.is_some_and(|(head, _, _)| head.is_idempotent());
        Outcome::Pool(Box::new(Choosing {
            pool: Arc::clone(&live.name),
            by_split,
            balance: live.config.balance.as_str(),
            mode: mode(live.roster().mode()),
            path: (path.0.to_owned(), path.1.into_owned()),
            key: hashed.map(|(_, words)| words),
            keeps_home,
            by_chance: is_by_chance(live.config.balance, key),
            servers: all.into_iter().map(|it| standing(live, &members[it.member], it)).collect(),
            tries: tries(&live.config, idempotent),
        }))
    }

    /// The key of a pool that hashes, with words for it.
    fn hashed(
        self,
        pool: &Pool,
        request: Option<(&RequestHead<'_, '_>, &Http)>,
        path: &str,
    ) -> Option<(u64, String)> {
        if !matches!(pool.balance, Balance::Hash(_)) {
            return None;
        }
        let head = request.map(|(head, _)| head);
        match &pool.hash_on {
            HashOn::Source => {
                let from = request.map_or(self.asked.from, |(head, http)| {
                    forward::client_address(head, self.asked.from, &http.trusted_proxies)
                });
                Some((hash::source(from), format!("the client's address {from}")))
            }
            HashOn::Uri => {
                let query = head?.query.map_or_else(String::new, |query| format!("?{query}"));
                let uri = format!("{path}{query}");
                Some((hash::key(uri.as_bytes()), format!("the path {uri}")))
            }
            HashOn::Header(name) => {
                Some((hash::key(head?.header(name)?), format!("the header {name}")))
            }
            HashOn::Cookie(name) => {
                let value = cookie(head?, name)?;
                Some((hash::key(value), format!("the cookie {name}")))
            }
            HashOn::Sni => {
                let name = self.asked.host.to_ascii_lowercase();
                Some((hash::key(name.as_bytes()), format!("the name {name}")))
            }
        }
    }
}

fn standing(live: &LivePool, member: &Member, candidate: Candidate) -> Standing {
    let server = &live.servers[candidate.member];
    Standing {
        name: Arc::clone(&server.name),
        address: server.address.to_string(),
        weight: member.weight,
        ramp_percent: member.ramp,
        in_flight: server.in_flight(),
        candidate,
        reason: server.reason(),
    }
}

/// Whether the next request of the same kind may begin elsewhere for no reason but chance.
fn is_by_chance(balance: Balance, key: Option<u64>) -> bool {
    match balance {
        Balance::Random | Balance::P2c | Balance::PeakEwma => true,
        Balance::Hash(_) => key.is_none(),
        Balance::RoundRobin | Balance::LeastConnections | Balance::First => false,
    }
}

fn tries(pool: &Pool, idempotent: bool) -> Tries {
    let Retry { attempts, on, unsafe_methods, per_try, backoff: _, budget } = &pool.retry;
    let words = [
        ("connect", on.connect),
        ("reset-before-answer", on.reset_before_answer),
        ("timeout", on.timeout),
    ];
    let words = words.into_iter().filter(|(_, is_on)| *is_on).map(|(word, _)| word.to_owned());
    Tries {
        most: *attempts,
        on: words.chain(on.statuses.iter().map(ToString::to_string)).collect(),
        repeatable: idempotent || *unsafe_methods,
        budget_percent: budget.percent,
        budget_floor: budget.floor,
        connect: pool.timeouts.connect,
        first_byte: per_try.unwrap_or(pool.timeouts.first_byte),
    }
}
