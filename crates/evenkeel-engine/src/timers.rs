//! Deadlines of a worker's connections.
//!
//! A connection changes its deadline several times a request, and almost none ever comes. So
//! setting one is a store into a table, and a single task scans the table: 8 bytes a connection,
//! 50,000 of them in some 20 µs.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use evenkeel_core::moment::Moment;

use crate::clock;

/// The finest step: a deadline is noticed at most this late while others are near.
const FINEST: Duration = Duration::from_millis(10);
/// The coarsest step: a deadline set shortly after a scan may be noticed this late.
const COARSEST: Duration = Duration::from_millis(50);

/// The deadlines of one worker.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    table: RefCell<Table>,
}

#[derive(Debug, Default)]
struct Table {
    deadlines: Vec<Moment>,
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// One connection's deadline; it is taken off the table when dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    timers: Rc<Timers>,
    slot: usize,
}

impl Timers {
    /// A watch without a deadline. `waker` is that of the task that will look at it.
    pub(crate) fn watch(self: &Rc<Self>, waker: Waker) -> Watch {
        let mut table = self.table.borrow_mut();
        let slot = table.free.pop().unwrap_or(table.deadlines.len());
        if slot == table.deadlines.len() {
            table.deadlines.push(Moment::NEVER);
            table.wakers.push(Some(waker));
        } else {
            table.deadlines[slot] = Moment::NEVER;
            table.wakers[slot] = Some(waker);
        }
        Watch { timers: Rc::clone(self), slot }
    }

    /// Wakes all whose deadline has come; returns how long to wait before the next scan.
    pub(crate) fn scan(&self, now: Moment) -> Duration {
        let table = self.table.borrow();
        let mut next = Moment::NEVER;
        for (slot, &deadline) in table.deadlines.iter().enumerate() {
            if deadline <= now {
                if let Some(waker) = &table.wakers[slot] {
                    waker.wake_by_ref();
                }
            } else {
                next = next.min(deadline);
            }
        }
        next.since(now).clamp(FINEST, COARSEST)
    }

    /// Wakes everybody, for a change that concerns all of them.
    pub(crate) fn wake_all(&self) {
        self.table.borrow().wakers.iter().flatten().for_each(Waker::wake_by_ref);
    }
}

impl Watch {
    /// Replaces the deadline.
    pub(crate) fn set(&self, deadline: Moment) {
        self.timers.table.borrow_mut().deadlines[self.slot] = deadline;
    }

    /// The deadline is `wait` from now.
    pub(crate) fn set_after(&self, wait: Duration) {
        self.set(clock::now() + wait);
    }

    /// The deadline has come.
    pub(crate) fn expired(&self) -> bool {
        self.timers.table.borrow().deadlines[self.slot] <= clock::now()
    }
}

/// What `future` gives, unless the deadline of `watch`, which is this task's, comes first.
pub(crate) async fn until<F: Future>(watch: &Watch, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if watch.expired() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut table = self.timers.table.borrow_mut();
        table.deadlines[self.slot] = Moment::NEVER;
        table.wakers[self.slot] = None;
        table.free.push(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn only_what_is_due_is_woken_and_slots_are_used_again() {
        let timers = Rc::new(Timers::default());
        let (early, late) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
        let first = timers.watch(Waker::from(Arc::clone(&early)));
        let second = timers.watch(Waker::from(Arc::clone(&late)));
        first.set(Moment::from_micros(1_000));
        second.set(Moment::from_micros(90_000_000));
        assert_eq!(timers.scan(Moment::from_micros(999)), FINEST);
        assert_eq!(timers.scan(Moment::from_micros(1_000)), COARSEST);
        assert_eq!((early.0.load(Ordering::Relaxed), late.0.load(Ordering::Relaxed)), (1, 0));
        drop(first);
        let third = timers.watch(Waker::from(early));
        assert_eq!(third.slot, 0);
    }
}
