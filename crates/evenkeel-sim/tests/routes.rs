//! Which pool a request goes to, and what is changed on its way.

use std::net::SocketAddr;

use evenkeel_sim::prelude::*;

/// A listener with these settings, before pools `app` and `api`.
struct Site {
    listen: SocketAddr,
    app: Origin,
    api: Origin,
    _lb: Balancer,
}

fn site(settings: &str) -> Site {
    site_with(settings, &[])
}

fn site_with(settings: &str, files: &[(&str, &str)]) -> Site {
    let (app, api, listen) = (origin("app"), origin("api"), free_address());
    let config = format!(
        "[listener.front]\nbind = [\"{listen}\"]\nprotocol = \"http\"\n{settings}\n\
         [pool.app]\nservers = [\"{}\"]\n[pool.api]\nservers = [\"{}\"]\n{QUICK_CHECK}",
        app.address(),
        api.address()
    );
    let start =
        files.iter().fold(Start::with(&config), |start, (name, text)| start.file(name, text));
    Site { listen, app, api, _lb: start.start() }
}

impl Site {
    /// Who answers this request head.
    fn answers(&self, head: &str) -> String {
        let answer = client(self.listen).send(format!("{head}\r\n\r\n")).answer();
        format!("{} {}", answer.status, answer.server())
    }
}

#[test]
fn host_path_method_and_header_choose_the_pool() {
    let site = site(
        r#"
pool = "app"
[[listener.front.route]]
path = "/api/"
pool = "api"
[[listener.front.route]]
path = "=/exact"
pool = "api"
[[listener.front.route]]
host = "shop.example"
pool = "api"
[[listener.front.route]]
host = "*.wild.example"
pool = "api"
[[listener.front.route]]
path = "/write"
methods = ["POST", "PUT"]
pool = "api"
[[listener.front.route]]
headers = { "x-beta" = "1" }
pool = "api"
"#,
    );
    let cases = [
        ("GET / HTTP/1.1\r\nHost: a.example", "200 app"),
        ("GET /api HTTP/1.1\r\nHost: a.example", "200 api"),
        ("GET /api/ HTTP/1.1\r\nHost: a.example", "200 api"),
        ("GET /api/x?y HTTP/1.1\r\nHost: a.example", "200 api"),
        ("GET /apix HTTP/1.1\r\nHost: a.example", "200 app"),
        ("GET /exact HTTP/1.1\r\nHost: a.example", "200 api"),
        ("GET /exact?y HTTP/1.1\r\nHost: a.example", "200 api"),
        ("GET /exact/x HTTP/1.1\r\nHost: a.example", "200 app"),
        ("GET / HTTP/1.1\r\nHost: shop.example", "200 api"),
        ("GET / HTTP/1.1\r\nHost: SHOP.example:80", "200 api"),
        ("GET / HTTP/1.1\r\nHost: shop.example.", "200 api"),
        ("GET / HTTP/1.1\r\nHost: a.wild.example", "200 api"),
        ("GET / HTTP/1.1\r\nHost: wild.example", "200 app"),
        ("GET /write HTTP/1.1\r\nHost: a.example", "200 app"),
        ("POST /write HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0", "200 api"),
        ("GET / HTTP/1.1\r\nHost: a.example\r\nX-Beta: 1", "200 api"),
        ("GET / HTTP/1.1\r\nHost: a.example\r\nX-Beta: 2", "200 app"),
        ("GET http://shop.example/ HTTP/1.1\r\nHost: shop.example", "200 api"),
    ];
    for (head, expected) in cases {
        assert_eq!(site.answers(head), expected, "{head}");
    }
}

#[test]
fn what_is_routed_is_what_is_sent_on() {
    let site =
        site("pool = \"app\"\n[[listener.front.route]]\npath = \"/admin\"\npool = \"api\"\n");
    let tricks =
        ["/a/../admin", "/%2e%2e/admin", "/%61dmin", "//admin", "/./admin", "/x/%2e%2e/admin"];
    for target in tricks {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a.example");
        let said = site.answers(&head);
        for (name, server) in [("app", &site.app), ("api", &site.api)] {
            for seen in server.seen() {
                let admin = seen.target.starts_with("/admin");
                assert_eq!(admin, name == "api", "{target}: {said}: {name} sees {}", seen.target);
            }
            server.forget();
        }
    }
}

#[test]
fn a_guard_is_not_passed_by_what_a_server_undoes() {
    let site = site(
        "pool = \"app\"\n[[listener.front.route]]\npath = \"/admin/\"\npool = \"api\"\n\
         deny = [\"127.0.0.0/8\"]\n[[listener.front.route]]\npath = \"/projects/\"\npool = \"api\"\n",
    );
    let tricks = [
        "/admin%2fx",
        "//admin%2Fx",
        "/%2fadmin/x",
        "/admin%5cx",
        "/admin;a/x",
        "/;/admin/x",
        "/admin%3bx/y",
        "/;y%2F;/admin%2Fx",
        "/%61dmin%2f",
        "/%61dmin;",
    ];
    for target in tricks {
        let said = site.answers(&format!("GET {target} HTTP/1.1\r\nHost: a.example"));
        assert!(said == "400 nobody" || said == "403 nobody", "{target}: {said}");
    }
    assert_eq!(site.app.served() + site.api.served(), 0);
    for (target, server) in [
        ("/projects/a%2Fb", "api"),
        ("/projects/a;v=1/b", "api"),
        ("/a%2Fb", "app"),
        ("/x;jsessionid=1", "app"),
        ("/admin%252Fx", "app"),
    ] {
        let said = site.answers(&format!("GET {target} HTTP/1.1\r\nHost: a.example"));
        assert_eq!(said, format!("200 {server}"), "{target}");
        let seen = if server == "app" { &site.app } else { &site.api };
        assert_eq!(seen.seen().last().expect("it came").target, target, "as it was sent");
    }
}

#[test]
fn without_a_route_the_answer_is_404() {
    let site = site("[[listener.front.route]]\npath = \"/api\"\npool = \"api\"\n");
    assert_eq!(site.answers("GET / HTTP/1.1\r\nHost: a.example"), "404 nobody");
    assert_eq!(site.answers("GET /api HTTP/1.1\r\nHost: a.example"), "200 api");
}

#[test]
fn redirects_name_host_and_path() {
    let site = site(
        r#"
redirect = { to = "https://{host}{path}", status = 308 }
[[listener.front.route]]
path = "/old"
redirect = { to = "/new", status = 301 }
"#,
    );
    let answer = client(site.listen)
        .send("GET /a/b?c=d HTTP/1.1\r\nHost: shop.example:8080\r\n\r\n")
        .answer();
    assert_eq!(answer.status, 308);
    assert_eq!(answer.header("location"), Some("https://shop.example/a/b?c=d"));
    let answer = get(site.listen, "/old/thing");
    assert_eq!((answer.status, answer.header("location")), (301, Some("/new")));
    // About everything, and by nobody's name.
    let answer =
        client(site.listen).send("OPTIONS * HTTP/1.1\r\nHost: shop.example\r\n\r\n").answer();
    assert_eq!(answer.header("location"), Some("https://shop.example/"));
    let answer = client(site.listen).send("GET /evil.example/x HTTP/1.0\r\n\r\n").answer();
    assert_eq!((answer.status, answer.header("location")), (400, None));
    assert_eq!(site.app.served() + site.api.served(), 0);
}

#[test]
fn headers_are_set_added_and_removed() {
    let site = site(
        r#"
[[listener.front.route]]
pool = "app"
request_headers = { set = { "x-from" = "front" }, add = { "x-tag" = "b" }, remove = ["x-secret"] }
response_headers = { set = { "x-frame-options" = "DENY" }, remove = ["x-upload-size"] }
"#,
    );
    let answer = client(site.listen)
        .send(
            "GET / HTTP/1.1\r\nHost: a.example\r\nX-Secret: s\r\nX-From: client\r\nX-From: twice\r\n\
             X-Tag: a\r\n\r\n",
        )
        .answer();
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.header("x-upload-size"), None);
    let head = site.app.seen()[0].head.clone();
    assert_eq!(head.header("x-secret"), None);
    assert_eq!(head.all("x-from").collect::<Vec<_>>(), ["front"]);
    assert_eq!(head.all("x-tag").collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_prefix_is_stripped() {
    let site = site(
        "pool = \"app\"\n[[listener.front.route]]\npath = \"/api/\"\npool = \"api\"\n\
         rewrite = { strip_prefix = \"/api\" }\n",
    );
    for (asked, sent) in
        [("/api/x?y=1", "/x?y=1"), ("/api/", "/"), ("/api", "/"), ("/api?q", "/?q")]
    {
        get(site.listen, asked);
        assert_eq!(
            site.api.seen().last().map(|seen| seen.target.clone()),
            Some(sent.to_owned()),
            "{asked}"
        );
    }
}

#[test]
fn own_errors_have_the_operators_pages() {
    let settings = "pool = \"app\"\nerror_pages = { 502 = \"sorry.html\", 503 = \"sorry.html\" }\n";
    let site = site_with(settings, &[("sorry.html", "<p>back soon</p>")]);
    site.app.kill();
    let answer = get(site.listen, "/");
    assert!(matches!(answer.status, 502 | 503));
    assert_eq!(answer.text(), "<p>back soon</p>");
    assert!(answer.header("content-type").is_some_and(|is| is.starts_with("text/html")));
}

#[test]
fn other_methods_are_closed_without_an_answer() {
    let site = site("pool = \"app\"\nmethods = [\"GET\", \"HEAD\"]\n");
    let mut denied = client(site.listen);
    denied.send("DELETE / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    denied.expect_closed();
    assert_eq!(site.answers("GET / HTTP/1.1\r\nHost: a.example"), "200 app");
    assert_eq!(site.app.served(), 1);
}

/// What is allowed to read may look first; the listener's own list is exact.
#[test]
fn a_route_of_get_takes_head() {
    let site = site(
        "pool = \"app\"\n[[listener.front.route]]\npath = \"/x\"\nmethods = [\"GET\"]\npool = \"api\"\n",
    );
    for (method, server) in [("GET", "api"), ("HEAD", "api"), ("PUT", "app")] {
        let mut client = client(site.listen);
        client.send(format!("{method} /x HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        assert_eq!(client.answer_to(method).server(), server, "{method}");
    }
}

#[test]
fn a_body_beyond_the_limit_is_413() {
    let site = site("pool = \"app\"\nlimits = { body = \"1KiB\" }\n");
    assert_eq!(client(site.listen).post("/", &[b'x'; 1024]).status, 200);
    let mut declared = client(site.listen);
    declared.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1025\r\n\r\n");
    assert_eq!(declared.answer().status, 413);
    let mut chunked = client(site.listen);
    chunked.send("POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n");
    chunked.send("400\r\n").send([b'x'; 1024]).send("\r\n1\r\nx\r\n0\r\n\r\n");
    match chunked.try_answer("POST") {
        Ok(answer) => assert_eq!(answer.status, 413),
        Err(broken) => assert!(matches!(broken, Broken::Closed | Broken::Reset), "{broken}"),
    }
    assert_eq!(site.app.served(), 1);
}

#[test]
fn forwarded_headers_of_strangers_are_not_believed() {
    let site = site("pool = \"app\"\n");
    client(site.listen)
        .send(
            "GET / HTTP/1.1\r\nHost: shop.example:81\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\n\
             X-Real-IP: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n\
             Forwarded: for=6.6.6.6\r\n\r\n",
        )
        .answer();
    let head = site.app.seen()[0].head.clone();
    let port = site.listen.port().to_string();
    let expected = [
        ("x-forwarded-for", vec!["127.0.0.1"]),
        ("x-real-ip", vec!["127.0.0.1"]),
        ("x-forwarded-proto", vec!["http"]),
        ("x-forwarded-host", vec!["shop.example:81"]),
        ("x-forwarded-port", vec![port.as_str()]),
        ("forwarded", vec![]),
        ("host", vec!["shop.example:81"]),
    ];
    for (name, values) in expected {
        assert_eq!(head.all(name).collect::<Vec<_>>(), values, "{name}");
    }
}

#[test]
fn forwarded_headers_of_trusted_proxies_are_believed() {
    let site = site("pool = \"app\"\ntrusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]\n");
    client(site.listen)
        .send(
            "GET / HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 6.6.6.6, 9.9.9.9\r\n\
             X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n\r\n",
        )
        .answer();
    let head = site.app.seen()[0].head.clone();
    let chain = head.all("x-forwarded-for").collect::<Vec<_>>().join(", ");
    assert_eq!(chain, "6.6.6.6, 9.9.9.9, 10.0.0.1, 127.0.0.1");
    // The rightmost that is not a trusted proxy.
    assert_eq!(head.header("x-real-ip"), Some("9.9.9.9"));
    assert_eq!(head.header("x-forwarded-proto"), Some("https"));
}

#[test]
fn every_request_has_an_id_of_its_own() {
    let site = site("pool = \"app\"\n");
    let mut client = client(site.listen);
    client.get("/");
    client.get("/");
    let ids: Vec<_> = site
        .app
        .seen()
        .iter()
        .map(|seen| seen.head.header("x-request-id").map(str::to_owned))
        .collect();
    assert!(ids.iter().all(Option::is_some) && ids[0] != ids[1], "{ids:?}");
}

#[test]
fn forwarding_can_be_chosen() {
    let site = site(
        "pool = \"app\"\nforwarding = { x_forwarded = false, forwarded = true, request_id = false, via = \"lb0\" }\n",
    );
    let answer = get(site.listen, "/");
    let head = site.app.seen()[0].head.clone();
    assert_eq!((head.header("x-forwarded-for"), head.header("x-request-id")), (None, None));
    let forwarded = head.header("forwarded").unwrap_or_default().to_lowercase();
    assert!(forwarded.contains("for=127.0.0.1") && forwarded.contains("proto=http"), "{forwarded}");
    assert_eq!(head.header("via"), Some("1.1 lb0"));
    assert_eq!(answer.header("via"), Some("1.1 lb0"));
}
