//! Sessions of a shard for whoever asks, a bounded number at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, TryAcquireError};

use super::sql::{Fault, Session};

/// Sessions of one shard that this process has at once, beside the writer's.
const MOST_SESSIONS: usize = 8;
/// How long somebody waits for one; a page has to answer.
const WAIT: Duration = Duration::from_secs(2);
/// How long an answer may take before the asker gives up on it.
const ANSWER: Duration = Duration::from_secs(5);

pub(super) struct Pool {
    room: Semaphore,
    idle: Mutex<Vec<Box<dyn Session>>>,
    waiting: AtomicUsize,
}

/// A pool at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolState {
    pub(crate) max: usize,
    pub(crate) in_use: usize,
    pub(crate) idle: usize,
    pub(crate) waiting: usize,
}

impl Pool {
    pub(super) fn new() -> Self {
        Self {
            room: Semaphore::new(MOST_SESSIONS),
            idle: Mutex::new(Vec::with_capacity(MOST_SESSIONS)),
            waiting: AtomicUsize::new(0),
        }
    }

    pub(super) fn state(&self) -> PoolState {
        PoolState {
            max: MOST_SESSIONS,
            in_use: MOST_SESSIONS - self.room.available_permits(),
            idle: self.lock().len(),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// Runs `work` on a thread that may block, with an idle session or one that `open` makes.
    pub(super) async fn with<T: Send + 'static>(
        self: &std::sync::Arc<Self>,
        open: impl FnOnce() -> Result<Box<dyn Session>, Fault> + Send + 'static,
        work: impl FnOnce(&mut dyn Session) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.wait_for_room().await?;
        let pool = std::sync::Arc::clone(self);
        let thread = tokio::task::spawn_blocking(move || {
            // The permit is held by the thread, not by the asker: who gave up still occupies.
            let _room = Room(&pool);
            let idle = pool.lock().pop();
            let mut session = idle.map_or_else(open, Ok)?;
            let done = work(&mut *session);
            match done {
                Ok(_) => pool.lock().push(session),
                // The others are with the same server, which may not be the one to ask any more.
                Err(Fault::Down(_) | Fault::Misplaced(_)) => pool.lock().clear(),
                // The session may be anywhere; a new one costs little.
                Err(Fault::Refused(_)) => {}
            }
            done
        });
        match tokio::time::timeout(ANSWER, thread).await {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => Err(Fault::Refused(format!("the work on it broke off: {panic}"))),
            Err(_late) => Err(Fault::Down(format!("no answer within {ANSWER:?}"))),
        }
    }

    /// Takes a permit without a guard; [`Room`] gives it back.
    async fn wait_for_room(&self) -> Result<(), Fault> {
        let permit = match self.room.try_acquire() {
            Err(TryAcquireError::NoPermits) => {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                let waited = tokio::time::timeout(WAIT, self.room.acquire()).await;
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                waited.map_err(|_late| {
                    Fault::Down(format!("all {MOST_SESSIONS} sessions were busy for {WAIT:?}"))
                })?
            }
            Ok(permit) => Ok(permit),
            Err(TryAcquireError::Closed) => unreachable!("the semaphore is never closed"),
        };
        permit.expect("the semaphore is never closed").forget();
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Box<dyn Session>>> {
        // Nothing that can panic is done under this lock.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a permit back, also when the work panics.
struct Room<'a>(&'a Pool);

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.0.room.add_permits(1);
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.state().fmt(f)
    }
}
