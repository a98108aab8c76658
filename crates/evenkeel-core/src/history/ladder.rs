//! Which block is due when: rows of a second go in, and come out gathered into blocks of their own
//! step and of the coarser ones.
//!
//! A crash loses what is not in a block yet. The coarse steps are then made again from the finer
//! ones, which are there: [`Ladder::replay`].

use std::collections::BTreeMap;
use std::mem;

use super::{Block, Keep, Row, SeriesId, Tier};

/// A block that is due.
pub type Due = (Tier, Block);

/// Rows on their way into blocks.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    pending: [Pending; Tier::ALL.len()],
    /// What becomes the next step of the second and the third tier.
    rolls: [Roll; Tier::ALL.len() - 1],
}

/// A block in the making.
#[derive(Clone, Debug, Default)]
struct Pending {
    start: i64,
    steps: usize,
    columns: BTreeMap<SeriesId, Vec<Option<i64>>>,
}

/// A coarse step in the making.
#[derive(Clone, Debug, Default)]
struct Roll {
    /// When it began.
    at: Option<i64>,
    rows: i128,
    sums: BTreeMap<SeriesId, Sum>,
}

#[derive(Clone, Copy, Debug)]
struct Sum {
    keep: Keep,
    total: i128,
    count: i128,
    most: i64,
    least: i64,
}

impl Ladder {
    /// Takes a row of a second. Returns the blocks that are due with it, the finest first.
    pub fn push(&mut self, row: &Row) -> Vec<Due> {
        let mut due = Vec::new();
        self.take(Tier::Second, row, &mut due);
        due
    }

    /// Takes a row that is in a block of `tier` already, for the coarser steps it is not in.
    pub fn replay(&mut self, tier: Tier, row: &Row) -> Vec<Due> {
        let mut due = Vec::new();
        self.climb(tier, row, &mut due);
        due
    }

    /// Everything that is not in a block yet, to be written before the end. Coarse steps in the
    /// making stay: they are replayed from the finer ones.
    pub fn finish(&mut self) -> Vec<Due> {
        let pending = Tier::ALL.into_iter().zip(&mut self.pending);
        pending.filter_map(|(tier, pending)| Some((tier, pending.finish()?))).collect()
    }

    /// What is not in a block yet.
    pub fn pending(&self, tier: Tier) -> Block {
        self.pending[tier as usize].clone().finish().unwrap_or_default()
    }

    fn take(&mut self, tier: Tier, row: &Row, due: &mut Vec<Due>) {
        let pending = &mut self.pending[tier as usize];
        if !pending.fits(row.at, tier) {
            due.extend(pending.finish().map(|block| (tier, block)));
        }
        pending.push(row, tier);
        if pending.steps >= tier.steps_of_a_block() {
            due.extend(pending.finish().map(|block| (tier, block)));
        }
        self.climb(tier, row, due);
    }

    fn climb(&mut self, tier: Tier, row: &Row, due: &mut Vec<Due>) {
        let Some(coarser) = tier.coarser() else { return };
        let roll = &mut self.rolls[tier as usize];
        let at = row.at - row.at.rem_euclid(coarser.step());
        if roll.at.is_some_and(|before| before != at) {
            let done = roll.finish();
            self.take(coarser, &done, due);
        }
        let roll = &mut self.rolls[tier as usize];
        roll.at = Some(at);
        roll.add(row);
    }
}

impl Pending {
    /// A row that does not follow, because time jumped, begins another block; a short gap is one.
    fn fits(&self, at: i64, tier: Tier) -> bool {
        let place = (at - self.start) / tier.step();
        let next = i64::try_from(self.steps).unwrap_or(i64::MAX);
        let most = i64::try_from(tier.steps_of_a_block()).unwrap_or(i64::MAX);
        self.steps == 0 || (at > self.start && place >= next && place < most)
    }

    fn push(&mut self, row: &Row, tier: Tier) {
        if self.steps == 0 {
            self.start = row.at;
        }
        let place = usize::try_from((row.at - self.start) / tier.step()).unwrap_or_default();
        self.steps = place + 1;
        for (series, _, value) in &row.values {
            let column = self.columns.entry(*series).or_default();
            column.resize(place, None);
            column.push(Some(*value));
        }
    }

    fn finish(&mut self) -> Option<Block> {
        let Self { start, steps, mut columns } = mem::take(self);
        for column in columns.values_mut() {
            column.resize(steps, None);
        }
        (steps > 0).then(|| Block { start, steps, columns: columns.into_iter().collect() })
    }
}

impl Roll {
    fn add(&mut self, row: &Row) {
        self.rows += 1;
        for &(series, keep, value) in &row.values {
            let none = Sum { keep, total: 0, count: 0, most: i64::MIN, least: i64::MAX };
            let sum = self.sums.entry(series).or_insert(none);
            sum.total += i128::from(value);
            sum.count += 1;
            sum.most = sum.most.max(value);
            sum.least = sum.least.min(value);
        }
    }

    fn finish(&mut self) -> Row {
        let Self { at, rows, sums } = mem::take(self);
        let values = sums.into_iter().map(|(series, sum)| (series, sum.keep, sum.value(rows)));
        Row { at: at.unwrap_or_default(), values: values.collect() }
    }
}

impl Sum {
    /// `rows`: how many fine steps there were.
    fn value(self, rows: i128) -> i64 {
        let mean = |count: i128| i64::try_from(self.total / count.max(1)).unwrap_or_default();
        match self.keep {
            Keep::Mean => mean(self.count),
            Keep::MeanOfAll => mean(rows),
            Keep::Max => self.most,
            Keep::Min => self.least,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(at: i64, rate: i64) -> Row {
        Row { at, values: vec![(0, Keep::Mean, rate), (1, Keep::Max, rate), (2, Keep::Min, rate)] }
    }

    fn starts(due: &[Due], tier: Tier) -> Vec<(i64, usize)> {
        let of_tier = due.iter().filter(|(it, _)| *it == tier);
        of_tier.map(|(_, block)| (block.start, block.steps)).collect()
    }

    #[test]
    fn seconds_become_blocks_of_ten_and_steps_of_ten() {
        let mut ladder = Ladder::default();
        let due: Vec<Due> = (1_000..1_400).flat_map(|at| ladder.push(&row(at, at))).collect();
        let seconds = starts(&due, Tier::Second);
        assert_eq!(seconds.len(), 40);
        assert_eq!((seconds[0], seconds[39]), ((1_000, 10), (1_390, 10)));
        assert_eq!(starts(&due, Tier::TenSeconds), [(1_000, 30)]);
        let (_, tens) = due.iter().find(|(tier, _)| *tier == Tier::TenSeconds).unwrap();
        let first: Vec<_> = tens.columns.iter().map(|(_, values)| values[0]).collect();
        assert_eq!(first, [Some(1_004), Some(1_009), Some(1_000)], "mean, most and least");
    }

    #[test]
    fn what_happened_once_is_spread_over_the_whole_step() {
        let mut ladder = Ladder::default();
        let rows = (100..111).map(|at| {
            let often = (0, Keep::MeanOfAll, 1_000);
            let once = (at == 109).then_some((1, Keep::MeanOfAll, 1_000));
            let known = (at == 109).then_some((2, Keep::Mean, 1_000));
            Row { at, values: [Some(often), once, known].into_iter().flatten().collect() }
        });
        rows.for_each(|row| drop(ladder.push(&row)));
        let tens = ladder.pending(Tier::TenSeconds);
        let values: Vec<_> = tens.columns.iter().map(|(_, values)| values[0]).collect();
        assert_eq!(values, [Some(1_000), Some(100), Some(1_000)]);
    }

    #[test]
    fn time_that_jumps_begins_another_block() {
        let mut ladder = Ladder::default();
        let times = [100, 101, 104, 900, 200, 201].into_iter();
        let due: Vec<Due> = times.flat_map(|at| ladder.push(&row(at, 1))).collect();
        assert_eq!(starts(&due, Tier::Second), [(100, 5), (900, 1)]);
        assert_eq!(ladder.pending(Tier::Second).start, 200);
        let (_, block) = &due[0];
        assert_eq!(block.columns[0].1, [Some(1), Some(1), None, None, Some(1)], "two are missing");
    }

    #[test]
    fn a_series_that_comes_late_or_goes_early_has_gaps() {
        let mut ladder = Ladder::default();
        let one = |at, series| Row { at, values: vec![(series, Keep::Mean, at)] };
        for (at, series) in [(0, 0), (1, 1), (2, 1)] {
            assert_eq!(ladder.push(&one(at, series)), []);
        }
        let due = ladder.finish();
        let (_, block) = &due[0];
        assert_eq!(block.columns[0], (0, vec![Some(0), None, None]));
        assert_eq!(block.columns[1], (1, vec![None, Some(1), Some(2)]));
    }

    #[test]
    fn what_a_crash_lost_of_the_coarse_steps_is_made_again() {
        let rows: Vec<Row> = (0..2_000).map(|at| row(at, at % 37)).collect();
        let mut whole = Ladder::default();
        let expected: Vec<Due> = rows.iter().flat_map(|row| whole.push(row)).collect();
        // Stops after 1,234 s: all seconds up to 1,230 are in blocks.
        let mut first = Ladder::default();
        let written: Vec<Due> = rows[..1_234].iter().flat_map(|row| first.push(row)).collect();
        let end = |tier: Tier| {
            let ends = written.iter().filter(|(it, _)| *it == tier);
            let steps = |block: &Block| i64::try_from(block.steps).unwrap();
            ends.map(|(_, block)| block.start + steps(block) * tier.step()).max().unwrap_or(0)
        };
        let mut second = Ladder::default();
        let mut after = Vec::new();
        for row in rows.iter().take(1_230).filter(|row| row.at >= end(Tier::TenSeconds)) {
            after.extend(second.replay(Tier::Second, row));
        }
        after.extend(rows[1_230..].iter().flat_map(|row| second.push(row)));
        let tens = |due: &[Due]| -> Vec<Block> {
            let of_tier = due.iter().filter(|(tier, _)| *tier == Tier::TenSeconds);
            of_tier.map(|(_, block)| block.clone()).collect()
        };
        let both: Vec<Block> = tens(&written).into_iter().chain(tens(&after)).collect();
        assert_eq!(both, tens(&expected));
    }
}
