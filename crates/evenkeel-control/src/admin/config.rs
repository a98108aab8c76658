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
use crate::pair::message::OfferWish;

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

/// Where it is to take effect.
#[derive(Debug, Deserialize)]
pub(super) struct Where {
    /// On both nodes of the pair or on neither.
    #[serde(default)]
    both: bool,
}

pub(super) async fn write(
    State(node): State<Arc<Node>>,
    Query(place): Query<Where>,
    headers: HeaderMap,
    text: String,
) -> Result<Response, Refusal> {
    let expected = headers.get(header::IF_MATCH).map(|value| value.to_str().unwrap_or_default());
    // `*` is any version (RFC 9110 §13.1.1), and there is always one.
    let expected = expected.map(|tag| tag.trim_matches('"')).filter(|tag| *tag != "*");
    if place.both {
        fits_peer(&node, text.clone()).await?;
    }
    let applied = node.replace(text, expected).await;
    answer(&node, applied, OfferWish::Apply).await
}

pub(super) async fn reload(
    State(node): State<Arc<Node>>,
    Query(place): Query<Where>,
) -> Result<Response, Refusal> {
    if place.both {
        let text = node.file_text().await.map_err(|error| refusal(&error))?;
        fits_peer(&node, text).await?;
    }
    let applied = node.reload().await;
    answer(&node, applied, OfferWish::Write).await
}

/// Refuses what the other node would refuse.
async fn fits_peer(node: &Node, text: String) -> Result<(), Refusal> {
    let Some(said) = node.offer(text, OfferWish::Check).await else {
        let detail = "this node is not one of a pair: there is no other node";
        return Err(Refusal::new(StatusCode::CONFLICT, detail));
    };
    let api::PeerApplied { node, reason, faults, version, .. } = said;
    if version.is_some() {
        return Ok(());
    }
    let reason = reason.unwrap_or_default();
    let detail = format!("{node} would not take it, so nothing was changed: {reason}");
    Err(Refusal::new(StatusCode::CONFLICT, detail).with_faults(faults))
}

/// With what the other node says of it.
async fn answer(
    node: &Node,
    result: Result<api::Applied, LoadError>,
    wish: OfferWish,
) -> Result<Response, Refusal> {
    let mut applied = result.map_err(|error| refusal(&error))?;
    applied.peer = node.offer_in_force(wish).await;
    Ok(([etag(&applied.version)], Json(applied)).into_response())
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
