//! What is kept: segments of each tier, the oldest of which go when there are too many.

mod catalogue;

use std::collections::HashMap;
use std::io;

use evenkeel_api as api;
use evenkeel_core::history::ladder::Ladder;
use evenkeel_core::history::segment::{
    BlockView, FIRST_LINE, Frame, frames, write_block, write_names,
};
use evenkeel_core::history::{Block, Row, SeriesId, Tier};

use self::catalogue::Catalogue;
pub(super) use self::catalogue::Thing;
use super::shelf::Shelf;

/// Parts of what a tier may take that a segment has at most: what goes at once when it is full.
const PARTS: u64 = 8;

/// Parts of the time a tier is kept for that a segment spans at most.
const SPANS: i64 = 6;

/// Everything that is kept.
#[derive(Debug)]
pub(super) struct Store {
    shelf: Shelf,
    /// Most bytes of all segments together.
    most_bytes: u64,
    /// The oldest first.
    tiers: [Vec<Segment>; Tier::ALL.len()],
    pub(super) catalogue: Catalogue,
}

/// What is known of a segment without reading it.
#[derive(Debug)]
struct Segment {
    number: u64,
    length: u64,
    /// From its first step to behind its last one.
    first: i64,
    end: i64,
    /// The series its names mean.
    names: Vec<SeriesId>,
    /// And back; only of the one that is written to.
    numbers: HashMap<SeriesId, SeriesId>,
}

impl Store {
    /// Looks through everything on `shelf`, cuts what a crash has torn, and has `ladder` make again
    /// what was not written of coarse steps. On an error the shelf comes back.
    pub(super) fn open(
        mut shelf: Shelf,
        most_bytes: u64,
        ladder: &mut Ladder,
    ) -> Result<Self, (Shelf, io::Error)> {
        let places = match shelf.take().and_then(|()| shelf.list()) {
            Ok(places) => places,
            Err(error) => {
                shelf.leave();
                return Err((shelf, error));
            }
        };
        let tiers = std::array::from_fn(|_| Vec::new());
        let mut store = Self { shelf, most_bytes, tiers, catalogue: Catalogue::default() };
        for (tier, number) in places {
            // One that cannot be read now may be readable at the next start.
            let Ok(bytes) = store.shelf.read((tier, number)) else { continue };
            let segment = Segment::look_through(number, &bytes, tier, &mut store.catalogue);
            if segment.names.is_empty() {
                // Nothing whole in it, or of another format: there is nothing to be had from it.
                let _ = store.shelf.remove((tier, number));
            } else {
                store.tiers[tier as usize].push(segment);
            }
        }
        store.replay(ladder);
        Ok(store)
    }

    /// Another process may have it.
    pub(super) fn leave(mut self) -> Shelf {
        self.shelf.leave();
        self.shelf
    }

    pub(super) fn is_in_memory(&self) -> bool {
        self.shelf.is_memory()
    }

    pub(super) fn resize(&mut self, most_bytes: u64) {
        self.most_bytes = most_bytes;
    }

    /// Of all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.tiers.iter().flatten().map(|segment| segment.length).sum()
    }

    /// The row of a tick.
    pub(super) fn row(&mut self, tick: &api::Tick) -> Row {
        self.catalogue.row(tick)
    }

    /// Appends a block, then deletes what is too old or too much.
    pub(super) fn append(&mut self, tier: Tier, block: &Block) -> io::Result<()> {
        let most = self.share(tier) / PARTS;
        let segments = &mut self.tiers[tier as usize];
        let is_full =
            |last: &Segment| last.length > most || block.start - last.first > tier.kept() / SPANS;
        if segments.last().is_none_or(is_full) {
            let number = segments.last().map_or(0, |last| last.number + 1);
            // It is only read from now on.
            if let Some(before) = segments.last_mut() {
                before.numbers = HashMap::new();
            }
            segments.push(Segment::new(number, block.start));
        }
        let segment = segments.last_mut().expect("there is one now");
        let mut bytes = Vec::new();
        if segment.length == 0 {
            bytes.extend_from_slice(FIRST_LINE);
        }
        let known = segment.names.len();
        segment.name(block);
        if segment.names.len() > known {
            let names = segment.names[known..].iter().map(|series| self.catalogue.text(*series));
            write_names(&mut bytes, number(known), names);
        }
        write_block(&mut bytes, block, |series| segment.numbers[&series]);
        if let Err(error) = self.shelf.write((tier, segment.number), segment.length, &bytes) {
            segment.names.truncate(known);
            segment.numbers.retain(|_, place| *place < number(known));
            return Err(error);
        }
        segment.length += bytes.len() as u64;
        segment.spans(block.start, end(block.start, block.steps, tier));
        self.prune(tier, block.start)
    }

    /// The oldest go: there is never less than the segment that is written to.
    fn prune(&mut self, tier: Tier, now: i64) -> io::Result<()> {
        let most = self.share(tier);
        let segments = &mut self.tiers[tier as usize];
        let mut bytes: u64 = segments.iter().map(|segment| segment.length).sum();
        while let [first, _, ..] = &segments[..]
            && (bytes > most || first.end < now - tier.kept())
        {
            self.shelf.remove((tier, first.number))?;
            bytes -= first.length;
            segments.remove(0);
        }
        Ok(())
    }

    /// What a tier may take: the finest one has the most values, the coarsest the most to tell.
    fn share(&self, tier: Tier) -> u64 {
        match tier {
            Tier::Second | Tier::FiveMinutes => self.most_bytes / 8 * 3,
            Tier::TenSeconds => self.most_bytes / 4,
        }
    }

    /// Every series with a value between these seconds, also in `pending`.
    pub(super) fn series(
        &self,
        tier: Tier,
        (from, to): (i64, i64),
        pending: &Block,
    ) -> Vec<SeriesId> {
        let kept = self.within(tier, (from, to)).flat_map(|segment| segment.names.iter().copied());
        let pending = pending.columns.iter().map(|(series, _)| *series);
        let mut series: Vec<_> = kept.chain(pending).collect();
        series.sort_unstable();
        series.dedup();
        series
    }

    /// Has `take` see every block of `tier` between these seconds, the oldest first. A segment that
    /// cannot be read has none.
    pub(super) fn blocks(
        &self,
        tier: Tier,
        (from, to): (i64, i64),
        mut take: impl FnMut(BlockView<'_>, &[SeriesId]),
    ) {
        for segment in self.within(tier, (from, to)) {
            let Ok(bytes) = self.shelf.read((tier, segment.number)) else { continue };
            let whole = usize::try_from(segment.length).unwrap_or(usize::MAX).min(bytes.len());
            for (frame, _) in frames(&bytes[..whole]) {
                if let Frame::Block(view) = frame
                    && view.start < to
                    && end(view.start, view.steps, tier) > from
                {
                    take(view, &segment.names);
                }
            }
        }
    }

    fn within(&self, tier: Tier, (from, to): (i64, i64)) -> impl Iterator<Item = &Segment> {
        let segments = self.tiers[tier as usize].iter();
        segments.filter(move |segment| segment.first < to && segment.end > from)
    }

    /// Makes coarse steps of fine ones that came after the last block of theirs.
    fn replay(&mut self, ladder: &mut Ladder) {
        for tier in [Tier::TenSeconds, Tier::Second] {
            let Some(coarser) = tier.coarser() else { continue };
            let ends = self.tiers[coarser as usize].iter().map(|segment| segment.end);
            let from = ends.max().unwrap_or_default();
            let mut due = Vec::new();
            self.blocks(tier, (from, i64::MAX), |view, names| {
                for row in self.rows(view, names, tier).filter(|row| row.at >= from) {
                    due.extend(ladder.replay(tier, &row));
                }
            });
            for (tier, block) in due {
                // What cannot be written now is made again at the next start.
                let _ = self.append(tier, &block);
            }
        }
    }

    fn rows(
        &self,
        view: BlockView<'_>,
        names: &[SeriesId],
        tier: Tier,
    ) -> impl Iterator<Item = Row> + use<> {
        let mut rows: Vec<Row> = (0..view.steps)
            .map(|step| Row { at: end(view.start, step, tier), values: Vec::new() })
            .collect();
        for (series, values) in view.columns(|number| names.get(number as usize).copied()) {
            let keep = self.catalogue.figure(series).keep();
            for (row, value) in rows.iter_mut().zip(values) {
                row.values.extend(value.map(|value| (series, keep, value)));
            }
        }
        rows.into_iter().filter(|row| !row.values.is_empty())
    }
}

impl Segment {
    fn new(number: u64, first: i64) -> Self {
        Self { number, length: 0, first, end: first, names: Vec::new(), numbers: HashMap::new() }
    }

    /// What is whole in it.
    fn look_through(number: u64, bytes: &[u8], tier: Tier, catalogue: &mut Catalogue) -> Self {
        let mut segment = Self::new(number, i64::MAX);
        segment.end = 0;
        for (frame, length) in frames(bytes) {
            match frame {
                Frame::Names(first, names) => {
                    // Names that do not follow are of no segment this program has written.
                    if first as usize != segment.names.len() {
                        break;
                    }
                    segment.names.extend(names.iter().map(|name| catalogue.number(name)));
                }
                Frame::Block(view) => {
                    segment.spans(view.start, end(view.start, view.steps, tier));
                }
            }
            segment.length = length as u64;
        }
        let numbered = segment.names.iter().enumerate();
        segment.numbers = numbered.map(|(place, series)| (*series, self::number(place))).collect();
        segment
    }

    fn spans(&mut self, first: i64, end: i64) {
        self.first = self.first.min(first);
        self.end = self.end.max(end);
    }

    /// Gives every series of the block a number.
    fn name(&mut self, block: &Block) {
        for (series, _) in &block.columns {
            let next = number(self.names.len());
            self.numbers.entry(*series).or_insert_with(|| {
                self.names.push(*series);
                next
            });
        }
    }
}

/// When so many steps from `start` are over.
fn end(start: i64, steps: usize, tier: Tier) -> i64 {
    start.saturating_add(i64::try_from(steps).unwrap_or_default() * tier.step())
}

fn number(place: usize) -> SeriesId {
    SeriesId::try_from(place).expect("the catalogue has fewer")
}

#[cfg(test)]
mod tests;
