//! What a node does as long as it runs, a defect of its own included.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use evenkeel_core::restart::Restarts;

use crate::clock;
use crate::node::Node;

/// Runs what the node does beside its traffic, and starts it anew should a defect end it. `what` is
/// for the operator.
pub(super) async fn keep(node: &Node, what: &str, run: impl AsyncFnMut()) {
    let tell = |message| node.announce("control-panicked", message);
    restart(tell, what, run).await;
}

/// Does something once; `None`: a defect has ended it, and was told.
pub(super) async fn once<T>(node: &Node, what: &str, run: impl Future<Output = T>) -> Option<T> {
    let done = caught(run).await;
    if done.is_none() {
        node.announce(
            "control-panicked",
            format!("{what} was ended by a defect; the rest goes on"),
        );
    }
    done
}

async fn restart(tell: impl Fn(String), what: &str, mut run: impl AsyncFnMut()) {
    let mut restarts = Restarts::default();
    loop {
        let began = clock::monotonic();
        if caught(run()).await.is_some() {
            return;
        }
        // Telling may meet the same defect, and stderr has its message.
        let message = format!("{what}: ended by a defect; started anew");
        let _ = catch_unwind(AssertUnwindSafe(|| tell(message)));
        let lived = clock::monotonic().saturating_sub(began);
        tokio::time::sleep(restarts.pause(lived)).await;
    }
}

/// `None`: it has panicked. What it held is as valid as after any of its steps: locks are of plain
/// values, which are replaced as a whole.
async fn caught<T>(run: impl Future<Output = T>) -> Option<T> {
    let mut run = pin!(run);
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(done)) => Poll::Ready(Some(done)),
        Err(_panic) => Poll::Ready(None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn what_panics_is_told_and_started_anew() {
        let (lives, told) = (Cell::new(0), Cell::new(0));
        let tell = |message: String| {
            assert_eq!(message, "a loop: ended by a defect; started anew");
            told.set(told.get() + 1);
            assert_eq!(told.get(), 2, "also when telling panics");
        };
        restart(tell, "a loop", async || {
            tokio::task::yield_now().await;
            lives.set(lives.get() + 1);
            assert_eq!(lives.get(), 3, "a defect");
        })
        .await;
        assert_eq!((lives.get(), told.get()), (3, 2));
    }
}
