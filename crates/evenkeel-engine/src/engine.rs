//! Start, apply, drain: the handle the control plane holds.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::config::Config;
use tokio::sync::broadcast;

use crate::status::{AdminChange, EngineStatus, Event};

/// What is fixed for the life of the process.
#[derive(Clone, Debug)]
pub struct Options {
    /// Engine threads; 1 to 256.
    pub workers: usize,
    pub access_log: Option<AccessLog>,
}

#[derive(Clone, Debug)]
pub struct AccessLog;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot start engine thread {index}")]
    Thread { index: usize, source: std::io::Error },
}

#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("listener {listener}: cannot listen on {address}")]
    Bind { listener: Arc<str>, address: std::net::SocketAddr, source: std::io::Error },
    #[error("the node is draining: no configuration is applied any more")]
    Draining,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open at the limit and were cut.
    pub cut: u32,
}

/// The running data plane.
#[derive(Debug)]
pub struct Engine;

impl Engine {
    pub fn start(_options: Options) -> Result<Self, StartError> {
        todo!()
    }

    /// Swaps the configuration. New listeners are bound before anything changes; on an error
    /// everything is as it was.
    pub async fn apply(&self, _config: Config) -> Result<(), ApplyError> {
        todo!()
    }

    pub fn status(&self) -> EngineStatus {
        todo!()
    }

    /// `false`: there is no such server.
    pub fn set_admin_state(&self, _pool: &str, _server: &str, _change: AdminChange) -> bool {
        todo!()
    }

    /// Events from now on; a reader that lags loses the oldest.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        todo!()
    }

    /// Stops accepting, lets running exchanges and streams finish, cuts what is left after `limit`.
    pub async fn drain(&self, _limit: Duration) -> Drained {
        todo!()
    }
}
