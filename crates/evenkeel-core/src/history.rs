//! What was, in steps of a second, ten seconds and five minutes: how figures become bytes and bytes
//! figures, and how fine steps become coarse ones. Where the bytes are kept is not known here.
//!
//! A *series* is one [`Figure`] of one thing, such as `rate` of `pool/app`. Its values are whole
//! numbers (see [`Figure::per_one`]); a step without a value is a gap. A *row* is what all series
//! said at one step. Rows are gathered into *blocks*, column by column ([`column`]), and blocks are
//! appended to *segments* with a checksum each ([`segment`]). [`ladder`] says which block is due when.

pub mod column;
pub mod ladder;
pub mod segment;

use crate::fault::Fault;

/// A figure that is kept of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Figure {
    Cpu,
    MemoryBytes,
    Descriptors,
    Connections,
    Rate,
    Errors,
    Answered4xx,
    Answered5xx,
    BytesIn,
    BytesOut,
    P50,
    P99,
    InFlight,
    Queue,
    Retries,
    /// 1 while a server is judged up, else 0.
    Up,
    /// 1 while this node owns a virtual address, else 0.
    Owner,
    /// What ended with the termination code at this place among [`Fault::CODES`].
    Ended(u8),
}

/// The words of [`Figure::Ended`], in the order of [`Fault::CODES`].
const ENDED: [&str; Fault::CODES.len()] = [
    "ended_CR", "ended_CC", "ended_CH", "ended_CD", "ended_cR", "ended_cC", "ended_cH", "ended_cD",
    "ended_PR", "ended_PQ", "ended_PC", "ended_PH", "ended_PD", "ended_RQ", "ended_RC", "ended_SC",
    "ended_SH", "ended_SD", "ended_sQ", "ended_sC", "ended_sH", "ended_sD", "ended_KD", "ended_I-",
];

/// What a coarse step keeps of the fine ones in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Of those that have a value.
    Mean,
    /// Of all: what has no value did not happen.
    MeanOfAll,
    /// A short peak must not vanish.
    Max,
    /// Neither must a short absence.
    Min,
}

impl Figure {
    /// All but those [by termination code](Self::ended).
    pub const ALL: [Self; 17] = [
        Self::Cpu,
        Self::MemoryBytes,
        Self::Descriptors,
        Self::Connections,
        Self::Rate,
        Self::Errors,
        Self::Answered4xx,
        Self::Answered5xx,
        Self::BytesIn,
        Self::BytesOut,
        Self::P50,
        Self::P99,
        Self::InFlight,
        Self::Queue,
        Self::Retries,
        Self::Up,
        Self::Owner,
    ];

    /// Its word in the API, and in segments: it must not change.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::MemoryBytes => "memory_bytes",
            Self::Descriptors => "descriptors",
            Self::Connections => "connections",
            Self::Rate => "rate",
            Self::Errors => "errors",
            Self::Answered4xx => "answered_4xx",
            Self::Answered5xx => "answered_5xx",
            Self::BytesIn => "bytes_in",
            Self::BytesOut => "bytes_out",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::InFlight => "in_flight",
            Self::Queue => "queue",
            Self::Retries => "retries",
            Self::Up => "up",
            Self::Owner => "owner",
            Self::Ended(place) => ENDED[place as usize],
        }
    }

    /// One for each termination code.
    pub fn ended() -> impl Iterator<Item = Self> {
        (0..).map_while(|place| ENDED.get(usize::from(place)).map(|_| Self::Ended(place)))
    }

    /// What ended with this code; `None`: there is no such code.
    pub fn of_code(code: &str) -> Option<Self> {
        let place = Fault::CODES.iter().position(|known| *known == code)?;
        u8::try_from(place).ok().map(Self::Ended)
    }

    /// The figure with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().chain(Self::ended()).find(|figure| figure.as_str() == word)
    }

    /// What 1 of it is in a segment: finer differences are lost.
    pub const fn per_one(self) -> f64 {
        match self {
            // Microseconds; a share to a ten thousandth.
            Self::P50 | Self::P99 => 1e6,
            Self::Cpu => 1e4,
            Self::MemoryBytes | Self::BytesIn | Self::BytesOut => 1.0,
            // Means of five minutes have to show what came once.
            Self::Rate
            | Self::Errors
            | Self::Answered4xx
            | Self::Answered5xx
            | Self::Retries
            | Self::Descriptors
            | Self::Connections
            | Self::InFlight
            | Self::Queue
            | Self::Up
            | Self::Owner
            | Self::Ended(_) => 1e3,
        }
    }

    pub const fn keep(self) -> Keep {
        match self {
            Self::P99 | Self::Queue | Self::MemoryBytes | Self::Descriptors => Keep::Max,
            Self::Up | Self::Owner => Keep::Min,
            // None is written before the first one.
            Self::Ended(_) => Keep::MeanOfAll,
            Self::Cpu
            | Self::Connections
            | Self::Rate
            | Self::Errors
            | Self::Answered4xx
            | Self::Answered5xx
            | Self::BytesIn
            | Self::BytesOut
            | Self::P50
            | Self::InFlight
            | Self::Retries => Keep::Mean,
        }
    }

    /// A value as a whole number; what does not fit becomes the nearest that does.
    #[expect(clippy::cast_possible_truncation, reason = "`as` gives the nearest that fits")]
    pub fn whole(self, value: f64) -> i64 {
        (value * self.per_one()).round() as i64
    }

    /// And back.
    #[expect(clippy::cast_precision_loss, reason = "figures are far below 2^52")]
    pub fn value(self, whole: i64) -> f64 {
        whole as f64 / self.per_one()
    }
}

/// How fine steps are, and how long they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    Second,
    TenSeconds,
    FiveMinutes,
}

impl Tier {
    /// The finest first.
    pub const ALL: [Self; 3] = [Self::Second, Self::TenSeconds, Self::FiveMinutes];

    /// Seconds of a step.
    pub const fn step(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::TenSeconds => 10,
            Self::FiveMinutes => 300,
        }
    }

    /// For how many seconds its steps are kept, if there is room.
    pub const fn kept(self) -> i64 {
        match self {
            Self::Second => 3_600,
            Self::TenSeconds => 86_400,
            Self::FiveMinutes => 90 * 86_400,
        }
    }

    /// Steps of a block. What is not in a block yet is lost in a crash: ten seconds, because the
    /// coarse steps are made again from the finer ones.
    pub const fn steps_of_a_block(self) -> usize {
        match self {
            Self::Second => 10,
            Self::TenSeconds => 30,
            Self::FiveMinutes => 12,
        }
    }

    /// The next coarser one.
    pub const fn coarser(self) -> Option<Self> {
        match self {
            Self::Second => Some(Self::TenSeconds),
            Self::TenSeconds => Some(Self::FiveMinutes),
            Self::FiveMinutes => None,
        }
    }
}

/// A series by its number in whatever catalogue is in use.
pub type SeriesId = u32;

/// What series said at one step. A series that is not there has a gap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Seconds since 1970, a multiple of the step.
    pub at: i64,
    /// With what a coarser step keeps of it.
    pub values: Vec<(SeriesId, Keep, i64)>,
}

/// Rows in a row, by columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Seconds since 1970 of its first step.
    pub start: i64,
    /// How many steps it has; every column has as many.
    pub steps: usize,
    /// By ascending numbers; none is all gaps.
    pub columns: Vec<(SeriesId, Vec<Option<i64>>)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_to_their_figures() {
        for figure in Figure::ALL.into_iter().chain(Figure::ended()) {
            assert_eq!(Figure::parse(figure.as_str()), Some(figure));
        }
        for code in Fault::CODES {
            let figure = Figure::of_code(code).unwrap();
            assert_eq!(figure.as_str(), format!("ended_{code}"));
        }
        assert_eq!(Figure::of_code("--"), None);
        assert_eq!(Figure::parse("p42"), None);
    }

    #[test]
    fn values_come_back_as_precise_as_is_promised() {
        assert_eq!(Figure::Rate.whole(12.345_6), 12_346);
        assert!((Figure::P99.value(Figure::P99.whole(0.012_345_6)) - 0.012_346).abs() < 1e-9);
        assert_eq!(Figure::BytesIn.whole(f64::INFINITY), i64::MAX);
        assert_eq!(Figure::BytesIn.whole(f64::NAN), 0);
    }
}
