//! What a node's claim depends on beside its interface: threads that look again and again.

use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use evenkeel_core::config::{Target, Tracked, Vip};
use serde_json::json;
use tokio::sync::watch;

use super::{Post, program};
use crate::worker::Order;

/// Failures in a row before something counts as failed: one lost packet moves no address.
const FALL: u8 = 3;
/// Successes in a row before it counts as well again.
const RISE: u8 = 2;

/// What the threads have found out, in the order of the configuration.
#[derive(Debug, Default)]
pub(super) struct Outlook {
    /// Of each thing that is tracked: why it has failed.
    pub(super) failed: Vec<Option<Arc<str>>>,
    /// Of each witness: whether it was reached.
    pub(super) witnesses: Vec<bool>,
}

/// Which of them a thread looks after.
#[derive(Clone, Copy, Debug)]
enum Place {
    Tracked(usize),
    Witness(usize),
}

/// Ends what is done on behalf of it when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Lookouts(Arc<Stop>);

#[derive(Debug, Default)]
struct Stop {
    stopped: Mutex<bool>,
    told: Condvar,
}

impl Stop {
    /// Lets time pass; `true`: it is over.
    fn pause(&self, time: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let paused = self.told.wait_timeout_while(stopped, time, |stopped| !*stopped);
        *paused.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Nothing is told any more when this has returned.
    fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_all();
    }

    /// Does it before [`Self::stop`] or not at all: who was in the middle of a look when it was
    /// stopped has found out something about what nobody asks for any more.
    fn unless_stopped(&self, tell: impl FnOnce()) {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*stopped {
            tell();
        }
    }
}

impl Drop for Lookouts {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Lookouts {
    /// Looks at other things from now on, in the place of those before.
    pub(super) fn follow(
        &mut self,
        vip: &Arc<Vip>,
        post: &Arc<Post>,
        orders: &watch::Receiver<Order>,
    ) {
        self.0.stop();
        *self = Self::post(vip, post, orders);
    }

    /// A thread for each thing that `vip` depends on. What it says goes to `post`.
    pub(super) fn post(vip: &Arc<Vip>, post: &Arc<Post>, orders: &watch::Receiver<Order>) -> Self {
        let lookouts = Self::default();
        let (tracked, witnesses) = (vip.track.len(), vip.witnesses.len());
        *post.outlook() =
            Outlook { failed: vec![None; tracked], witnesses: vec![false; witnesses] };
        let places = (0..tracked).map(Place::Tracked).chain((0..witnesses).map(Place::Witness));
        for place in places {
            let looker = Looker {
                vip: Arc::clone(vip),
                post: Arc::clone(post),
                orders: orders.clone(),
                stop: Arc::clone(&lookouts.0),
                place,
            };
            let thread = thread::Builder::new().name(format!("look-{}", vip.name));
            if let Err(error) = thread.spawn(move || looker.look()) {
                // As if it had failed: nobody can tell.
                let reason = format!("cannot start a thread to look: {error}");
                tell(post, place, Err(reason));
            }
        }
        lookouts
    }
}

/// One thread.
struct Looker {
    vip: Arc<Vip>,
    post: Arc<Post>,
    orders: watch::Receiver<Order>,
    stop: Arc<Stop>,
    place: Place,
}

impl Looker {
    fn look(self) {
        // A witness counts once it was reached; a thing that is tracked, until it has failed.
        let (mut is_well, mut row) = (matches!(self.place, Place::Tracked(_)), 0);
        loop {
            let found = self.ask();
            row = if found.is_ok() == is_well { 0 } else { row + 1 };
            let enough = match (&self.place, is_well) {
                (Place::Witness(_), false) => 1,
                (_, true) if self.is_certain() => 1,
                (_, true) => FALL,
                (_, false) => RISE,
            };
            if row >= enough {
                (is_well, row) = (!is_well, 0);
                self.stop.unless_stopped(|| tell(&self.post, self.place, found));
            }
            if self.stop.pause(self.vip.look_every) {
                return;
            }
        }
    }

    /// One look is enough: somebody else has judged already.
    fn is_certain(&self) -> bool {
        matches!(self.place, Place::Tracked(at) if matches!(self.vip.track[at].what, Tracked::Pool(_)))
    }

    fn ask(&self) -> Result<(), String> {
        let limit = self.vip.look_every;
        match self.place {
            Place::Witness(at) => reach(self.vip.witnesses[at], limit),
            Place::Tracked(at) => match &self.vip.track[at].what {
                Tracked::Reach(target) => reach(*target, limit),
                Tracked::Pool(name) => {
                    let plan = Arc::clone(&self.orders.borrow().plan);
                    let usable = plan.pool(name).is_some_and(|pool| pool.has_usable());
                    if usable { Ok(()) } else { Err(format!("pool {name} has no server to use")) }
                }
                Tracked::Command(command) => {
                    let question = json!({ "vip": *self.vip.name });
                    program::run(command, &question, limit).map(|_| ())
                }
            },
        }
    }
}

fn reach(target: Target, limit: Duration) -> Result<(), String> {
    match target {
        Target::Address(address) => evenkeel_sys::link::echo(address, limit)
            .map_err(|error| format!("{address} does not answer: {error}")),
        Target::Port(address) => TcpStream::connect_timeout(&address, limit)
            .map(|_| ())
            .map_err(|error| format!("{address} cannot be reached: {error}")),
    }
}

fn tell(post: &Post, place: Place, found: Result<(), String>) {
    let mut outlook = post.outlook();
    match place {
        Place::Tracked(at) => {
            if let Some(failed) = outlook.failed.get_mut(at) {
                *failed = found.err().map(Arc::from);
            }
        }
        Place::Witness(at) => {
            if let Some(reached) = outlook.witnesses.get_mut(at) {
                *reached = found.is_ok();
            }
        }
    }
    drop(outlook);
    post.bell.ring();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_out_too_late_is_not_told() {
        let lookouts = Lookouts::default();
        let (stop, mut told) = (Arc::clone(&lookouts.0), 0);
        stop.unless_stopped(|| told += 1);
        drop(lookouts);
        stop.unless_stopped(|| told += 1);
        assert_eq!(told, 1);
        assert!(stop.pause(Duration::MAX), "it does not wait any more");
    }
}
