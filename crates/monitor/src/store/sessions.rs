//! Sessions in the shards: each on two of them, so that a shard may be lost.

use std::sync::Arc;

use super::sql::{Fault, Value};
use super::{Shard, Store};
use crate::clock;
use crate::ring::Ring;
use crate::web::Session;

/// Shards that hold a session.
const COPIES: usize = 2;

/// Sessions in the shards, by digest of their secret.
#[derive(Debug)]
pub(crate) struct SqlSessions {
    store: Arc<Store>,
    ring: Ring,
}

impl SqlSessions {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        let ring = Ring::new(store.shards().iter().map(|shard| shard.name()));
        Self { store, ring }
    }

    /// Shards in the order in which they are asked for `digest`.
    fn order(&self, digest: &str) -> impl Iterator<Item = &Arc<Shard>> {
        let order = self.ring.order(digest).into_iter();
        order.map(|shard| &self.store.shards()[shard]).filter(|shard| !shard.is_down())
    }

    /// Keeps `session` on the first two shards that take it; one is enough.
    pub(crate) async fn put(&self, digest: &str, session: &Session) -> Result<(), Fault> {
        let mut kept = 0;
        let mut last = Fault::Down("no shard answers".to_owned());
        for shard in self.order(digest) {
            let Session { user, csrf, expires_ms } = session;
            let (user, csrf) = (user.as_str().into(), csrf.as_str().into());
            let values: [Value; 4] = [digest.into(), user, csrf, (*expires_ms).into()];
            let put = shard.with(move |shard| {
                // Logging in is rare enough to clean up with it.
                let now = [clock::now_ms().into()];
                shard.execute("DELETE FROM sessions WHERE expires < ?", &now)?;
                let sql =
                    "INSERT INTO sessions (digest, user_name, csrf, expires) VALUES (?, ?, ?, ?)";
                shard.execute(sql, &values)
            });
            match put.await {
                Ok(_) => kept += 1,
                Err(fault) => last = fault,
            }
            if kept == COPIES {
                break;
            }
        }
        if kept > 0 { Ok(()) } else { Err(last) }
    }

    /// The session of `digest`. A shard that does not answer may have had it.
    pub(crate) async fn get(&self, digest: &str) -> Result<Option<Session>, Fault> {
        let sql = "SELECT user_name, csrf, expires FROM sessions WHERE digest = ?";
        let mut outcome = Err(Fault::Down("no shard answers".to_owned()));
        for shard in self.order(digest) {
            let values = [digest.into()];
            match shard.with(move |session| session.query(sql, &values)).await {
                Ok(rows) => {
                    if let Some(row) = rows.first() {
                        let (user, csrf) = (row.text(0).to_owned(), row.text(1).to_owned());
                        return Ok(Some(Session { user, csrf, expires_ms: row.number(2) }));
                    }
                    outcome = Ok(None);
                }
                Err(fault) => outcome = outcome.or(Err(fault)),
            }
        }
        outcome
    }

    /// Forgets the session of `digest` wherever it is.
    pub(crate) async fn remove(&self, digest: &str) -> Result<(), Fault> {
        let mut outcome = Ok(());
        for shard in self.store.shards() {
            let values = [digest.into()];
            let sql = "DELETE FROM sessions WHERE digest = ?";
            let removed = shard.with(move |session| session.execute(sql, &values)).await;
            if let Err(fault) = removed {
                outcome = Err(fault);
            }
        }
        outcome
    }
}
