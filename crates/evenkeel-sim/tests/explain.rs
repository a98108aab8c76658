//! What a node says it would do with a request is what it does.

use std::fs;

use evenkeel_sim::prelude::*;
use evenkeel_sim::scratch::Scratch;

#[test]
fn explain_names_the_server_that_serves_next_and_takes_no_turn() {
    let pool: [Origin; 3] = origins();
    let listen = free_address();
    let lb = balancer(&two_workers(listen, &format!("servers = {}", servers(&pool))));
    let url = format!("http://{listen}/x?y=1");
    for _ in 0..6 {
        let before = lb.explained(&["GET", &url]);
        assert_eq!(before, lb.explained(&["GET", &url]), "asking twice changes nothing");
        let chosen = before["outcome"]["chosen"].as_str().expect("somebody is chosen").to_owned();
        let served = get(listen, "/x?y=1").server().to_owned();
        let number: usize = served.parse().expect("they are numbered");
        assert_eq!(chosen, pool[number].address().to_string());
    }
    let gone = pool[1].address().to_string();
    let drained = lb.cli(&["server", "drain", &format!("app/{gone}")]);
    assert!(drained.status.success());
    let after = lb.explained(&[&url]);
    let servers = after["outcome"]["servers"].as_array().expect("a list");
    let verdict = servers.iter().find(|server| server["server"] == *gone).expect("it is listed");
    assert_eq!(verdict["verdict"], "draining: only those who stick to it");
    let said = lb.cli(&["explain", "GET", &url]);
    let said = String::from_utf8_lossy(&said.stdout);
    assert!(said.contains("draining: only those who stick to it"), "{said}");
    assert!(said.contains("If that fails, up to 2 more tries"), "{said}");
}

#[test]
fn explain_tells_refusals_and_routes_as_they_are_served() {
    let web = origin("web");
    let listen = free_address();
    let lb = balancer(&format!(
        r#"
[listener.front]
bind = ["{listen}"]
protocol = "http"
deny = ["192.0.2.0/24"]
[[listener.front.route]]
name = "api"
path = "/api/"
methods = ["GET"]
pool = "web"
rewrite = {{ strip_prefix = "/api" }}
[[listener.front.route]]
name = "beta"
path = "/api/"
headers = {{ "x-beta" = "1" }}
pool = "web"
[[listener.front.route]]
name = "old"
path = "/old/"
redirect = {{ to = "https://{{host}}/new", status = 308 }}
[pool.web]
servers = ["{}"]
"#,
        web.address()
    ));
    let url = |path: &str| format!("http://{listen}{path}");
    let api = lb.explained(&["GET", &url("/api/users")]);
    assert_eq!((&api["route"], &api["outcome"]["path"]), (&"api".into(), &"/users".into()));
    assert_eq!(api["passed_over"][0]["why"], "header x-beta is not 1");
    let beta = lb.explained(&["POST", &url("/api/users"), "-H", "X-Beta: 1"]);
    assert_eq!(beta["route"], "beta");
    assert_eq!(beta["passed_over"][0]["why"], "not this method");
    let old = lb.explained(&[&url("/old/x"), "-H", "Host: shop.example"]);
    assert_eq!(old["outcome"]["location"], "https://shop.example/new");
    assert_eq!(get(listen, "/old/x").status, 308);
    let none = lb.explained(&[&url("/none")]);
    assert_eq!(none["outcome"]["status"], get(listen, "/none").status);
    let denied = lb.explained(&[&url("/api/users"), "--from", "192.0.2.7"]);
    assert_eq!(denied["outcome"]["status"], 403);
    let two = lb.explained(&[&url("/api%2Fusers")]);
    let why = two["outcome"]["why"].as_str().unwrap_or_default();
    assert!(why.starts_with("a server may read the path as /api/users, and"), "{two}");
    assert_eq!(two["outcome"]["status"], 400);
    let bad = lb.explained(&[&url("/api/users"), "-H", "Content-Length: 1x"]);
    assert_eq!(bad["outcome"]["status"], 400);
    let nobody = lb.cli(&["explain", "GET", "https://shop.example/"]);
    let said = String::from_utf8_lossy(&nobody.stderr);
    assert!(said.contains("no listener takes https; there are: front"), "{said}");
}

/// A request as a client sends it, and what is told of it to `explain`: its status is the one that is
/// served, and the words say why.
struct Case {
    method: &'static str,
    target: &'static str,
    headers: &'static [&'static str],
    status: u16,
    words: &'static str,
}

const fn case(
    (method, target): (&'static str, &'static str),
    headers: &'static [&'static str],
    (status, words): (u16, &'static str),
) -> Case {
    Case { method, target, headers, status, words }
}

const WEBSOCKET: [&str; 3] =
    ["Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
const OLD_WEBSOCKET: [&str; 4] =
    [WEBSOCKET[0], WEBSOCKET[1], WEBSOCKET[2], "Sec-WebSocket-Version: 8"];

#[rustfmt::skip]
const CASES: &[Case] = &[
    case(("OPTIONS", "/app/"), &["Max-Forwards: 0"], (200, "Max-Forwards is 0")),
    case(("TRACE", "/app/"), &["Max-Forwards: 0"], (501, "Max-Forwards is 0")),
    case(("OPTIONS", "/none"), &["Max-Forwards: 0"], (200, "Max-Forwards is 0")),
    case(("OPTIONS", "/app/"), &["Max-Forwards: x"], (400, "Max-Forwards is not one decimal number")),
    case(("GET", "/app/"), &OLD_WEBSOCKET, (426, "a version other than 13")),
    case(("GET", "/app/"), &WEBSOCKET, (400, "the WebSocket handshake")),
    case(("GET", "/app/"), &["Transfer-Encoding: gzip, chunked"], (501, "names a coding other than chunked")),
    case(("GET", "/app/"), &["Expect: tea"], (417, "Expect asks for something other")),
    case(("POST", "/small/"), &["Content-Length: 11"], (413, "the body is larger than the limit")),
    case(("GET", "/none"), &[], (404, "no route matches")),
    case(("GET", "/files/a.txt"), &[], (200, "the file /a.txt")),
    case(("HEAD", "/files/a.txt"), &[], (200, "the file /a.txt")),
    case(("GET", "/files/a.txt"), &["Range: bytes=1-2"], (206, "the file /a.txt")),
    case(("GET", "/files/a.txt"), &["If-None-Match: *"], (304, "the file /a.txt")),
    case(("GET", "/files/a.txt"), &["If-Match: \"other\""], (412, "its condition does not hold")),
    case(("GET", "/files/a.txt"), &["Range: bytes=70-"], (416, "has no such range")),
    case(("POST", "/files/a.txt"), &[], (405, "by GET and HEAD")),
    case(("GET", "/files/b.txt"), &[], (404, "no such file")),
    case(("GET", "/files/sub"), &[], (301, "/files/sub/")),
];

#[test]
fn explain_says_how_each_request_is_answered() {
    let (web, listen, scratch) = (origin("web"), free_address(), Scratch::new("explained"));
    fs::create_dir(scratch.file("sub")).expect("a folder of its own");
    scratch.write("a.txt", "hello, world");
    let lb = balancer(&format!(
        r#"
[listener.front]
bind = ["{listen}"]
protocol = "http"
[[listener.front.route]]
path = "/app/"
pool = "web"
[[listener.front.route]]
path = "/small/"
pool = "web"
limits = {{ body = "10B" }}
[[listener.front.route]]
path = "/files/"
static = {{ root = "{}" }}
rewrite = {{ strip_prefix = "/files" }}
[pool.web]
servers = ["{}"]
"#,
        scratch.path().display(),
        web.address(),
    ));
    for Case { method, target, headers, status, words } in CASES {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: shop.example\r\n");
        let url = format!("http://{listen}{target}");
        let mut asked = vec![*method, &*url, "-H", "Host: shop.example"];
        for header in *headers {
            request.extend([*header, "\r\n"]);
            asked.extend(["-H", header]);
        }
        let answer = client(listen).send(request + "\r\n").answer_to(method);
        let what = format!("{method} {target} {headers:?}");
        assert_eq!(answer.status, *status, "{what}");
        let said = String::from_utf8(lb.cli(&[&["explain"], &asked[..]].concat()).stdout);
        let said = said.expect("it is text");
        assert!(said.contains(words), "{what}: {said}");
        assert_eq!(lb.explained(&asked)["outcome"]["status"], *status, "{what}");
    }
    assert!(web.seen().is_empty(), "nothing of it is a server's to answer");
}

#[test]
fn explain_knows_what_a_listener_does_not_let_in() {
    let (web, http, tcp, tls) = (origin("web"), free_address(), free_address(), free_address());
    let lb = balancer(&format!(
        r#"
[listener.front]
bind = ["{http}"]
protocol = "http"
methods = ["GET"]
pool = "web"
[listener.comm]
bind = ["{tcp}"]
protocol = "tcp"
deny = ["192.0.2.0/24"]
pool = "web"
[listener.names]
bind = ["{tls}"]
protocol = "tls"
sni = {{ "shop.example" = "web" }}
[pool.web]
servers = ["{}"]
"#,
        web.address()
    ));
    client(http).send("POST / HTTP/1.1\r\nHost: shop.example\r\n\r\n").expect_closed();
    for (asked, words) in [
        (&["POST", &format!("http://{http}/")][..], "method not allowed on this listener"),
        (
            &[&format!("http://{tcp}/"), "--listener", "comm", "--from", "192.0.2.7"],
            "address denied",
        ),
        (&["https://other.example/", "--listener", "names"], "no route matches"),
    ] {
        let outcome = &lb.explained(asked)["outcome"];
        let expected = serde_json::json!({"kind": "refused", "status": null, "why": words});
        assert_eq!(outcome, &expected, "{asked:?}");
    }
    let taken = lb.explained(&["https://shop.example/", "--listener", "names"]);
    assert_eq!(taken["outcome"]["pool"], "web");
}
