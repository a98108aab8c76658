//! What changes the node is done to its end once it has begun, also when nobody waits for it any
//! more: half of it would leave a node that runs the one and shows the other.

use std::future::pending;
use std::panic::resume_unwind;

/// Does `change` in a task of its own. Who drops this future waits for it no longer; a panic is the
/// caller's as ever.
#[expect(clippy::disallowed_methods, reason = "what outlives who began it is begun here alone")]
pub(crate) async fn whole<T: Send + 'static>(
    change: impl Future<Output = T> + Send + 'static,
) -> T {
    match tokio::spawn(change).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is going down, and this with it.
            Err(_cancelled) => pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::poll;
    use tokio::sync::Notify;

    use super::whole;

    #[tokio::test]
    async fn what_has_begun_is_done_though_nobody_waits() {
        let (go_on, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (told, tells) = (Arc::clone(&go_on), Arc::clone(&done));
        let mut change = Box::pin(whole(async move {
            told.notified().await;
            tells.notify_one();
        }));
        assert!(poll!(&mut change).is_pending());
        drop(change);
        go_on.notify_one();
        done.notified().await;
    }
}
