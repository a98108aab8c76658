use std::sync::Arc;

use proptest::prelude::*;

use super::{HttpRouter, Near, Objection, Question, TlsRouter, near};
use crate::config::{
    Action, Auth, CookieMatch, Guard, HeaderEdits, HeaderMatch, HostPattern, Methods, PathPattern,
    PoolId, Priority, Route, Tls, TlsRule,
};

/// `"GET,HEAD *.example/api/ x-beta=1 x-debug"`: methods or `-`, then host or nothing and the path,
/// then headers.
fn route(words: &str) -> Route {
    let mut words = words.split(' ');
    let methods = words.next().filter(|&methods| methods != "-");
    let place = words.next().unwrap();
    let (host, path) = place.split_at(place.find(['/', '=']).unwrap());
    Route {
        name: place.into(),
        host: pattern(host),
        path: match path.strip_prefix('=') {
            Some(exact) => PathPattern::Exact(exact.into()),
            None => PathPattern::Prefix(path.trim_end_matches('/').into()),
        },
        methods: methods.map(|methods| Methods(methods.split(',').map(Arc::from).collect())),
        headers: words
            .map(|header| match header.split_once('=') {
                Some((name, value)) => HeaderMatch { name: name.into(), value: Some(value.into()) },
                None => HeaderMatch { name: header.into(), value: None },
            })
            .collect(),
        cookies: Vec::new(),
        action: Action::Pool(PoolId(0)),
        strip_prefix: None,
        body_bytes: None,
        mirror: None,
        bandwidth: None,
        guard: Guard::default(),
        auth: Auth::default(),
        request_headers: HeaderEdits::default(),
        response_headers: HeaderEdits::default(),
        priority: Priority::default(),
        hedge: None,
        compress: None,
    }
}

fn pattern(host: &str) -> Option<HostPattern> {
    match host.strip_prefix('*') {
        Some(suffix) => Some(HostPattern::Suffix(suffix.into())),
        None if host.is_empty() => None,
        None => Some(HostPattern::Exact(host.into())),
    }
}

/// `"GET shop.example/api x-beta=1"`.
fn ask(router: &HttpRouter, request: &str) -> Option<usize> {
    let mut words = request.split(' ');
    let method = words.next().unwrap();
    let place = words.next().unwrap();
    let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    let headers: Vec<_> = words.map(|header| header.split_once('=').unwrap()).collect();
    router.route(&Question {
        host,
        path: if path.is_empty() { "*" } else { path },
        method,
        header: &|name| {
            headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes())
        },
        cookie: &|_| None,
    })
}

fn router(routes: &[&str]) -> HttpRouter {
    HttpRouter::build(&routes.iter().map(|words| route(words)).collect::<Vec<_>>())
}

#[track_caller]
fn check(routes: &[&str], requests: &[(&str, Option<usize>)]) {
    let router = router(routes);
    for (request, expected) in requests {
        assert_eq!(ask(&router, request), *expected, "{request}");
    }
}

#[test]
fn nothing_matches_an_empty_listener() {
    check(&[], &[("GET shop.example/", None)]);
}

#[test]
fn hosts() {
    check(
        &["- /", "- *.example/", "- *.shop.example/", "- shop.example/", "- [::1]/"],
        &[
            ("GET shop.example/", Some(3)),
            ("GET SHOP.Example/", Some(3)),
            ("GET shop.example./", Some(3)),
            ("GET a.shop.example/", Some(2)),
            ("GET b.a.shop.example/", Some(2)),
            ("GET B.A.SHOP.EXAMPLE./", Some(2)),
            ("GET xshop.example/", Some(1)),
            ("GET a.example/", Some(1)),
            // The star stands for at least one label.
            ("GET example/", Some(0)),
            ("GET .example/", Some(0)),
            ("GET shop.example../", Some(0)),
            ("GET [::1]/", Some(4)),
            ("GET /", Some(0)),
        ],
    );
    check(&["- shop.example/", "- *.shop.example/"], &[("GET other.example/", None)]);
}

#[test]
fn a_host_that_is_too_long_is_nobodys() {
    let router = router(&["- /", "- *.example/"]);
    let long = format!("GET {}.example/", "a".repeat(300));
    assert_eq!(ask(&router, &long), Some(0));
}

#[test]
fn paths() {
    check(
        &["- /", "- /api/", "- /api/v2", "- =/api", "- =/api/v2/", "- =/"],
        &[
            ("GET h/", Some(5)),
            ("GET h/x", Some(0)),
            ("GET h/api", Some(3)),
            ("GET h/api/", Some(1)),
            ("GET h/api/x", Some(1)),
            ("GET h/apix", Some(0)),
            ("GET h/API/x", Some(0)),
            ("GET h/api/v2", Some(2)),
            ("GET h/api/v2/", Some(4)),
            ("GET h/api/v2/x/y", Some(2)),
            ("GET h/api/v22", Some(1)),
            // OPTIONS for the server as a whole.
            ("OPTIONS h", Some(0)),
        ],
    );
    check(&["- /api"], &[("GET h/", None), ("GET h/ap", None), ("OPTIONS h", None)]);
}

#[test]
fn a_path_with_two_readings_has_one_route_or_none() {
    let routes = ["- /admin/", "- =/x", "- /projects/"].map(route);
    let router = HttpRouter::build(&routes);
    for (path, detour) in [
        ("/admin%2Fx", Some(("/admin/x", Some(0)))),
        ("/admin%5Cx", Some(("/admin/x", Some(0)))),
        ("/%2Fadmin/x", Some(("/admin/x", Some(0)))),
        ("/admin;a/x", Some(("/admin/x", Some(0)))),
        ("/;/admin/x", Some(("/admin/x", Some(0)))),
        ("/admin%3Ba%2Fx", Some(("/admin", Some(0)))),
        ("/%61%2Fx%3B", None),
        ("/x;jsessionid=1", Some(("/x", Some(1)))),
        ("/x%2F", None),
        ("/projects/a%2Fb", None),
        ("/projects/a;b/c", None),
        ("/admin/%2F;x", None),
        ("/a%252Fadmin", None),
        ("/a%2Fb", None),
    ] {
        let mut scratch = String::new();
        let path = crate::path::normalise(path, &mut scratch).unwrap().path;
        let header = |_: &str| None;
        let question =
            Question { host: "b.example", path, method: "GET", header: &header, cookie: &header };
        let found = router.detour(&question, router.route(&question)).unwrap();
        let found = found.as_ref().map(|detour| (&*detour.path, detour.route));
        assert_eq!(found, detour, "{path}");
    }
}

#[test]
fn methods_headers_and_order() {
    check(
        &[
            "- /",
            "- / x-a",
            "- / x-a x-b=1",
            "GET,HEAD /",
            "GET / x-a",
            "- /", // never reached: the first one is the same
            "POST /form",
        ],
        &[
            ("PUT h/", Some(0)),
            ("PUT h/ x-a=anything", Some(1)),
            ("PUT h/ x-a=anything x-b=1", Some(2)),
            ("PUT h/ x-a=anything x-b=2", Some(1)),
            ("PUT h/ x-b=1", Some(0)),
            // A method counts more than any number of headers.
            ("GET h/ x-a=anything x-b=1", Some(4)),
            ("GET h/", Some(3)),
            ("get h/", Some(0)),
            // A longer prefix whose method differs is passed over.
            ("POST h/form", Some(6)),
            ("GET h/form", Some(3)),
        ],
    );
}

/// What guards `GET` guards `HEAD`.
#[test]
fn a_route_of_get_takes_head() {
    check(
        &["- /", "GET /", "HEAD /", "GET /x x-a", "HEAD,POST /x", "POST /y", "GET /y"],
        &[
            ("GET h/", Some(1)),
            ("HEAD h/", Some(2)),
            ("HEAD h/x x-a=1", Some(3)),
            ("HEAD h/x", Some(4)),
            ("HEAD h/y", Some(6)),
            ("PUT h/y", Some(0)),
        ],
    );
}

#[test]
fn a_host_whose_routes_do_not_match_is_passed_over() {
    check(
        &["- shop.example/api", "GET *.example/", "- /"],
        &[
            ("GET shop.example/api", Some(0)),
            ("GET shop.example/x", Some(1)),
            ("POST shop.example/x", Some(2)),
        ],
    );
}

#[test]
fn ten_thousand_routes() {
    let routes: Vec<Route> = (0..10_000)
        .map(|n| match n % 4 {
            0 => route(&format!("- host{n}.example/")),
            1 => route(&format!("- *.wild{n}.example/")),
            2 => route(&format!("- /prefix{n}/sub")),
            _ => route(&format!("- =/exact{n}")),
        })
        .collect();
    let router = HttpRouter::build(&routes);
    for n in 0..10_000 {
        let request = match n % 4 {
            0 => format!("GET host{n}.example/any/path"),
            1 => format!("GET a.b.wild{n}.example/"),
            2 => format!("GET other/prefix{n}/sub/{}", "x/".repeat(50)),
            _ => format!("GET other/exact{n}"),
        };
        assert_eq!(ask(&router, &request), Some(n), "{request}");
    }
    assert_eq!(ask(&router, "GET other/prefix/sub"), None);
}

/// The rules as sentences: of the routes that match, the one with the greatest precedence.
fn by_the_book(
    routes: &[Route],
    host: &str,
    path: &str,
    method: &str,
    beta: bool,
) -> Option<usize> {
    let matches = |route: &Route| {
        let host = match &route.host {
            None => true,
            Some(HostPattern::Exact(name)) => host == &**name,
            Some(HostPattern::Suffix(suffix)) => {
                host.ends_with(&**suffix) && host.len() > suffix.len()
            }
        };
        let path = match &route.path {
            PathPattern::Exact(exact) => path == &**exact,
            PathPattern::Prefix(prefix) => path
                .strip_prefix(&**prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        };
        let takes = |it: &Methods| it.contains(method) || method == "HEAD" && it.contains("GET");
        let method = route.methods.as_ref().is_none_or(takes);
        host && path && method && (beta || route.headers.is_empty())
    };
    let precedence = |route: &Route| {
        let host = match &route.host {
            None => (0, 0),
            Some(HostPattern::Suffix(suffix)) => (1, suffix.len()),
            Some(HostPattern::Exact(_)) => (2, 0),
        };
        let path = match &route.path {
            PathPattern::Prefix(prefix) => (0, prefix.len()),
            PathPattern::Exact(_) => (1, 0),
        };
        let names = route.methods.as_ref().is_some_and(|methods| methods.contains(method));
        (host, path, route.methods.is_some(), route.headers.len(), names)
    };
    let matching = routes.iter().enumerate().filter(|(_, route)| matches(route));
    // Of several maxima this takes the last, so the order is reversed to have the first.
    matching.rev().max_by_key(|(_, route)| precedence(route)).map(|(index, _)| index)
}

proptest! {
    #[test]
    fn tables_agree_with_the_book(
        routes in prop::collection::vec(
            "(-|GET|POST|HEAD|GET,HEAD) ((a|b)\\.c|\\*\\.c|\\*\\.b\\.c|\\*\\.a\\.b\\.c)?=?(/(x|y|z)){0,3}/( beta)?",
            0..20,
        ),
        host in "((a|b)\\.){0,3}c",
        path in "(/(x|y|z|)){1,4}",
        method in "GET|POST|PUT|HEAD",
        beta: bool,
    ) {
        let routes: Vec<Route> = routes.iter().map(|words| route(words)).collect();
        let request = format!("{method} {host}{path}{}", if beta { " beta=1" } else { "" });
        let found = ask(&HttpRouter::build(&routes), &request);
        prop_assert_eq!(found, by_the_book(&routes, &host, &path, &method, beta));
    }

    /// Hosts and paths come from clients.
    #[test]
    fn no_request_can_break_it(host: String, path: String, method: String) {
        let router = router(&["- *.example/api/", "GET shop.example=/x", "- /"]);
        let question = Question { host: &host, path: &path, method: &method, header: &|_| None, cookie: &|_| None };
        prop_assert!(router.route(&question).is_some());
    }
}

#[test]
fn tls() {
    let rule = |name, alpn: Option<&str>, pool| TlsRule {
        name: pattern(name),
        alpn: alpn.map(Arc::from),
        pool: PoolId(pool),
    };
    let rules = vec![
        rule("shop.example", None, 1),
        rule("shop.example", Some("h2"), 2),
        rule("shop.example", Some("acme-tls/1"), 3),
        rule("*.example", None, 4),
        rule("", Some("acme-tls/1"), 5),
        rule("only.other", Some("h2"), 6),
    ];
    let table: &[(Option<&str>, &[&str], u16)] = &[
        (Some("shop.example"), &[], 1),
        (Some("Shop.Example."), &["http/1.1"], 1),
        (Some("shop.example"), &["http/1.1", "h2"], 2),
        // Both rules match: the order of the file decides, not that of the client.
        (Some("shop.example"), &["acme-tls/1", "h2"], 2),
        (Some("shop.example"), &["acme-tls/1"], 3),
        (Some("a.example"), &["acme-tls/1"], 4),
        (Some("unknown"), &["acme-tls/1"], 5),
        (Some("unknown"), &["h2"], 0),
        (Some("only.other"), &["h2"], 6),
        (Some("only.other"), &[], 0),
        (None, &[], 0),
        (None, &["acme-tls/1"], 5),
    ];
    let with_default = TlsRouter::build(&Tls { default: Some(PoolId(0)), rules: rules.clone() });
    let without = TlsRouter::build(&Tls { default: None, rules });
    for &(name, offered, pool) in table {
        let offers = |one: &[u8]| offered.iter().any(|offered| offered.as_bytes() == one);
        assert_eq!(with_default.route(name, offers), Some(PoolId(pool)), "{name:?} {offered:?}");
        let expected = Some(PoolId(pool)).filter(|_| pool != 0);
        assert_eq!(without.route(name, offers), expected, "{name:?} {offered:?}");
    }
}

#[test]
fn routes_that_are_not_taken_say_why() {
    let cookies = vec![CookieMatch { name: "staff".into(), value: None }];
    let routes = vec![
        route("- shop.example/"),
        route("- shop.example/api/ x-beta=1"),
        Route { cookies, ..route("- shop.example/api/") },
        route("POST shop.example/api/"),
        route("- shop.example=/api/users/7"),
        route("- other.example/api/"),
        route("- other.example/elsewhere/"),
        route("- *.example/api/"),
    ];
    let question = Question {
        host: "Shop.example.",
        path: "/api/users",
        method: "GET",
        header: &|_| None,
        cookie: &|_| None,
    };
    let taken = HttpRouter::build(&routes).route(&question);
    assert_eq!(taken, Some(0));
    let others = near(&routes, &question, taken, 10);
    let found: Vec<(usize, String)> = others
        .iter()
        .map(|Near { route, why }| (*route, format!("{why:?}")))
        .map(|(route, why)| (route, why.split(['(', ' ']).next().unwrap_or_default().to_owned()))
        .collect();
    let expected = [
        (7, "LessSpecific"),
        (2, "Cookie"),
        (1, "Header"),
        (3, "Method"),
        (4, "Path"),
        (5, "Host"),
    ];
    assert_eq!(found, expected.map(|(route, why)| (route, why.to_owned())));
}

proptest! {
    /// What is said of routes agrees with what is done.
    #[test]
    fn the_route_that_is_taken_is_one_nothing_speaks_against(
        hosts in prop::collection::vec(prop::sample::select(vec!["", "a.b", "*.b", "*.a.b"]), 1..8),
        paths in prop::collection::vec(
            prop::sample::select(vec!["/", "/x/", "/x/y/", "=/x", "=/x/y", "/xy/"]), 8),
        host in prop::sample::select(vec!["a.b", "c.a.b", "b", "A.B.", ".b"]),
        path in prop::sample::select(vec!["/", "/x", "/x/", "/x/y", "/xy", "/x/y/z", "*"]),
    ) {
        let routes: Vec<Route> =
            hosts.iter().zip(&paths).map(|(host, path)| route(&format!("- {host}{path}"))).collect();
        let question = Question { host, path, method: "GET", header: &|_| None, cookie: &|_| None };
        let taken = HttpRouter::build(&routes).route(&question);
        let unspoken = near(&routes, &question, None, routes.len());
        let fits = |place: usize| {
            unspoken.iter().any(|it| it.route == place && it.why == Objection::LessSpecific)
        };
        match taken {
            Some(taken) => prop_assert!(fits(taken), "{taken} of {routes:?}"),
            None => prop_assert!((0..routes.len()).all(|place| !fits(place)), "{routes:?}"),
        }
    }
}
