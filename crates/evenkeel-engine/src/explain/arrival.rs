//! One request that nobody has made, on its way through a plan, in the order of [`crate::receive`].

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use evenkeel_core::acme;
use evenkeel_core::config::{
    Action, Balance, Files, Guard, HashOn, Http, Listener, Pool, PoolId, Protocol, Retry, Route,
};
use evenkeel_core::fault::Fault;
use evenkeel_core::hash;
use evenkeel_core::message::Reason;
use evenkeel_core::message::forward;
use evenkeel_core::message::request::{self, RequestHead, Space};
use evenkeel_core::pick::{Candidate, Choice, survey};
use evenkeel_core::pool::Member;
use evenkeel_core::route::{Detour, HttpRouter, Question, near};
use evenkeel_core::template::{Fact, Facts};

use super::{Asked, Choosing, Explanation, Outcome, Standing, Tries, closed, refused};
use crate::clock::Date;
use crate::files::{self, Finder, Roots};
use crate::fleet::{LivePool, mode};
use crate::guard;
use crate::own::Own;
use crate::plan::Plan;
use crate::receive::{Goal, NO_EDITS, ask, cookie, share_key, stripped, token};
use crate::worker::Shared;

/// Routes that are told of beside the one that is taken.
const MOST_NEAR: usize = 3;

/// A request on its way through a plan.
#[derive(Clone, Copy)]
pub(super) struct Arrival<'a> {
    pub(super) plan: &'a Plan,
    pub(super) shared: &'a Shared,
    pub(super) asked: &'a Asked,
    /// Place of the listener.
    pub(super) index: usize,
    pub(super) chance: u64,
}

/// A head that was understood, and where it came in.
#[derive(Clone, Copy)]
struct Understood<'a> {
    head: &'a RequestHead<'a, 'a>,
    http: &'a Http,
    route: Option<&'a Route>,
}

impl Understood<'_> {
    /// Whom the request comes from, of a client at `peer`.
    fn client(&self, peer: IpAddr) -> IpAddr {
        forward::client_address(self.head, peer, &self.http.trusted_proxies)
    }
}

impl<'a> Arrival<'a> {
    /// A connection that is passed on as it is.
    pub(super) fn connect(self, passes: &mut Vec<String>) -> Outcome {
        let listener = self.listener();
        let guards = [&listener.guard];
        // Nobody has asked for an answer.
        if let Err(fault) = guard::lets_in(&guards, self.asked.from) {
            return closed(fault.to_string());
        }
        passes.extend(self.limits(&guards));
        let pool = match &listener.protocol {
            Protocol::Tcp { pool } => Some(*pool),
            _ => {
                self.plan.snapshot.tls_router(self.index).route(self.asked.server_name(), |_| false)
            }
        };
        pool.map_or_else(
            || closed(Fault::NoRoute.to_string()),
            |pool| self.choosing(pool, false, None),
        )
    }

    /// A request.
    pub(super) fn understand(self, http: &Http, explanation: &mut Explanation) {
        let text = self.head();
        let mut space = Space::new();
        let head = match request::parse(text.as_bytes(), &mut space, &http.limits) {
            Ok(Some(head)) if head.length == text.len() => head,
            Err(refusal) => return explanation.outcome = broken(refusal.reason),
            Ok(_) => {
                let why = "a header has an empty line in it".to_owned();
                return explanation.outcome = Outcome::Refused { status: Some(400), why };
            }
        };
        if http.methods.as_ref().is_some_and(|methods| !methods.contains(head.method)) {
            return explanation.outcome = refused(Fault::MethodClosed);
        }
        if let Some(token) = head.path.strip_prefix(acme::CHALLENGE_PATH)
            && self.shared.challenges.answer(token).is_some()
        {
            let why = "an authority looks for it, who is to sign a certificate".to_owned();
            return explanation.outcome = Outcome::Answered { status: 200, why };
        }
        let router = self.plan.snapshot.http_router(self.index);
        let taken = ask(&head, |question| router.route(question));
        let named = |place: usize| Arc::clone(&http.routes[place].name);
        explanation.route = taken.map(named);
        explanation.passed_over = ask(&head, |question| {
            let near = near(&http.routes, question, taken, MOST_NEAR).into_iter();
            near.map(|near| (named(near.route), near.why.to_string())).collect()
        });
        if let Some(why) = ask(&head, |question| two_routes(router, question, taken, http)) {
            return explanation.outcome = Outcome::Refused { status: Some(400), why };
        }
        let route = taken.map(|place| &http.routes[place]);
        let it = Understood { head: &head, http, route };
        let passed = self.pass(it, &mut explanation.passes);
        explanation.outcome = passed.map_or_else(|outcome| outcome, |()| self.follow(it));
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

    /// What speaks against it whatever its route leads to, and what it would have to pass. Limits and
    /// passwords are not looked at: they are only told of.
    fn pass(self, it: Understood<'_>, passes: &mut Vec<String>) -> Result<(), Outcome> {
        let Understood { head, http, route } = it;
        let asks = self.listener().protocol.front().and_then(|front| front.client_auth.as_ref());
        if asks.is_some_and(|asks| asks.required) {
            passes.push("a certificate of the client's".to_owned());
        }
        let front = self.plan.listeners[self.index].front.as_ref();
        if front
            .is_some_and(|front| !front.showing().is_at_home(self.asked.server_name(), head.host))
        {
            return Err(refused(Fault::Misdirected));
        }
        let most = route.map_or(http.body_bytes, |route| route.body_bytes);
        guard::fits(head.body, most).map_err(broken)?;
        let here = &self.listener().guard;
        let guards = route.map_or_else(|| vec![here], |route| vec![here, &route.guard]);
        guard::lets_in(&guards, it.client(self.asked.from)).map_err(refused)?;
        passes.extend(self.limits(&guards));
        let Some(route) = route else { return Ok(()) };
        if let Some(basic) = &route.auth.basic {
            passes.push(format!("a password for \"{}\"", basic.realm));
        }
        if let Some(forward) = &route.auth.forward {
            let pool = &self.plan.pools[usize::from(forward.pool.0)].name;
            passes.push(format!("the word of a server of pool {pool}"));
        }
        Ok(())
    }

    /// The limits that guards hold clients to, in words.
    fn limits(self, guards: &[&Guard]) -> Vec<String> {
        let rates = &self.plan.snapshot.config().rates;
        let held = guards.iter().flat_map(|guard| &guard.rates);
        let words = held.map(|rate| {
            let rate = &rates[usize::from(rate.0)];
            let dry = if rate.dry_run { ", which refuses nobody" } else { "" };
            format!("the limit {}{dry}", rate.name)
        });
        words.collect()
    }

    fn follow(self, it: Understood<'_>) -> Outcome {
        let Understood { head, http, route } = it;
        if let Some(own) = Own::last_hop(head) {
            let why = "Max-Forwards is 0: it is not to be passed on".to_owned();
            return Outcome::Answered { status: own.status, why };
        }
        match route.map_or(http.default.as_ref(), |route| Some(&route.action)) {
            None => refused(Fault::NoRoute),
            Some(Action::Redirect(to)) => {
                let fact = |fact| self.fact(fact, it);
                match to.to.location(Facts(&fact)) {
                    Some(location) => Outcome::Redirected { status: to.status, location },
                    None => refused(Fault::BadRequest(400)),
                }
            }
            Some(Action::Files(files)) => self.find(files, it),
            Some(Action::Pool(pool)) => self.enter(*pool, false, it),
            Some(Action::Split(split)) => {
                let client = || it.client(self.asked.from).to_string().into();
                let known = share_key(split, head, client);
                let pool = split.choose(known.unwrap_or(self.chance));
                self.enter(pool, known.is_none(), it)
            }
        }
    }

    /// The file that is meant, looked for as ever, and not sent.
    fn find(self, files: &Arc<Files>, Understood { head, http, route }: Understood<'_>) -> Outcome {
        let asked = files::Asked {
            files,
            head,
            path: stripped(head.path, route),
            keep_alive: head.keep_alive,
            via: http.forwarding.via.as_deref(),
            hsts: http.hsts.as_deref(),
            edits: &NO_EDITS,
        };
        let (roots, date) = (Roots::default(), Date::default());
        let finder = Finder { roots: &roots, date: &date, chance: self.chance };
        match files::goal(&asked, &finder, &mut Vec::new()) {
            Ok(Goal::Own(own)) => without_file(own, files),
            Ok(Goal::File(body)) => Outcome::File {
                status: body.status,
                folder: files.root.to_path_buf(),
                path: asked.path.to_owned(),
            },
            Ok(Goal::Refuse(fault)) | Err(fault) => refused(fault),
            Ok(Goal::Pool(_)) => refused(Fault::Internal), // a file is no pool
        }
    }

    /// What can be known of a request that nobody has made.
    fn fact<'f>(self, fact: Fact, it: Understood<'f>) -> Option<Cow<'f, str>>
    where
        'a: 'f,
    {
        let Understood { head, route, .. } = it;
        Some(match fact {
            Fact::ClientIp => it.client(self.asked.from).to_string().into(),
            Fact::Host => head.host.into(),
            Fact::Path => match head.query {
                Some(query) => format!("{}?{query}", head.path).into(),
                None => head.path.into(),
            },
            Fact::Method => head.method.into(),
            Fact::Scheme => (*self.asked.scheme).into(),
            Fact::Sni => self.asked.server_name().unwrap_or_default().into(),
            Fact::Listener => (*self.plan.listeners[self.index].name).into(),
            Fact::Route => route.map_or("", |route| &route.name).into(),
            Fact::ClientPort
            | Fact::RequestId
            | Fact::TraceId
            | Fact::TlsVersion
            | Fact::Pool
            | Fact::Server => return None,
        })
    }

    /// A request at the door of its pool.
    fn enter(self, pool: PoolId, by_split: bool, it: Understood<'_>) -> Outcome {
        let priority = it.route.map(|route| route.priority).unwrap_or_default();
        if self.shared.shed_level().sheds(priority) {
            return refused(Fault::Shed);
        }
        self.choosing(pool, by_split, Some(it))
    }

    /// How the pool would choose. Without a request it is for a stream.
    fn choosing(self, pool: PoolId, by_split: bool, request: Option<Understood<'_>>) -> Outcome {
        let live = &self.plan.pools[usize::from(pool.0)];
        if let Err(fault) = live.has_room() {
            return if request.is_some() { refused(fault) } else { closed(fault.to_string()) };
        }
        let path = request.map_or(("", ""), |it| (it.head.path, stripped(it.head.path, it.route)));
        let hashed = self.hashed(&live.config, request, path.1);
        let token = request.and_then(|it| token(it.head, live));
        let key = hashed.as_ref().map(|(key, _)| *key);
        let choice = Choice { turn: live.next_turn(), chance: self.chance, key, token };
        let members = live.members();
        let all = survey(&live.roster(), &members, &choice, &live.loads(false));
        let keeps_home = token.is_some()
            && all.iter().any(|it| {
                let first = it.standing == evenkeel_core::pick::Standing::Tried(0);
                first && live.roster().token_to_issue(token, it.member).is_none()
            });
        let idempotent = request.is_some_and(|it| it.head.is_idempotent());
        Outcome::Pool(Box::new(Choosing {
            pool: Arc::clone(&live.name),
            by_split,
            balance: live.config.balance.as_str(),
            mode: mode(live.roster().mode()),
            path: (path.0.to_owned(), path.1.to_owned()),
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
        request: Option<Understood<'_>>,
        path: &str,
    ) -> Option<(u64, String)> {
        if !matches!(pool.balance, Balance::Hash(_)) {
            return None;
        }
        let head = request.map(|it| it.head);
        match &pool.hash_on {
            HashOn::Source => {
                let peer = self.asked.from;
                let from = request.map_or(peer, |it| it.client(peer));
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
                let name = self.asked.server_name()?.to_ascii_lowercase();
                Some((hash::key(name.as_bytes()), format!("the name {name}")))
            }
        }
    }

    fn listener(self) -> &'a Listener {
        &self.plan.snapshot.config().listeners[self.index]
    }
}

/// A rule of the protocol is broken.
fn broken(reason: Reason) -> Outcome {
    Outcome::Refused { status: Some(reason.status()), why: reason.to_string() }
}

/// Why another answer than the file.
fn without_file(own: Own, files: &Files) -> Outcome {
    let Own { status, field, .. } = own;
    let folder = files.root.display();
    let why = match (status, field) {
        (301, Some((_, location))) => return Outcome::Redirected { status, location },
        (403, _) => format!("this node may not read it in {folder}"),
        (405, _) => "a file can be had by GET and HEAD".to_owned(),
        (412, _) => format!("its condition does not hold for the file of {folder}"),
        (416, _) => format!("the file of {folder} has no such range"),
        _ => format!("there is no such file in {folder}"),
    };
    Outcome::Refused { status: Some(status), why }
}

/// Why a path is refused that could belong to another route.
fn two_routes(
    router: &HttpRouter,
    question: &Question<'_>,
    taken: Option<usize>,
    http: &Http,
) -> Option<String> {
    match router.detour(question, taken) {
        Ok(None) => None,
        Ok(Some(detour)) => {
            let Detour { path, route } = detour;
            let whose = route.map_or_else(
                || "no route".to_owned(),
                |place| format!("route {}", http.routes[place].name),
            );
            Some(format!("a server may read the path as {path}, and that belongs to {whose}"))
        }
        Err(reason) => Some(format!("the request is refused: {}", reason.label())),
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
