//! What this node has in common with the other one of its pair.

mod loan;
mod views;
mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use evenkeel_api as api;
use evenkeel_core::pair::clock::MOST_AHEAD;
use evenkeel_core::pair::{NodeId, leads};
use tokio::sync::{Notify, watch};

use self::loan::Loan;
use super::drills::Errand;
use super::offer::Pending;
use super::servers::Servers;
use super::{Node, acme};
use crate::clock;
use crate::compile::PairSettings;
use crate::overrides::{Dropped, Overrides};
use crate::pair::Refusal;
use crate::pair::message::{self, Beat, Hello, MOST_VIPS, MOST_WORDS, Message, VipBeat};
use crate::pair::shared_text;
use crate::pair::words::{Facet, Key, Words, millis};
use crate::state_file;
use crate::ticket_file::KeptKey;

/// What both nodes said of servers, in `state_dir`.
pub(super) const WORDS_FILE: &str = "pair.json";

/// Refusals are counted each, and told once in this time: who knocks must not fill the log.
const BETWEEN_NEWS: Duration = Duration::from_secs(10);

/// Views that are kept; beyond them all are told, and kept, anew.
const MOST_VIEWS: usize = 8_192;

/// By pool and server.
type Views = HashMap<(String, String), api::PeerView>;

/// This node's part of a pair.
#[derive(Debug)]
pub(crate) struct Pair {
    run: NodeId,
    settings: watch::Sender<Option<Arc<PairSettings>>>,
    /// Grows when there is something to tell.
    news: watch::Sender<u64>,
    is_up: watch::Sender<bool>,
    link: Mutex<Link>,
    words: Mutex<Words>,
    /// Words that concern no server here; the next configuration may have it.
    unfit: Mutex<BTreeSet<Key>>,
    /// The number of the last offer, held while one is under way: one at a time.
    pub(super) offering: tokio::sync::Mutex<u64>,
    /// The file was read again, and nobody waits for what the other node says of it.
    pub(super) offer_wanted: Notify,
    offered: Mutex<Option<Pending>>,
    /// How the other node judges servers.
    views: Mutex<Views>,
    /// Of the configuration in force, see [`Beat::config`].
    print: Mutex<Option<u64>>,
    /// An address that the other node has for a while.
    loan: Mutex<Option<Loan>>,
}

/// How the link stands.
#[derive(Debug)]
struct Link {
    /// The other node, while the link is up.
    other: Option<Other>,
    /// Since when it is up or down.
    since: SystemTime,
    /// Why it is down.
    reason: String,
    /// That it is down was told.
    is_told: bool,
    ups_total: u64,
    refusals_total: [u64; Refusal::ALL.len()],
    refusal_told: Option<SystemTime>,
    /// How far the nodes' times of day are apart, when that is too far.
    apart: Option<Apart>,
    /// Its configuration is the same; `None`: it has not said.
    is_same: Option<bool>,
    /// What it does.
    figures: Option<api::PeerFigures>,
    /// Its virtual addresses by their names, as it says they stand.
    vips: HashMap<String, VipBeat>,
    /// What is being drilled there.
    drilled: Option<String>,
}

/// Times of day that are too far apart.
#[derive(Clone, Copy, Debug)]
struct Apart {
    by: Duration,
    /// It is this node's that is later.
    is_ahead: bool,
}

#[derive(Clone, Debug)]
struct Other {
    run: NodeId,
    name: String,
    program: String,
}

/// What the other node was told over one connection.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The number of the last word.
    words: u64,
    /// Names of the keys of session tickets.
    tickets: Vec<[u8; 16]>,
    /// The number of the last offer.
    offer: u64,
    pub(super) acme: acme::Told,
    views: Views,
}

/// For `/metrics`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkFigures {
    pub(crate) is_up: bool,
    pub(crate) since: SystemTime,
    pub(crate) ups_total: u64,
    pub(crate) refusals_total: [u64; Refusal::ALL.len()],
    pub(crate) words: usize,
    pub(crate) is_different: bool,
}

impl Pair {
    /// With what a run before kept in `directory`; and what is wrong with that.
    pub(super) fn restore(directory: Option<&Path>) -> (Self, Option<state_file::StateError>) {
        let run = NodeId(RandomState::new().hash_one(0_u8));
        let kept = directory.map(|directory| state_file::load(&directory.join(WORDS_FILE)));
        let (kept, problem) = match kept.unwrap_or(Ok(None)) {
            Ok(kept) => (kept.unwrap_or_default(), None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut words = Words::new(run, kept);
        // By how much the clock was ahead that dated them is not known any more.
        words.set_back(Duration::ZERO, clock::now());
        let link = Link {
            other: None,
            since: clock::now(),
            reason: "not dialed yet".to_owned(),
            is_told: false,
            ups_total: 0,
            refusals_total: [0; Refusal::ALL.len()],
            refusal_told: None,
            apart: None,
            is_same: None,
            figures: None,
            vips: HashMap::new(),
            drilled: None,
        };
        let pair = Self {
            run,
            settings: watch::Sender::new(None),
            news: watch::Sender::new(0),
            is_up: watch::Sender::new(false),
            link: Mutex::new(link),
            words: Mutex::new(words),
            unfit: Mutex::default(),
            offering: tokio::sync::Mutex::default(),
            offer_wanted: Notify::new(),
            offered: Mutex::default(),
            views: Mutex::default(),
            print: Mutex::default(),
            loan: Mutex::default(),
        };
        (pair, problem)
    }

    /// Which run of the node this is.
    pub(crate) fn run(&self) -> NodeId {
        self.run
    }

    /// `None`: there is no other node.
    pub(crate) fn settings(&self) -> watch::Receiver<Option<Arc<PairSettings>>> {
        self.settings.subscribe()
    }

    /// Changes when there is something to tell.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    pub(crate) fn is_up(&self) -> watch::Receiver<bool> {
        self.is_up.subscribe()
    }

    /// The other node is heard: it wants to know what this one does.
    pub(crate) fn is_heard(&self) -> bool {
        *self.is_up.borrow()
    }

    pub(super) fn is_configured(&self) -> bool {
        self.settings.borrow().is_some()
    }

    /// There is something to tell the other node.
    pub(super) fn has_news(&self) {
        self.news.send_modify(|number| *number += 1);
    }

    /// Whether this node does what only one of two should do. Alone it does everything.
    pub(super) fn leads(&self) -> bool {
        self.led_since().is_none()
    }

    /// Since when the other node does what only one of two should do; `None`: this one does.
    pub(super) fn led_since(&self) -> Option<SystemTime> {
        let link = self.link();
        link.other.as_ref().filter(|other| !leads(self.run, other.run)).map(|_| link.since)
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The offer that waits for its verdict.
    pub(super) fn offered(&self) -> MutexGuard<'_, Option<Pending>> {
        self.offered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn views(&self) -> MutexGuard<'_, Views> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn print(&self) -> MutexGuard<'_, Option<u64>> {
        self.print.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unfit(&self) -> MutexGuard<'_, BTreeSet<Key>> {
        self.unfit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before a configuration takes effect: what fitted none before may fit this one.
    pub(super) fn put_unfit(&self, overrides: &mut Overrides) {
        let unfit = self.unfit();
        if unfit.is_empty() {
            return;
        }
        let (words, _) = self.words().since(0);
        for word in words.iter().filter(|word| unfit.contains(&word.key)) {
            word.put(overrides, clock::now());
        }
    }

    /// Afterwards: what does not fit this one either is nothing to be told of again.
    pub(super) fn settle_unfit(&self, overrides: &Overrides, dropped: &mut Vec<Dropped>) {
        let mut unfit = self.unfit();
        dropped.retain(|it| {
            !unfit.iter().any(|key| (&key.pool, &key.server) == (&it.pool, &it.server))
        });
        unfit.retain(|key| !is_said(overrides, key));
    }
}

/// Whether a word has its place.
fn is_said(overrides: &Overrides, key: &Key) -> bool {
    let over = overrides.of(&key.pool, &key.server);
    over.is_some_and(|over| match key.facet {
        Facet::Added => over.added.is_some(),
        Facet::Removed => over.removed.is_some(),
        Facet::Weight => over.weight.is_some(),
        Facet::State => over.state.is_some(),
    })
}

impl Node {
    pub(crate) fn pair(&self) -> &Pair {
        &self.pair
    }

    /// From now on the other node is this one, or there is none.
    pub(super) async fn follow_pair(&self, settings: Option<PairSettings>, text: &str) {
        let settings = settings.map(Arc::new);
        if settings.is_some() {
            *self.pair.print() = shared_text::print(text);
            let overrides = self.servers().overrides.clone();
            let is_new = self.pair.words().make_up(&overrides, self.pair.run, clock::now());
            if is_new {
                self.keep_words().await;
            }
        }
        self.pair.settings.send_if_modified(|now| {
            let is_new = *now != settings;
            *now = settings;
            is_new
        });
    }

    pub(crate) fn hello(&self) -> Hello {
        Hello {
            speaks: message::VERSION,
            node: self.settings().name.clone(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            run: self.pair.run.0,
        }
    }

    /// The other node is there.
    pub(crate) fn link_is_up(&self, hello: &Hello, is_dialed: bool) {
        let Hello { node: name, program, run, .. } = hello;
        let mut link = self.pair.link();
        let other = Other { run: NodeId(*run), name: name.clone(), program: program.clone() };
        let is_news = link.other.replace(other).is_none_or(|before| before.run.0 != *run);
        link.since = if is_news { clock::now() } else { link.since };
        link.ups_total += u64::from(is_news);
        link.is_told = false;
        drop(link);
        if is_news {
            let how = if is_dialed { "dialed here" } else { "dialed there" };
            self.announce("pair-up", format!("{name} is there (evenkeel {program}, {how})"));
        }
        self.pair.is_up.send_replace(true);
    }

    /// The other node is there no more.
    pub(crate) fn link_is_down(&self, why: &str) {
        let mut link = self.pair.link();
        let Some(other) = link.other.take() else { return };
        (link.since, link.reason, link.apart) = (clock::now(), why.to_owned(), None);
        (link.is_same, link.figures, link.drilled) = (None, None, None);
        link.vips.clear();
        link.is_told = true;
        drop(link);
        // Whoever waits for what it says of an offer hears that it is gone.
        drop(self.pair.offered().take());
        self.pair.views().clear();
        self.forget_peer_proofs();
        self.engine.vip_peer_is_silent();
        self.pair.is_up.send_replace(false);
        let name = other.name;
        let message = format!("{name} is not heard any more: {why}; both go on by themselves");
        self.announce("pair-down", message);
    }

    /// The other node could not be reached.
    pub(crate) fn link_is_missing(&self, why: &str) {
        let mut link = self.pair.link();
        if link.other.is_some() {
            return;
        }
        why.clone_into(&mut link.reason);
        if !std::mem::replace(&mut link.is_told, true) {
            drop(link);
            let message = format!("the other node is not there: {why}; tried again and again");
            self.announce("pair-down", message);
        }
    }

    /// Somebody was not taken for the other node.
    pub(crate) fn refuses_peer(&self, who: SocketAddr, (refusal, why): (Refusal, String)) {
        let now = clock::now();
        let mut link = self.pair.link();
        let at = Refusal::ALL.iter().position(|it| *it == refusal);
        link.refusals_total[at.expect("all are in the list")] += 1;
        let is_recent = link
            .refusal_told
            .is_some_and(|told| now.duration_since(told).is_ok_and(|since| since < BETWEEN_NEWS));
        if !is_recent {
            link.refusal_told = Some(now);
            drop(link);
            self.announce("pair-refused", format!("{who} {why}"));
        }
    }

    /// What is said with each beat.
    pub(crate) fn beat(&self) -> Beat {
        let vips = self.engine.vip_heartbeats();
        let vips = vips
            .iter()
            .take(MOST_VIPS)
            .map(|(vip, beat)| VipBeat::new(vip, *beat, self.pair.wants_back(vip)));
        let (config, figures) = (*self.pair.print(), self.live().totals());
        let (now, drilled) = (millis(clock::now()), self.drilled());
        Beat { now, config, figures, drilled, vips: vips.collect() }
    }

    /// What the other node says with its own.
    pub(crate) fn peer_beats(&self, beat: &Beat) {
        for said in beat.vips.iter().take(MOST_VIPS) {
            self.engine.vip_peer_says(&said.vip, said.heartbeat());
        }
        let now = millis(clock::now());
        let by = Duration::from_millis(beat.now.abs_diff(now));
        let apart = Apart { by, is_ahead: now > beat.now };
        let apart = Some(apart).filter(|apart| apart.by > MOST_AHEAD);
        let mut link = self.pair.link();
        let before = std::mem::replace(&mut link.apart, apart);
        let own = *self.pair.print();
        let is_same = own.zip(beat.config).map(|(own, other)| own == other);
        let is_first = link.other.is_some() && link.is_same.is_none();
        link.is_same = is_same;
        link.figures = beat.figures;
        let wanted = link.hear(beat);
        drop(link);
        for vip in wanted {
            // Whom it does not reach asks for so long, and then leaves it here.
            let _ = self.drills.run_errand(Errand::GiveBack(vip));
        }
        // While one of them takes what the other offers, they differ for a moment.
        if is_first && is_same == Some(false) {
            let message = "the configurations of the two nodes differ in more than what is each \
                           one's own; `evenkeel reload` offers that of this node to the other";
            self.announce("pair-differs", message.to_owned());
        }
        self.compare_clocks(before, apart);
    }

    /// How far the times of day were apart before, and are now.
    fn compare_clocks(&self, before: Option<Apart>, now: Option<Apart>) {
        match (before, now) {
            (None, Some(apart)) => {
                let (seconds, most) = (apart.by.as_secs(), MOST_AHEAD.as_secs());
                let whose = if apart.is_ahead { "behind" } else { "ahead" };
                let message = format!(
                    "its time of day is {seconds} s {whose}, {most} s are the limit: what is said \
                     on the node that is ahead is not taken in on the other before its time; set \
                     the clocks"
                );
                self.announce("pair-clock", message);
            }
            (Some(apart), None) => {
                // What is kept is put right with the next word, or the next start.
                if apart.is_ahead {
                    self.pair.words().set_back(apart.by, clock::now());
                }
                self.pair.words().renew();
                self.pair.has_news();
                self.announce("pair-clock", "the time of day is the same again".to_owned());
            }
            _ => {}
        }
    }

    pub(crate) fn vip_interval(&self) -> Option<Duration> {
        self.engine.vip_interval()
    }

    pub(crate) async fn vip_heartbeat_changed(&self) {
        self.engine.vip_heartbeat_changed().await;
    }

    /// What the other node has not been told over this connection.
    pub(crate) fn news_for_peer(&self, told: &mut Told) -> Vec<Message> {
        let (words, number) = self.pair.words().since(told.words);
        told.words = number;
        let parts = words.chunks(MOST_WORDS).map(|part| Message::Words(part.to_vec()));
        let mut news: Vec<Message> = parts.collect();
        let keys = self.current().ticket_keys.clone();
        let names: Vec<_> = keys.iter().map(|key| key.name).collect();
        if names != told.tickets {
            told.tickets = names;
            news.push(Message::Tickets(keys.iter().map(KeptKey::new).collect()));
        }
        news.extend(self.orders_for_peer(&mut told.acme));
        if let Some(Pending { offer, .. }) = &*self.pair.offered()
            && offer.number != told.offer
        {
            told.offer = offer.number;
            news.push(Message::Offer(offer.clone()));
        }
        news
    }

    /// How the link stands; `None`: there is no other node.
    pub(crate) fn pair_status(&self) -> Option<api::Pair> {
        let settings = self.pair.settings.borrow().clone()?;
        let link = self.pair.link();
        Some(api::Pair {
            peer: settings.peer.to_string(),
            up: link.other.is_some(),
            since: api::Timestamp(link.since),
            reason: link.other.is_none().then(|| link.reason.clone()),
            node: link.other.as_ref().map(|other| other.name.clone()),
            program: link.other.as_ref().map(|other| other.program.clone()),
            words: self.pair.words().count(),
            same_configuration: link.is_same,
            clock_apart_seconds: link.apart.map(|apart| apart.by.as_secs_f64()),
            figures: link.figures,
        })
    }

    pub(crate) fn link_figures(&self) -> Option<LinkFigures> {
        if !self.pair.is_configured() {
            return None;
        }
        let link = self.pair.link();
        Some(LinkFigures {
            is_up: link.other.is_some(),
            since: link.since,
            ups_total: link.ups_total,
            refusals_total: link.refusals_total,
            words: self.pair.words().count(),
            is_different: link.is_same == Some(false),
        })
    }

    /// What an operator should look after.
    pub(super) fn link_problem(&self) -> Option<String> {
        let pair = self.pair_status()?;
        if let Some(reason) = pair.reason {
            return Some(format!("the other node of the pair is not heard: {reason}"));
        }
        if pair.same_configuration == Some(false) {
            let which = "`evenkeel reload` offers the file of a node to the other";
            return Some(format!(
                "the configurations of the two nodes of the pair differ; {which}"
            ));
        }
        let apart = pair.clock_apart_seconds?;
        Some(format!("the time of day of the other node of the pair is {apart:.0} s off"))
    }
}

impl Servers {
    /// What each pool lists, by its name.
    pub(super) fn pools(&self) -> BTreeMap<&str, &[crate::membership::Listed]> {
        let names = self.config.pools.iter().map(|pool| &*pool.name);
        names.zip(self.members.iter().map(Vec::as_slice)).collect()
    }
}
