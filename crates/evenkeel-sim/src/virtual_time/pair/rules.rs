//! What must hold after every event.

use std::time::Duration;

use evenkeel_core::moment::Moment;
use evenkeel_core::vrrp::policy::Preempt;

use super::Bounds;
use super::node::Node;
use super::trouble::Trouble;

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) bounds: Bounds,
    pub(super) longest_overlap: Duration,
    pub(super) longest_overlap_told: Duration,
    pub(super) longest_gap: Duration,
    /// For each two nodes: since when both own the address and hear each other's adverts.
    both: Vec<Option<Moment>>,
    /// The same of heartbeats, whatever becomes of adverts.
    both_told: Vec<Option<Moment>>,
    /// Since when nothing is wrong, and nobody has come, gone or changed its mind.
    calm_since: Moment,
    before: Vec<(bool, bool)>,
    /// Since when nobody serves.
    unserved_since: Option<Moment>,
    /// From here on there must be an owner in each moment.
    no_miss: bool,
    /// The owner was killed then, in the calm.
    killed: Option<Moment>,
}

impl Rules {
    pub(super) fn new(bounds: Bounds, count: usize, now: Moment) -> Self {
        Self {
            bounds,
            longest_overlap: Duration::ZERO,
            longest_overlap_told: Duration::ZERO,
            longest_gap: Duration::ZERO,
            both: vec![None; count * count],
            both_told: vec![None; count * count],
            calm_since: now,
            before: Vec::new(),
            unserved_since: Some(now),
            no_miss: false,
            killed: None,
        }
    }

    /// Something has just gone wrong, or well.
    pub(super) fn are_disturbed(&mut self, now: Moment) {
        self.calm_since = now;
    }

    /// A planned move begins, or somebody comes back.
    pub(super) fn must_not_be_missed(&mut self) {
        self.no_miss = true;
    }

    pub(super) fn may_be_missed(&mut self) {
        self.no_miss = false;
    }

    pub(super) fn is_killed(&mut self, now: Moment) {
        self.may_be_missed();
        self.killed = Some(now);
    }

    pub(super) fn look(
        &mut self,
        nodes: &[Node],
        trouble: &Trouble,
        is_calm: bool,
        last_word: Option<usize>,
        now: Moment,
    ) -> Result<(), String> {
        self.two_owners(nodes, trouble, now)?;
        self.missing(nodes, now)?;
        let state: Vec<_> = nodes.iter().map(|node| (node.runs(), node.is_able())).collect();
        if !is_calm || state != self.before {
            self.calm_since = now;
            self.before = state;
        }
        if now.since(self.calm_since) > self.bounds.settle {
            settled(nodes, last_word)?;
        }
        Ok(())
    }

    fn two_owners(&mut self, nodes: &[Node], trouble: &Trouble, now: Moment) -> Result<(), String> {
        for one in 0..nodes.len() {
            for two in one + 1..nodes.len() {
                let hear = trouble.is_heard(one, two) && trouble.is_heard(two, one);
                let tell = trouble.is_told(one, two) && trouble.is_told(two, one);
                let own = nodes[one].owns() && nodes[two].owns();
                let at = one * nodes.len() + two;
                let overlap = lasts(&mut self.both[at], hear && own, now);
                self.longest_overlap = self.longest_overlap.max(overlap);
                if overlap > self.bounds.overlap {
                    return Err(format!("{one} and {two} own it together for {overlap:?}"));
                }
                let overlap = lasts(&mut self.both_told[at], tell && own, now);
                self.longest_overlap_told = self.longest_overlap_told.max(overlap);
                if overlap > self.bounds.overlap_told {
                    let word = "though they tell each other";
                    return Err(format!("{one} and {two} own it together for {overlap:?}, {word}"));
                }
            }
        }
        Ok(())
    }

    fn missing(&mut self, nodes: &[Node], now: Moment) -> Result<(), String> {
        if nodes.iter().any(Node::serves) {
            if let Some(killed) = self.killed.take() {
                let gap = now.since(killed);
                self.longest_gap = self.longest_gap.max(gap);
                if gap > self.bounds.gap {
                    return Err(format!("a killed owner was missed for {gap:?}"));
                }
            }
            self.unserved_since = None;
            return Ok(());
        }
        let since = *self.unserved_since.get_or_insert(now);
        if self.no_miss {
            return Err(format!("missed since {since}, though nobody has failed"));
        }
        Ok(())
    }
}

/// Where nodes preempt, the strongest of those that could own the address does, in the end.
pub(super) fn strongest_owns(nodes: &[Node]) -> Result<(), String> {
    let Some(owner) = nodes.iter().find(|node| node.owns()) else { return Ok(()) };
    let wants = |node: &&Node| node.policy.preempt != Preempt::Never && node.is_able();
    match nodes.iter().filter(wants).find(|node| node.claim > owner.claim) {
        Some(stronger) => {
            Err(format!("{} leaves it to {}, and is stronger", stronger.address, owner.address))
        }
        None => Ok(()),
    }
}

/// For how long something has been so.
fn lasts(since: &mut Option<Moment>, is_so: bool, now: Moment) -> Duration {
    *since = is_so.then(|| since.unwrap_or(now));
    since.map_or(Duration::ZERO, |since| now.since(since))
}

fn settled(nodes: &[Node], last_word: Option<usize>) -> Result<(), String> {
    if !nodes.iter().any(Node::is_able) {
        return Ok(());
    }
    let owners: Vec<usize> = (0..nodes.len()).filter(|&at| nodes[at].serves()).collect();
    let holders = nodes.iter().filter(|node| node.holds).count();
    match *owners {
        [owner] if holders == 1 && last_word.is_none_or(|last| last == owner) => Ok(()),
        [_] if holders > 1 => Err("somebody answers who does not own it".to_owned()),
        [owner] => Err(format!("{owner} owns it, {last_word:?} had the last word")),
        [] => Err("nobody owns it".to_owned()),
        _ => Err(format!("{owners:?} own it")),
    }
}
