//! The admin address, asked in-process.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use futures_util::StreamExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::router;
use crate::compile::{Override, Surroundings};
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
        let node = Node::start(origin, surroundings, loaded, admin.parse().unwrap()).await;
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
        };
        if path == "/api/v1/events" {
            continue;
        }
        let answer = bench.write(method, &path, "application/json", "").await;
        let unknown = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED];
        assert!(!unknown.contains(&answer.status), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn the_status_tells_of_listeners_pools_and_servers() {
    let bench = Bench::local("status").await;
    let status = bench.get("/api/v1/status").await.json();
    assert_eq!(status["state"], "running");
    assert_eq!(status["listeners"][0]["name"], "web");
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

#[tokio::test]
async fn a_token_opens_all_but_health() {
    let text = format!("{TEXT}[admin]\ntoken_file = \"token\"\n");
    let bench = Bench::new("token", &text, "0.0.0.0:7070").await;
    for open in ["/healthz", "/readyz"] {
        assert_eq!(bench.get(open).await.status, StatusCode::OK, "{open}");
    }
    for closed in ["/", "/metrics", "/stub_status", "/api/v1/status", SERVER] {
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
        "evenkeel_process_open_fds ",
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
