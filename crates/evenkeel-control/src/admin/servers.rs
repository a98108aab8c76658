//! `/api/v1/pools/{pool}/servers`

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use evenkeel_api as api;

use super::answer::{Json, Refusal};
use crate::describe;
use crate::node::{Node, ServerError};

pub(super) async fn read(
    State(node): State<Arc<Node>>,
    Path((pool, server)): Path<(String, String)>,
) -> Result<Json<api::Server>, Refusal> {
    find(&node, &pool, &server)
}

pub(super) async fn add(
    State(node): State<Arc<Node>>,
    Path(pool): Path<String>,
    Json(addition): Json<api::ServerAddition>,
) -> Result<Json<api::Pool>, Refusal> {
    node.add_server(&pool, &addition).await?;
    find_pool(&node, &pool).map(Json)
}

pub(super) async fn remove(
    State(node): State<Arc<Node>>,
    Path((pool, server)): Path<(String, String)>,
    Json(removal): Json<api::ServerRemoval>,
) -> Result<Json<api::Pool>, Refusal> {
    node.remove_server(&pool, &server, &removal).await?;
    find_pool(&node, &pool).map(Json)
}

pub(super) async fn change(
    State(node): State<Arc<Node>>,
    Path((pool, server)): Path<(String, String)>,
    Json(change): Json<api::ServerChange>,
) -> Result<Json<api::Server>, Refusal> {
    node.change_server(&pool, &server, &change).await?;
    find(&node, &pool, &server)
}

fn find_pool(node: &Node, pool: &str) -> Result<api::Pool, Refusal> {
    let no_pool = || Refusal::not_found(format!("there is no pool `{pool}`"));
    describe::pools(node).into_iter().find(|it| it.name == pool).ok_or_else(no_pool)
}

fn find(node: &Node, pool: &str, server: &str) -> Result<Json<api::Server>, Refusal> {
    let pool = find_pool(node, pool)?;
    let names = pool.servers.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = pool.servers.into_iter().find(|it| it.name == server);
    found.map(Json).ok_or_else(|| {
        let detail = format!("pool `{}` has no server `{server}`; it has: {names}", pool.name);
        Refusal::not_found(detail)
    })
}

impl From<ServerError> for Refusal {
    fn from(error: ServerError) -> Self {
        let status = match error {
            ServerError::NotThere(_) => StatusCode::NOT_FOUND,
            ServerError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ServerError::Conflict(_) | ServerError::Refused(_) => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}
