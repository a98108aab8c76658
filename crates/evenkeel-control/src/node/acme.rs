//! Certificates that are ordered from an authority by ACME (RFC 8555): kept in files of the state
//! directory, ordered when [`acme::due`] says so, shown as certificates in files are.

mod authority;
mod shared;

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use evenkeel_core::acme::{self, Attempts};
use evenkeel_core::certificate::{Facts, expiry};
use evenkeel_core::config::{CertificateSource, Config, Protocol};
use tokio::time::{sleep, timeout};

use self::authority::OrderError;
use self::shared::Shared;
pub(super) use self::shared::Told;
use super::{LoadError, Node};
use crate::compile::AcmeSettings;
use crate::state_file::save_secret_bytes;
use crate::{clock, describe};

/// The whole of an order: authorities take seconds, the slow ones half a minute.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks at what is due, however far away that is: the clock may jump.
const LONGEST_SLEEP: Duration = Duration::from_hours(1);
/// And however close.
const SHORTEST_SLEEP: Duration = Duration::from_secs(1);

/// Certificates that are ordered, and from whom.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    settings: AcmeSettings,
    /// By the file they are in: which names.
    certificates: BTreeMap<PathBuf, Vec<Arc<str>>>,
}

/// How orders went.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    arrived_total: u64,
    failed_total: u64,
    /// What did not arrive, by its file.
    troubles: BTreeMap<PathBuf, Trouble>,
    shared: Shared,
}

#[derive(Clone, Debug, Default)]
struct Trouble {
    attempts: Attempts,
    /// Names and reason.
    why: String,
}

/// Whatever `config` wants ordered.
pub(super) fn wanted(settings: Option<AcmeSettings>, config: &Config) -> Option<Wanted> {
    let mut certificates: BTreeMap<PathBuf, Vec<Arc<str>>> = BTreeMap::new();
    for (path, names) in ordered(config) {
        let all = certificates.entry(path.to_owned()).or_default();
        all.extend(names.iter().filter(|name| !all.contains(name)).cloned().collect::<Vec<_>>());
    }
    settings.map(|settings| Wanted { settings, certificates })
}

fn ordered(config: &Config) -> impl Iterator<Item = (&Path, &[Arc<str>])> {
    let fronts = config.listeners.iter().filter_map(|listener| match &listener.protocol {
        Protocol::Https(https) => Some(&https.front),
        Protocol::Tcp { .. } | Protocol::Tls(_) | Protocol::Http(_) => None,
    });
    fronts.flat_map(|front| &front.certificates).filter_map(|source| match source {
        CertificateSource::Acme { names, files } => Some((&*files.chain, &names[..])),
        CertificateSource::File(_) => None,
    })
}

impl Node {
    /// Puts a certificate of its own where one that is ordered is to arrive, so that listeners can
    /// start.
    pub(super) async fn stand_in(&self, config: &Config) -> Result<(), LoadError> {
        let all = ordered(config).map(|(path, names)| (path.to_owned(), names.to_vec()));
        let all: Vec<_> = all.collect();
        if all.is_empty() {
            return Ok(());
        }
        let made = tokio::task::spawn_blocking(move || {
            let missing = all.iter().filter(|(path, _)| held(path).is_none());
            for (path, names) in missing {
                let pem = authority::self_made(names);
                let pem = pem.map_err(|error| LoadError::StandIn(error.to_string()))?;
                save_secret_bytes(path, pem.as_bytes())
                    .map_err(|error| LoadError::StandIn(error.to_string()))?;
            }
            Ok(())
        });
        made.await.unwrap_or_else(|defect| Err(LoadError::Defect(defect)))
    }

    /// Orders what is due. Returns when the next is, in seconds since 1970.
    async fn order_due(&self, wanted: &Wanted, chance: u64) -> Option<i64> {
        let mut next: Option<i64> = None;
        self.share_account(&wanted.settings).await;
        for (path, names) in &wanted.certificates {
            let (file, names) = (path.clone(), names.clone());
            let held = tokio::task::spawn_blocking(move || held(&file)).await.ok().flatten();
            if let Some((_, pem)) = held.as_ref().filter(|(facts, _)| acme::serves(facts, &names)) {
                self.share_certificate(path, pem);
            }
            let held = held.map(|(facts, _)| facts);
            let attempts = self.orders().troubles.get(path).cloned().unwrap_or_default().attempts;
            let mut due = acme::due(held.as_ref(), &names, attempts, chance);
            due = self.own_turn(due);
            if due <= epoch_seconds() {
                due = self.order(&wanted.settings, path, &names, chance).await;
            }
            next = Some(next.map_or(due, |next| next.min(due)));
        }
        next
    }

    /// Returns when to order the next time.
    async fn order(
        &self,
        settings: &AcmeSettings,
        path: &Path,
        names: &[Arc<str>],
        chance: u64,
    ) -> i64 {
        let ordering = authority::order(self, settings, names);
        let ordered = timeout(PATIENCE, ordering).await.unwrap_or(Err(OrderError::Late));
        // Nobody has anything to look for any more; nothing to show cannot fail.
        let _ = self.show(Vec::new()).await;
        let arrived = match ordered {
            Ok(pem) => self.take(settings, path, names, pem, chance).await,
            Err(error) => Err(error),
        };
        let shown = names.join(", ");
        let now = epoch_seconds();
        let mut orders = self.orders();
        match arrived {
            Ok(held) => {
                orders.arrived_total += 1;
                orders.troubles.remove(path);
                drop(orders);
                let days = expiry::days(held.not_after, now);
                self.announce("acme-arrived", format!("{shown}: valid for {days} days"));
                acme::due(Some(&held), names, Attempts::default(), chance)
            }
            Err(error) => {
                orders.failed_total += 1;
                let trouble = orders.troubles.entry(path.to_owned()).or_default();
                trouble.attempts.failures = trouble.attempts.failures.saturating_add(1);
                trouble.attempts.last = now;
                let due = acme::due(None, names, trouble.attempts, chance);
                let why = format!("{shown}: {}", describe::with_causes(&error));
                trouble.why.clone_from(&why);
                drop(orders);
                let minutes = (due - now + 59) / 60;
                let message = format!("{why}; the next try is in {minutes} minutes");
                self.announce("acme-failed", message);
                due
            }
        }
    }

    /// Keeps what has arrived, if it is what was ordered.
    async fn take(
        &self,
        settings: &AcmeSettings,
        path: &Path,
        names: &[Arc<str>],
        pem: String,
        chance: u64,
    ) -> Result<Facts, OrderError> {
        let held = evenkeel_engine::examine(pem.as_bytes(), pem.as_bytes());
        let held = held.map_err(|error| OrderError::Useless(error.to_string()))?;
        if !acme::serves(&held, names) {
            return Err(OrderError::Useless("is not for the names that were asked for".into()));
        }
        if acme::renewal(&held, chance) <= epoch_seconds() {
            return Err(OrderError::Useless("would have to be renewed at once".into()));
        }
        let (file, text) = (path.to_owned(), pem.clone());
        let kept = tokio::task::spawn_blocking(move || save_secret_bytes(&file, text.as_bytes()));
        kept.await.map_err(|defect| OrderError::Useless(defect.to_string()))??;
        self.share_account(settings).await;
        self.share_certificate(path, &pem);
        Ok(held)
    }

    /// What an operator should look after.
    pub(super) fn order_problems(&self) -> Vec<String> {
        let orders = self.orders();
        let problem = |trouble: &Trouble| {
            let failures = trouble.attempts.failures;
            format!("ordering a certificate has failed {failures} times: {}", trouble.why)
        };
        orders.troubles.values().map(problem).collect()
    }

    /// Orders that brought a certificate, those that did not, and certificates that are missing.
    pub(crate) fn order_counts(&self) -> (u64, u64, usize) {
        let orders = self.orders();
        (orders.arrived_total, orders.failed_total, orders.troubles.len())
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Orders certificates as they become due; never returns.
pub(crate) async fn keep_orders(node: &Arc<Node>) {
    let chance = RandomState::new().hash_one(0_u8);
    node.meet_before_ordering().await;
    loop {
        let wanted = node.current().acme.clone();
        let next = match &wanted {
            // A process that is being replaced leaves it to the one that replaces it.
            Some(wanted) if node.is_in_charge() => node.order_due(wanted, chance).await,
            _ => None,
        };
        let left =
            next.map(|next| Duration::from_secs((next - epoch_seconds()).try_into().unwrap_or(0)));
        let pause = left.unwrap_or(LONGEST_SLEEP).clamp(SHORTEST_SLEEP, LONGEST_SLEEP);
        tokio::select! {
            () = sleep(pause) => {}
            () = node.acme_wanted.notified() => {}
        }
    }
}

/// What is in the file, if it is a certificate with its key.
fn held(path: &Path) -> Option<(Facts, String)> {
    let pem = fs::read_to_string(path).ok()?;
    let facts = evenkeel_engine::examine(pem.as_bytes(), pem.as_bytes()).ok()?;
    Some((facts, pem))
}

fn epoch_seconds() -> i64 {
    seconds(clock::now())
}

fn seconds(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
