//! The page in a browser, before a node that lives and dies.

use std::path::Path;
use std::time::Duration;

use evenkeel_sim::prelude::*;
use evenkeel_sim::process::{self, Process};
use serde_json::Value;

/// A browser starts, and has a patience of its own for each step.
const STEP: Duration = Duration::from_secs(40);

const NO_BROWSER: &str = "node or chromium is not installed, or `npm ci` was not run in dashboard/";

/// A browser that is told what to do.
struct Browser {
    process: Process,
    steps: usize,
}

impl Browser {
    /// `None` where there is none, or nothing to drive it with.
    fn start() -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboard");
        let chromium = process::find("chromium")?;
        if !folder.join("node_modules/playwright-core").is_dir() {
            return None;
        }
        let mut command = process::bound(&process::find("node")?);
        command.arg("test/browser.mjs").current_dir(folder).env("CHROMIUM", chromium);
        Some(Self { process: Process::start("browser", command), steps: 0 })
    }

    /// One step of `dashboard/test/browser.mjs`.
    #[track_caller]
    fn does(&mut self, step: &str) {
        self.process.tell(step);
        let done = self.steps;
        wait_until(&format!("the browser has done `{step}`"), STEP, || {
            assert!(self.process.is_running(), "{step}: {}", self.process.stderr.text());
            self.process.stdout.lines().len() > done
        });
        self.steps += 1;
        assert_eq!(self.process.stdout.lines()[done], "ok");
    }
}

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
