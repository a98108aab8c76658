//! Why a request does not take a route: for those who ask, never on the way of a request.

use std::fmt;

use super::{Candidate, Question};
use crate::config::{CookieMatch, HeaderMatch, HostPattern, Methods, PathPattern, Route};

/// What keeps a request from a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection<'a> {
    /// It would take it, if the one it takes were not more specific.
    LessSpecific,
    Cookie(&'a CookieMatch),
    Header(&'a HeaderMatch),
    Method,
    Path,
    Host,
}

impl fmt::Display for Objection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lacks = |what: &str, name: &str, value: Option<&str>| match value {
            Some(value) => write!(f, "{what} {name} is not {value}"),
            None => write!(f, "{what} {name} is not there"),
        };
        match self {
            Self::LessSpecific => f.write_str("it matches, but the other is more specific"),
            Self::Cookie(it) => lacks("cookie", &it.name, it.value.as_deref()),
            Self::Header(it) => lacks("header", &it.name, it.value.as_deref()),
            Self::Method => f.write_str("not this method"),
            Self::Path => f.write_str("not this path"),
            Self::Host => f.write_str("not this host"),
        }
    }
}

/// A route that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near<'a> {
    /// Its place.
    pub route: usize,
    pub why: Objection<'a>,
}

/// The routes that are not `taken`, those that came nearest first: at most so many. One that
/// matches neither host nor path is not near.
pub fn near<'a>(
    routes: &'a [Route],
    question: &Question<'_>,
    taken: Option<usize>,
    most: usize,
) -> Vec<Near<'a>> {
    let others = routes.iter().enumerate().filter(|(place, _)| Some(*place) != taken);
    let mut near: Vec<(usize, Near<'_>)> = others
        .filter_map(|(place, route)| {
            let why = objection(route, question)?;
            Some((shared(&route.path, question.path), Near { route: place, why }))
        })
        .collect();
    near.sort_by_key(|(shared, near)| (rank(near.why), usize::MAX - shared, near.route));
    near.truncate(most);
    near.into_iter().map(|(_, near)| near).collect()
}

/// `None`: it is not near.
fn objection<'a>(route: &'a Route, question: &Question<'_>) -> Option<Objection<'a>> {
    let host = route.host.as_ref().is_none_or(|host| covers_host(host, question.host));
    let path = covers_path(&route.path, question.path);
    match (host, path) {
        (false, false) => None,
        (false, true) => Some(Objection::Host),
        (true, false) => Some(Objection::Path),
        (true, true) => {
            let Route { methods, headers, cookies, .. } = route;
            let takes = |methods: &Methods| {
                let method = question.method;
                methods.contains(method) || method == "HEAD" && methods.implies_head()
            };
            if !methods.as_ref().is_none_or(takes) {
                return Some(Objection::Method);
            }
            let why = Candidate::objection((headers, cookies), question);
            Some(why.unwrap_or(Objection::LessSpecific))
        }
    }
}

/// The nearest first.
fn rank(why: Objection<'_>) -> u8 {
    match why {
        Objection::LessSpecific => 0,
        Objection::Cookie(_) => 1,
        Objection::Header(_) => 2,
        Objection::Method => 3,
        Objection::Path => 4,
        Objection::Host => 5,
    }
}

fn covers_host(pattern: &HostPattern, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    match pattern {
        HostPattern::Exact(name) => name.eq_ignore_ascii_case(host),
        HostPattern::Suffix(suffix) => {
            let front = host.len().checked_sub(suffix.len()).filter(|front| *front > 0);
            let end = front.and_then(|front| host.get(front..));
            end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
        }
    }
}

fn covers_path(pattern: &PathPattern, path: &str) -> bool {
    match pattern {
        PathPattern::Exact(exact) => &**exact == path,
        PathPattern::Prefix(prefix) => {
            let rest = path.strip_prefix(&**prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.is_empty())
        }
    }
}

/// Bytes at their beginning that pattern and path have in common.
fn shared(pattern: &PathPattern, path: &str) -> usize {
    let (PathPattern::Exact(wanted) | PathPattern::Prefix(wanted)) = pattern;
    wanted.bytes().zip(path.bytes()).take_while(|(one, other)| one == other).count()
}
