//! Where sessions are: never in a process.

use std::sync::Arc;
use std::time::Duration;

use super::site::Session;
use crate::cache::Cache;
use crate::clock;
use crate::store::SqlSessions;

/// Sessions by the digest of their secret.
#[derive(Debug)]
pub(super) enum Sessions {
    /// In the shards.
    Store(SqlSessions),
    /// In the Redis nodes.
    Cache(Arc<Cache>),
}

/// Nobody can say whether there is such a session. What failed has been told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unavailable;

impl Sessions {
    pub(super) async fn put(&self, digest: &str, session: &Session) -> Result<(), Unavailable> {
        match self {
            Self::Store(sessions) => sessions.put(digest, session).await.map_err(unavailable),
            Self::Cache(cache) => {
                let left_ms = session.expires_ms.saturating_sub(clock::now_ms());
                let json = serde_json::to_string(session).map_err(unavailable)?;
                let lasts = Duration::from_millis(left_ms.max(1));
                cache.put(key(digest), json, lasts).await.map_err(unavailable)
            }
        }
    }

    pub(super) async fn get(&self, digest: &str) -> Result<Option<Session>, Unavailable> {
        match self {
            Self::Store(sessions) => sessions.get(digest).await.map_err(unavailable),
            Self::Cache(cache) => {
                let found = cache.get(key(digest)).await.map_err(unavailable)?;
                found.map(|json| serde_json::from_str(&json)).transpose().map_err(unavailable)
            }
        }
    }

    pub(super) async fn remove(&self, digest: &str) -> Result<(), Unavailable> {
        match self {
            Self::Store(sessions) => sessions.remove(digest).await.map_err(unavailable),
            Self::Cache(cache) => cache.remove(key(digest)).await.map_err(unavailable),
        }
    }
}

fn key(digest: &str) -> String {
    format!("session:{digest}")
}

fn unavailable(fault: impl std::fmt::Display) -> Unavailable {
    tracing::debug!("sessions: {fault}");
    Unavailable
}
