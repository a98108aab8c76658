//! How a node is asked to be replaced, and what it does while it is.

use std::net::TcpListener;
use std::sync::{Mutex, MutexGuard, PoisonError};

use evenkeel_api as api;
use evenkeel_engine::Drained;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use super::Node;
use crate::handover::{Heir, UpgradeError};

/// What came of an upgrade, for the one who asked.
pub(crate) type Answer = oneshot::Sender<Result<api::Upgraded, UpgradeError>>;

/// For somebody who cannot be answered.
pub(crate) fn no_answer() -> Answer {
    oneshot::channel().0
}

/// Upgrades that are asked for: one at a time.
#[derive(Debug)]
pub(super) struct Upgrades {
    /// To who sees to them, if there is anybody.
    asks: Mutex<Option<mpsc::Sender<Answer>>>,
    /// The admin address is this process's.
    in_charge: watch::Sender<bool>,
}

impl Default for Upgrades {
    fn default() -> Self {
        Self { asks: Mutex::default(), in_charge: watch::Sender::new(true) }
    }
}

impl Node {
    /// Has the program started anew, to take the place of this process. Returns once it serves.
    pub(crate) async fn upgrade(&self) -> Result<api::Upgraded, UpgradeError> {
        let (answer, answered) = oneshot::channel();
        let asks = self.upgrade_asks().clone().ok_or(UpgradeError::Stopping)?;
        asks.try_send(answer).map_err(|refused| match refused {
            TrySendError::Full(_) => UpgradeError::UnderWay,
            TrySendError::Closed(_) => UpgradeError::Stopping,
        })?;
        answered.await.unwrap_or(Err(UpgradeError::Stopping))
    }

    /// Whoever holds this sees to the upgrades that are asked for.
    pub(crate) fn upgrades_wanted(&self) -> mpsc::Receiver<Answer> {
        let (asks, asked) = mpsc::channel(1);
        *self.upgrade_asks() = Some(asks);
        asked
    }

    fn upgrade_asks(&self) -> MutexGuard<'_, Option<mpsc::Sender<Answer>>> {
        self.upgrades.asks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn start_heir(&self, admin: &TcpListener) -> Result<Heir, UpgradeError> {
        // Nothing is said to this process that the next one would not read where it is kept.
        let _one_at_a_time = self.changing.lock().await;
        let handover = |error| UpgradeError::Handover(std::sync::Arc::new(error));
        let addresses = self.engine.open_addresses().map_err(handover)?;
        Heir::start(addresses, admin.try_clone().map_err(handover)?).await
    }

    /// Whether the admin address is this process's: if not, it accepts nobody there.
    pub(crate) fn set_in_charge(&self, in_charge: bool) {
        self.upgrades.in_charge.send_replace(in_charge);
    }

    pub(crate) fn is_in_charge(&self) -> bool {
        *self.upgrades.in_charge.borrow()
    }

    /// Returns when [`Self::is_in_charge`] is `wanted`.
    pub(crate) async fn charge_is(&self, wanted: bool) {
        let mut in_charge = self.upgrades.in_charge.subscribe();
        // The sender is the node's own.
        let _ = in_charge.wait_for(|&it| it == wanted).await;
    }

    /// Lets go of the virtual addresses without a word to other nodes; those this node owned.
    pub(crate) async fn hand_over_vips(&self) -> Vec<String> {
        self.engine.hand_over_vips().await
    }

    /// The process before has let go of the virtual addresses, of which it owned these.
    pub(crate) fn inherit_vips(&self, owned: Vec<String>) {
        self.engine.inherit_vips(owned);
    }

    /// Another process serves: lets what runs here finish, within `node.drain_after_upgrade`.
    pub(crate) async fn retire(&self) -> Drained {
        let limit = self.current().drain_after_upgrade;
        let drained = self.engine.retire(limit).await;
        self.announce("retired", format!("{} connections were cut", drained.cut));
        drained
    }
}
