//! Tasks that serve one exchange after the other, of whichever connection. A task of its own for
//! each would be made, moved and thrown away with every request, and it has some 8 KiB.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use tokio::task::spawn_local;

use super::{Common, Framed, Open};
use crate::exchange::{self, Client};
use crate::stream::Stream;
use crate::worker::Worker;

/// A task that waits for its next exchange.
#[derive(Debug)]
pub(crate) struct Runner {
    next: RefCell<Option<Job>>,
    waker: RefCell<Waker>,
}

/// An exchange to serve.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) open: Open,
    pub(super) framed: Framed,
}

/// Gives `job` to a task that waits for one, else to a new one.
pub(super) fn run(worker: &Rc<Worker>, job: Job) {
    if let Some(runner) = worker.runners.take() {
        runner.next.replace(Some(job));
        runner.waker.borrow().wake_by_ref();
    } else {
        drop(spawn_local(serve(Rc::clone(worker), job)));
    }
}

/// Serves `first`, then what comes, until there are enough others who wait.
async fn serve(worker: Rc<Worker>, first: Job) {
    let runner = Rc::new(Runner {
        next: RefCell::new(Some(first)),
        waker: RefCell::new(Waker::noop().clone()),
    });
    loop {
        let job = poll_fn(|cx| {
            if let Some(job) = runner.next.take() {
                return Poll::Ready(job);
            }
            runner.waker.borrow_mut().clone_from(cx.waker());
            Poll::Pending
        });
        job.await.serve().await;
        if worker.draining() || !worker.runners.give_back(Rc::clone(&runner)) {
            return;
        }
    }
}

impl Job {
    async fn serve(self) {
        let Self { open, framed } = self;
        let Open(common) = &open;
        let Common { seat, address_text, .. } = &**common;
        let stream = Stream::Framed(Box::new(framed));
        let client = Client::new(Rc::clone(seat), stream, Rc::clone(address_text)).await;
        exchange::serve_one(client).await;
    }
}
