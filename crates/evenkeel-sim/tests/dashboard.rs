//! The page in a browser, before a node that lives and dies.

use std::time::Duration;

use evenkeel_sim::browser::{Browser, MockNode, NO_BROWSER};
use evenkeel_sim::prelude::*;
use serde_json::Value;

#[test]
fn the_page_shows_what_is_and_does_what_is_asked() {
    let mut browser = skip_unless!(Browser::start(), NO_BROWSER);
    let [a, b] = origins();
    let listen = free_address();
    let mut lb = balancer(&http(listen, &[&a, &b]));
    let (one, other) = (format!("app/{}", a.address()), format!("app/{}", b.address()));

    browser.does(&format!("open http://{}/", lb.admin()));
    browser.does("link live");
    browser.does(&format!("server {one} up"));

    browser.does(&format!("set {one} drain ann"));
    browser.does(&format!("server {one} drain a test (ann)"));
    let admin = &lb.server("app", &a.address().to_string())["admin"];
    assert_eq!((&admin["state"], &admin["author"]), (&"drain".into(), &"ann".into()));
    browser.does(&format!("set {one} ready ann"));
    browser.does(&format!("server {one} up"));

    browser.does("says None yet. evenkeel drill server POOL/SERVER takes a server out");
    let start = format!(
        r#"{{"kind": "server", "object": "{one}", "away_seconds": 60, "lease_seconds": 60, "author": "ann"}}"#
    );
    let drill = lb.api("POST", "/api/v1/drills", &start).text();
    let drill: Value = serde_json::from_str(&drill).expect("it is JSON");
    let path = format!("/api/v1/drills/{}", drill["id"].as_str().expect("it has a name"));
    browser.does(&format!("says A drill of {one} by ann has been under way for"));
    lb.api("DELETE", &path, r#"{"passed": true, "message": "nobody missed it"}"#);
    browser.does("says passed: nobody missed it");

    b.kill();
    browser.does(&format!("server {other} down refused"));

    lb.kill();
    browser.does("link reconnecting");
    lb.revive();
    browser.does("link live");
    browser.does(&format!("server {other} down"));

    a.kill();
    browser.does(&format!("server {one} down"));
    assert_eq!(get(listen, "/cart?token=s3cret").status, 503);
    browser.does("view exchanges");
    browser.does("exchange GET /cart?token=… 503 SC");
    browser.does("code SC no server may be used, or the connection was refused");
    browser.does("view pool/app");
    browser.does("says by termination code, per second");

    let of_server = format!("server/app/{}", a.address());
    for view in [
        "",
        "servers",
        &of_server,
        "pool/app",
        "listener/front",
        "exchanges",
        "events",
        "explain",
        "config",
    ] {
        browser.does(&format!("view {view}"));
        browser.does("accessible");
    }
    browser.does("clean");
}

#[test]
fn the_page_asks_for_the_token_and_sends_it() {
    let mut browser = skip_unless!(Browser::start(), NO_BROWSER);
    let [a] = origins();
    let lb = Start::with(&http(free_address(), &[&a]))
        .file("token", "0123456789abcdef")
        .variable("EVENKEEL__ADMIN__TOKEN_FILE", "token")
        .start();
    browser.does(&format!("open http://{}/", lb.admin()));
    browser.does("token 0123456789abcdeX");
    browser.does("says That is not the token of this node.");
    browser.does("token 0123456789abcdef");
    browser.does("link live");
    browser.does(&format!("server app/{} up", a.address()));
    browser.does("clean");
}

/// A second of the page, in less.
const PERIOD: Duration = Duration::from_millis(500);

#[test]
fn five_hundred_servers_cost_what_is_in_sight() {
    let mut browser = skip_unless!(Browser::start(), NO_BROWSER);
    let node = MockNode::start(500, PERIOD);
    browser.does(&format!("open {}", node.url()));
    browser.does("link live");

    browser.does("view servers");
    browser.does("crowd 6");
    browser.does("sorted Rate");
    browser.does("fill Filter api/api16 hall-2");
    browser.does("press Rate");
    browser.does("press Rate");
    browser.does("rows api/api16 api/api160 api/api162 api/api164 api/api166");
    browser.does("clean");
}
