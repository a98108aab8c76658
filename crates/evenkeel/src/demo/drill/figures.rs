//! What was measured, and what follows from it. Values only.

use serde::{Deserialize, Serialize};

use super::plan::Limit;
use crate::demo::board::grouped;
use crate::demo::view::{Devices, Shard};

/// Names of the simulated devices that send all the time begin so; those of guests do not.
const STEADY: &str = "device-";

/// What happened during a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Figures {
    /// The longest wait of a user for a page, with all tries.
    pub(super) users_gap_ms: u64,
    /// The longest wait of a reading for its acknowledgement.
    pub(super) devices_gap_ms: u64,
    /// Requests of users.
    pub(super) requests: u64,
    pub(super) failed: u64,
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
    pub(super) stored: u64,
    /// Acknowledged and not stored.
    pub(super) lost: u64,
    /// Stored more often than sent.
    pub(super) doubled: u64,
}

/// What devices and shards say at one moment: first the devices, then the shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
    pub(super) stored: u64,
    doubled: u64,
}

impl Mark {
    pub(super) fn new(devices: Devices, shards: &[Shard]) -> Self {
        let Devices { sent, acknowledged, .. } = devices;
        let Stored { records, doubled } = stored(shards);
        Self { sent, acknowledged, stored: records, doubled }
    }

    /// What was acknowledged by then and is not stored.
    const fn lost(&self) -> u64 {
        self.acknowledged.saturating_sub(self.stored)
    }

    /// The counts between two marks. What is lost or doubled counts in the step it is first seen in.
    pub(super) const fn since(&self, before: &Self) -> Figures {
        Figures {
            users_gap_ms: 0,
            devices_gap_ms: 0,
            requests: 0,
            failed: 0,
            sent: self.sent - before.sent,
            acknowledged: self.acknowledged - before.acknowledged,
            stored: self.stored.saturating_sub(before.stored),
            lost: self.lost().saturating_sub(before.lost()),
            doubled: self.doubled.saturating_sub(before.doubled),
        }
    }
}

struct Stored {
    records: u64,
    doubled: u64,
}

/// Records of the steady devices. Their numbers have no gaps, so more records than numbers from the
/// lowest to the highest means that some are there twice.
fn stored(shards: &[Shard]) -> Stored {
    let devices = shards.iter().flat_map(|shard| &shard.devices);
    let mut sum = Stored { records: 0, doubled: 0 };
    for device in devices.filter(|it| it.device.starts_with(STEADY) && it.records > 0) {
        let numbers = (device.highest + 1).saturating_sub(device.lowest);
        sum.records += device.records;
        sum.doubled += device.records.saturating_sub(numbers);
    }
    sum
}

/// What a step has over its limit, in words; nothing if it is within.
pub(super) fn faults(figures: &Figures, limit: &Limit) -> Vec<String> {
    let mut faults = Vec::new();
    let mut over = |found: u64, most: u64, before: &str, after: &str| {
        if found > most {
            let (found, most) = (grouped(found), grouped(most));
            faults.push(format!("{before}{found}{after}, at most {most}"));
        }
    };
    over(figures.users_gap_ms, limit.users_ms, "a user waited ", " ms");
    over(figures.devices_gap_ms, limit.devices_ms, "a reading waited ", " ms");
    over(figures.failed, limit.failed.unwrap_or(u64::MAX), "requests that failed: ", "");
    over(figures.lost, 0, "acknowledged readings that are not stored: ", "");
    over(figures.doubled, 0, "readings that are stored twice: ", "");
    if figures.requests == 0 {
        faults.push("no user has asked for anything".to_owned());
    }
    if figures.acknowledged == 0 {
        faults.push("no reading was acknowledged".to_owned());
    }
    faults
}

/// What `monitor device` reports of a device at its end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Account {
    pub(super) device: String,
    sent: u64,
    acknowledged: u64,
    refused: u64,
    unanswered: u64,
}

/// The whole drill, device by device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Total {
    pub(super) devices: u64,
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
    pub(super) refused: u64,
    pub(super) unanswered: u64,
    pub(super) stored: u64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
}

/// Compares what each device says with what is stored of it. The store was empty before.
pub(super) fn settle(accounts: &[Account], shards: &[Shard]) -> Total {
    let mut total = Total::default();
    for Account { device, sent, acknowledged, refused, unanswered } in accounts {
        let kept = shards.iter().flat_map(|shard| &shard.devices).find(|it| it.device == *device);
        let (records, numbers) = kept
            .map_or((0, 0), |it| (it.records, (it.highest + 1).saturating_sub(it.lowest.max(1))));
        total.devices += 1;
        total.sent += sent;
        total.acknowledged += acknowledged;
        total.refused += refused;
        total.unanswered += unanswered;
        total.stored += records;
        total.lost += acknowledged.saturating_sub(records);
        // More than there are numbers, or more than was ever sent.
        total.doubled += records.saturating_sub(numbers.min(*sent));
    }
    total
}

/// What is wrong with the drill as a whole.
pub(super) fn total_faults(total: &Total, devices: u64) -> Vec<String> {
    let Total { devices: found, refused, unanswered, lost, doubled, .. } = *total;
    let mut faults = Vec::new();
    if found != devices {
        faults.push(format!("{found} of {devices} devices have told what they did"));
    }
    for (count, what) in [
        (lost, "readings were acknowledged and are not stored"),
        (doubled, "readings are stored twice"),
        (refused, "readings were refused"),
        (unanswered, "readings had no answer at the end"),
    ] {
        if count > 0 {
            faults.push(format!("{count} {what}"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::view::Kept;

    const LIMIT: Limit = Limit { users_ms: 100, devices_ms: 200, failed: Some(1) };
    const GOOD: Figures = Figures {
        users_gap_ms: 100,
        devices_gap_ms: 200,
        requests: 9,
        failed: 1,
        sent: 9,
        acknowledged: 9,
        stored: 9,
        lost: 0,
        doubled: 0,
    };

    fn shard(devices: &[(&str, u64, u64, u64)]) -> Shard {
        let devices = devices.iter().map(|(name, lowest, highest, records)| Kept {
            device: (*name).to_owned(),
            lowest: *lowest,
            highest: *highest,
            records: *records,
        });
        Shard { fault: None, records: 0, devices: devices.collect() }
    }

    fn account(device: &str, sent: u64, acknowledged: u64) -> Account {
        let unanswered = sent - acknowledged;
        Account { device: device.to_owned(), sent, acknowledged, refused: 0, unanswered }
    }

    #[test]
    fn a_step_is_good_within_its_limit_and_not_beyond() {
        assert_eq!(faults(&GOOD, &LIMIT), Vec::<String>::new());
        for (bad, words) in [
            (Figures { users_gap_ms: 101, ..GOOD }, "a user waited"),
            (Figures { devices_gap_ms: 201, ..GOOD }, "a reading waited"),
            (Figures { failed: 2, ..GOOD }, "requests that failed: 2, at most 1"),
            (Figures { lost: 1, ..GOOD }, "readings that are not stored: 1, at most 0"),
            (Figures { doubled: 1, ..GOOD }, "readings that are stored twice: 1, at most 0"),
            (Figures { requests: 0, ..GOOD }, "no user"),
            (Figures { acknowledged: 0, ..GOOD }, "no reading"),
        ] {
            let found = faults(&bad, &LIMIT);
            assert!(found.len() == 1 && found[0].contains(words), "{found:?}");
        }
        let any = Limit { failed: None, ..LIMIT };
        assert!(faults(&Figures { failed: 99, ..GOOD }, &any).is_empty());
    }

    #[test]
    fn what_is_lost_counts_where_it_is_first_seen() {
        let devices = |acknowledged| Devices { sent: 50, acknowledged, ..Devices::default() };
        let first = Mark::new(devices(10), &[shard(&[("device-1", 1, 12, 12)])]);
        let second =
            Mark::new(devices(20), &[shard(&[("device-1", 1, 20, 18), ("guest-1", 1, 9, 9)])]);
        let third = Mark::new(devices(30), &[shard(&[("device-1", 1, 30, 28)])]);
        assert_eq!(second.since(&first).lost, 2);
        assert_eq!(third.since(&second).lost, 0);
        assert_eq!((second.since(&first).stored, third.since(&second).stored), (6, 10));
    }

    #[test]
    fn each_device_is_compared_with_what_is_stored_of_it() {
        let shards = [
            shard(&[("a", 1, 3, 3), ("b", 1, 3, 2)]),
            shard(&[("c", 1, 2, 3), ("d", 0, 0, 0), ("guest", 1, 9, 9)]),
        ];
        let accounts =
            [account("a", 3, 3), account("b", 3, 3), account("c", 2, 2), account("d", 1, 0)];
        let total = settle(&accounts, &shards);
        assert_eq!((total.devices, total.sent, total.acknowledged, total.stored), (4, 9, 8, 8));
        assert_eq!((total.lost, total.doubled, total.unanswered), (1, 1, 1));
        let faults = total_faults(&total, 5);
        assert_eq!(faults.len(), 4, "{faults:?}");
        let whole = settle(&accounts[..1], &shards);
        assert_eq!(total_faults(&whole, 1), Vec::<String>::new());
    }

    #[test]
    fn what_was_stored_and_not_acknowledged_is_neither_lost_nor_doubled() {
        let total = settle(&[account("a", 3, 2)], &[shard(&[("a", 1, 3, 3)])]);
        assert_eq!((total.lost, total.doubled), (0, 0));
    }
}
