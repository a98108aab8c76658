//! What a worker keeps so that it need not be made anew.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use evenkeel_core::moment::Moment;
use tokio::task::spawn_blocking;

use crate::buffer::{Buffer, Stock};
use crate::exchange::Desk;
use crate::http2::Runner;
use crate::tunnel::Conduit;

/// Buffers: what a few hundred streams at once use.
const BUFFERS: usize = 256;
/// Desks: one for each of the [`RUNNERS`].
const DESKS: usize = RUNNERS;
/// Pipes hold two file descriptors each.
const PIPES: usize = 32;
/// Tasks for exchanges of HTTP/2, some 4 KiB each: what four busy connections have under way.
const RUNNERS: usize = 512;

/// How often stocks are eased: a burst that comes each second finds what the last one had.
const EASING: Duration = Duration::from_secs(1);
/// Things let go, of some 16 KiB each, for which it is worth to go through all that is free.
const WORTH_RETURNING: usize = 64;

/// The spare things of a worker.
#[derive(Debug)]
pub(crate) struct Stocks {
    pub(crate) desks: Stock<Box<Desk>>,
    pub(crate) buffers: Stock<Buffer>,
    pub(crate) pipes: Stock<Conduit>,
    pub(crate) runners: Stock<Rc<Runner>>,
    /// When they are eased next.
    easing: Cell<Moment>,
    /// Things let go whose memory the operating system has not got back.
    let_go: Cell<usize>,
}

impl Default for Stocks {
    fn default() -> Self {
        Self {
            desks: Stock::new(DESKS),
            buffers: Stock::new(BUFFERS),
            pipes: Stock::new(PIPES),
            runners: Stock::new(RUNNERS),
            easing: Cell::default(),
            let_go: Cell::new(0),
        }
    }
}

impl Stocks {
    /// Something large was thrown away elsewhere, in pieces of all sizes: it is all free a while from
    /// now.
    pub(super) fn expect_more_free(&self, now: Moment) {
        self.let_go.set(self.let_go.get() + WORTH_RETURNING);
        self.easing.set(now + EASING);
    }

    /// Lets go of what is not used any more, now and then.
    pub(super) fn ease(&self, now: Moment) {
        if now < self.easing.get() {
            return;
        }
        self.easing.set(now + EASING);
        let large = self.desks.ease().len() + self.buffers.ease().len();
        self.pipes.ease();
        self.runners.ease().into_iter().for_each(Runner::end);
        let let_go = self.let_go.get() + large;
        let is_last = large <= let_go / 8; // there is half as much each time
        if let_go >= WORTH_RETURNING && is_last {
            drop(spawn_blocking(evenkeel_sys::return_memory));
            self.let_go.set(0);
        } else {
            self.let_go.set(let_go);
        }
    }
}
