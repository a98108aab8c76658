//! Addresses that are not this kernel's to give: a program of the operator's takes and releases
//! them, is asked who has them, and is called again when that is wrong.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use evenkeel_core::config::{ExecCheck, Vip};
use serde_json::json;

use super::{Post, program};

/// For each call: APIs of clouds take seconds.
const LIMIT: Duration = Duration::from_secs(30);
/// After a call, before the next one or the next look; doubled with each until [`RECONCILE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Between two questions who has the addresses, when all is as it should be.
const RECONCILE: Duration = Duration::from_secs(30);
/// Enough to get there.
const MOST_DOUBLINGS: u32 = 5;
/// The answer that they lead to this node.
const HERE: &str = "here";

/// Has a program do what the kernel cannot. What is wanted last counts; dropping it waits for the
/// call that is under way.
#[derive(Debug)]
pub(super) struct Hand {
    wish: Arc<Wish>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Wish {
    wanted: Mutex<Wanted>,
    told: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wanted {
    /// To have the addresses, or not to; `None`: nothing was said yet.
    has: Option<bool>,
    /// Nobody will say anything more.
    ends: bool,
}

impl Wish {
    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut Wanted)) {
        change(&mut self.lock());
        self.told.notify_all();
    }

    /// What is wanted once that is no longer `known`, or after `time`.
    fn wait(&self, known: Wanted, time: Duration) -> Wanted {
        let wanted = self.lock();
        let waited = self.told.wait_timeout_while(wanted, time, |wanted| *wanted == known);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Hand {
    pub(super) fn new(vip: &Arc<Vip>, command: &ExecCheck, post: &Arc<Post>) -> io::Result<Self> {
        let wish = Arc::new(Wish::default());
        let worker = Worker {
            vip: Arc::clone(vip),
            command: command.clone(),
            post: Arc::clone(post),
            wish: Arc::clone(&wish),
        };
        let thread = thread::Builder::new().name(format!("hand-{}", vip.name));
        let thread = thread.spawn(move || worker.work())?;
        Ok(Self { wish, thread: Some(thread) })
    }

    /// From now on the addresses are to lead here, or not to.
    pub(super) fn want(&self, has: bool) {
        self.wish.tell(|wanted| wanted.has = Some(has));
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.wish.tell(|wanted| wanted.ends = true);
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so already.
            let _ = thread.join();
        }
    }
}

struct Worker {
    vip: Arc<Vip>,
    command: ExecCheck,
    post: Arc<Post>,
    wish: Arc<Wish>,
}

impl Worker {
    fn work(self) {
        let (mut known, mut pause) = (Wanted::default(), RECONCILE);
        // Calls in a row that have failed, and looks in a row that found nothing wrong.
        let (mut failures, mut calm) = (0_u32, 0_u32);
        loop {
            let wanted = self.wish.wait(known, pause);
            let is_new = wanted.has != known.has;
            if wanted.ends && !is_new {
                return;
            }
            known = Wanted { ends: false, ..wanted };
            let Some(has) = wanted.has else { continue };
            let done = if is_new || failures > 0 { self.act(has) } else { Ok(()) };
            match done.and_then(|()| self.verify(has)) {
                Ok(()) => (failures, calm) = (0, if is_new { 0 } else { calm.saturating_add(1) }),
                Err(reason) => {
                    (failures, calm) = (failures.saturating_add(1), 0);
                    self.post.board().command(Err(&reason));
                }
            }
            // The other node may be doing the opposite at the same time: soon, then more seldom.
            let doubled = failures.saturating_sub(1).max(calm).min(MOST_DOUBLINGS);
            pause = (FIRST_PAUSE * 2_u32.pow(doubled)).min(RECONCILE);
        }
    }

    fn act(&self, has: bool) -> Result<(), String> {
        let action = if has { "take" } else { "release" };
        self.call(action)?;
        self.post.board().command(Ok(action));
        Ok(())
    }

    /// The addresses lead where they should. Those that are not wanted here may be anywhere else.
    fn verify(&self, has: bool) -> Result<(), String> {
        match (self.call("who")? == HERE, has) {
            (true, false) => Err("the addresses lead here".to_owned()),
            (false, true) => Err("the addresses lead elsewhere".to_owned()),
            _ => Ok(()),
        }
    }

    fn call(&self, action: &str) -> Result<String, String> {
        let vip = &self.vip;
        let both = vip.policy.addresses.iter().zip(&vip.prefixes);
        let addresses: Vec<String> = both.map(|(it, prefix)| format!("{it}/{prefix}")).collect();
        let node: Option<IpAddr> = self.post.board().source();
        let question = json!({
            "action": action,
            "vip": *vip.name,
            "addresses": addresses,
            "interface": *vip.interface,
            "node": node.map(|it| it.to_string()),
        });
        program::run(&self.command, &question, LIMIT)
    }
}
