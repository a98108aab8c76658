//! HTTP for those who watch: `/health` and `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::health::{Health, Status};

/// Probes and scrapers; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 128;
/// A request head comes in one piece or from somebody who means no good.
const HEAD: Duration = Duration::from_secs(10);
/// What a failed accept waits before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Writes the metrics as they are now.
pub(crate) type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// `/health`, `/health?deep` and `/metrics`.
pub(crate) fn observed(health: Arc<Health>, metrics: Metrics) -> Router {
    let health = Router::new().route("/health", get(answer_health)).with_state(health);
    Router::new().route("/metrics", get(answer_metrics)).with_state(metrics).merge(health)
}

/// Alone it says that this process answers; `?deep` asks all it needs.
pub(crate) async fn answer_health(
    State(health): State<Arc<Health>>,
    RawQuery(query): RawQuery,
) -> Response {
    let is_deep = query.as_deref().is_some_and(|query| query == "deep" || query == "deep=");
    if !is_deep {
        return Json(serde_json::json!({ "status": Status::Up })).into_response();
    }
    let report = health.report().await;
    let code = match report.status {
        Status::Up | Status::Degraded => StatusCode::OK,
        Status::Down => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(&*report)).into_response()
}

async fn answer_metrics(State(metrics): State<Metrics>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics()).into_response()
}

/// Serves `router` on `listener`, without TLS; never returns.
pub(crate) async fn serve_plain(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= MOST_CONNECTIONS {
            connections.join_next().await;
        }
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("cannot accept: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        connections.spawn(async move {
            // Whoever was at the other end knows best why it ended.
            let _ = connection.await;
        });
    }
}
