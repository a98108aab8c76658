//! `/api/v1/vips`

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use evenkeel_api as api;
use evenkeel_engine::MoveError;

use super::answer::{Json, Refusal};
use crate::describe;
use crate::node::Node;

pub(super) async fn all(State(node): State<Arc<Node>>) -> Json<Vec<api::Vip>> {
    Json(describe::vips(&node))
}

pub(super) async fn read(
    State(node): State<Arc<Node>>,
    Path(vip): Path<String>,
) -> Result<Json<api::Vip>, Refusal> {
    find(&node, &vip)
}

pub(super) async fn change(
    State(node): State<Arc<Node>>,
    Path(vip): Path<String>,
    Json(change): Json<api::VipChange>,
) -> Result<Json<api::Vip>, Refusal> {
    find(&node, &vip)?;
    node.change_vip(&vip, &change).await?;
    find(&node, &vip)
}

fn find(node: &Node, name: &str) -> Result<Json<api::Vip>, Refusal> {
    let vips = describe::vips(node);
    let names = vips.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = vips.into_iter().find(|it| it.name == name);
    found.map(Json).ok_or_else(|| {
        Refusal::not_found(format!("there is no virtual address `{name}`; there are: {names}"))
    })
}

impl From<MoveError> for Refusal {
    fn from(error: MoveError) -> Self {
        let status = match error {
            MoveError::Unknown => StatusCode::NOT_FOUND,
            MoveError::NotOwner(_) => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}
