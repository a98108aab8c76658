//! What must hold at every step, told from the outside: nothing here asks the code under trial how
//! it came to its decision.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use evenkeel_core::config::{RetryBudget, ZoneId, Zoning};
use evenkeel_core::health::{CheckFailure, Health, Reason};
use evenkeel_core::moment::Moment;
use evenkeel_core::outlier::Cap;
use evenkeel_core::pick::Tried;
use evenkeel_core::pool::{Admin, Member, Mode, Roster, Rules};

/// Never more servers are out by inference than the cap allows.
pub(super) fn no_more_out_than_may_be<'a>(
    cap: Cap,
    healths: impl ExactSizeIterator<Item = &'a Health>,
) -> Result<(), String> {
    let servers = healths.len();
    let out = healths.filter(|health| is_out_by_inference(health)).count();
    if out <= cap.of(servers) {
        return Ok(());
    }
    Err(format!("{out} of {servers} servers are ejected, {} may be", cap.of(servers)))
}

/// Its traffic or its own words took it out, and nothing since has shown that it is really gone.
fn is_out_by_inference(health: &Health) -> bool {
    let lacks = |last| matches!(last, CheckFailure::Lacks(_));
    !health.usable()
        && match health.reason() {
            Reason::Ejected { .. } => true,
            Reason::Failed { last, .. } | Reason::Relapsed { last, .. } => lacks(last),
            _ => false,
        }
}

/// No pick of a server in maint or drain, none that was tried, and none that is down while enough
/// others are up, or any one that this request has not been to in a panic.
pub(super) fn the_pick_is_right(
    members: &[Member],
    tried: &Tried,
    picked: usize,
) -> Result<(), String> {
    let member = members[picked];
    if member.admin != Admin::Ready || member.weight == 0 {
        return Err(format!("server {picked} was picked in {:?}", member.admin));
    }
    if tried.contains(picked) {
        return Err(format!("server {picked} was picked twice for a request"));
    }
    let Census { servers, usable, usable_backups } = Census::take(members);
    if member.backup && usable > 0 {
        return Err(format!("backup {picked} was picked while {usable} servers are up"));
    }
    if member.usable {
        return Ok(());
    }
    if usable_backups + usable > 0 && usable * 2 >= servers {
        return Err(format!("server {picked} was picked, down, while {usable} are up"));
    }
    let fit = |(place, other): (usize, &Member)| {
        in_service(other) && other.usable && !other.backup && !tried.contains(place)
    };
    if !tried.is_empty() && members.iter().enumerate().any(fit) {
        return Err(format!("a further try went to server {picked}, down, past one that is up"));
    }
    if usable == 0 && usable_backups > 0 {
        return Err(format!("server {picked} was picked, down, while backups are up"));
    }
    Ok(())
}

/// Every server that should be used is, nobody else, and their shares are the whole.
pub(super) fn no_weight_is_lost(members: &[Member], roster: &Roster) -> Result<(), String> {
    let Census { servers, usable, usable_backups } = Census::take(members);
    let expected = |member: &Member| {
        in_service(member)
            && match (usable, usable_backups) {
                (0, 0) => true,
                (0, _) => member.backup && member.usable,
                _ if usable * 2 < servers => !member.backup,
                _ => !member.backup && member.usable,
            }
    };
    let (mut wanted, mut found) = (0, 0);
    for (place, member) in members.iter().enumerate() {
        wanted += if expected(member) { u32::from(member.weight) } else { 0 };
        found += if roster.uses(place) { u32::from(member.weight) } else { 0 };
        if roster.uses(place) != expected(member) {
            return Err(format!("server {place} should {}be used", not(!expected(member))));
        }
    }
    let parts: u32 = roster.shares().map(|share| share.parts_per_million).sum();
    let whole: u32 = if wanted == 0 { 0 } else { 1_000_000 };
    // Each of three zones rounds its millionths.
    if wanted == found && whole.abs_diff(parts) <= 3 {
        return Ok(());
    }
    Err(format!("weight {found} of {wanted} is used, for {parts} parts of {whole}"))
}

/// Whatever is down: when each zone's node gives away what core computes for it, each zone carries as
/// much of the traffic as it has of all that can be carried, and a zone that can carry what comes in
/// through it keeps all of that.
pub(super) fn zones_carry_what_they_can(members: &[Member]) -> Result<(), String> {
    let mut zones: BTreeMap<ZoneId, (u32, u32)> = BTreeMap::new();
    for member in members.iter().filter(|member| in_service(member) && !member.backup) {
        let (all, usable) = zones.entry(member.zone.ok_or("a server without a zone")?).or_default();
        *all += u32::from(member.weight);
        *usable += if member.usable { u32::from(member.weight) } else { 0 };
    }
    let capacity = |(all, usable): (u32, u32)| f64::from(all).min(1.4 * f64::from(usable));
    let total: f64 = zones.values().copied().map(capacity).sum();
    let comes_in = f64::from(u32::try_from(zones.len()).expect("three")).recip();
    let mut carried: BTreeMap<ZoneId, f64> = BTreeMap::new();
    for (&own, &servers) in &zones {
        let zoning = Zoning { own, balancers: Vec::new() };
        let roster = Roster::build(Rules { zoning: Some(&zoning), ..Rules::default() }, members);
        if roster.mode() != Mode::Normal {
            return Ok(());
        }
        let mut kept = 0.0;
        for share in roster.shares() {
            let part = f64::from(share.parts_per_million) / 1e6;
            let zone = share.zone.ok_or("a share of no zone")?;
            *carried.entry(zone).or_default() += part * comes_in;
            kept += if zone == own { part } else { 0.0 };
        }
        if capacity(servers) >= total * comes_in && kept < 1.0 {
            return Err(format!("{own:?} could carry all and keeps {kept} of it"));
        }
    }
    for (zone, servers) in zones {
        let (found, expected) = (carried.get(&zone).unwrap_or(&0.0), capacity(servers) / total);
        // Each of three nodes rounds its millionths.
        if (found - expected).abs() > 1e-5 {
            return Err(format!("{zone:?} carries {found} and should {expected}"));
        }
    }
    Ok(())
}

/// Whether clients come back to this server: also to a drained one, and to a backup.
pub(super) fn is_open(members: &[Member], tried: &Tried, home: usize) -> bool {
    let member = members[home];
    member.admin != Admin::Maint && member.usable && !tried.contains(home)
}

fn not(not: bool) -> &'static str {
    if not { "not " } else { "" }
}

struct Census {
    servers: usize,
    usable: usize,
    usable_backups: usize,
}

impl Census {
    fn take(members: &[Member]) -> Self {
        let count = |backup, usable: bool| {
            let counted = |member: &&Member| {
                in_service(member) && member.backup == backup && (member.usable || !usable)
            };
            members.iter().filter(counted).count()
        };
        Self {
            servers: count(false, false),
            usable: count(false, true),
            usable_backups: count(true, true),
        }
    }
}

fn in_service(member: &Member) -> bool {
    member.admin == Admin::Ready && member.weight > 0
}

/// Counts further tries against requests, in its own way.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    requests: VecDeque<Moment>,
    retries: VecDeque<Moment>,
}

impl Ledger {
    pub(super) fn request(&mut self, now: Moment) {
        self.requests.push_back(now);
    }

    /// A further try was granted. The budget counts whole seconds: of the last ten seconds at
    /// least nine.
    pub(super) fn retry(&mut self, policy: RetryBudget, now: Moment) -> Result<(), String> {
        self.retries.push_back(now);
        let (nine, ten) = (Duration::from_secs(9), Duration::from_secs(10));
        while self.retries.front().is_some_and(|first| now.since(*first) >= nine) {
            self.retries.pop_front();
        }
        while self.requests.front().is_some_and(|first| now.since(*first) > ten) {
            self.requests.pop_front();
        }
        let share = self.requests.len() * usize::from(policy.percent) / 100;
        let most = share.max(usize::from(policy.floor) * 10);
        if self.retries.len() <= most {
            return Ok(());
        }
        Err(format!("{} further tries within 9 s, {most} may be", self.retries.len()))
    }
}
