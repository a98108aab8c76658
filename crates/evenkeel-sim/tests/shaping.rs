//! What a route does to traffic: shares of it, copies of it, its speed, its size, its headers.

use std::net::SocketAddr;

use evenkeel_sim::clock;
use evenkeel_sim::prelude::*;

/// Bytes of an answer that takes its time.
const LONG: usize = 300 * 1024;

struct Site {
    listen: SocketAddr,
    stable: Origin,
    canary: Origin,
    lb: Balancer,
}

/// A listener with these settings before pools `stable` and `canary`.
fn site(settings: &str) -> Site {
    let (stable, canary, listen) = (origin("stable"), origin("canary"), free_address());
    let config = format!(
        "[listener.front]\nbind = [\"{listen}\"]\nprotocol = \"http\"\n{settings}\n\
         [pool.stable]\nservers = [{{ address = \"{}\", name = \"one\" }}]\n\
         [pool.canary]\nservers = [\"{}\"]\ntimeouts = {{ first_byte = \"1s\" }}\n[pool.app]\nservers = [\"{}\"]\n{QUICK_CHECK}",
        stable.address(),
        canary.address(),
        stable.address(),
    );
    let lb = Start::with(&config).file("long", &"x".repeat(LONG)).start();
    Site { listen, stable, canary, lb }
}

#[test]
fn pools_get_their_share_and_a_client_keeps_its_pool() {
    let site = site("split = { stable = 80, canary = 20 }\nsplit_on = \"cookie:sid\"");
    let mut client = client(site.listen);
    let mut ask = |cookie: &str| {
        client
            .send(format!("GET / HTTP/1.1\r\nHost: a\r\n{cookie}\r\n"))
            .answer()
            .server()
            .to_owned()
    };
    let pools: Vec<String> =
        (0..100).map(|sid| ask(&format!("Cookie: a=b; sid={sid}\r\n"))).collect();
    let canary = pools.iter().filter(|pool| *pool == "canary").count();
    assert!((10..=30).contains(&canary), "{canary} of 100");
    for (sid, pool) in pools.iter().enumerate().step_by(10) {
        assert_eq!(ask(&format!("Cookie: sid={sid}\r\n")), *pool);
    }
    // By chance: of 300 some here and some there.
    let by_chance = (0..300).filter(|_| ask("") == "canary").count();
    assert!((20..=120).contains(&by_chance), "{by_chance} of 300");
}

#[test]
fn a_tester_chooses_by_cookie() {
    let site = site(
        "pool = \"stable\"\n[[listener.front.route]]\ncookies = { canary = \"1\", beta = true }\npool = \"canary\"",
    );
    for (cookie, pool) in [
        ("", "stable"),
        ("Cookie: canary=1\r\n", "stable"),
        ("Cookie: canary=1; beta=\r\n", "canary"),
        ("Cookie: beta=x\r\nCookie: canary=1\r\n", "canary"),
        ("Cookie: canary=10; beta=x\r\n", "stable"),
        ("Cookie: Canary=1; beta=x\r\n", "stable"),
    ] {
        let answer =
            client(site.listen).send(format!("GET / HTTP/1.1\r\nHost: a\r\n{cookie}\r\n")).answer();
        assert_eq!(answer.server(), pool, "{cookie}");
    }
}

#[test]
fn a_mirror_sees_what_the_server_sees_and_disturbs_nobody() {
    let site = site("[[listener.front.route]]\npool = \"stable\"\nmirror = { pool = \"canary\" }");
    let mut client = client(site.listen);
    assert_eq!(client.get("/a?b").server(), "stable");
    assert_eq!(client.post("/c", b"hello").server(), "stable");
    wait_until("both copies are there", PATIENCE, || site.canary.served() == 2);
    // Nobody waits for a copy, so the second may overtake the first.
    for copy in site.canary.seen() {
        let seen = site.stable.seen().into_iter().find(|seen| seen.target == copy.target);
        let seen = seen.expect("the server has seen it");
        assert_eq!((copy.method, copy.body), (seen.method, seen.body));
        assert_eq!(copy.head.header("x-request-id"), seen.head.header("x-request-id"));
    }
    // Too long to be held: no copy of it.
    assert_eq!(client.post("/long", &vec![b'x'; 200_000]).server(), "stable");
    // A mirror that hangs, resets or is gone is not noticed.
    for mode in [Mode::Hang, Mode::ResetBeforeAnswer, Mode::ResetOnAccept] {
        site.canary.set(mode);
        for _ in 0..100 {
            assert_eq!(client.get("/").server(), "stable");
        }
    }
    site.canary.kill();
    assert_eq!(client.get("/").server(), "stable");
    assert!(site.canary.seen().iter().all(|copy| copy.target != "/long"));
    // The one that hangs held as many as may be under way.
    assert!(site.lb.metric("evenkeel_mirror_dropped_total", "") >= 1.0);
}

#[test]
fn an_answer_keeps_to_its_bandwidth() {
    let site = site(
        "[[listener.front.route]]\npool = \"stable\"\nbandwidth = \"200KiB\"\n\
         [[listener.front.route]]\npath = \"/long\"\nstatic = { root = \".\" }\nbandwidth = \"200KiB\"",
    );
    let targets =
        ["length", "chunked", "close"].map(|shape| format!("/x?size={LONG}&shape={shape}"));
    for target in targets.iter().map(String::as_str).chain(["/long"]) {
        let began = clock::now();
        let answer = client(site.listen).get(target);
        let took = began.elapsed().as_secs_f64();
        assert_eq!((answer.status, answer.body.size), (200, LONG as u64), "{target}");
        // A fifth of a second and what came with the head are ahead.
        assert!(took >= 1.1, "{target} took {took:.2} s");
    }
}

#[test]
fn a_route_has_its_own_limit_of_bodies() {
    let site = site(
        "pool = \"stable\"\nlimits = { body = \"1KiB\" }\n\
         [[listener.front.route]]\npath = \"/more\"\npool = \"stable\"\nlimits = { body = \"2KiB\" }\n\
         [[listener.front.route]]\npath = \"/less\"\npool = \"stable\"\nlimits = { body = \"10B\" }",
    );
    for (target, size, status) in [
        ("/", 1024, 200),
        ("/", 1025, 413),
        ("/more", 2048, 200),
        ("/more", 2049, 413),
        ("/less", 10, 200),
        ("/less", 11, 413),
    ] {
        let declared =
            format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n");
        let mut client = client(site.listen);
        client.send(declared);
        if status == 200 {
            client.send(vec![b'x'; size]);
        }
        assert_eq!(client.answer_to("POST").status, status, "{target} {size}");
    }
    let chunked = "POST /less HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n";
    assert_eq!(client(site.listen).send(chunked).answer_to("POST").status, 413);
}

#[test]
fn placeholders_say_what_is_known_and_end_no_line() {
    let site = site(
        r#"
trusted_proxies = ["127.0.0.1"]
redirect = { to = "https://{host}{path}#{client_ip}" }
[[listener.front.route]]
name = "main"
path = "/main"
pool = "stable"
rewrite = { strip_prefix = "/main" }
request_headers = { set = { "x-told" = "{client_ip} {method} {scheme} {host} {path} {listener}/{route}/{pool}" }, add = { "x-id" = "{request_id}" } }
response_headers = { set = { "x-by" = "{pool}/{server} for {client_ip}", "x-json" = "{{\"a\":\"{route}\"}}" } }
"#,
    );
    let head = "GET /main/a?b=c HTTP/1.1\r\nHost: a.example:81\r\nX-Forwarded-For: 192.0.2.7\r\nX-Told: lie\r\n\r\n";
    let answer = client(site.listen).send(head).answer();
    assert_eq!(answer.header("x-by"), Some("stable/one for 192.0.2.7"));
    assert_eq!(answer.header("x-json"), Some("{\"a\":\"main\"}"));
    let seen = site.stable.seen()[0].clone();
    assert_eq!(seen.target, "/a?b=c");
    let told = "192.0.2.7 GET http a.example /main/a?b=c front/main/stable";
    assert_eq!(seen.head.all("x-told").collect::<Vec<_>>(), [told]);
    assert_eq!(seen.head.header("x-id"), seen.head.header("x-request-id"));
    let ask = |target: &str| {
        client(site.listen)
            .send(format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n"))
            .answer()
    };
    assert_eq!(ask("/x%0d%0aSet-Cookie:%20a=b").status, 400);
    let answer = ask("/x?%0d%0aSet-Cookie:%20a=b");
    assert_eq!(answer.head.all("set-cookie").count(), 0);
    let location = "https://a.example/x?%0d%0aSet-Cookie:%20a=b#127.0.0.1";
    assert_eq!((answer.status, answer.header("location")), (302, Some(location)));
}
