//! `/api/v1/config` and `/api/v1/reload`

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use evenkeel_api as api;
use serde::Deserialize;

use super::answer::{Json, Refusal};
use crate::describe;
use crate::node::{LoadError, Node, Version};

/// Which version is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    version: Option<String>,
}

pub(super) async fn read(
    State(node): State<Arc<Node>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let version = match asked.version {
        None => node.version(),
        Some(id) => {
            let gone = || {
                Refusal::not_found(format!("there is no version {id}; see /api/v1/config/versions"))
            };
            node.versions().into_iter().find(|it| it.id == id).ok_or_else(gone)?
        }
    };
    let headers = [(header::CONTENT_TYPE, "application/toml".to_owned()), etag(&version.id)];
    Ok((headers, version.text).into_response())
}

pub(super) async fn versions(State(node): State<Arc<Node>>) -> Json<Vec<api::ConfigVersion>> {
    let describe = |version: Version| api::ConfigVersion {
        version: version.id,
        origin: version.origin,
        applied: api::Timestamp(version.applied),
    };
    Json(node.versions().into_iter().map(describe).collect())
}

pub(super) async fn write(
    State(node): State<Arc<Node>>,
    headers: HeaderMap,
    text: String,
) -> Result<Response, Refusal> {
    let expected = headers.get(header::IF_MATCH).map(|value| value.to_str().unwrap_or_default());
    // `*` is any version (RFC 9110 §13.1.1), and there is always one.
    let expected = expected.map(|tag| tag.trim_matches('"')).filter(|tag| *tag != "*");
    answer(node.replace(text, expected).await)
}

pub(super) async fn reload(State(node): State<Arc<Node>>) -> Result<Response, Refusal> {
    answer(node.reload().await)
}

fn answer(result: Result<api::Applied, LoadError>) -> Result<Response, Refusal> {
    match result {
        Ok(applied) => Ok(([etag(&applied.version)], Json(applied)).into_response()),
        Err(error) => Err(refusal(&error)),
    }
}

fn etag(version: &str) -> (HeaderName, String) {
    (header::ETAG, format!("\"{version}\""))
}

fn refusal(error: &LoadError) -> Refusal {
    let status = match error {
        LoadError::Faults(_) => StatusCode::UNPROCESSABLE_ENTITY,
        LoadError::Stale { .. } => StatusCode::PRECONDITION_FAILED,
        LoadError::NothingToReload | LoadError::Unreadable(_) | LoadError::Refused(_) => {
            StatusCode::CONFLICT
        }
        LoadError::StandIn(_) | LoadError::Defect(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    match error {
        LoadError::Faults(findings) => {
            let detail = "the configuration has faults; everything stays as it was";
            Refusal::new(status, detail).with_faults(describe::findings(findings))
        }
        other => Refusal::new(status, describe::in_one_line(other)),
    }
}
