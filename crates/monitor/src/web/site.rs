//! What all requests share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::sessions::{Sessions, Unavailable};
use crate::attempts::Attempts;
use crate::cache::Cache;
use crate::metrics::WebMetrics;
use crate::store::{Device, SqlSessions, Store, Stored};
use crate::{clock, key, password};

/// How long a session lasts: a working day.
pub(super) const SESSION: Duration = Duration::from_hours(12);
/// Passwords checked at once: each takes a processor and 19 MiB.
const MOST_HASHING: usize = 2;
/// How long somebody waits for that.
const WAIT: Duration = Duration::from_secs(10);

/// How old a newest reading from the cache may be. The list is read by many and asks every second
/// or two; a shard is then asked once for all of them.
const RECENT: Duration = Duration::from_secs(1);

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) user: String,
    /// What a form has to say to show that it comes from a page of this session.
    pub(crate) csrf: String,
    pub(crate) expires_ms: u64,
}

#[derive(Debug)]
pub(super) struct Site {
    pub(super) store: Arc<Store>,
    pub(super) metrics: Arc<WebMetrics>,
    /// Which server this is, at the foot of every page.
    pub(super) name: String,
    sessions: Sessions,
    cache: Option<Arc<Cache>>,
    attempts: Mutex<Attempts>,
    hashing: Semaphore,
}

/// Why somebody is not let in.
#[derive(Debug)]
pub(super) enum NotIn {
    /// Name or password are wrong; which is not told.
    Wrong,
    /// Too many wrong ones; so many seconds to wait.
    Wait(u64),
    /// Too many are logging in, or no shard answers.
    Unavailable,
}

impl Site {
    pub(super) fn new(
        store: Arc<Store>,
        metrics: Arc<WebMetrics>,
        name: String,
        cache: Option<Arc<Cache>>,
    ) -> Arc<Self> {
        let sessions = match &cache {
            Some(cache) => Sessions::Cache(Arc::clone(cache)),
            None => Sessions::Store(SqlSessions::new(Arc::clone(&store))),
        };
        let (attempts, hashing) = (Mutex::default(), Semaphore::new(MOST_HASHING));
        Arc::new(Self { store, metrics, name, sessions, cache, attempts, hashing })
    }

    /// Checks a password and begins a session; gives its secret.
    pub(super) async fn log_in(
        &self,
        user: &str,
        password: String,
    ) -> Result<(String, Session), NotIn> {
        if user.len() > crate::protocol::LONGEST_DEVICE || password.len() > password::LONGEST {
            return Err(NotIn::Wrong);
        }
        let wait = |left_ms: u64| NotIn::Wait(left_ms.div_ceil(1000));
        self.attempts().may_try(user, clock::now_ms()).map_err(wait)?;
        let unavailable = |fault| {
            tracing::warn!("cannot log in: {fault}");
            NotIn::Unavailable
        };
        let stored = self.store.password_of(user).await.map_err(unavailable)?;
        let room = tokio::time::timeout(WAIT, self.hashing.acquire()).await;
        let _room = room.map_err(|_full| NotIn::Unavailable)?;
        let check = move || password::is_right(&password, stored.as_deref());
        let is_right = tokio::task::spawn_blocking(check).await.unwrap_or(false);
        if !is_right {
            self.attempts().failed(user, clock::now_ms());
            return Err(NotIn::Wrong);
        }
        self.attempts().succeeded(user);
        let no_chance = |error| {
            tracing::error!("the system gives no chance: {error}");
            NotIn::Unavailable
        };
        let secret = key::generate().map_err(no_chance)?;
        let csrf = key::generate().map_err(no_chance)?;
        let lasts_ms = u64::try_from(SESSION.as_millis()).unwrap_or(u64::MAX);
        let expires_ms = clock::now_ms().saturating_add(lasts_ms);
        let session = Session { user: user.to_owned(), csrf, expires_ms };
        let kept = self.sessions.put(&key::digest(&secret), &session).await;
        kept.map_err(|_told| NotIn::Unavailable)?;
        Ok((secret, session))
    }

    /// The session of `secret`, if there is one and it is not over.
    pub(super) async fn session(&self, secret: &str) -> Result<Option<Session>, Unavailable> {
        let session = self.sessions.get(&key::digest(secret)).await?;
        Ok(session.filter(|session| session.expires_ms > clock::now_ms()))
    }

    pub(super) async fn log_out(&self, secret: &str) -> Result<(), Unavailable> {
        self.sessions.remove(&key::digest(secret)).await
    }

    /// The newest reading of each of `devices`, and the shards that do not answer.
    pub(super) async fn newest<'a>(
        &self,
        devices: &'a [Arc<Device>],
    ) -> (Vec<(&'a Arc<Device>, Option<Stored>)>, Vec<String>) {
        let mut newest = self.recent(devices).await;
        let mut missing = Vec::new();
        for shard in self.store.shards() {
            let here = devices.iter().filter(|device| {
                device.shard == shard.index() && !newest.contains_key(&device.number)
            });
            let numbers: Vec<u64> = here.map(|device| device.number).collect();
            if numbers.is_empty() {
                continue;
            }
            match shard.newest(numbers).await {
                Ok(found) => {
                    self.remember(&found).await;
                    newest.extend(found);
                }
                Err(_noted_by_the_shard) => missing.push(shard.name().to_owned()),
            }
        }
        let with = devices.iter().map(|device| (device, newest.remove(&device.number)));
        (with.collect(), missing)
    }

    /// Newest readings that the cache has.
    async fn recent(&self, devices: &[Arc<Device>]) -> HashMap<u64, Stored> {
        let Some(cache) = &self.cache else { return HashMap::new() };
        let keys: Vec<String> = devices.iter().map(|device| newest_key(device.number)).collect();
        let found = devices.iter().zip(cache.get_many(&keys).await);
        found.filter_map(|(device, text)| Some((device.number, Stored::of_text(&text?)?))).collect()
    }

    async fn remember(&self, newest: &[(u64, Stored)]) {
        let Some(cache) = &self.cache else { return };
        let pairs = newest.iter().map(|(number, stored)| (newest_key(*number), stored.to_text()));
        cache.put_many(pairs.collect(), RECENT).await;
    }

    fn attempts(&self) -> std::sync::MutexGuard<'_, Attempts> {
        // Nothing that can panic is done under this lock.
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn newest_key(number: u64) -> String {
    format!("newest:{number}")
}
