//! A virtual address that the other node has and gives away when it is asked to: because it was lent,
//! or because the node that asks is the stronger one.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use evenkeel_api as api;
use evenkeel_core::vrrp::machine::{Heartbeat, State};
use evenkeel_engine::MoveError;

use super::{Link, MOST_VIPS, Node, Pair};
use crate::clock;
use crate::pair::message::{Beat, VipBeat};

/// For so long an address is asked for; a node that has not given it by then keeps it.
const ASKED_FOR: Duration = Duration::from_secs(30);

/// How often a node looks whether it owns yet what it is to give back.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is asked of the other node.
#[derive(Clone, Debug)]
pub(super) struct Loan {
    vip: String,
    /// By [`clock::monotonic`].
    until: Duration,
}

impl Pair {
    /// What the other node last said of a virtual address; `None`: nothing, or it is not heard.
    pub(in crate::node) fn said_of_vip(&self, name: &str) -> Option<Heartbeat> {
        self.link().vips.get(name).map(VipBeat::heartbeat)
    }

    /// What is being drilled on the other node.
    pub(in crate::node) fn drilled_there(&self) -> Option<String> {
        self.link().drilled.clone()
    }

    pub(super) fn wants_back(&self, vip: &str) -> bool {
        let now = clock::monotonic();
        self.loan().as_ref().is_some_and(|loan| loan.vip == vip && now < loan.until)
    }

    fn loan(&self) -> MutexGuard<'_, Option<Loan>> {
        self.loan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Keeps what the other node says; the addresses it wants and did not before.
    pub(super) fn hear(&mut self, beat: &Beat) -> Vec<String> {
        let wanted = beat.vips.iter().take(MOST_VIPS).filter(|it| it.wanted);
        let new = wanted.filter(|it| !self.is_wanted(&it.vip)).map(|it| it.vip.clone()).collect();
        let vips = beat.vips.iter().take(MOST_VIPS);
        self.vips = vips.map(|said| (said.vip.clone(), said.clone())).collect();
        self.drilled.clone_from(&beat.drilled);
        new
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.vips.get(name).is_some_and(|said| said.wanted)
    }
}

impl Node {
    /// Asks the other node for an address that it was lent.
    pub(in crate::node) fn want_vip_back(&self, name: &str) {
        let until = clock::monotonic() + ASKED_FOR;
        *self.pair.loan() = Some(Loan { vip: name.to_owned(), until });
        self.pair.has_news();
    }

    /// Gives an address away that the other node wants, once it is here. Then both are as they were:
    /// this one may preempt, if it is told to.
    pub(in crate::node) async fn give_vip_back(&self, name: &str) {
        let until = clock::monotonic() + ASKED_FOR;
        while clock::monotonic() < until && self.pair.link().is_wanted(name) {
            let change = |moved| api::VipChange {
                moved,
                author: self.pair_status().and_then(|pair| pair.node).unwrap_or_default(),
                reason: "it wants the address".to_owned(),
            };
            match self.change_vip(name, &change(true)).await {
                Ok(()) => {
                    // There is no such address any more, or it is as it was.
                    let _ = self.change_vip(name, &change(false)).await;
                    return;
                }
                Err(MoveError::Unknown | MoveError::NotOwner(State::Initialize)) => return,
                Err(MoveError::NotOwner(_)) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }
}
