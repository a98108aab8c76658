//! Tasks that serve one exchange after the other, of whichever connection. A task of its own for
//! each would be made, moved and thrown away with every request, and it has some 4 KiB.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use tokio::task::spawn_local;

use super::{Common, Framed};
use crate::exchange::{self, Client};
use crate::stream::Stream;
use crate::worker::Worker;

/// A task that waits for its next exchange.
#[derive(Debug)]
pub(crate) struct Runner {
    next: RefCell<Option<Framed>>,
    waker: RefCell<Waker>,
}

impl Runner {
    /// Has the task end, which nothing else holds.
    pub(crate) fn end(self: Rc<Self>) {
        let waker = self.waker.borrow().clone();
        drop(self);
        waker.wake();
    }
}

/// Gives an exchange to a task that waits for one, else to a new one.
pub(super) fn run(worker: &Rc<Worker>, framed: Framed) {
    if let Some(runner) = worker.stocks.runners.take() {
        runner.next.replace(Some(framed));
        runner.waker.borrow().wake_by_ref();
    } else {
        drop(spawn_local(serve(Rc::clone(worker), framed)));
    }
}

/// Serves `first`, then what comes, until there are enough others who wait.
async fn serve(worker: Rc<Worker>, first: Framed) {
    let runner = Rc::new(Runner {
        next: RefCell::new(Some(first)),
        waker: RefCell::new(Waker::noop().clone()),
    });
    loop {
        let framed = poll_fn(|cx| {
            if let Some(framed) = runner.next.take() {
                return Poll::Ready(Some(framed));
            }
            if Rc::strong_count(&runner) == 1 {
                return Poll::Ready(None); // nobody can give it one any more
            }
            runner.waker.borrow_mut().clone_from(cx.waker());
            Poll::Pending
        });
        let Some(framed) = framed.await else { return };
        serve_one(framed).await;
        if worker.draining() || !worker.stocks.runners.give_back(Rc::clone(&runner)) {
            return;
        }
    }
}

async fn serve_one(framed: Framed) {
    let common = Rc::clone(&framed.common);
    let Common { seat, address_text, .. } = &*common;
    let stream = Stream::Framed(Box::new(framed));
    let client = Client::new(Rc::clone(seat), stream, Rc::clone(address_text)).await;
    exchange::serve_one(client).await;
}
