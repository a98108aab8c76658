//! The admin server: the API, metrics and health of this node, on an address of its own.

mod answer;
mod config;
mod drills;
mod events;
mod explain;
mod figures;
mod guard;
mod metrics;
mod page;
mod servers;
mod vips;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use evenkeel_api as api;
use evenkeel_engine::{EngineStatus, PoolMode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::answer::{Json, Refusal};
use crate::describe;
use crate::handover::UpgradeError;
use crate::node::Node;
use crate::whole::whole;

/// People, probes and scrapers; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 256;

/// A configuration fits, with room.
const MOST_BODY_BYTES: usize = crate::compile::MOST_FILE_BYTES;

/// A request head comes in one piece or from somebody who means no good.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// A reload reads files and opens listeners; nothing takes longer.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// Changes under way, or waiting for one that is, at once. They go on when who asked is gone, so
/// connections do not bound them.
const MOST_CHANGES: usize = 64;

/// What refused connections wait for before the next is tried.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `node` on `listener`; never returns.
pub(crate) async fn serve(node: &Arc<Node>, listener: &TcpListener) {
    let router = router(Arc::clone(node));
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= MOST_CONNECTIONS {
            connections.join_next().await;
        }
        while connections.try_join_next().is_some() {}
        // Beside a process that takes over, who connects is its guest.
        node.charge_is(true).await;
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = node.charge_is(false) => continue,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("admin server: cannot accept: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        connections.spawn(async move {
            // Whoever was at the other end knows best why it ended.
            let _ = connection.await;
        });
    }
}

/// Every path of the admin address.
pub(crate) fn router(node: Arc<Node>) -> Router {
    let reserved = Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/pools", get(pools))
        .route("/api/v1/pools/{pool}/servers", post(servers::add))
        .route(
            "/api/v1/pools/{pool}/servers/{server}",
            get(servers::read).put(servers::change).patch(servers::change).delete(servers::remove),
        )
        .route("/api/v1/vips", get(vips::all))
        .route("/api/v1/vips/{vip}", get(vips::read).put(vips::change))
        .route("/api/v1/drills", get(drills::all).post(drills::begin))
        .route("/api/v1/drills/{drill}", put(drills::go_on).delete(drills::end))
        .route("/api/v1/events", get(events::events))
        .route("/api/v1/live", get(figures::live))
        .route("/api/v1/history", get(figures::history))
        .route("/api/v1/explain", get(explain::explain))
        .route("/api/v1/exchanges", get(figures::exchanges))
        .route("/api/v1/config", get(config::read).put(config::write))
        .route("/api/v1/config/versions", get(config::versions))
        .route("/api/v1/reload", post(config::reload))
        .route("/api/v1/upgrade", post(upgrade))
        .route("/api/v1/openapi.json", get(openapi))
        .route("/metrics", get(metrics::metrics_text))
        .route("/stub_status", get(metrics::stub_status))
        .layer(middleware::from_fn_with_state(Arc::new(Semaphore::new(MOST_CHANGES)), to_its_end))
        .layer(middleware::from_fn_with_state(Arc::clone(&node), guard::token));
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .merge(page::routes())
        .merge(reserved)
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_this_way)
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn_with_state(Arc::clone(&node), guard::charge))
        .layer(middleware::from_fn_with_state(Arc::clone(&node), guard::origin))
        .layer(middleware::from_fn(guard::ours_alone))
        .with_state(node)
}

/// What changes something is not left half done by who hangs up, or waits no longer.
async fn to_its_end(
    State(changes): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Response {
    if !guard::is_write(request.method()) {
        return next.run(request).await;
    }
    let place = changes.acquire_owned().await.expect("never closed");
    whole(async move {
        let _place = place;
        next.run(request).await
    })
    .await
}

/// Streams are not cut: their answer begins at once.
async fn in_time(request: Request, next: Next) -> Result<Response, Refusal> {
    let detail = if guard::is_write(request.method()) {
        "it takes too long to be waited for, and goes on"
    } else {
        "the request took too long"
    };
    let too_late = |_| Refusal::new(StatusCode::REQUEST_TIMEOUT, detail);
    tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await.map_err(too_late)
}

async fn status(State(node): State<Arc<Node>>) -> Json<api::Status> {
    Json(node.status())
}

async fn pools(State(node): State<Arc<Node>>) -> Json<Vec<api::Pool>> {
    Json(describe::pools(&node))
}

async fn upgrade(State(node): State<Arc<Node>>) -> Result<Json<api::Upgraded>, Refusal> {
    let refused = |error: UpgradeError| Refusal::new(StatusCode::CONFLICT, error.to_string());
    node.upgrade().await.map(Json).map_err(refused)
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], api::openapi()).into_response()
}

async fn readyz(State(node): State<Arc<Node>>) -> (StatusCode, String) {
    let reasons = not_ready(&node.engine_status());
    if reasons.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
    }
}

/// Why traffic should not be sent here; empty when it should. That the listeners are bound and the
/// configuration is applied needs no look: a node that runs has done both.
fn not_ready(status: &EngineStatus) -> Vec<String> {
    let mut reasons = Vec::new();
    if status.draining {
        reasons.push("draining: no new connections are accepted".to_owned());
    }
    let empty = status.pools.iter().filter(|pool| pool.mode == PoolMode::Empty);
    reasons.extend(empty.map(|pool| format!("pool {}: no server can be used", pool.name)));
    reasons
}

async fn nothing_here(request: Request) -> Refusal {
    Refusal::not_found(format!("there is no {}; see /", request.uri().path()))
}

async fn not_this_way(request: Request) -> Refusal {
    let detail = format!("{} does not take {}", request.uri().path(), request.method());
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

#[cfg(test)]
mod tests;
