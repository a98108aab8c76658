//! The admin address, asked in-process.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use futures_util::{StreamExt as _, poll};
use serde_json::Value;
use tower::ServiceExt as _;

use evenkeel_api::NameState;

use super::router;
use crate::compile::{Override, Surroundings};
use crate::handover::Estate;
use crate::node::{Loaded, Node};
use crate::origin::Origin;

const TEXT: &str = "[node]\nworkers = 1\n\
    [listener.web]\nbind = [\"127.0.0.1:0\"]\nprotocol = \"http\"\npool = \"app\"\n\
    [pool.app]\nservers = [\"127.0.0.1:9\", \"127.0.0.1:10\"]\ncheck = false\n";

/// A node with a file of its own, and the answers of its admin address.
struct Bench {
    node: Arc<Node>,
    file: PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        // The system cleans what a failed test leaves.
        let _ = fs::remove_dir_all(self.file.parent().unwrap());
    }
}

impl Bench {
    async fn new(name: &str, text: &str, admin: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("evenkeel-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("token"), "0123456789abcdef").unwrap();
        let file = directory.join("evenkeel.toml");
        fs::write(&file, text).unwrap();
        let origin = Origin::File(file.clone());
        let bind = Override::from_flag("--admin-bind", &["admin", "bind"], admin);
        let surroundings = Surroundings::of_this_machine(origin.base(), vec![bind]);
        let loaded = Loaded::from(&origin, &surroundings).unwrap();
        let node =
            Node::start(origin, surroundings, loaded, admin.parse().unwrap(), Estate::default())
                .await;
        Self { node: Arc::new(node.unwrap()), file }
    }

    async fn local(name: &str) -> Self {
        Self::new(name, TEXT, "127.0.0.1:7070").await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = router(Arc::clone(&self.node)).oneshot(request).await.unwrap();
        let status = response.status();
        let etag = response.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Answer { status, etag, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(ask(Method::GET, path).body(Body::empty()).unwrap()).await
    }

    async fn write(&self, method: Method, path: &str, kind: &str, body: &str) -> Answer {
        let request = ask(method, path).header("content-type", kind);
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }
}

fn ask(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "localhost:7070")
}

struct Answer {
    status: StatusCode,
    etag: Option<String>,
    body: String,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

const SERVER: &str = "/api/v1/pools/app/servers/127.0.0.1:9";

#[tokio::test]
async fn every_operation_of_the_description_is_served() {
    let bench = Bench::local("operations").await;
    for operation in evenkeel_api::OPERATIONS {
        let path = operation.path.replace("{pool}", "app").replace("{server}", "127.0.0.1:9");
        let method = match operation.method {
            evenkeel_api::Method::Get => Method::GET,
            evenkeel_api::Method::Put => Method::PUT,
            evenkeel_api::Method::Patch => Method::PATCH,
            evenkeel_api::Method::Post => Method::POST,
            evenkeel_api::Method::Delete => Method::DELETE,
        };
        if ["/api/v1/events", "/api/v1/live"].contains(&path.as_str()) {
            continue;
        }
        let answer = bench.write(method, &path, "application/json", "").await;
        // A path nobody serves is told apart from a thing that this node does not have.
        let unserved = answer.body.contains(&format!("there is no {path}; see /"));
        let is_served = answer.status != StatusCode::METHOD_NOT_ALLOWED && !unserved;
        assert!(is_served, "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn the_status_tells_of_listeners_pools_and_servers() {
    let bench = Bench::local("status").await;
    let status = bench.get("/api/v1/status").await.json();
    assert_eq!(status["state"], "running");
    assert_eq!(status["listeners"][0]["name"], "web");
    assert_eq!(status["listeners"][0]["pools"], serde_json::json!(["app"]));
    assert_eq!(status["pools"][0]["servers"][1]["name"], "127.0.0.1:10");
    let pools = bench.get("/api/v1/pools").await.json();
    assert_eq!(pools[0]["name"], "app");
}

#[tokio::test]
async fn a_server_is_taken_out_and_put_back() {
    let bench = Bench::local("server").await;
    let change = r#"{"state":"maint","author":"ann","reason":"new\r\ndisk"}"#;
    let answer = bench.write(Method::PUT, SERVER, "application/json", change).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.json()["admin"]["state"], "maint");
    let server = bench.get(SERVER).await.json();
    assert_eq!(
        (&server["admin"]["author"], &server["admin"]["reason"]),
        (&"ann".into(), &"new  disk".into())
    );
    assert_eq!(server["in_use"], false);
    let change = r#"{"state":"ready"}"#;
    let answer = bench.write(Method::PATCH, SERVER, "application/json", change).await;
    assert_eq!(answer.json()["admin"]["state"], "ready");
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let bench = Bench::local("missing").await;
    for path in ["/api/v1/pools/no/servers/a", "/api/v1/pools/app/servers/a", "/nope"] {
        let answer = bench.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.json()["status"], 404);
    }
    for body in ["", "{}", r#"{"state":"off"}"#, r#"{"state":"ready","stat":1}"#] {
        let answer = bench.write(Method::PUT, SERVER, "application/json", body).await;
        assert!(answer.status.is_client_error(), "{body}");
        assert!(answer.json()["detail"].is_string());
    }
}

#[tokio::test]
async fn a_reload_applies_a_good_file_and_refuses_a_bad_one() {
    let bench = Bench::local("reload").await;
    let before = bench.get("/api/v1/config").await;
    fs::write(&bench.file, TEXT.replace("\"127.0.0.1:9\", ", "")).unwrap();
    let reload = || bench.write(Method::POST, "/api/v1/reload", "application/json", "");
    assert_eq!(reload().await.status, StatusCode::OK);
    assert_eq!(bench.get(SERVER).await.status, StatusCode::NOT_FOUND);
    let after = bench.get("/api/v1/config").await;
    assert_ne!(before.etag, after.etag);

    fs::write(&bench.file, "[listner.web]\n").unwrap();
    let refused = reload().await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.json()["faults"][0]["help"], "did you mean `listener`?");
    assert_eq!(bench.get("/api/v1/config").await.etag, after.etag);
    let status = bench.get("/api/v1/status").await.json();
    assert!(status["config"]["last_refusal"].as_str().unwrap().contains("listner"));
    let metrics = bench.get("/metrics").await.body;
    for line in [
        "evenkeel_config_changes_total{result=\"applied\"} 2",
        "evenkeel_config_changes_total{result=\"refused\"} 1",
        "evenkeel_config_last_change_success 0",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
}

#[tokio::test]
async fn a_configuration_is_replaced_only_if_it_is_the_one_that_was_read() {
    let bench = Bench::local("replace").await;
    let first = bench.get("/api/v1/config").await;
    assert_eq!(first.body, TEXT);
    let put = |tag: &str, text: &str| {
        let request = ask(Method::PUT, "/api/v1/config")
            .header("content-type", "application/toml")
            .header("if-match", tag);
        bench.send(request.body(Body::from(text.to_owned())).unwrap())
    };
    let text = TEXT.replace("check = false", "check = true");
    let tag = first.etag.clone().unwrap();
    let answer = put(&tag, &text).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(put(&tag, TEXT).await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(put("*", TEXT).await.status, StatusCode::OK);
    let versions = bench.get("/api/v1/config/versions").await.json();
    assert_eq!(versions.as_array().unwrap().len(), 3);
    let second = versions[1]["version"].as_str().unwrap();
    let old = bench.get(&format!("/api/v1/config?version={second}")).await;
    assert_eq!(old.body, text);
}

#[tokio::test]
async fn what_needs_a_restart_is_said() {
    let bench = Bench::local("restart").await;
    let text = TEXT.replace("workers = 1", "workers = 2");
    let answer = bench.write(Method::PUT, "/api/v1/config", "application/toml", &text).await;
    assert_eq!(answer.json()["needs_restart"], serde_json::json!(["node.workers"]));
}

#[tokio::test]
async fn ready_says_why_not() {
    let bench = Bench::local("ready").await;
    assert_eq!(bench.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(bench.get("/readyz").await.status, StatusCode::OK);
    let empty = TEXT.replace("\"127.0.0.1:9\", \"127.0.0.1:10\"", "");
    let put = bench.write(Method::PUT, "/api/v1/config", "application/toml", &empty).await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.body);
    let answer = bench.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.body, "pool app: no server can be used\n");
    bench.node.drain().await;
    assert!(bench.get("/readyz").await.body.starts_with("draining"));
}

#[tokio::test]
async fn a_web_page_cannot_reach_a_loopback_address() {
    let bench = Bench::local("page").await;
    for host in ["evil.example:7070", "localhost.evil.example", "10.0.0.1"] {
        let request = Request::get("/api/v1/status").header("host", host);
        let answer = bench.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
    let write = |origin: &str, kind: &str| {
        let request =
            ask(Method::PUT, SERVER).header("origin", origin).header("content-type", kind);
        bench.send(request.body(Body::from(r#"{"state":"drain"}"#)).unwrap())
    };
    let json = "application/json";
    assert_eq!(write("http://evil.example", json).await.status, StatusCode::FORBIDDEN);
    assert_eq!(write("null", json).await.status, StatusCode::FORBIDDEN);
    let form = "application/x-www-form-urlencoded";
    let answer = write("http://localhost:7070", form).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(write("http://localhost:7070", json).await.status, StatusCode::OK);
}

/// What a page says in its own words, or has a browser load as a script or a picture.
#[tokio::test]
async fn a_web_page_of_another_origin_gets_no_answer_that_it_could_use() {
    let bench = Bench::local("metadata").await;
    for (path, site, mode, target, status) in [
        ("/api/v1/status", "cross-site", "no-cors", "script", StatusCode::FORBIDDEN),
        ("/metrics", "same-site", "no-cors", "image", StatusCode::FORBIDDEN),
        ("/", "cross-site", "navigate", "iframe", StatusCode::FORBIDDEN),
        ("/", "cross-site", "navigate", "document", StatusCode::OK),
        ("/api/v1/status", "same-origin", "cors", "empty", StatusCode::OK),
        ("/api/v1/status", "none", "navigate", "document", StatusCode::OK),
    ] {
        let request = ask(Method::GET, path)
            .header("sec-fetch-site", site)
            .header("sec-fetch-mode", mode)
            .header("sec-fetch-dest", target)
            .body(Body::empty())
            .unwrap();
        let answer = router(Arc::clone(&bench.node)).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "{path} {site} {mode} {target}");
        for (name, value) in
            [("x-content-type-options", "nosniff"), ("cross-origin-resource-policy", "same-origin")]
        {
            let said = answer.headers().get_all(name).iter().collect::<Vec<_>>();
            assert_eq!(said, [value], "{path}: {name}");
        }
    }
}

#[tokio::test]
async fn a_token_opens_all_but_health() {
    let text = format!("{TEXT}[admin]\ntoken_file = \"token\"\n");
    let bench = Bench::new("token", &text, "0.0.0.0:7070").await;
    for open in ["/healthz", "/readyz", "/", "/page.js"] {
        assert_eq!(bench.get(open).await.status, StatusCode::OK, "{open}");
    }
    for closed in ["/metrics", "/stub_status", "/api/v1/status", SERVER] {
        assert_eq!(bench.get(closed).await.status, StatusCode::UNAUTHORIZED, "{closed}");
    }
    for (token, status) in [
        ("Bearer 0123456789abcdef", StatusCode::OK),
        ("bearer 0123456789abcdef", StatusCode::OK),
        ("Bearer 0123456789abcdeF", StatusCode::UNAUTHORIZED),
        ("Bearer ", StatusCode::UNAUTHORIZED),
        ("Basic 0123456789abcdef", StatusCode::UNAUTHORIZED),
    ] {
        let request = ask(Method::GET, "/api/v1/status").header("authorization", token);
        let answer = bench.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, status, "{token}");
    }
}

#[tokio::test]
async fn events_are_streamed() {
    let bench = Bench::local("events").await;
    let request = ask(Method::GET, "/api/v1/events").body(Body::empty()).unwrap();
    let response = router(Arc::clone(&bench.node)).oneshot(request).await.unwrap();
    bench.node.announce("test", "a message".to_owned());
    let mut stream = response.into_body().into_data_stream();
    let chunk = stream.next().await.expect("the stream goes on").expect("and is whole");
    let event = String::from_utf8(chunk.to_vec()).unwrap();
    assert!(event.starts_with("event: test\ndata: {\"at\":\""), "{event}");
    assert!(event.contains("\"message\":\"a message\"}\n\n"), "{event}");
}

#[tokio::test]
async fn too_much_is_not_read() {
    let bench = Bench::local("large").await;
    let large = "#".repeat(super::MOST_BODY_BYTES + 1);
    let answer = bench.write(Method::PUT, "/api/v1/config", "application/toml", &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn figures_are_there_for_every_server() {
    let bench = Bench::local("metrics").await;
    let metrics = bench.get("/metrics").await.body;
    for line in [
        "evenkeel_server_up{pool=\"app\",server=\"127.0.0.1:9\"} ",
        "evenkeel_listener_answers_total{listener=\"web\",code=\"2xx\"} 0",
        "evenkeel_listener_request_duration_seconds_bucket{listener=\"web\",le=\"+Inf\"} 0",
        "evenkeel_pool_mode{pool=\"app\",mode=\"normal\"} 1",
        "process_open_fds ",
        "evenkeel_server_response_duration_seconds_count{pool=\"app\",server=\"127.0.0.1:9\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
    let manual = include_str!("../../../../docs/api.md");
    for family in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, _) = family.split_once(' ').unwrap();
        assert!(manual.contains(&format!("`{name}`")), "{name} is not in the manual");
    }
    let stub = bench.get("/stub_status").await.body;
    assert!(stub.starts_with("Active connections: 0 \nserver accepts handled requests\n 0 0 0 \n"));
}

#[tokio::test]
async fn history_is_asked_for_by_name() {
    let bench = Bench::local("history").await;
    let empty = bench.get("/api/v1/history?of=pool/app&last=1m").await;
    assert_eq!(empty.json()["series"], serde_json::json!([]));
    assert_eq!(empty.json()["step_seconds"], 1);
    let nothing = bench.get("/api/v1/history?of=shoes").await;
    assert_eq!(nothing.status, StatusCode::BAD_REQUEST);
    assert!(nothing.body.contains("`of` has `shoes`"), "{}", nothing.body);
    let text = format!("[history]\nsize = \"0B\"\n{TEXT}");
    let off = Bench::new("no-history", &text, "127.0.0.1:7070").await;
    let refused = off.get("/api/v1/history?of=node").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn those_who_watch_are_told_each_second_and_are_not_too_many() {
    let bench = Bench::local("live").await;
    let mut readers: Vec<_> = std::iter::from_fn(|| bench.node.live().read()).collect();
    assert_eq!(readers.len(), 64);
    let refused = bench.get("/api/v1/live").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let mut reader = readers.pop().unwrap();
    drop(readers);
    let tick = tokio::select! {
        tick = reader.next() => tick.unwrap(),
        () = crate::live::keep_figures(&bench.node) => unreachable!("it never returns"),
    };
    let tick: Value = serde_json::from_str(&tick).unwrap();
    assert_eq!(tick["pools"]["app"]["rate"], 0.0);
    assert_eq!(tick["servers"]["app/127.0.0.1:9"]["state"], "up");
    assert_eq!(tick["listeners"]["web"]["connections"], 0);
}

#[tokio::test]
async fn metrics_speak_the_names_that_are_asked_for() {
    let bench = Bench::local("compat").await;
    for (compat, line) in [
        ("nginx", "nginx_up 1\n"),
        ("haproxy", "haproxy_server_status{proxy=\"app\",server=\"127.0.0.1:9\",state=\"UP\"} "),
    ] {
        let metrics = bench.get(&format!("/metrics?compat={compat}")).await.body;
        assert!(metrics.contains(line) && !metrics.contains("evenkeel_"), "{metrics}");
    }
    let unknown = bench.get("/metrics?compat=envoy").await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert!(unknown.body.contains("there are: nginx, haproxy"), "{}", unknown.body);
}

const SERVERS: &str = "/api/v1/pools/app/servers";
const JSON: &str = "application/json";

impl Bench {
    /// The same file and state directory, in another run.
    async fn again(&self) -> Arc<Node> {
        let origin = Origin::File(self.file.clone());
        let surroundings = Surroundings::of_this_machine(origin.base(), Vec::new());
        let loaded = Loaded::from(&origin, &surroundings).unwrap();
        let admin = "127.0.0.1:7070".parse().unwrap();
        Arc::new(Node::start(origin, surroundings, loaded, admin, Estate::default()).await.unwrap())
    }
}

fn names(pool: &evenkeel_api::Pool) -> Vec<&str> {
    pool.servers.iter().map(|server| server.name.as_str()).collect()
}

#[tokio::test]
async fn servers_are_added_removed_and_weighed_and_it_is_kept() {
    let bench = Bench::local("membership").await;
    let add = r#"{"address":"127.0.0.1:11","weight":3,"author":"ann","reason":"more"}"#;
    let added = bench.write(Method::POST, SERVERS, JSON, add).await;
    assert_eq!(added.status, StatusCode::OK, "{}", added.body);
    let again = bench.write(Method::POST, SERVERS, JSON, add).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let weight = r#"{"weight":7,"author":"bob","expires_in_seconds":3600}"#;
    let server = bench.write(Method::PATCH, SERVER, JSON, weight).await.json();
    assert_eq!((&server["weight"], &server["configured"]["weight"]), (&7.into(), &1.into()));
    assert_eq!(server["override"]["weight"]["author"], "bob");
    assert!(server["override"]["weight"]["expires"].is_string());
    bench.write(Method::PUT, SERVER, JSON, r#"{"state":"drain","reason":"disk"}"#).await;
    let second = format!("{SERVERS}/127.0.0.1:10");
    let pool = bench.write(Method::DELETE, &second, JSON, r#"{"author":"cy"}"#).await.json();
    assert_eq!(pool["removed"][0]["author"], "cy");

    let node = bench.again().await;
    let status = node.status();
    let pool = &status.pools[0];
    assert_eq!(names(pool), ["127.0.0.1:9", "127.0.0.1:11"]);
    let first = &pool.servers[0];
    assert_eq!((first.weight, first.admin.state), (7, evenkeel_api::AdminState::Drain));
    assert_eq!((pool.servers[1].weight, pool.servers[1].configured.is_none()), (3, true));
    assert_eq!(status.problems, [""; 0]);
}

#[tokio::test]
async fn what_was_said_is_taken_back() {
    let bench = Bench::local("back").await;
    let add = r#"{"address":"127.0.0.1:9"}"#;
    bench.write(Method::DELETE, SERVER, JSON, "{}").await;
    assert_eq!(bench.get(SERVER).await.status, StatusCode::NOT_FOUND);
    let pool = bench.write(Method::POST, SERVERS, JSON, add).await;
    assert_eq!(pool.json()["servers"][0]["name"], "127.0.0.1:9", "{}", pool.body);
    bench.write(Method::PATCH, SERVER, JSON, r#"{"weight":5}"#).await;
    let server = bench.write(Method::PATCH, SERVER, JSON, r#"{"weight":1}"#).await.json();
    assert_eq!((&server["weight"], &server["override"]), (&1.into(), &Value::Null));
}

#[tokio::test]
async fn changes_that_make_no_sense_are_refused() {
    let bench = Bench::local("sense").await;
    for (path, body, status) in [
        ("/api/v1/pools/no/servers", r#"{"address":"127.0.0.1:1"}"#, 404),
        (SERVERS, r#"{"address":"127.0.0.1"}"#, 422),
        (SERVERS, r#"{"address":"127.0.0.1:1","weight":257}"#, 422),
        (SERVERS, r#"{"address":"127.0.0.1:1","name":"a/b"}"#, 422),
        (SERVERS, r#"{"address":"127.0.0.1:1","expires_in_seconds":0}"#, 422),
        (SERVERS, r#"{"address":"127.0.0.1:9","name":"other"}"#, 409),
    ] {
        let answer = bench.write(Method::POST, path, JSON, body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.body);
    }
    let gone = format!("{SERVERS}/nobody");
    let answer = bench.write(Method::DELETE, &gone, JSON, "{}").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_file_that_says_something_new_wins_over_an_operator() {
    let bench = Bench::local("wins").await;
    bench.write(Method::PATCH, SERVER, JSON, r#"{"weight":7}"#).await;
    bench.node.reload().await.unwrap();
    assert_eq!(bench.get(SERVER).await.json()["weight"], 7);
    let mut events = bench.node.events();
    let heavy = "{ address = \"127.0.0.1:9\", weight = 2 }";
    fs::write(&bench.file, TEXT.replace("\"127.0.0.1:9\"", heavy)).unwrap();
    bench.node.reload().await.unwrap();
    assert_eq!(bench.get(SERVER).await.json()["weight"], 2);
    let event = events.recv().await.unwrap();
    assert_eq!(
        (event.kind.as_str(), event.subject.as_str()),
        ("override-dropped", "app/127.0.0.1:9")
    );
}

#[tokio::test]
async fn state_that_is_broken_or_cannot_be_kept_stops_nothing() {
    let bench = Bench::local("state").await;
    let state = bench.file.with_file_name("state");
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("overrides.json"), "{").unwrap();
    let problems = bench.again().await.status().problems;
    assert!(problems[0].contains("overrides.json is broken"), "{problems:?}");
    fs::remove_dir_all(&state).unwrap();
    fs::write(&state, "in the way").unwrap();
    bench.write(Method::PATCH, SERVER, JSON, r#"{"weight":7}"#).await;
    assert_eq!(bench.get(SERVER).await.json()["weight"], 7);
    let problems = bench.node.status().problems;
    assert!(problems[0].starts_with("cannot write "), "{problems:?}");
}

#[tokio::test]
async fn a_name_without_an_answer_and_a_file_that_is_bad_are_shown() {
    // Nobody is asked here: answers are handed in.
    let text = TEXT.replace("\"127.0.0.1:10\"]", "\"app.internal:80\"]\nservers_file = \"t.json\"");
    let bench = Bench::new("names", &text, "127.0.0.1:7070").await;
    let pool = &bench.node.status().pools[0];
    assert_eq!((names(pool), pool.names[0].state), (vec!["127.0.0.1:9"], NameState::Unresolved));
    let problems = bench.node.status().problems;
    assert!(problems[0].contains("t.json cannot be read"), "{problems:?}");

    let node = Arc::clone(&bench.node);
    let kept = bench.file.with_file_name("state").join("names.json");
    let following = async {
        fs::write(bench.file.with_file_name("t.json"), r#"[{"targets":["127.0.0.1:12"]}]"#)
            .unwrap();
        let question = node.wanted_names().questions.into_iter().next().unwrap();
        let endpoint =
            crate::names::Endpoint { priority: 0, ip: [127, 0, 0, 2].into(), port: 0, weight: 0 };
        let ttl = Duration::from_secs(1);
        let answer = crate::names::Answer { endpoints: vec![endpoint], ttl, unanswered: None };
        let mut events = node.events();
        node.note_answer(&question, &Ok(answer));
        while node.status().pools[0].servers.len() < 3 {
            events.recv().await.unwrap();
        }
        while !kept.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = node.keep_servers() => {}
        done = tokio::time::timeout(Duration::from_secs(20), following) => done.unwrap(),
    }
    let pool = &node.status().pools[0];
    assert_eq!(names(pool), ["127.0.0.1:9", "app.internal:80", "127.0.0.1:12"]);
    assert_eq!(pool.servers[1].address, "127.0.0.2:80");
    // A run that gets no answer starts with what is known.
    let again = bench.again().await.status();
    assert_eq!(again.pools[0].names[0].state, NameState::Stale);
    assert_eq!(again.pools[0].servers.len(), 3);
}

#[tokio::test]
async fn a_change_goes_on_when_who_asked_is_gone() {
    let bench = Bench::local("gone").await;
    let before = bench.node.version().id;
    let request = ask(Method::PUT, "/api/v1/config").header("content-type", "application/toml");
    let request = request.body(Body::from(format!("{TEXT}# other\n"))).unwrap();
    let mut call = Box::pin(router(Arc::clone(&bench.node)).oneshot(request));
    assert!(poll!(&mut call).is_pending(), "it has begun");
    drop(call);
    let changed = async {
        while bench.node.version().id == before {
            // wait: between two looks at the state that is waited for
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), changed).await.unwrap();
    assert_eq!(bench.get("/api/v1/config").await.body, format!("{TEXT}# other\n"));
}
