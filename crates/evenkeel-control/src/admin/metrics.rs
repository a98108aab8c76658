//! `/metrics` and `/stub_status`.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::answer::Refusal;
use crate::metrics::{self, Dialect, Form};
use crate::node::Node;

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    compat: Option<String>,
}

pub(super) async fn metrics_text(
    State(node): State<Arc<Node>>,
    Query(Wanted { compat }): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let dialect = match compat.as_deref() {
        None => Dialect::Own,
        Some("nginx") => Dialect::Nginx,
        Some("haproxy") => Dialect::Haproxy,
        Some(other) => {
            let detail = format!("compat={other} is not known; there are: nginx, haproxy");
            return Err(Refusal::new(StatusCode::BAD_REQUEST, detail));
        }
    };
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let form = Form::accepted(&accept.collect::<Vec<_>>().join(","));
    let kind = [(header::CONTENT_TYPE, form.content_type()), (header::VARY, "Accept")];
    Ok((kind, metrics::metrics(&node, dialect, form)).into_response())
}

pub(super) async fn stub_status(State(node): State<Arc<Node>>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain")];
    (kind, metrics::stub_status(&node.engine_status())).into_response()
}
