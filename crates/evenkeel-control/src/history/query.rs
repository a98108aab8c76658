//! A question to the history, and its answer.

use std::collections::HashMap;
use std::io;

use evenkeel_api as api;
use evenkeel_core::history::ladder::Ladder;
use evenkeel_core::history::{Block, Figure, SeriesId, Tier};

use super::store::{Store, Thing};

/// Values of an answer, some 8 bytes each: a page that asks for more draws more points than a
/// screen has.
const MOST_VALUES: usize = 200_000;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    pub(crate) of: Vec<Pattern>,
    /// Empty: all there are.
    pub(crate) figures: Vec<Figure>,
    /// Seconds since 1970.
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// `None`: the finest that is kept for so long and makes an answer of bearable size.
    pub(crate) tier: Option<Tier>,
    pub(crate) now: i64,
}

/// What figures are asked of: `server/app/*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    thing: Thing,
    /// `None` stands for any.
    parts: Vec<Option<String>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryError {
    #[error("no history is kept: `size` of [history] is 0")]
    Off,
    #[error("the history is busy: ask again")]
    Busy,
    #[error("the history cannot be read: {0}")]
    Closed(#[source] io::Error),
    #[error(
        "the answer would have {series} series of {steps} values, and at most {MOST_VALUES} are \
         given at once: ask for fewer things, fewer figures, a shorter time, or with a `step` of 10 or 300"
    )]
    TooMuch { series: usize, steps: usize },
}

impl Pattern {
    /// `None`: figures are not kept of such a thing.
    pub(crate) fn parse(written: &str) -> Option<Self> {
        let (kind, name) = written.split_once('/').unwrap_or((written, ""));
        let thing = Thing::ALL.into_iter().find(|thing| thing.as_str() == kind)?;
        let any = |part: &str| (part != "*").then(|| part.to_owned());
        let parts: Vec<_> = match thing.parts() {
            0 => Vec::new(),
            // The last part may have slashes in it: a route is called by its path.
            most => name.splitn(most, '/').filter(|part| !part.is_empty()).map(any).collect(),
        };
        let is_whole = parts.len() == thing.parts() && (thing != Thing::Node || name.is_empty());
        is_whole.then_some(Self { thing, parts })
    }

    fn matches(&self, of: &str) -> bool {
        let Some(rest) = of.strip_prefix(self.thing.as_str()) else { return false };
        if self.parts.is_empty() {
            return rest.is_empty();
        }
        let Some(name) = rest.strip_prefix('/') else { return false };
        let mut parts = name.splitn(self.parts.len(), '/');
        self.parts.iter().all(|wanted| {
            let part = parts.next();
            part.is_some() && wanted.as_deref().is_none_or(|wanted| part == Some(wanted))
        })
    }
}

impl Query {
    pub(super) fn answer(
        &self,
        store: &Store,
        ladder: &Ladder,
    ) -> Result<api::History, QueryError> {
        let (tier, pending, series) = self.choose(store, ladder)?;
        let (from, to) = self.bounds(tier);
        let steps = self.steps(tier);
        let mut values: Vec<Vec<Option<i64>>> = vec![vec![None; steps]; series.len()];
        let places: HashMap<SeriesId, usize> =
            series.iter().enumerate().map(|(place, series)| (*series, place)).collect();
        let mut fill = |start: i64, series: SeriesId, column: &[Option<i64>]| {
            let Some(row) = places.get(&series).map(|place| &mut values[*place]) else { return };
            for (step, value) in (0..).zip(column) {
                let place = (start + step * tier.step() - from).div_euclid(tier.step());
                let place = usize::try_from(place).ok();
                if let (Some(place), Some(value)) = (place.and_then(|it| row.get_mut(it)), value) {
                    *place = Some(*value);
                }
            }
        };
        store.blocks(tier, (from, to), |view, names| {
            let wanted = |number: SeriesId| {
                names.get(number as usize).copied().filter(|series| places.contains_key(series))
            };
            view.columns(wanted).for_each(|(series, column)| fill(view.start, series, &column));
        });
        for (series, column) in &pending.columns {
            fill(pending.start, *series, column);
        }
        let series = series.iter().zip(values).map(|(series, values)| {
            let figure = store.catalogue.figure(*series);
            api::Series {
                of: store.catalogue.of(*series).unwrap_or_default().to_owned(),
                figure: figure.as_str().to_owned(),
                values: values.into_iter().map(|it| it.map(|it| figure.value(it))).collect(),
            }
        });
        let mut series: Vec<_> = series.collect();
        series.sort_by(|one, other| (&one.of, &one.figure).cmp(&(&other.of, &other.figure)));
        Ok(api::History {
            from: u64::try_from(from).unwrap_or_default() * 1_000,
            step_seconds: u32::try_from(tier.step()).unwrap_or(u32::MAX),
            series,
        })
    }

    /// Which steps it is answered in, and with which series.
    fn choose(
        &self,
        store: &Store,
        ladder: &Ladder,
    ) -> Result<(Tier, Block, Vec<SeriesId>), QueryError> {
        let is_kept = |tier: &Tier| self.now - self.from <= tier.kept() + tier.step();
        let tiers = Tier::ALL.into_iter().filter(|tier| match self.tier {
            Some(wanted) => *tier == wanted,
            None => *tier == Tier::FiveMinutes || is_kept(tier),
        });
        let mut too_much = QueryError::Busy;
        for tier in tiers {
            let pending = ladder.pending(tier);
            let mut series = store.series(tier, self.bounds(tier), &pending);
            series.retain(|series| self.wants(*series, store));
            let steps = self.steps(tier);
            if series.len().saturating_mul(steps) <= MOST_VALUES {
                return Ok((tier, pending, series));
            }
            too_much = QueryError::TooMuch { series: series.len(), steps };
        }
        Err(too_much)
    }

    fn wants(&self, series: SeriesId, store: &Store) -> bool {
        let figure = store.catalogue.figure(series);
        let Some(of) = store.catalogue.of(series) else { return false };
        (self.figures.is_empty() || self.figures.contains(&figure))
            && self.of.iter().any(|pattern| pattern.matches(of))
    }

    /// On bounds of steps.
    fn bounds(&self, tier: Tier) -> (i64, i64) {
        let down = |at: i64| at - at.rem_euclid(tier.step());
        (down(self.from), down(self.to))
    }

    fn steps(&self, tier: Tier) -> usize {
        let (from, to) = self.bounds(tier);
        usize::try_from((to - from) / tier.step()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_say_whole_names() {
        let matches = |pattern: &str, of: &str| Pattern::parse(pattern).unwrap().matches(of);
        assert!(matches("node", "node"));
        assert!(matches("pool/app", "pool/app"));
        assert!(!matches("pool/app", "pool/apple"));
        assert!(matches("pool/*", "pool/apple"));
        assert!(matches("server/app/*", "server/app/[fd00::1]:80"));
        assert!(matches("server/*/*", "server/app/a"));
        assert!(!matches("server/app/a", "server/app/b"));
        assert!(matches("route/front/shop.example/api/", "route/front/shop.example/api/"));
        assert!(matches("route/front/*", "route/front/shop.example/api/"));
        for bad in ["", "*", "pool", "pool/", "server/app", "server//a", "nodes", "node/a", "cpu/a"]
        {
            assert_eq!(Pattern::parse(bad), None, "{bad}");
        }
    }
}
