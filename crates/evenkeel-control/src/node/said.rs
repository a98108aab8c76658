//! Who said something, why, and until when.

use std::time::{Duration, SystemTime};

use evenkeel_api as api;

use super::ServerError;
use crate::clock;

/// Said for longer is said for good.
const LONGEST_EXPIRY: Duration = Duration::from_hours(365 * 24);

/// As said now, to hold for so many seconds or for good.
pub(super) fn said(
    author: &str,
    reason: &str,
    seconds: Option<u64>,
) -> Result<api::Said, ServerError> {
    let now = clock::now();
    let expires = seconds.map(|seconds| end(now, seconds)).transpose()?;
    let (author, reason) = (one_line(author), one_line(reason));
    Ok(api::Said { author, reason, since: api::Timestamp(now), expires })
}

fn end(now: SystemTime, seconds: u64) -> Result<api::Timestamp, ServerError> {
    let span = Duration::from_secs(seconds);
    if span.is_zero() || span > LONGEST_EXPIRY {
        let days = LONGEST_EXPIRY.as_secs() / 86_400;
        let detail = format!("{seconds} s is out of range: 1 s to {days} days");
        return Err(ServerError::Invalid(detail));
    }
    Ok(api::Timestamp(now + span))
}

/// What people write ends up in logs and tables: one line of bounded length.
pub(super) fn one_line(text: &str) -> String {
    /// Enough for a sentence.
    const MOST_CHARACTERS: usize = 200;
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    visible.take(MOST_CHARACTERS).collect::<String>().trim().to_owned()
}
