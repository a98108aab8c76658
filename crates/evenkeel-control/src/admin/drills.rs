//! `/api/v1/drills`

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use evenkeel_api as api;

use super::answer::{Json, Refusal};
use crate::node::{DrillError, Node};

pub(super) async fn all(State(node): State<Arc<Node>>) -> Json<api::Drills> {
    Json(node.drills())
}

pub(super) async fn begin(
    State(node): State<Arc<Node>>,
    Json(start): Json<api::DrillStart>,
) -> Result<Json<api::Drill>, Refusal> {
    Ok(Json(node.begin_drill(&start).await?))
}

pub(super) async fn go_on(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    Json(word): Json<api::DrillWord>,
) -> Result<Json<api::Drill>, Refusal> {
    Ok(Json(node.continue_drill(&id, word.stage).await?))
}

pub(super) async fn end(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    Json(end): Json<api::DrillEnd>,
) -> Result<Json<api::Drills>, Refusal> {
    Ok(Json(node.end_drill(&id, &end).await?))
}

impl From<DrillError> for Refusal {
    fn from(error: DrillError) -> Self {
        let status = match error {
            DrillError::Server(error) => return error.into(),
            DrillError::Unknown(_) => StatusCode::NOT_FOUND,
            DrillError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            DrillError::Refused(_) => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}
