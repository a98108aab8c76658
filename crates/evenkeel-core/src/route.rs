//! Which route a request takes, which pool a TLS connection goes to.
//!
//! The most specific match wins, as in the Gateway API: exact host before the longest wildcard
//! before any host; then exact path before the longest prefix; then a route that names methods;
//! then the most headers and cookies; then the order of the file. A route whose host and path match but whose
//! method, headers or cookies do not is passed over, and the search goes on with the next less specific one.
//! A route of `GET` takes `HEAD`, too, after those of as many headers and cookies that name it.
//!
//! A look-up costs a few hashes, whatever the number of routes, and allocates nothing.

mod host;
mod near;
mod path;

use std::fmt;

use self::host::Hosts;
pub use self::near::{Near, Objection, near};
use self::path::Paths;
use crate::config::{CookieMatch, HeaderMatch, Methods, PoolId, Route, Tls, TlsRule};
use crate::message::Reason;
use crate::path::readings;

/// What of a request decides its route.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Without a port; any case; may end in a dot.
    pub host: &'a str,
    /// Normalised, without the query.
    pub path: &'a str,
    /// As sent: methods are case-sensitive (RFC 9110 §9.1).
    pub method: &'a str,
    /// The value of the header with this lower-case name, if there is one.
    pub header: &'a dyn Fn(&str) -> Option<&'a [u8]>,
    /// The value of the cookie with this name, if there is one.
    pub cookie: &'a dyn Fn(&str) -> Option<&'a [u8]>,
}

impl fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, path, method, header: _, cookie: _ } = self;
        write!(f, "{method} {host}{path}")
    }
}

/// The routes of an HTTP listener, ready to be looked up.
#[derive(Debug, Default)]
pub struct HttpRouter {
    hosts: Hosts<Paths>,
}

impl HttpRouter {
    /// Answers with places in `routes`.
    pub fn build(routes: &[Route]) -> Self {
        let mut hosts = Hosts::<Paths>::default();
        for (index, route) in routes.iter().enumerate() {
            let paths = hosts.entry(route.host.as_ref());
            paths.insert(&route.path, Candidate::new(index, route));
            if route.methods.as_ref().is_some_and(Methods::implies_head) {
                paths.insert(&route.path, Candidate::of_head(index, route));
            }
        }
        Self { hosts }
    }

    /// The place of the route in [`crate::config::Http::routes`]; `None` if none matches.
    pub fn route(&self, question: &Question<'_>) -> Option<usize> {
        self.find(question, question.path)
    }

    /// Where a request leads that takes the route `taken`, if its server finds another path in its
    /// own (see [`readings`](crate::path::readings)). `None`: to the same route, whatever it finds.
    pub fn detour(
        &self,
        question: &Question<'_>,
        taken: Option<usize>,
    ) -> Result<Option<Detour>, Reason> {
        let mut detours = readings(question.path)?.into_iter().map(|path| {
            let route = self.find(question, &path);
            Detour { path, route }
        });
        Ok(detours.find(|detour| detour.route != taken))
    }

    /// The route of a question with this path in place of its own.
    fn find(&self, question: &Question<'_>, path: &str) -> Option<usize> {
        self.hosts.find(Some(question.host), |paths| {
            paths.find(path, |candidate| candidate.admits(question))
        })
    }
}

/// Another reading of a path, which another route takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detour {
    pub path: String,
    /// `None`: the default.
    pub route: Option<usize>,
}

/// A route as seen by those who have found its host and path: what else it asks for.
#[derive(Debug)]
struct Candidate {
    index: usize,
    /// It takes `HEAD` because its route takes `GET`: one that names `HEAD` comes first.
    is_implied: bool,
    methods: Option<Methods>,
    headers: Vec<HeaderMatch>,
    cookies: Vec<CookieMatch>,
}

impl Candidate {
    fn new(index: usize, route: &Route) -> Self {
        let Route { methods, headers, cookies, .. } = route;
        let (methods, headers, cookies) = (methods.clone(), headers.clone(), cookies.clone());
        Self { index, is_implied: false, methods, headers, cookies }
    }

    /// Its route where it takes `HEAD` without saying so.
    fn of_head(index: usize, route: &Route) -> Self {
        let methods = Some(Methods(vec!["HEAD".into()]));
        Self { is_implied: true, methods, ..Self::new(index, route) }
    }

    /// Smaller is more specific; no two are equal.
    fn precedence(&self) -> impl Ord + use<> {
        let fields = self.headers.len() + self.cookies.len();
        (self.methods.is_none(), usize::MAX - fields, self.is_implied, self.index)
    }

    fn admits(&self, question: &Question<'_>) -> bool {
        let Self { methods, headers, cookies, index: _, is_implied: _ } = self;
        let takes = methods.as_ref().is_none_or(|methods| methods.contains(question.method));
        takes && Self::objection((headers, cookies), question).is_none()
    }

    /// The first thing that a request lacks which has its host, path and method.
    fn objection<'a>(
        (headers, cookies): (&'a [HeaderMatch], &'a [CookieMatch]),
        question: &Question<'_>,
    ) -> Option<Objection<'a>> {
        let lacks = |found: Option<&[u8]>, value: Option<&str>| !is_wanted(found, value);
        let header = |it: &&HeaderMatch| lacks((question.header)(&it.name), it.value.as_deref());
        let cookie = |it: &&CookieMatch| lacks((question.cookie)(&it.name), it.value.as_deref());
        let header = headers.iter().find(header).map(Objection::Header);
        header.or_else(|| cookies.iter().find(cookie).map(Objection::Cookie))
    }
}

/// It is there and, if a value is asked for, has it.
fn is_wanted(found: Option<&[u8]>, value: Option<&str>) -> bool {
    found.is_some_and(|found| value.is_none_or(|value| value.as_bytes() == found))
}

/// The rules of a listener that passes TLS through, ready to be looked up.
#[derive(Debug, Default)]
pub struct TlsRouter {
    hosts: Hosts<Vec<TlsRule>>,
    default: Option<PoolId>,
}

impl TlsRouter {
    /// Keeps, for each name, the rules with an application protocol in front of those without.
    pub fn build(tls: &Tls) -> Self {
        let mut hosts = Hosts::<Vec<TlsRule>>::default();
        for rule in &tls.rules {
            let rules = hosts.entry(rule.name.as_ref());
            let place = if rule.alpn.is_some() {
                rules.partition_point(|other| other.alpn.is_some())
            } else {
                rules.len()
            };
            rules.insert(place, rule.clone());
        }
        Self { hosts, default: tls.default }
    }

    /// Where a connection goes that asks for this server name (any case) and `offers` some
    /// application protocols; `None` if no rule matches and there is no default.
    pub fn route(&self, name: Option<&str>, offers: impl Fn(&[u8]) -> bool) -> Option<PoolId> {
        let matches = |rule: &&TlsRule| rule.alpn.as_ref().is_none_or(|one| offers(one.as_bytes()));
        self.hosts
            .find(name, |rules| rules.iter().find(matches).map(|rule| rule.pool))
            .or(self.default)
    }
}

#[cfg(test)]
mod tests;
