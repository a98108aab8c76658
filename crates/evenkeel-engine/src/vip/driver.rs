//! The thread of a virtual address: opens its place on the interface, again and again if it has to.

use std::mem;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use evenkeel_core::config::Vip;
use evenkeel_core::vrrp::machine::Input;
use evenkeel_sys::link::{Alarm, raise_priority};

use super::Post;
use super::hand::Hand;
use super::seal::Seal;
use super::session::{Ended, Session};
use super::station::Station;
use crate::clock;

/// Between two attempts to open a place. An interface that appears is seen within this time.
const RETRY: Duration = Duration::from_millis(500);

/// What the thread starts with.
#[derive(Debug)]
pub(super) struct Driver {
    vip: Arc<Vip>,
    /// Every virtual address of this node: adverts come from none of them.
    all: Arc<[IpAddr]>,
    post: Arc<Post>,
    boot: u64,
    seal: Seal,
    /// The process before owned the addresses, which are still there.
    inherits: bool,
}

impl Driver {
    pub(super) fn new(
        vip: Arc<Vip>,
        all: Arc<[IpAddr]>,
        post: Arc<Post>,
        (boot, inherits): (u64, bool),
    ) -> Self {
        let seal = Seal::new(&vip, boot);
        Self { vip, all, post, boot, seal, inherits }
    }

    /// Returns once it was told to stop and the addresses are gone.
    pub(super) fn run(mut self) {
        self.look_after();
        self.post.board().stopped();
        self.post.has_ended.store(true, Ordering::Release);
    }

    fn look_after(&mut self) {
        if let Err(error) = raise_priority() {
            let name = &self.vip.name;
            tracing::info!("vip {name}: runs with ordinary priority ({error})");
        }
        let alarm = match Alarm::new() {
            Ok(alarm) => alarm,
            Err(error) => return self.post.board().fault(&format!("cannot wait: {error}")),
        };
        loop {
            let lived = catch_unwind(AssertUnwindSafe(|| self.live(&alarm)));
            match lived {
                Ok(true) => return,
                Ok(false) => {}
                // The kernel removes the addresses, which nobody renews any more.
                Err(_) => self.post.board().fault("a defect of this program; started anew"),
            }
            let again = clock::until(clock::since_boot() + RETRY);
            // What cannot be waited for is tried at once.
            let _ = alarm.wait(again, &[self.post.bell()]);
            if self.obey() {
                return;
            }
        }
    }

    /// `true`: it was told to stop, and has.
    fn live(&mut self, alarm: &Alarm) -> bool {
        let inherits = mem::take(&mut self.inherits);
        let first = if inherits { Input::Inherit } else { Input::Start };
        let hand = self.vip.command.as_ref();
        let hand = hand.map(|command| Hand::new(&self.vip, command, &self.post)).transpose();
        let hand = hand.map_err(|error| format!("cannot start a thread: {error}"));
        let open = |hand| Station::open(&self.vip, &self.all, inherits, hand);
        let station = match hand.and_then(open) {
            Ok(station) => station,
            Err(reason) => {
                self.post.board().fault(&reason);
                return false;
            }
        };
        let both = (&*self.post, &mut self.seal);
        let (ended, vip) = Session::new(&self.vip, station, self.boot, both).live(alarm, first);
        self.vip = vip;
        match ended {
            Ended::Stopped => return true,
            Ended::Moved => self.post.board().fault("its interface or own address is gone"),
            Ended::Broken(reason) => self.post.board().fault(&reason),
        }
        false
    }

    /// What others want of it while it has no place. `true`: it is to stop.
    fn obey(&mut self) -> bool {
        let wishes = self.post.take_wishes();
        if let Some((vip, all)) = wishes.vip {
            self.seal.follow(&vip);
            self.post.board().follow(&vip);
            (self.vip, self.all) = (vip, all);
        }
        wishes.end.is_some()
    }
}
