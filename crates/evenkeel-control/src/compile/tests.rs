//! What configurations mean. What is wrong with others is in `crates/evenkeel/tests/check`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_core::config::{
    Action, Agent, AgentCheck, Balance, Check, CheckKind, ClientTimeouts, Config, FailureRate,
    Hedge, HostPattern, Http, InitialState, LogFormat, LogTarget, Outlier, PathPattern, PoolId,
    Priority, Protocol, ProxyVersion, Retry, ServerTimeouts, Shed, ZoneId, Zoning,
};
use evenkeel_core::template::{Fact, Part, Template};

use super::{Compiled, Override, ResolverSettings, Surroundings, compile};
use crate::membership::{Listed, Records};

const SMALLEST: &str = r#"
[listener.web]
bind = ["0.0.0.0:80"]
protocol = "http"
pool = "app"
[pool.app]
servers = ["10.0.0.1:80"]
"#;

fn surroundings(overrides: &[Override]) -> Surroundings {
    Surroundings {
        base: PathBuf::from("/etc/evenkeel"),
        overrides: overrides.to_vec(),
        now: crate::clock::now,
        read,
        read_secret: read,
        cores: 2,
        host_name: "lb0".to_owned(),
        state_directory: None,
        exports_traces: true,
    }
}

fn read(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let content: &[u8] = match path.to_str() {
        Some("/etc/evenkeel/token") => b"0123456789abcdef\n",
        Some("/etc/evenkeel/sorry.html") => b"sorry",
        Some("/etc/evenkeel/site.pem") => {
            include_bytes!("../../../evenkeel/tests/check/tls/site.pem")
        }
        Some("/etc/evenkeel/site.key") => {
            include_bytes!("../../../evenkeel/tests/check/tls/site.key")
        }
        _ => return Err(io::ErrorKind::NotFound.into()),
    };
    Ok(content[..content.len().min(limit)].to_vec())
}

#[track_caller]
fn good(text: &str) -> Compiled {
    good_with(text, &[])
}

#[track_caller]
fn good_with(text: &str, overrides: &[Override]) -> Compiled {
    compile("file", text, &surroundings(overrides)).unwrap_or_else(|findings| panic!("{findings}"))
}

#[track_caller]
fn bad(text: &str) -> String {
    compile("file", text, &surroundings(&[])).expect_err("it has faults").to_string()
}

#[track_caller]
fn http(config: &Config) -> &Http {
    match &config.listeners[0].protocol {
        Protocol::Http(http) => http,
        other => panic!("{other:?}"),
    }
}

/// The smallest file with a few more lines for its listener.
fn listener_with(lines: &str) -> String {
    SMALLEST.replace("pool = \"app\"\n", &format!("pool = \"app\"\n{lines}\n"))
}

#[test]
fn the_smallest_file_gets_every_default() {
    let Compiled { config, node, admin, warnings, .. } = good(SMALLEST);
    assert!(warnings.is_empty(), "{warnings}");
    assert_eq!((node.name.as_str(), node.workers), ("lb0", 2));
    assert_eq!(node.state_dir, Path::new("/etc/evenkeel/state"));
    assert_eq!(admin.bind, super::DEFAULT_ADMIN);
    let listener = &config.listeners[0];
    assert_eq!(listener.timeouts, ClientTimeouts::default());
    assert_eq!(http(&config).default, Some(Action::Pool(PoolId(0))));
    let pool = &config.pools[0];
    assert_eq!(pool.balance, Balance::RoundRobin);
    assert_eq!(pool.timeouts, ServerTimeouts::default());
    assert_eq!(pool.retry, Retry::default());
    assert_eq!(pool.check, Some(Check::default()));
    assert_eq!(pool.outlier, Outlier::default());
    let server = &pool.servers[0];
    assert_eq!((&*server.name, server.weight, server.backup), ("10.0.0.1:80", 1, false));
    assert_eq!(config.access_log, None);
}

#[test]
fn an_empty_file_is_valid_and_warned_of() {
    let Compiled { config, warnings, .. } = good("");
    assert_eq!(config, Config { slow: Some(Duration::from_secs(1)), ..Config::default() });
    assert_eq!(warnings.warnings(), 1);
}

#[test]
fn order_is_that_of_the_file() {
    let text = "pool.z.servers = []\n[listener.b]\nbind = [\"0.0.0.0:1\"]\nprotocol = \"tcp\"\n\
                pool = \"a\"\n[listener.a]\nbind = [\"0.0.0.0:2\"]\nprotocol = \"tcp\"\n\
                pool = \"z\"\n[pool.a]\nservers = []\n";
    let config = good(text).config;
    let listeners: Vec<&str> = config.listeners.iter().map(|it| &*it.name).collect();
    let pools: Vec<&str> = config.pools.iter().map(|it| &*it.name).collect();
    assert_eq!((listeners, pools), (vec!["b", "a"], vec!["z", "a"]));
    assert_eq!(config.listeners[0].protocol, Protocol::Tcp { pool: PoolId(1) });
}

#[test]
fn retries_and_breakers() {
    let text = format!(
        "{SMALLEST}retry = {{ on = [\"502\", \"connect\"], budget = \"50%\", budget_floor = 0, \
         unsafe_methods = true, per_try = \"2s\", backoff = {{ base = \"1s\" }} }}\n\
         breaker = {{ requests = 9, server = {{ retries = 1 }} }}\n"
    );
    let pool = &good(&text).config.pools[0];
    let Retry { on, unsafe_methods, per_try, backoff, budget, attempts } = &pool.retry;
    assert_eq!((on.connect, on.timeout, &*on.statuses), (true, false, &[502][..]));
    assert_eq!((*attempts, *unsafe_methods, *per_try), (2, true, Some(Duration::from_secs(2))));
    assert_eq!((budget.percent, budget.floor), (50, 0));
    assert_eq!(backoff.most, Duration::from_secs(1), "never below the base");
    let limits = (pool.breaker.pool.requests, pool.breaker.server.retries);
    assert_eq!((limits, pool.breaker.server.requests), ((Some(9), Some(1)), None));
}

#[test]
fn routes_mean_what_they_say() {
    let text = listener_with(
        r#"
        [[listener.web.route]]
        host = "*.Shop.example"
        path = "/api/"
        methods = ["GET"]
        headers = { "X-Beta" = "1", "x-debug" = true }
        pool = "app"
        rewrite = { strip_prefix = "/api/" }
        request_headers = { set = { "X-From" = "front" }, remove = ["x-secret"] }
        [[listener.web.route]]
        path = "=/old"
        redirect = { to = "https://{host}/new{path}", status = 308 }
        "#,
    );
    let config = good(&text).config;
    let [api, old] = &http(&config).routes[..] else { panic!("two routes") };
    assert_eq!(api.host, Some(HostPattern::Suffix(".shop.example".into())));
    assert_eq!(api.path, PathPattern::Prefix("/api".into()));
    assert_eq!(&*api.name, "*.shop.example/api/");
    assert_eq!(api.strip_prefix.as_deref(), Some("/api"));
    assert_eq!((&*api.headers[0].name, api.headers[0].value.as_deref()), ("x-beta", Some("1")));
    assert_eq!((&*api.headers[1].name, api.headers[1].value.as_deref()), ("x-debug", None));
    assert_eq!(api.request_headers.set, [("x-from".into(), Template::text("front"))]);
    assert_eq!(old.path, PathPattern::Exact("/old".into()));
    let Action::Redirect(redirect) = &old.action else { panic!("{old:?}") };
    assert_eq!(redirect.status, 308);
    let text = |text: &str| Part::Text(text.into());
    let parts = [text("https://"), Part::Fact(Fact::Host), text("/new"), Part::Fact(Fact::Path)];
    assert_eq!(redirect.to, Template::new(parts.into()));
}

#[test]
fn servers_may_be_names_and_tables() {
    let text = SMALLEST.replace(
        "[\"10.0.0.1:80\"]",
        r#"["App.internal.:81", "_http._tcp.app.internal",
            { address = "b.internal:80", expand = true, weight = 3 },
            { address = "[fd00::1]:82", name = "c", weight = 0, backup = true }]
            servers_file = "targets.json""#,
    );
    let Compiled { config, members, .. } = good(&text);
    // What has no address yet is not in the configuration.
    let server = &config.pools[0].servers[0];
    assert_eq!((&*server.name, server.weight, server.backup), ("c", 0, true));
    let [Listed::Named(one), Listed::Named(service), Listed::Named(many), _, Listed::File(file)] =
        &members[0][..]
    else {
        panic!("{members:?}")
    };
    assert_eq!((one.question.host.as_str(), one.port, one.expand), ("app.internal", 81, false));
    assert_eq!(&*one.template.name, "App.internal.:81");
    assert_eq!((service.question.records, service.expand), (Records::Service, true));
    assert_eq!((many.expand, many.template.weight), (true, 3));
    assert_eq!(file, Path::new("/etc/evenkeel/targets.json"));
    for (server, why) in [
        ("{ address = \"10.0.0.1:80\", expand = true }", "nothing to expand"),
        ("{ address = \"_a._tcp.b\", expand = false }", "a service record lists servers"),
        ("\"_a._udp.b\"", "a service record is such as"),
        ("\"a.b:80\", \"a.b:80\"", "two servers named"),
    ] {
        let found = bad(&SMALLEST.replace("\"10.0.0.1:80\"", server));
        assert!(found.contains(why), "{found}");
    }
}

#[test]
fn a_resolver_is_named_or_the_systems() {
    assert_eq!(good(SMALLEST).resolver, ResolverSettings::default());
    let text = format!("{SMALLEST}[resolver]\nservers = [\"127.0.0.1:5353\"]\ntimeout = \"1s\"\n");
    let resolver = good(&text).resolver;
    assert_eq!(resolver.servers, ["127.0.0.1:5353".parse().unwrap()]);
    assert_eq!(resolver.timeout, Duration::from_secs(1));
    assert!(bad(&format!("{SMALLEST}[resolver]\nservers = []\n")).contains("is empty"));
}

#[test]
fn zones_are_known_by_their_names() {
    let zone = "[node]\nzone = \"a\"\n";
    let text = SMALLEST.replace(
        "[\"10.0.0.1:80\"]",
        "[{ address = \"10.0.0.1:80\", zone = \"a\" }, { address = \"app.internal:80\", zone = \"b\" }]",
    );
    let Compiled { config, members, warnings, .. } = good(&format!("{zone}{text}"));
    assert!(warnings.is_empty(), "{warnings}");
    let zones: Vec<_> = members[0].iter().map(|it| it.server().unwrap().zone.as_deref()).collect();
    assert_eq!(zones, [Some("a"), Some("b")]);
    let own = ZoneId::of("a");
    assert_eq!(config.pools[0].zoning, Some(Zoning { own, balancers: Vec::new() }));
    let shares = "zones = { a = 2, b = 1 }\n";
    let zoning = good(&format!("{zone}{text}{shares}")).config.pools[0].zoning.clone();
    let balancers = vec![(own, 2), (ZoneId::of("b"), 1)];
    assert_eq!(zoning, Some(Zoning { own, balancers }));
    // A node that is nowhere in particular.
    let Compiled { config, warnings, .. } = good(&text);
    assert_eq!((config.pools[0].zoning.clone(), warnings.warnings()), (None, 1));
}

#[test]
fn checks_and_outliers_are_on_until_switched_off() {
    let config = good(&format!("{SMALLEST}check = false\noutlier = false\n")).config;
    assert_eq!(config.pools[0].check, None);
    let Outlier { consecutive_failures, failure_rate, .. } = config.pools[0].outlier;
    assert_eq!((consecutive_failures, failure_rate), (None, None));
    let outlier = |keys: &str| {
        let text = format!("{SMALLEST}[pool.app.outlier]\n{keys}\n");
        good(&text).config.pools[0].outlier.clone()
    };
    assert_eq!(outlier("failure_rate = true"), Outlier::default());
    let rows_only = Outlier { failure_rate: None, ..Outlier::default() };
    assert_eq!(outlier("failure_rate = false"), rows_only);
    let all = "failure_rate = { deviations = 2, requests = 100, window = \"5s\" }\ncap = \"50%\"";
    let window = Duration::from_secs(5);
    let rate = FailureRate { deviations_percent: 200, least_requests: 100, window };
    let expected = Outlier { failure_rate: Some(rate), cap_percent: 50, ..Outlier::default() };
    assert_eq!(outlier(all), expected);
    let text = format!(
        "{SMALLEST}[pool.app.check]\nkind = \"http\"\npath = \"/health?deep\"\n\
         expect = \"200,300-399\"\njitter = \"0%\"\ninitial = \"down\"\n"
    );
    let check = good(&text).config.pools[0].check.clone().unwrap();
    let CheckKind::Http(http) = &check.kind else { panic!("{check:?}") };
    assert_eq!((&*http.path, &*http.expect), ("/health?deep", &[(200, 200), (300, 399)][..]));
    assert_eq!((check.jitter_percent, check.initial), (0, Some(InitialState::Down)));
    assert_eq!(check.interval, Duration::from_secs(2));
}

#[test]
fn each_kind_of_check_has_its_own_keys() {
    let check = |keys: &str| {
        let text = format!("{SMALLEST}[pool.app.check]\n{keys}\n");
        good(&text).config.pools[0].check.clone().unwrap()
    };
    let CheckKind::Talk(talk) = check(
        r#"send = "PING\r\n"
        expect = "PONG""#,
    )
    .kind
    else {
        panic!()
    };
    assert_eq!((talk.send.as_deref(), talk.expect.as_deref()), (Some("PING\r\n"), Some("PONG")));
    let CheckKind::Deep(deep) = check("kind = \"deep\"\npath = \"/health?deep\"").kind else {
        panic!()
    };
    assert_eq!(&*deep.path, "/health?deep");
    let CheckKind::Tls(tls) = check("kind = \"tls\"\nserver_name = \"a.example\"").kind else {
        panic!()
    };
    assert_eq!((tls.server_name.as_deref(), tls.trusted), (Some("a.example"), None));
    let CheckKind::Exec(exec) = check("kind = \"exec\"\ncommand = [\"bin/check\", \"-v\"]").kind
    else {
        panic!()
    };
    assert_eq!(exec.program, Path::new("/etc/evenkeel/bin/check"));
    assert_eq!(exec.arguments, ["-v".into()]);
    let agent = check("kind = \"agent\"\nport = 8081");
    assert_eq!((agent.kind, agent.port), (CheckKind::Agent(AgentCheck::default()), Some(8081)));
    let CheckKind::Http(http) =
        check("kind = \"http\"\nbody = \"ok\"\nheaders = { X-Token = \"a\" }").kind
    else {
        panic!()
    };
    assert_eq!((http.body.as_deref(), &*http.headers[0].0), (Some("ok"), "x-token"));

    let beside = format!("{SMALLEST}[pool.app.agent]\nport = 8081\nsend = \"app\\n\"\n");
    let pool = good(&beside).config.pools.remove(0);
    let expected = Agent { send: Some("app\n".into()), ..Agent::new(8081) };
    assert_eq!((pool.agent, pool.check), (Some(expected), Some(Check::default())));
    let twice = "kind = \"agent\"\nport = 8081\n[pool.app.agent]\nport = 8082";

    for (keys, why) in [
        (twice, "the check asks the agent already"),
        ("[pool.app.agent]", "`port` is missing"),
        ("kind = \"tls\"\npath = \"/\"", "`path` belongs to a check of kind `http` or `deep`"),
        ("kind = \"agent\"", "`port` is missing"),
        ("kind = \"exec\"", "`command` is missing"),
        ("kind = \"exec\"\ncommand = [\"check\"]", "is not looked for in PATH"),
        ("kind = \"http\"\nheaders = { Host = \"a\" }", "write `host` beside `headers`"),
        ("kind = \"tls\"\ntrusted = \"sorry.html\"", "holds no certificate"),
        ("expect = \"\"", "an empty text says nothing"),
    ] {
        let found = bad(&format!("{SMALLEST}[pool.app.check]\n{keys}\n"));
        assert!(found.contains(why), "{found}");
    }
}

#[test]
fn proxy_protocol_is_heard_from_some_and_spoken_to_all() {
    let text = SMALLEST.replace("pool = ", "proxy_protocol = { from = [\"10.0.0.0/8\"] }\npool = ");
    let config = good(&format!("{text}proxy_protocol = \"v2\"\n")).config;
    let from = config.listeners[0].proxy_protocol.as_deref().unwrap();
    assert!(from[0].contains([10, 0, 0, 1].into()));
    assert_eq!(config.pools[0].proxy_protocol, Some(ProxyVersion::V2));
    let nobody = bad(&text.replace("\"10.0.0.0/8\"", ""));
    assert!(nobody.contains("`from` is empty"), "{nobody}");
}

#[test]
fn retries_are_only_on_what_is_listed() {
    let text = format!("{SMALLEST}retry = {{ attempts = 1, on = [\"connect\", \"503\"] }}\n");
    let retry = good(&text).config.pools[0].retry.clone();
    assert_eq!(retry.attempts, 1);
    assert!(retry.on.connect && !retry.on.reset_before_answer && !retry.on.timeout);
    assert_eq!(retry.on.statuses, [503]);
}

#[test]
fn tls_is_routed_by_name_and_protocol() {
    let text = r#"
        [listener.bridge]
        bind = ["0.0.0.0:443"]
        protocol = "tls"
        pool = "a"
        sni = { "shop.example" = "b" }
        [[listener.bridge.route]]
        alpn = "h2"
        pool = "b"
        [pool.a]
        servers = ["10.0.0.1:443"]
        [pool.b]
        servers = ["10.0.0.2:443"]
    "#;
    let config = good(text).config;
    let Protocol::Tls(tls) = &config.listeners[0].protocol else { panic!("not tls") };
    assert_eq!(tls.default, Some(PoolId(0)));
    assert_eq!(tls.rules[0].name, Some(HostPattern::Exact("shop.example".into())));
    assert_eq!((tls.rules[1].alpn.as_deref(), tls.rules[1].pool), (Some("h2"), PoolId(1)));
}

#[test]
fn error_pages_are_read() {
    let text = listener_with("error_pages = { 503 = \"sorry.html\" }");
    let page = http(&good(&text).config).error_pages[0].clone();
    assert_eq!((page.status, &*page.body), (503, &b"sorry"[..]));
    assert_eq!(&*page.content_type, "text/html; charset=utf-8");
    let found = bad(&listener_with("error_pages = { 503 = \"gone.html\" }"));
    assert!(found.contains("cannot read /etc/evenkeel/gone.html"), "{found}");
}

#[test]
fn the_access_log_is_off_until_asked_for() {
    let log = good(&format!("{SMALLEST}[access_log]\n")).config.access_log.unwrap();
    assert_eq!((log.format, log.to), (LogFormat::Combined, LogTarget::Stdout));
    assert_eq!(log.sample, None);
    let text =
        format!("{SMALLEST}[access_log]\nformat = \"{{client}} {{Ta}}\"\npath = \"a.log\"\n");
    let log = good(&text).config.access_log.unwrap();
    assert_eq!(log.to, LogTarget::File("/etc/evenkeel/a.log".into()));
}

#[test]
fn the_environment_beats_the_file_and_flags_beat_both() {
    let text = format!("{SMALLEST}[admin]\nbind = \"127.0.0.1:1\"\n");
    let environment = Override::from_variable("EVENKEEL__ADMIN__BIND", "127.0.0.1:2").unwrap();
    let flag = Override::from_flag("--admin-bind", &["admin", "bind"], "127.0.0.1:3");
    let port = |overrides: &[Override]| good_with(&text, overrides).admin.bind.port();
    assert_eq!(port(&[]), 1);
    assert_eq!(port(std::slice::from_ref(&environment)), 2);
    assert_eq!(port(&[environment, flag]), 3);
    let list =
        Override::from_variable("EVENKEEL__LISTENER__WEB__BIND", "[\"127.0.0.1:9\"]").unwrap();
    assert_eq!(good_with(SMALLEST, &[list]).config.listeners[0].bind[0].port(), 9);
    assert_eq!(Override::from_variable("EVENKEEL_ADMIN", "x"), None);
}

#[test]
fn faults_of_the_environment_name_the_variable() {
    let drain = Override::from_variable("EVENKEEL__NODE__DRAIN", "soon").unwrap();
    let found = compile("file", SMALLEST, &surroundings(&[drain])).unwrap_err();
    let expected = "environment:1:23: \"soon\" is not a duration";
    assert!(found.to_string().starts_with(expected), "{found}");
}

#[test]
fn an_admin_address_that_others_reach_needs_a_token() {
    let open = format!("{SMALLEST}[admin]\nbind = \"0.0.0.0:7070\"\n");
    assert!(bad(&open).contains("a token is required"));
    let admin = good(&format!("{open}token_file = \"token\"\n")).admin;
    assert_eq!(format!("{:?}", admin.token), "Some(Token(…))");
    assert_eq!(admin.token.unwrap().0, "0123456789abcdef");
}

#[test]
fn what_a_later_version_brings_is_never_ignored() {
    let found = bad(&format!("{SMALLEST}[cache.a]\n"));
    assert!(found.contains("is not in this version yet"), "{found}");
    let found = bad(&SMALLEST.replace("\"http\"", "\"udp\""));
    assert!(found.contains("is not in this version yet"), "{found}");
}

#[test]
fn the_examples_of_the_manual_are_valid() {
    let manual = include_str!("../../../../docs/configuration.md");
    let examples: Vec<&str> = manual.split("```toml\n").skip(1).collect();
    assert!(examples.len() >= 4, "{}", examples.len());
    for example in examples {
        let (text, _) = example.split_once("```").expect("a block ends");
        let warnings = good(text).warnings;
        assert!(warnings.is_empty(), "{warnings}");
    }
}

#[test]
fn no_text_panics_the_compiler() {
    // Every prefix of a file that uses everything, and the file with every byte in turn broken.
    let text = include_str!("../../../evenkeel/tests/check/everything.toml");
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        let _ = compile("file", &text[..end], &surroundings(&[]));
    }
    for at in 0..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = b'"';
        if let Ok(broken) = String::from_utf8(bytes) {
            let found = compile("file", &broken, &surroundings(&[]));
            let _ = found.map_err(|findings| findings.render(false));
        }
    }
}

#[test]
fn a_flood_of_faults_is_bounded() {
    let many = |line: fn(u32) -> String| (0..30_000).map(line).collect::<Vec<_>>().concat();
    let unknown = many(|n| format!("k{n} = 1\n"));
    let found = compile("file", &unknown, &surroundings(&[])).unwrap_err();
    assert!((400..=500).contains(&found.faults()), "{}", found.faults());
    let brackets = "[".repeat(500_000);
    let found = compile("file", &brackets, &surroundings(&[])).unwrap_err();
    assert!(found.faults() > 0);
    let names = many(|n| format!("\"h{n}.example\" = \"b\", "));
    let text = format!(
        "[listener.a]\nbind = [\"0.0.0.0:1\"]\nprotocol = \"tls\"\nsni = {{ {names} }}\n\
         [pool.b]\nservers = []\n"
    );
    let found = compile("file", &text, &surroundings(&[])).unwrap_err();
    assert!(found.to_string().contains("at most 1024 names"), "{found}");
}

#[test]
fn shedding_is_off_until_it_is_asked_for_and_then_has_limits() {
    assert_eq!(good(SMALLEST).config.shed, None);
    assert_eq!(good(&format!("{SMALLEST}[shed]\n")).config.shed, Some(Shed::default()));
    let shed = good(&format!("{SMALLEST}[shed]\nqueue_wait = \"200ms\"\ncpu = \"70%\"\n"));
    let wanted = Shed { queue_wait: Some(Duration::from_millis(200)), cpu_percent: Some(70) };
    assert_eq!(shed.config.shed, Some(wanted));
    assert!(bad(&format!("{SMALLEST}[shed]\ncpu = \"0%\"\n")).contains("from 1% to 100%"));
}

#[test]
fn routes_say_how_important_they_are_and_whether_they_hedge() {
    let route = |keys: &str| {
        format!("{SMALLEST}[[listener.web.route]]\npath = \"/a/\"\npool = \"app\"\n{keys}\n")
    };
    let hedge = |keys: &str| http(&good(&route(keys)).config).routes[0].hedge;
    let plain = good(&route("")).config;
    assert_eq!(http(&plain).routes[0].priority, Priority::default());
    assert_eq!(http(&good(&route("priority = 9")).config).routes[0].priority, Priority::MOST);
    assert_eq!((hedge(""), hedge("hedge = false")), (None, None));
    assert_eq!(hedge("hedge = true"), Some(Hedge::default()));
    let wanted = Hedge { percent: 90, least: Duration::from_millis(20) };
    assert_eq!(hedge("hedge = { after = \"p90\", least = \"20ms\" }"), Some(wanted));
    assert!(bad(&route("priority = 10")).contains("0 to 9"));
    for after in ["p49", "p100", "95", "p"] {
        let found = bad(&route(&format!("hedge = {{ after = \"{after}\" }}")));
        assert!(found.contains("is not a percentile"), "{after}: {found}");
    }
    assert!(bad(&format!("{SMALLEST}hedge = true\n")).contains("belongs to a route"));
}
