//! Conditional requests (RFC 9110 §13), and what is left to send.

use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

use super::range::{self, Wanted};
use super::{EntityTag, Facts};
use crate::message::header::{self, Fields};

/// What the answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 200 with all of the file.
    Whole,
    /// 206 with this part, which is not empty.
    Part(Range<u64>),
    /// 206 with these, as multipart, in this order.
    Parts(Vec<Range<u64>>),
    /// 304: the client has it already.
    NotModified,
    /// 412: it is not what the client takes it for.
    PreconditionFailed,
    /// 416: no part asked for is there.
    Unsatisfiable,
}

/// The preconditions of a request, each already held against the file. `None`: not asked.
#[derive(Debug, Default)]
struct Preconditions<'b> {
    matches: Option<bool>,
    unmodified: Option<bool>,
    known: Option<bool>,
    unmodified_for_cache: Option<bool>,
    range_is_current: Option<bool>,
    range: Option<&'b [u8]>,
}

/// What a GET, or a HEAD when `head_only`, with these `fields` gets of a file that is as `facts` and
/// `tag` tell. The order of precedence is that of RFC 9110 §13.2.2.
pub fn judge(fields: &Fields<'_, '_>, head_only: bool, facts: Facts, tag: &EntityTag) -> Verdict {
    let asked = Preconditions::read(fields, facts, tag);
    if !asked.matches.or(asked.unmodified).unwrap_or(true) {
        return Verdict::PreconditionFailed;
    }
    if asked.known.or(asked.unmodified_for_cache).unwrap_or(false) {
        return Verdict::NotModified;
    }
    // RFC 9110 §14.2: only GET has parts.
    let range = asked.range.filter(|_| !head_only && asked.range_is_current.unwrap_or(true));
    match range.map_or(Wanted::All, |range| range::read(range, facts.size)) {
        Wanted::All => Verdict::Whole,
        Wanted::Nothing => Verdict::Unsatisfiable,
        Wanted::One(range) => Verdict::Part(range),
        Wanted::Many(ranges) => Verdict::Parts(ranges),
    }
}

impl<'b> Preconditions<'b> {
    /// One pass over the fields: most requests have none of them.
    fn read(fields: &Fields<'_, 'b>, facts: Facts, tag: &EntityTag) -> Self {
        let mut read = Self::default();
        for (kind, name, value) in fields.iter() {
            if kind != header::Name::Other {
                continue;
            }
            let is = |wanted| name.eq_ignore_ascii_case(wanted);
            match name.len() {
                5 if is("range") => read.range = Some(value),
                8 if is("if-match") => also(&mut read.matches, tag.is_matched_by(value)),
                8 if is("if-range") => read.range_is_current = Some(is_current(value, facts, tag)),
                13 if is("if-none-match") => also(&mut read.known, tag.is_known_by(value)),
                17 if is("if-modified-since") => {
                    read.unmodified_for_cache = date(value).map(|date| facts.modified <= date);
                }
                19 if is("if-unmodified-since") => {
                    read.unmodified = date(value).map(|date| facts.modified <= date);
                }
                _ => {}
            }
        }
        read
    }
}

/// Lines of a list add to each other.
fn also(any: &mut Option<bool>, another: bool) {
    *any = Some(any.unwrap_or(false) || another);
}

/// `If-Range` holds for the strong tag, or for exactly the date told (RFC 9110 §13.1.5).
fn is_current(value: &[u8], facts: Facts, tag: &EntityTag) -> bool {
    value == tag.as_bytes() || date(value) == Some(facts.modified)
}

/// A date in one of the three forms of RFC 9110 §5.6.7, in seconds since 1970. What is none counts
/// as not there (RFC 9110 §13.1.3).
fn date(value: &[u8]) -> Option<u64> {
    let date = httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()?;
    date.duration_since(UNIX_EPOCH).ok().as_ref().map(Duration::as_secs)
}

#[cfg(test)]
mod tests;
