//! Who of a pool may be used at all.

use crate::config::{Balance, Pool};
use crate::pick::Picker;

/// What decides whether a server of a pool is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Share of the traffic; 0 takes none.
    pub weight: u16,
    /// Used only when no other server can be.
    pub backup: bool,
    /// What an operator wants of it.
    pub admin: Admin,
    /// Whether its health allows it, see [`crate::health::Health::usable`].
    pub usable: bool,
}

/// What an operator wants of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admin {
    /// Takes traffic.
    #[default]
    Ready,
    /// No new picks; what runs, finishes.
    Drain,
    /// Nothing at all, and checks stop.
    Maint,
}

/// Which servers a pool uses, and why these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The usable servers that are not backups.
    Normal,
    /// The usable backups: no other server is usable.
    Backup,
    /// More than half of the servers are unfit: the verdicts are doubted, or what is left could not
    /// carry the load. All are used, whatever their health.
    Panic,
    /// Nobody: every server is drained, in maintenance or without weight, or there is none.
    Empty,
}

/// The servers of a pool that are used, in the order the pool's algorithm wants.
///
/// Immutable: each change of health, weight or admin state makes a new one, which all workers share.
#[derive(Debug)]
pub struct Roster {
    mode: Mode,
    used: Box<[Used]>,
    picker: Picker,
}

/// A member that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    /// Its place among the members.
    pub(crate) member: u16,
    /// Never 0.
    pub(crate) weight: u16,
    /// False only in [`Mode::Panic`].
    pub(crate) usable: bool,
}

impl Roster {
    /// Judges `members`, which stand in the order of the pool's servers. Those beyond
    /// [`Pool::MOST_SERVERS`] are never used.
    pub fn build(balance: Balance, members: &[Member]) -> Self {
        let candidates = || {
            (0..)
                .zip(&members[..members.len().min(Pool::MOST_SERVERS)])
                .filter(|(_, member)| member.admin == Admin::Ready && member.weight > 0)
        };
        let census = Census::take(candidates().map(|(_, member)| member));
        let used: Box<[Used]> = candidates()
            .filter(|(_, member)| census.uses(**member))
            .map(|(place, &Member { weight, usable, .. })| Used { member: place, weight, usable })
            .collect();
        let picker = Picker::build(balance, &used);
        Self { mode: census.mode(), used, picker }
    }

    /// Which servers are used, and why these.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether the server at this place may be picked.
    pub fn uses(&self, member: usize) -> bool {
        self.used.binary_search_by_key(&member, |used| usize::from(used.member)).is_ok()
    }

    pub(crate) fn picker(&self) -> &Picker {
        &self.picker
    }

    pub(crate) fn used(&self) -> &[Used] {
        &self.used
    }
}

/// How many there are of each kind, among those an operator has left in service.
#[derive(Default)]
struct Census {
    servers: u32,
    usable_servers: u32,
    backups: u32,
    usable_backups: u32,
}

impl Census {
    fn take<'a>(candidates: impl Iterator<Item = &'a Member>) -> Self {
        let mut census = Self::default();
        for candidate in candidates {
            let (all, usable) = if candidate.backup {
                (&mut census.backups, &mut census.usable_backups)
            } else {
                (&mut census.servers, &mut census.usable_servers)
            };
            *all += 1;
            *usable += u32::from(candidate.usable);
        }
        census
    }

    /// A pool whose only candidate is unfit ends in [`Mode::Panic`] like any other without a usable
    /// server: the last one is never lost.
    fn mode(&self) -> Mode {
        if self.servers + self.backups == 0 {
            Mode::Empty
        } else if self.usable_servers == 0 && self.usable_backups > 0 {
            Mode::Backup
        } else if self.usable_servers == 0 || self.usable_servers * 2 < self.servers {
            Mode::Panic
        } else {
            Mode::Normal
        }
    }

    fn uses(&self, candidate: Member) -> bool {
        match self.mode() {
            Mode::Normal => candidate.usable && !candidate.backup,
            Mode::Backup => candidate.usable && candidate.backup,
            // While some server is fit the backups stay out of it; once nobody is, anybody may
            // turn out to be.
            Mode::Panic => !candidate.backup || self.usable_servers == 0,
            Mode::Empty => false,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
