//! From ready to gone: serves the admin address, and obeys signals.

mod keep;

use std::io;
use std::net;
use std::sync::Arc;

use evenkeel_api as api;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::keep::{keep, once};
use crate::admin;
use crate::export::keep_exporting;
use crate::handover::{Heritage, STANDS_BY, UpgradeError};
use crate::live::keep_figures;
use crate::node::Node;
use crate::node::acme::keep_orders;
use crate::node::certificates::keep_certificates;
use crate::node::names::keep_names;
use crate::node::prometheus::keep_targets;
use crate::node::upgrade::{Answer, no_answer};
use crate::notify::{Notice, keep_watchdog, notify};
use crate::pair::keep_pair;
use crate::recorder::keep_recording;

/// The signals a node obeys, caught from the moment this exists.
#[derive(Debug)]
pub struct Signals {
    hang_up: Signal,
    terminate: Signal,
    interrupt: Signal,
    second_user: Signal,
    first_user: Signal,
}

/// What an operator asks for.
#[derive(Debug)]
enum Wish {
    Reload,
    ReopenLog,
    Upgrade(Answer),
    Stop,
}

/// What follows from an attempt to upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// This process serves on.
    Serve,
    /// Another one does.
    Retire,
    Stop,
}

impl Signals {
    /// To be called early: a signal that comes before would end the process.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            second_user: signal(SignalKind::user_defined2())?,
            first_user: signal(SignalKind::user_defined1())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hang_up.recv() => Wish::Reload,
            _ = self.first_user.recv() => Wish::ReopenLog,
            _ = self.second_user.recv() => Wish::Upgrade(no_answer()),
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
        }
    }

    /// Returns when it is told to stop. A log that was moved away is let go whatever is going on.
    async fn stop(&mut self, node: &Node) {
        loop {
            match self.next().await {
                Wish::Stop => return,
                Wish::ReopenLog => node.reopen_log(),
                Wish::Reload | Wish::Upgrade(_) => {}
            }
        }
    }
}

/// Takes over from the process before, if `heritage` is from one; runs `node` until it is told to stop or
/// another process has replaced this one, and returns once what ran is finished.
///
/// SIGHUP reloads, SIGUSR1 has the access log opened again, SIGUSR2 upgrades. SIGTERM and SIGINT drain; a second one stops at once.
///
/// # Errors
///
/// `admin` cannot be served.
pub async fn run(
    node: Arc<Node>,
    admin: net::TcpListener,
    signals: Signals,
    heritage: Heritage,
) -> io::Result<()> {
    let to_the_end = async {
        let ended = Box::pin(serve(&node, admin, signals, heritage)).await;
        node.exports().settle().await;
        ended
    };
    // Also what ends in a process that was replaced, and with the last exchange.
    tokio::select! {
        ended = to_the_end => ended,
        () = async {
            let mut spans = node.spans();
            keep(&node, "exporting spans", async || keep_exporting(&node, &mut spans).await).await;
        } => Ok(()),
    }
}

async fn serve(
    node: &Arc<Node>,
    admin: net::TcpListener,
    mut signals: Signals,
    heritage: Heritage,
) -> io::Result<()> {
    heritage.ready();
    admin.set_nonblocking(true)?;
    let listener = TcpListener::from_std(admin.try_clone()?)?;
    notify(Notice::Ready);
    notify(Notice::Standing(&format!("version {} is in force", node.version().id)));
    let replaced = tokio::select! {
        replaced = live(node, &admin, &mut signals) => replaced,
        () = Box::pin(do_beside(node, &listener, heritage)) => false,
    };
    if replaced {
        drop(admin);
        retire(node, &mut signals).await;
    } else {
        node.history().leave().await;
    }
    Ok(())
}

/// All that a node does beside its traffic and what its operator asks for; never returns.
async fn do_beside(node: &Arc<Node>, admin: &TcpListener, heritage: Heritage) {
    let (mut heritage, mut mishaps) = (Some(heritage), node.mishaps());
    tokio::join!(
        keep(node, "the admin address", async || admin::serve(node, admin).await),
        keep(node, "passing events on", async || node.relay_events().await),
        keep(node, "keeping servers", async || node.keep_servers().await),
        keep(node, "keeping drills", async || node.keep_drills().await),
        keep(node, "moving addresses", async || node.run_errands().await),
        keep(node, "asking for names", async || keep_names(node).await),
        keep(node, "looking at certificates", async || keep_certificates(node).await),
        keep(node, "ordering certificates", async || keep_orders(node).await),
        keep(node, "the link of the pair", async || Box::pin(keep_pair(node)).await),
        keep(node, "offering to the pair", async || Box::pin(node.keep_offering()).await),
        keep(node, "the watchdog", async || keep_watchdog(node).await),
        keep(node, "keeping figures", async || keep_figures(node).await),
        keep(node, "recording", async || keep_recording(node, &mut mishaps).await),
        keep(node, "writing targets", async || keep_targets(node).await),
        keep(node, "awaiting virtual addresses", async || {
            if let Some(heritage) = heritage.take() {
                await_vips(node, heritage).await;
            }
        }),
    );
}

/// Virtual addresses come when the process before no longer stands by.
async fn await_vips(node: &Node, heritage: Heritage) {
    let waiting = tokio::task::spawn_blocking(move || heritage.await_vips());
    if let Ok(Some(owned)) = waiting.await {
        node.inherit_vips(owned);
    }
}

/// Returns at the end of everything, or with `true` once another process serves.
async fn live(node: &Node, admin: &net::TcpListener, signals: &mut Signals) -> bool {
    let mut upgrades = node.upgrades_wanted();
    loop {
        let wish = tokio::select! {
            wish = signals.next() => wish,
            Some(answer) = upgrades.recv() => Wish::Upgrade(answer),
        };
        let after = match wish {
            Wish::Reload => {
                notify(Notice::Reloading);
                // What came of it was announced; a bad file leaves everything as it was.
                let reloaded = Box::pin(once(node, "reloading", node.reload())).await;
                notify(Notice::Ready);
                if reloaded.is_some_and(|reloaded| reloaded.is_ok()) {
                    node.offer_soon();
                }
                After::Serve
            }
            Wish::ReopenLog => {
                node.reopen_log();
                After::Serve
            }
            Wish::Upgrade(answer) => {
                let upgraded = upgrade(node, admin, signals, answer);
                once(node, "upgrading", upgraded).await.unwrap_or(After::Serve)
            }
            Wish::Stop => After::Stop,
        };
        match after {
            After::Serve => {}
            After::Retire => return true,
            After::Stop => break,
        }
    }
    notify(Notice::Stopping);
    tokio::select! {
        _ = node.drain() => {}
        () = signals.stop(node) => {
            node.announce("cut", "told a second time: stopping at once".to_owned());
        }
    }
    false
}

/// Has another process take over. Until it has lived for a while, this one serves beside it, and
/// alone again if it ends.
async fn upgrade(
    node: &Node,
    admin: &net::TcpListener,
    signals: &mut Signals,
    answer: Answer,
) -> After {
    node.announce("upgrading", "starting the program anew".to_owned());
    let started = tokio::select! {
        started = node.start_heir(admin) => started,
        () = signals.stop(node) => {
            let _ = answer.send(Err(UpgradeError::Stopping));
            return After::Stop;
        }
    };
    let mut heir = match started {
        Ok(heir) => heir,
        Err(error) => {
            node.announce("upgrade-failed", format!("everything stays as it was: {error}"));
            // The one who asked may be gone.
            let _ = answer.send(Err(error));
            return After::Serve;
        }
    };
    let process = heir.process();
    node.set_in_charge(false);
    node.history().leave().await;
    heir.take_over();
    let _ = answer.send(Ok(api::Upgraded {
        process,
        replaces: std::process::id(),
        stands_by_seconds: STANDS_BY.as_secs(),
    }));
    tokio::select! {
        ended = heir.ended() => {
            node.set_in_charge(true);
            let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            let message = format!("process {process} ended within {} s ({how})", STANDS_BY.as_secs());
            node.announce("upgrade-failed", message + ": this one serves on alone");
            After::Serve
        }
        () = tokio::time::sleep(STANDS_BY) => {
            heir.leave_vips(node.hand_over_vips().await);
            notify(Notice::ReplacedBy(process));
            node.announce("upgraded", format!("process {process} serves; finishing what runs here"));
            heir.let_go();
            After::Retire
        }
        () = signals.stop(node) => {
            heir.stop();
            heir.let_go();
            After::Stop
        }
    }
}

/// Another process serves: finishes what runs here, unless told to hurry.
async fn retire(node: &Node, signals: &mut Signals) {
    let hurried = tokio::select! {
        _ = node.retire() => false,
        () = signals.stop(node) => true,
    };
    if hurried {
        tokio::select! {
            _ = node.drain() => {}
            () = signals.stop(node) => {}
        }
    }
}
