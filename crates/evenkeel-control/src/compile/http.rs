//! What an HTTP listener adds: routes, limits, forwarding.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evenkeel_core::config::{
    Action, Compress, CookieMatch, Forwarding, HeaderMatch, Hedge, HostPattern, Http, HttpLimits,
    Methods, PathPattern, PoolId, Route,
};
use evenkeel_core::trace::Tracing;

use super::listener::routes;
use super::pool::Directory;
use super::table::{Reader, Wrong, wrong};
use super::value::{Choice, boolean, duration, expected, integer, size, size_within, text};
use super::{Bench, auth, compress, edit, files, guard, shed, split, word};
use crate::document::{Entry, Kind, Value};
use crate::finding::{Finding, Place};

/// A tenth of them is the largest file anybody has shown; each costs a few hundred bytes.
const MOST_ROUTES: usize = 65_536;

/// Slower, and a client would be given up for having no answer.
const LEAST_BANDWIDTH: u64 = 1024;

/// Faster than any network: a slip.
const MOST_BANDWIDTH: u64 = 1 << 40;

/// What a request can lead to: a listener or a route has one of them.
const WAYS: [&str; 4] = ["pool", "split", "redirect", "static"];

const TRACE: Choice<Tracing> = Choice {
    words: &[
        ("off", Tracing::Off),
        ("pass", Tracing::Pass),
        ("start", Tracing::Start),
        ("restart", Tracing::Restart),
    ],
    later: &[],
};

/// What a route has of its listener, unless it says otherwise.
#[derive(Clone, Copy)]
struct Inherited<'a> {
    body_bytes: Option<u64>,
    compress: Option<&'a Arc<Compress>>,
}

pub(super) fn http(reader: &mut Reader<'_>, bench: Bench<'_>, pools: &Directory) -> Http {
    let default = action(reader, bench, pools);
    let mut limits = limits(reader);
    let compress = compress::compress(reader, None);
    let inherited = Inherited { body_bytes: limits.body_bytes, compress: compress.as_ref() };
    let routes = all_routes(reader, (bench, pools), inherited);
    if default.is_none()
        && routes.is_empty()
        && !has_any(reader, &WAYS)
        && !has_any(reader, &["route"])
    {
        let help = "add `pool = \"NAME\"`, a `redirect`, a `static` folder or a route";
        reader.fault(reader.place, wrong("nothing says where requests go").help(help));
    }
    let body_bytes = limits.body_bytes;
    let all = routes.iter().map(|route| route.body_bytes).chain([body_bytes]);
    limits.body_bytes = all.reduce(|one, other| Some(one?.max(other?))).flatten();
    Http {
        routes: routes.into(),
        default,
        methods: methods(reader),
        compress,
        trusted_proxies: reader
            .list("trusted_proxies", word::network)
            .map(unplaced)
            .unwrap_or_default(),
        forwarding: forwarding(reader),
        limits,
        body_bytes,
        error_pages: edit::error_pages(reader, bench.surroundings),
        hsts: None,
        client_subject: None,
        reserved: Vec::new(),
        h2c: reader.read("h2c", boolean).unwrap_or(false),
    }
}

fn methods(reader: &mut Reader<'_>) -> Option<Methods> {
    let help = "leave `methods` out to allow all";
    reader.filled("methods", help, word::method).map(unplaced).map(Methods)
}

fn unplaced<T>(listed: Vec<(Place, T)>) -> Vec<T> {
    listed.into_iter().map(|(_, item)| item).collect()
}

fn has_any(reader: &Reader<'_>, keys: &[&str]) -> bool {
    reader.entries().iter().any(|entry| keys.contains(&entry.key.as_str()))
}

/// One of [`WAYS`].
fn action(reader: &mut Reader<'_>, bench: Bench<'_>, pools: &Directory) -> Option<Action> {
    let mut given = WAYS.into_iter().filter_map(|key| Some((key, reader.entry(key)?)));
    if let (Some((first, _)), Some((second, entry))) = (given.next(), given.next()) {
        let reason = format!("a request goes one way: `{first}` or `{second}`");
        reader
            .fault(entry.key_place, wrong(reason).help(format!("remove `{second}` or `{first}`")));
    }
    let to_pool = reader.read("pool", |value| pools.find(value)).map(Action::Pool);
    let split = split::split(reader, pools).map(Action::Split);
    let redirect = reader.table("redirect").and_then(edit::redirect).map(Action::Redirect);
    let files = reader.table("static").and_then(|it| files::files(it, bench.surroundings));
    let files = files.map(|files| Action::Files(Arc::new(files)));
    redirect.or(files).or(split).or(to_pool)
}

fn all_routes(
    reader: &mut Reader<'_>,
    (bench, pools): (Bench<'_>, &Directory),
    inherited: Inherited<'_>,
) -> Vec<Route> {
    let mut names: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut placed: Vec<(Place, Route)> = Vec::new();
    // Where the routes of each host and path are: looking at all of them for each takes seconds.
    let mut alike: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
    for mut one in routes(reader) {
        let place = one.place;
        if placed.len() == MOST_ROUTES {
            one.fault(place, wrong(format!("at most {MOST_ROUTES} routes in a listener")));
            break;
        }
        let before = bench.notes.count();
        let mut route = route(&mut one, (bench, pools), inherited);
        let as_written = bench.notes.count() == before;
        let given = one.entries().iter().any(|entry| entry.key == "name");
        if given && names.contains(&route.name) {
            one.fault(place, wrong(format!("two routes named `{}`", route.name)));
        }
        let alike = alike.entry(made_name(route.host.as_ref(), &route.path)).or_default();
        route.name = unique(&route.name, alike.len(), &names);
        names.insert(Arc::clone(&route.name));
        let twin = alike.iter().map(|at| &placed[*at]).find(|(_, it)| same_match(it, &route));
        alike.push(placed.len());
        if let Some((first, _)) = twin
            && as_written
        {
            let reason = "an earlier route matches the same requests: this one is never taken";
            bench.notes.add(Finding::fault(place, reason).also(*first, "taken instead"));
        }
        one.finish();
        placed.push((place, route));
    }
    unplaced(placed)
}

fn same_match(one: &Route, other: &Route) -> bool {
    one.host == other.host
        && one.path == other.path
        && one.methods == other.methods
        && one.headers == other.headers
        && one.cookies == other.cookies
}

/// `name`, or with a number when it is taken; `alike` routes before it may have it.
fn unique(name: &Arc<str>, alike: usize, names: &BTreeSet<Arc<str>>) -> Arc<str> {
    let numbered = (alike.max(1) + 1..).map(|number| Arc::from(format!("{name}#{number}")));
    std::iter::once(Arc::clone(name))
        .chain(numbered)
        .find(|candidate| !names.contains(candidate))
        .expect("numbers do not run out")
}

fn route(
    reader: &mut Reader<'_>,
    (bench, pools): (Bench<'_>, &Directory),
    inherited: Inherited<'_>,
) -> Route {
    let host = reader.read("host", word::host_pattern);
    let path = reader.read("path", word::path_pattern);
    let strip_prefix = strip_prefix(reader, path.as_ref());
    let path = path.unwrap_or_else(|| PathPattern::Prefix("".into()));
    let methods = methods(reader);
    let headers = headers(reader);
    let cookies = cookies(reader);
    let action = action(reader, bench, pools);
    if action.is_none() && !has_any(reader, &WAYS) {
        let help =
            "add `pool = \"NAME\"`, `redirect = { to = \"…\" }` or `static = { root = \"…\" }`";
        reader.fault(reader.place, wrong("this route leads nowhere").help(help));
    }
    if matches!(action, Some(Action::Redirect(_) | Action::Files(_))) {
        reader.misplaced(&["mirror"], "belongs to a route with a `pool` or a `split`");
    }
    let mut request_headers = edit::request_headers(reader);
    let name = reader.read("name", |value| word::name(text(value)?));
    reader.misplaced(&["sni", "alpn"], "belongs to a listener of `protocol = \"tls\"`");
    reader.later(&["cache", "auth", "limit"]);
    let response_headers = edit::response_headers(reader);
    let compress = compress::compress(reader, inherited.compress);
    if matches!(action, Some(Action::Files(_))) {
        compress::warn_of_files(reader, bench.notes);
    }
    Route {
        name: name.unwrap_or_else(|| made_name(host.as_ref(), &path)),
        strip_prefix,
        guard: guard::guard(reader, bench.rates),
        body_bytes: body(reader).or(inherited.body_bytes),
        mirror: split::mirror(reader, pools),
        bandwidth: reader.read("bandwidth", size_within(LEAST_BANDWIDTH..=MOST_BANDWIDTH)),
        auth: auth::auth(reader, (bench, pools), &mut request_headers),
        request_headers,
        // What the operator says of the coding has to stay true.
        compress: compress.filter(|_| !compress::is_told(&response_headers)),
        response_headers,
        // What led nowhere was refused above.
        action: action.unwrap_or(Action::Pool(PoolId(0))),
        host,
        path,
        methods,
        headers,
        cookies,
        priority: shed::priority(reader),
        hedge: hedge(reader),
    }
}

/// `true`, or `{ after = "p95", least = "5ms" }`
fn hedge(route: &mut Reader<'_>) -> Option<Hedge> {
    let entry = route.entry("hedge")?;
    if let Kind::Boolean(on) = entry.value.kind {
        return on.then(Hedge::default);
    }
    let mut reader = route.inner(entry)?;
    let mut hedge = Hedge::default();
    hedge.percent = reader.read("after", percentile).unwrap_or(hedge.percent);
    hedge.least = reader.read("least", duration).unwrap_or(hedge.least);
    reader.finish();
    Some(hedge)
}

/// `"p95"`
fn percentile(value: &Value) -> Result<u8, Wrong> {
    let written = text(value)?;
    let percent = written.strip_prefix('p').and_then(|digits| digits.parse().ok());
    percent.filter(|percent| (50..=99).contains(percent)).ok_or_else(|| {
        wrong(format!("\"{written}\" is not a percentile")).help("from \"p50\" to \"p99\"")
    })
}

/// `shop.example/api/`, as the operator would say it.
fn made_name(host: Option<&HostPattern>, path: &PathPattern) -> Arc<str> {
    let host = match host {
        Some(HostPattern::Exact(name)) => name.to_string(),
        Some(HostPattern::Suffix(suffix)) => format!("*{suffix}"),
        None => String::new(),
    };
    match path {
        PathPattern::Exact(path) => format!("{host}={path}").into(),
        PathPattern::Prefix(path) => format!("{host}{path}/").into(),
    }
}

/// `{ "x-beta" = "1", "x-debug" = true }`
fn headers(route: &mut Reader<'_>) -> Vec<HeaderMatch> {
    let Some(reader) = route.table("headers") else { return Vec::new() };
    let one = |entry: &Entry| {
        let name = word::header_name(&entry.key).map_err(|wrong| (entry.key_place, wrong))?;
        Ok(HeaderMatch { name, value: wanted(entry)? })
    };
    let read = |entry| one(entry).map_err(|(place, wrong)| reader.fault(place, wrong)).ok();
    reader.entries().iter().filter_map(read).collect()
}

/// `{ "canary" = "1", "beta" = true }`
fn cookies(route: &mut Reader<'_>) -> Vec<CookieMatch> {
    let Some(reader) = route.table("cookies") else { return Vec::new() };
    let one = |entry: &Entry| {
        if !word::is_token(&entry.key) {
            let reason = format!("\"{}\" is not a cookie's name", entry.key);
            return Err((entry.key_place, wrong(reason).help("such as \"canary\"")));
        }
        Ok(CookieMatch { name: entry.key.as_str().into(), value: wanted(entry)? })
    };
    let read = |entry| one(entry).map_err(|(place, wrong)| reader.fault(place, wrong)).ok();
    reader.entries().iter().filter_map(read).collect()
}

/// The value something must have; `None`: any.
fn wanted(entry: &Entry) -> Result<Option<Arc<str>>, (Place, Wrong)> {
    let value = match &entry.value.kind {
        Kind::Boolean(true) => Ok(None),
        Kind::Text(_) => word::header_value(&entry.value).map(Some),
        _ => {
            Err(expected("a string, or true", &entry.value).help("true asks only that it is there"))
        }
    };
    value.map_err(|wrong| (entry.value.place, wrong))
}

/// `limits = { body = "10MiB" }`
fn body(route: &mut Reader<'_>) -> Option<u64> {
    let mut reader = route.table("limits")?;
    let body = reader.read("body", size);
    let why = "is read before the route is known: write it under `[listener.NAME]`";
    reader.misplaced(&["head", "headers", "target", "requests"], why);
    reader.finish();
    body
}

/// `rewrite = { strip_prefix = "/api" }`
fn strip_prefix(route: &mut Reader<'_>, pattern: Option<&PathPattern>) -> Option<Arc<str>> {
    let path_was_refused = pattern.is_none() && has_any(route, &["path"]);
    let mut reader = route.table("rewrite")?;
    let prefix = reader.read("strip_prefix", |value| {
        let written = word::path(text(value)?)?.trim_end_matches('/');
        let path: &str = match pattern {
            Some(PathPattern::Exact(path) | PathPattern::Prefix(path)) => path,
            None => "",
        };
        let rest = path.strip_prefix(written);
        if path_was_refused || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Ok(written);
        }
        let shown = if path.is_empty() { "/" } else { path };
        Err(wrong(format!("requests of this route start with \"{shown}\", not \"{written}\""))
            .help("strip the route's own path, or a front part of it"))
    });
    reader.finish();
    prefix.filter(|prefix| !prefix.is_empty()).map(Arc::from)
}

fn limits(listener: &mut Reader<'_>) -> HttpLimits {
    let mut limits = HttpLimits::default();
    let Some(mut reader) = listener.table("limits") else { return limits };
    let most = u64::from(HttpLimits::MOST_HEAD_BYTES);
    for (key, target) in [("head", &mut limits.head_bytes), ("target", &mut limits.target_bytes)] {
        if let Some(bytes) = reader.read(key, size_within(256..=most)) {
            *target = u32::try_from(bytes).expect("the range ends at a u32");
        }
    }
    if let Some(most) = reader.read("headers", integer(1..=HttpLimits::MOST_HEADERS)) {
        limits.headers = most;
    }
    if let Some(most) = reader.read("requests", integer(1..=u32::MAX)) {
        limits.requests = most;
    }
    limits.body_bytes = reader.read("body", size);
    reader.finish();
    limits
}

fn forwarding(listener: &mut Reader<'_>) -> Forwarding {
    let mut forwarding = Forwarding::default();
    let Some(mut reader) = listener.table("forwarding") else { return forwarding };
    for (key, target) in [
        ("x_forwarded", &mut forwarding.x_forwarded),
        ("forwarded", &mut forwarding.forwarded),
        ("request_id", &mut forwarding.request_id),
    ] {
        if let Some(given) = reader.read(key, boolean) {
            *target = given;
        }
    }
    forwarding.trace = reader.read("trace", |value| TRACE.read(value)).unwrap_or_default();
    forwarding.via = reader.read("via", |value| {
        let written = text(value)?;
        let wrong = || wrong(format!("\"{written}\" is not a name for `Via`"));
        let fits = word::is_token(written).then(|| Arc::from(written));
        fits.ok_or_else(|| wrong().help("one word, such as \"lb0\""))
    });
    reader.finish();
    forwarding
}
