//! The link to the other node of a pair: found, kept, and found again.
//!
//! Both nodes dial each other, until one connection stands. Where two come about at once, both
//! nodes keep the same one ([`evenkeel_core::pair::stays`]).

pub(crate) mod message;
mod secret;
mod session;
pub(crate) mod shared_text;
pub(crate) mod words;

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::pair::{NodeId, stays};
use evenkeel_engine::{LinkStream, LinkTls};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::message::Hello;
pub use self::secret::PairSecret;
use crate::compile::PairSettings;
use crate::node::Node;

/// Strangers who shake hands at once; more are closed. The other node is dialed as well, so it is
/// not kept out by them.
const MOST_HANDSHAKES: usize = 8;

/// Between two attempts to reach the other node, up to half as much again by chance.
const REDIAL: Duration = Duration::from_secs(1);

/// Between two attempts to listen: the process before may still hold the address.
const REBIND: Duration = Duration::from_millis(500);
/// The attempt that is told when it fails, too: a process that hands over takes a moment.
const WORTH_TELLING: u32 = 4;

/// Why somebody is not taken for the other node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It could not show that it has the secret.
    Secret,
    /// It speaks another version.
    Version,
    /// It is this node.
    Itself,
    /// It took too long, or went away.
    Broken,
    /// Too many shake hands at once.
    Crowded,
}

impl Refusal {
    pub(crate) const ALL: [Self; 5] =
        [Self::Secret, Self::Version, Self::Itself, Self::Broken, Self::Crowded];

    /// A short word for a counter.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Version => "version",
            Self::Itself => "itself",
            Self::Broken => "broken",
            Self::Crowded => "crowded",
        }
    }
}

/// A connection to who is the other node.
pub(crate) struct Met {
    stream: LinkStream,
    pub(crate) hello: Hello,
    /// It was dialed here.
    is_dialed: bool,
}

/// Who was not taken for it, and why.
type Refused = (Refusal, String);

/// Keeps the link to the other node, if there is one; never returns.
pub(crate) async fn keep_pair(node: &Arc<Node>) {
    let mut settings = node.pair().settings();
    loop {
        let now = settings.borrow_and_update().clone();
        let reason = match now {
            None => {
                // The sender is the node's own.
                let _ = settings.changed().await;
                continue;
            }
            Some(now) => tokio::select! {
                () = follow(node, &now) => "",
                _ = settings.changed() => "the configuration says something else",
                () = node.charge_is(false) => "another process takes over",
            },
        };
        node.link_is_down(reason);
        node.charge_is(true).await;
    }
}

/// By these settings; returns only if they are of no use.
async fn follow(node: &Arc<Node>, settings: &Arc<PairSettings>) {
    let tls = match LinkTls::new(&settings.secret.0) {
        Ok(tls) => tls,
        Err(reason) => {
            node.announce("pair-fault", reason);
            return std::future::pending().await;
        }
    };
    // One that waits is enough: the next one is of the same node.
    let (met, meetings) = mpsc::channel(1);
    let seeker = Seeker { node: Arc::clone(node), tls, settings: Arc::clone(settings), met };
    tokio::join!(seeker.listen(), seeker.dial(), keep(node, settings, meetings));
}

/// Lives on one connection after the other.
async fn keep(node: &Arc<Node>, settings: &PairSettings, mut meetings: mpsc::Receiver<Met>) {
    let own = node.pair().run();
    let mut next = None;
    loop {
        let met = match next.take() {
            Some(met) => met,
            None => match meetings.recv().await {
                Some(met) => met,
                None => return,
            },
        };
        let (other, is_dialed) = (NodeId(met.hello.run), met.is_dialed);
        node.link_is_up(&met.hello, is_dialed);
        let living = session::live(node, met.stream, settings.timeout);
        tokio::pin!(living);
        next = loop {
            tokio::select! {
                why = &mut living => {
                    node.link_is_down(&why);
                    break None;
                }
                Some(another) = meetings.recv() => {
                    let run = NodeId(another.hello.run);
                    // It was started anew, or has given up the connection there is: or there are
                    // two, and both nodes agree on which.
                    let replaces = run != other
                        || another.is_dialed == is_dialed
                        || stays(own, run, another.is_dialed);
                    if replaces {
                        break Some(another);
                    }
                }
            }
        };
    }
}

/// Finds the other node.
#[derive(Clone)]
struct Seeker {
    node: Arc<Node>,
    tls: LinkTls,
    settings: Arc<PairSettings>,
    met: mpsc::Sender<Met>,
}

impl Seeker {
    /// Waits to be dialed; never returns.
    async fn listen(&self) {
        let listener = self.bind().await;
        let mut handshakes = JoinSet::new();
        loop {
            let (socket, from) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("pair: cannot accept: {error}");
                    sleep(REBIND).await;
                    continue;
                }
            };
            while handshakes.try_join_next().is_some() {}
            if handshakes.len() >= MOST_HANDSHAKES {
                let why = "comes while too many others shake hands".to_owned();
                self.node.refuses_peer(from, (Refusal::Crowded, why));
                continue;
            }
            let seeker = self.clone();
            handshakes.spawn(async move {
                let shaken = timeout(seeker.settings.timeout, seeker.tls.answer(socket)).await;
                match seeker.greet(shaken, false).await {
                    // Nobody takes it any more: the settings have changed.
                    Ok(met) => drop(seeker.met.send(met).await),
                    Err(refused) => seeker.node.refuses_peer(from, refused),
                }
            });
        }
    }

    async fn bind(&self) -> TcpListener {
        let mut failures = 0_u32;
        loop {
            failures = failures.saturating_add(1);
            match TcpListener::bind(self.settings.bind).await {
                Ok(listener) => return listener,
                Err(error) if failures == WORTH_TELLING => {
                    let bind = self.settings.bind;
                    let message = format!(
                        "cannot wait for the other node on {bind}: {error}; tried again and again"
                    );
                    self.node.announce("pair-fault", message);
                }
                Err(_) => {}
            }
            sleep(REBIND).await;
        }
    }

    /// Dials whenever there is no link; never returns.
    async fn dial(&self) {
        let chance = RandomState::new();
        let mut is_up = self.node.pair().is_up();
        for round in 0_u32.. {
            // The sender is the node's own.
            let _ = is_up.wait_for(|is_up| !is_up).await;
            match self.reach().await {
                Ok(met) => drop(self.met.send(met).await),
                Err(why) => self.node.link_is_missing(&format!("{}: {why}", self.settings.peer)),
            }
            let later = u32::try_from(chance.hash_one(round) % 500).unwrap_or_default();
            sleep(REDIAL + REDIAL / 1_000 * later).await;
        }
    }

    async fn reach(&self) -> Result<Met, String> {
        let (peer, limit) = (self.settings.peer, self.settings.timeout);
        let socket = match timeout(limit, TcpStream::connect(peer)).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_late) => return Err("does not answer".to_owned()),
        };
        let shaken = timeout(limit, self.tls.dial(socket, peer.ip())).await;
        self.greet(shaken, true).await.map_err(|refused| {
            let why = refused.1.clone();
            self.node.refuses_peer(peer, refused);
            why
        })
    }

    /// After hands were shaken: who are you?
    async fn greet(
        &self,
        shaken: Result<io::Result<LinkStream>, tokio::time::error::Elapsed>,
        is_dialed: bool,
    ) -> Result<Met, Refused> {
        let broken = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidData => {
                let why = format!("does not show that it has the secret of this pair ({error})");
                (Refusal::Secret, why)
            }
            _ => (Refusal::Broken, format!("goes away: {error}")),
        };
        let late = |_late| (Refusal::Broken, "takes too long to shake hands".to_owned());
        let mut stream = shaken.map_err(late)?.map_err(broken)?;
        let limit = self.settings.timeout;
        message::write(&mut stream, &self.node.hello(), limit).await.map_err(broken)?;
        let hello = message::read_hello(&mut stream, limit).await.map_err(broken)?;
        if hello.speaks != message::VERSION {
            let (program, ours) = (&hello.program, message::VERSION);
            let why = format!(
                "speaks version {} of the link, this node {ours} (it runs evenkeel {program}): \
                 run the same program on both",
                hello.speaks
            );
            return Err((Refusal::Version, why));
        }
        if hello.run == self.node.pair().run().0 {
            let why = "is this node itself: `peer` is to be the other one".to_owned();
            return Err((Refusal::Itself, why));
        }
        Ok(Met { stream, hello, is_dialed })
    }
}
