//! A configuration that takes effect on one node of a pair is offered to the other.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use evenkeel_api as api;
use evenkeel_core::config::Config;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{LoadError, Loaded, Node, version_of};
use crate::describe;
use crate::origin::Origin;
use crate::pair::message::{Offer, OfferWish, Verdict};
use crate::pair::shared_text::localise;
use crate::state_file::{self, StateError};

/// Reading files and opening listeners takes seconds there as well; whoever asked waits for both.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the system lists the interfaces of this machine.
const INTERFACES: &str = "/sys/class/net";

/// An offer that waits for its verdict.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) offer: Offer,
    answer: oneshot::Sender<api::PeerApplied>,
}

impl Node {
    /// Offers `text` to the other node and waits for what it says; `None`: there is no other node.
    pub(crate) async fn offer(&self, text: String, wish: OfferWish) -> Option<api::PeerApplied> {
        let mut last_number = self.pair.offering.lock().await;
        let status = self.pair_status()?;
        let unheard = |reason: String| api::PeerApplied {
            node: status.node.clone().unwrap_or_else(|| status.peer.clone()),
            applied: false,
            version: None,
            reason: Some(reason),
            faults: Vec::new(),
        };
        let result = if let Some(reason) = &status.reason {
            unheard(format!("it is not heard: {reason}"))
        } else {
            let (answer, answered) = oneshot::channel();
            *last_number += 1;
            let number = *last_number;
            *self.pair.offered() = Some(Pending { offer: Offer { number, text, wish }, answer });
            self.pair.has_news();
            let result = timeout(PATIENCE, answered).await;
            self.pair.offered().take();
            match result {
                Ok(Ok(result)) => result,
                Ok(Err(_gone)) => unheard("the link went down before it answered".to_owned()),
                Err(_late) => {
                    unheard(format!("it has not answered within {} s", PATIENCE.as_secs()))
                }
            }
        };
        if wish != OfferWish::Check {
            self.tell_of_offer(&result);
        }
        Some(result)
    }

    /// The same of what is in force.
    pub(crate) async fn offer_in_force(&self, wish: OfferWish) -> Option<api::PeerApplied> {
        let text = self.version().text;
        self.offer(text, wish).await
    }

    /// Has what is in force offered, with nobody waiting for it.
    pub(crate) fn offer_soon(&self) {
        self.pair.offer_wanted.notify_one();
    }

    /// Offers what was read when a signal came.
    pub(crate) async fn keep_offering(&self) {
        loop {
            self.pair.offer_wanted.notified().await;
            // What came of it was announced.
            self.offer_in_force(OfferWish::Write).await;
        }
    }

    fn tell_of_offer(&self, result: &api::PeerApplied) {
        let api::PeerApplied { node, applied, version, reason, faults } = result;
        let mut why = reason.clone().unwrap_or_default();
        for fault in faults {
            let api::Found { file, line, column, reason, .. } = fault;
            why = format!("{why} · {file}:{line}:{column}: {reason}");
        }
        if *applied {
            let version = version.as_deref().unwrap_or_default();
            let message = format!("version {version} is in force on {node}");
            self.announce("pair-offer-taken", message);
        } else {
            self.announce("pair-offer-refused", format!("not in force on {node}: {why}"));
        }
    }

    /// What the other node says of an offer.
    pub(crate) fn take_verdict(&self, verdict: Verdict) {
        let Verdict { number, result } = verdict;
        let pending = self.pair.offered().take_if(|pending| pending.offer.number == number);
        if let Some(Pending { answer, .. }) = pending {
            // Who asked may have gone.
            let _ = answer.send(result);
        }
    }

    /// What the other node offers takes effect here, if it fits.
    pub(crate) async fn heed_offer(&self, offer: Offer) -> Verdict {
        let Offer { number, text, wish } = offer;
        let considered = self.consider(&text, wish).await;
        let node = self.settings().name.clone();
        let result = match considered {
            Ok((version, reason)) => {
                let (applied, faults) = (wish != OfferWish::Check, Vec::new());
                api::PeerApplied { node, applied, version: Some(version), reason, faults }
            }
            Err((reason, faults)) => {
                let (version, reason) = (None, Some(reason));
                api::PeerApplied { node, applied: false, version, reason, faults }
            }
        };
        Verdict { number, result }
    }

    /// The version in force, and what else is to be known; or why it is refused.
    async fn consider(
        &self,
        offered: &str,
        wish: OfferWish,
    ) -> Result<(String, Option<String>), (String, Vec<api::Found>)> {
        let _one_at_a_time = self.changing.lock().await;
        let before = self.version();
        let text = localise(offered, &before.text).map_err(|why| (why, Vec::new()))?;
        let is_new = text != before.text;
        let here = self.surroundings.clone();
        let (name, same) = (format!("{}, as offered", self.origin.name()), text.clone());
        let loading = tokio::task::spawn_blocking(move || {
            let loaded = Loaded::compile(name, same, &here)?;
            let missing = missing_interfaces(&loaded.compiled.config);
            Ok::<_, LoadError>((loaded, missing))
        });
        let loaded = loading.await.unwrap_or_else(|defect| Err(LoadError::Defect(defect)));
        let (loaded, missing) = loaded.map_err(|error| refused(&error))?;
        if let Some(missing) = missing {
            return Err((missing, Vec::new()));
        }
        let version = version_of(&text);
        if wish == OfferWish::Check {
            return Ok((version, None));
        }
        if is_new {
            let applied = self.put_in_force(loaded).await;
            self.told(applied).map_err(|error| refused(&error))?;
        }
        let Origin::File(path) = &self.origin else { return Ok((version, None)) };
        if wish != OfferWish::Write {
            return Ok((version, None));
        }
        let (path, shown) = (path.clone(), path.display().to_string());
        let writing = tokio::task::spawn_blocking(move || write(&path, &text)).await;
        let trouble = writing.map_err(io::Error::other).and_then(|written| written).err();
        let reason = trouble.map(|error| {
            format!("but not written to {shown}, which a restart would read: {error}")
        });
        if let Some(reason) = &reason {
            self.announce(
                "pair-offer-unwritten",
                format!("version {version} is in force, {reason}"),
            );
        }
        Ok((version, reason))
    }
}

fn refused(error: &LoadError) -> (String, Vec<api::Found>) {
    match error {
        LoadError::Faults(findings) => {
            let reason = "it has faults on that node; everything stays as it was there";
            (reason.to_owned(), describe::findings(findings))
        }
        other => (describe::in_one_line(other), Vec::new()),
    }
}

/// Interfaces of virtual addresses that are not on this machine. Where that cannot be looked up, the
/// address itself says so later.
fn missing_interfaces(config: &Config) -> Option<String> {
    let listed = fs::read_dir(INTERFACES).ok()?;
    let here = listed.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let here: BTreeSet<String> = here.collect();
    let vip = config.vips.iter().find(|vip| !here.contains(&*vip.interface))?;
    let (name, interface) = (&vip.name, &vip.interface);
    let there: Vec<String> = here.into_iter().collect();
    Some(format!(
        "[vip.{name}] is on {interface}, which that machine does not have; it has {}",
        there.join(", ")
    ))
}

/// Writes the file where it really is, with the mode it has.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    if fs::read(&path)? == text.as_bytes() {
        return Ok(());
    }
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&path)?) & 0o777;
    state_file::save_bytes(&path, text.as_bytes(), mode).map_err(|error| match error {
        StateError::Unwritable { source, .. } => source,
        other => io::Error::other(other),
    })
}
