//! What the two nodes of a pair share of what is ordered. One of them orders; both show the proofs,
//! since an authority may look at either, and both use the account and the certificate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::acme::{self, MOST_NAMES};
use evenkeel_core::certificate::{Facts, expiry};
use evenkeel_engine::ProofError;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{AcmeSettings, Node, authority, epoch_seconds, held, seconds};
use crate::pair::message::{Account, Certificate, Message, Proof, Proofs};
use crate::state_file::{StateError, save_secret_bytes};

/// How much longer than the other node one waits with an order that the other is to make.
const OTHERS_TURN: i64 = 5 * 60;

/// How long a node that has just started looks for the other before it orders anything: the other
/// may have it already.
const FIRST_MEETING: Duration = Duration::from_secs(10);

/// What the other node has comes within this once the link is up.
const FIRST_WORDS: Duration = Duration::from_secs(2);

/// A node that does not say within this that it shows a proof is left out: the authority may look
/// here.
const SHOWN_WITHIN: Duration = Duration::from_secs(2);

/// What is shared, as it is on this node.
#[derive(Debug, Default)]
pub(super) struct Shared {
    proofs: Proofs,
    of_peer: Vec<Proof>,
    /// The number of the proofs that the other node says it shows.
    shown: watch::Sender<u64>,
    account: Option<Account>,
    /// PEM by file.
    certificates: BTreeMap<PathBuf, Arc<str>>,
}

/// What the other node was told over one connection.
#[derive(Debug, Default)]
pub(in super::super) struct Told {
    proofs: u64,
    account: Option<Account>,
    certificates: BTreeMap<PathBuf, Arc<str>>,
}

impl Node {
    /// Before anything is ordered.
    pub(super) async fn meet_before_ordering(&self) {
        if !self.pair.is_configured() {
            return;
        }
        let mut is_up = self.pair.is_up();
        let meeting = is_up.wait_for(|is_up| *is_up);
        if timeout(FIRST_MEETING, meeting).await.is_ok() {
            sleep(FIRST_WORDS).await;
        }
    }

    /// When this node orders what is due then, since the other one may do it first.
    pub(super) fn own_turn(&self, due: i64) -> i64 {
        match self.pair.led_since() {
            Some(since) => due.max(seconds(since)).saturating_add(OTHERS_TURN),
            None => due,
        }
    }

    /// Shows what an authority is about to look for, here and on the other node.
    pub(super) async fn show(&self, proofs: Vec<Proof>) -> Result<(), ProofError> {
        let is_seen_to = proofs.is_empty();
        let (number, mut shown) = {
            let shared = &mut self.orders().shared;
            shared.proofs = Proofs { number: shared.proofs.number + 1, proofs };
            (shared.proofs.number, shared.shown.subscribe())
        };
        self.show_all()?;
        self.pair.has_news();
        if !is_seen_to && self.pair.is_heard() {
            // Late or gone: see `SHOWN_WITHIN`.
            let _ = timeout(SHOWN_WITHIN, shown.wait_for(|shown| *shown >= number)).await;
        }
        Ok(())
    }

    /// Shows what an authority is about to look for on behalf of the other node; the number of it.
    pub(crate) fn show_for_peer(&self, Proofs { number, mut proofs }: Proofs) -> u64 {
        proofs.truncate(MOST_NAMES);
        self.orders().shared.of_peer = proofs;
        // What cannot be shown is looked for in vain, which the other node hears.
        let _ = self.show_all();
        number
    }

    /// The other node is gone, and its order with it.
    pub(in super::super) fn forget_peer_proofs(&self) {
        self.show_for_peer(Proofs::default());
    }

    pub(crate) fn peer_shows(&self, number: u64) {
        self.orders().shared.shown.send_replace(number);
    }

    fn show_all(&self) -> Result<(), ProofError> {
        let shared = &self.orders().shared;
        let all = shared.proofs.proofs.iter().chain(&shared.of_peer);
        let all: Vec<_> = all.cloned().map(Into::into).collect();
        self.engine.set_challenges(&all)
    }

    /// An account that is in use here.
    pub(super) async fn share_account(&self, settings: &AcmeSettings) {
        let path = authority::account_file(settings);
        let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
        let Ok(Ok(text)) = read else { return };
        let account = Account { directory: settings.directory.clone(), text };
        self.orders().shared.account = Some(account);
        self.pair.has_news();
    }

    /// A certificate that is in use here.
    pub(super) fn share_certificate(&self, path: &Path, pem: &str) {
        let certificates = &mut self.orders().shared.certificates;
        if certificates.get(path).is_none_or(|known| **known != *pem) {
            certificates.insert(path.to_owned(), pem.into());
            self.pair.has_news();
        }
    }

    /// What the other node has not been told over this connection.
    pub(in super::super) fn orders_for_peer(&self, told: &mut Told) -> Vec<Message> {
        let mut news = Vec::new();
        let orders = self.orders();
        let Shared { proofs, account, certificates, .. } = &orders.shared;
        if proofs.number != told.proofs {
            told.proofs = proofs.number;
            news.push(Message::Proofs(proofs.clone()));
        }
        let Some(account) = account else { return news };
        if told.account.as_ref() != Some(account) {
            told.account = Some(account.clone());
            news.push(Message::Account(account.clone()));
        }
        for (path, pem) in certificates {
            if told.certificates.get(path) != Some(pem) {
                told.certificates.insert(path.clone(), Arc::clone(pem));
                let (directory, pem) = (account.directory.clone(), pem.to_string());
                news.push(Message::Certificate(Certificate { directory, pem }));
            }
        }
        news
    }

    /// An account of the other node, for a node that has none with this authority.
    pub(crate) async fn take_account(&self, Account { directory, text }: Account) {
        let Some(wanted) = self.current().acme.clone() else { return };
        if wanted.settings.directory != directory || !authority::is_account(&text, &directory) {
            return;
        }
        let path = authority::account_file(&wanted.settings);
        let kept = tokio::task::spawn_blocking(move || {
            if path.exists() { Ok(()) } else { save_secret_bytes(&path, text.as_bytes()) }
        });
        match kept.await {
            Ok(Ok(())) => self.share_account(&wanted.settings).await,
            // Without it the node registers by itself once it has to order.
            Ok(Err(error)) => self.announce("acme-failed", error.to_string()),
            Err(_defect) => {}
        }
    }

    /// A certificate that the other node has, if it is better than the one here.
    pub(crate) async fn take_certificate(&self, Certificate { directory, pem }: Certificate) {
        let Some(wanted) = self.current().acme.clone() else { return };
        let offered = evenkeel_engine::examine(pem.as_bytes(), pem.as_bytes());
        let Ok(offered) = offered else { return };
        let now = epoch_seconds();
        if wanted.settings.directory != directory || offered.not_after <= now {
            return;
        }
        for (path, names) in &wanted.certificates {
            match self.take_if_better(path, names, &offered, &pem).await {
                Ok(false) => continue,
                Ok(true) => {
                    let (shown, days) = (names.join(", "), expiry::days(offered.not_after, now));
                    let message = format!("{shown}: valid for {days} days, from the other node");
                    self.announce("acme-arrived", message);
                }
                Err(error) => self.announce("acme-failed", error.to_string()),
            }
            self.acme_wanted.notify_one();
        }
    }

    async fn take_if_better(
        &self,
        path: &Path,
        names: &[Arc<str>],
        offered: &Facts,
        pem: &str,
    ) -> Result<bool, StateError> {
        if !acme::serves(offered, names) {
            return Ok(false);
        }
        let (file, text, names) = (path.to_owned(), pem.to_owned(), names.to_vec());
        let until = offered.not_after;
        let taking = tokio::task::spawn_blocking(move || {
            let own = held(&file).map(|(facts, _)| facts);
            if own.is_some_and(|own| acme::serves(&own, &names) && own.not_after >= until) {
                return Ok(false);
            }
            save_secret_bytes(&file, text.as_bytes()).map(|()| true)
        });
        let taken = taking.await.unwrap_or(Ok(false))?;
        if taken {
            self.orders().troubles.remove(path);
            self.share_certificate(path, pem);
        }
        Ok(taken)
    }
}
