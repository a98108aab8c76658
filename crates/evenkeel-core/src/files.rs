//! Serving files: which name below the root a path means, and which answer its file gives.
//!
//! What the file system says is an argument; nothing here opens a file.

mod answer;
mod condition;
mod content_type;
mod name;
mod range;
mod tag;

pub use self::answer::{Around, Multipart, Representation, unsatisfied_range, write_answer};
pub use self::condition::{Verdict, judge};
pub use self::content_type::content_type;
pub use self::name::{Name, name};
pub use self::range::MOST_RANGES;
pub use self::tag::EntityTag;

/// What the file system says of a regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// In bytes.
    pub size: u64,
    /// Last change, in whole seconds since 1970.
    pub modified: u64,
}

/// The last second a date of HTTP can name: its year has four digits (RFC 9110 §5.6.7).
const LAST_DATE: u64 = 253_402_300_799;

impl Facts {
    /// The change as `Last-Modified` tells it: not later than `now`, which a clock set back or an
    /// archive may have made it (RFC 9110 §8.8.2.1).
    #[must_use]
    pub fn told(self, now: u64) -> Self {
        Self { modified: self.modified.min(now).min(LAST_DATE), ..self }
    }
}
