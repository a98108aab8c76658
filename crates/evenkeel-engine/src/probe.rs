//! Stub until the driver lands.
use std::sync::Arc;

use evenkeel_core::fault::Fault;
use tokio::sync::{mpsc, watch};

use crate::fleet::{LivePool, Server};
use crate::worker::{Order, Shared};

#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) server: Arc<Server>,
    pub(crate) what: Traffic,
}
#[derive(Debug)]
pub(crate) enum Traffic {
    Failed(Fault),
    Succeeded,
}
pub(crate) fn run(
    _shared: &Arc<Shared>,
    _orders: watch::Receiver<Order>,
    _inbox: mpsc::Receiver<Report>,
) {
}
pub(crate) fn publish(_shared: &Shared, pool: &LivePool) {
    pool.publish();
}
