//! The head of an answer that is a file, and the parts of one that is several.

use std::io::Write as _;
use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

use httpdate::HttpDate;

use super::content_type::extension;
use super::{EntityTag, Facts, LAST_DATE, Verdict};
use crate::coding::Coding;
use crate::config::{Expires, Files, HeaderEdits};
use crate::message::Version;
use crate::message::forward::{HSTS, put, put_number, put_own, write_edits, write_via};
use crate::message::own::phrase;
use crate::template;

/// What is sent of a file, in one of its forms.
#[derive(Clone, Copy, Debug)]
pub struct Representation<'a> {
    pub facts: Facts,
    pub tag: EntityTag,
    pub content_type: &'a str,
    /// The compressed form it is.
    pub coding: Option<Coding>,
    /// Another client may get another form: `Vary` says so.
    pub varies: bool,
    pub expires: Option<Expires>,
}

/// What the head says besides the file.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// `Date`, and the same moment in seconds since 1970.
    pub date: (&'a str, u64),
    pub keep_alive: bool,
    pub client: Version,
    pub via: Option<&'a str>,
    /// `Strict-Transport-Security` (RFC 6797).
    pub hsts: Option<&'a str>,
    /// Settled: nothing more becomes known.
    pub edits: &'a HeaderEdits,
}

/// The body of an answer with several parts (RFC 9110 §14.6).
#[derive(Clone, Debug)]
pub struct Multipart {
    ranges: Vec<Range<u64>>,
    size: u64,
    content_type: Box<str>,
    boundary: String,
}

/// Appends the head of a 200, 206 or 304. Those of other verdicts are not about the file: nothing
/// is appended. `parts` belong to [`Verdict::Parts`].
pub fn write_answer(
    out: &mut Vec<u8>,
    file: &Representation<'_>,
    verdict: &Verdict,
    parts: Option<&Multipart>,
    around: &Around<'_>,
) {
    let size = file.facts.size;
    let (status, length): (u16, _) = match (verdict, parts) {
        (Verdict::Whole, _) => (200, Some(size)),
        (Verdict::NotModified, _) => (304, None),
        (Verdict::Part(range), _) => (206, Some(range.end - range.start)),
        (Verdict::Parts(_), Some(parts)) => (206, Some(parts.length())),
        (Verdict::Parts(_), None) | (Verdict::PreconditionFailed | Verdict::Unsatisfiable, _) => {
            return;
        }
    };
    put(out, &["HTTP/1.1 "]);
    put_number(out, status.into());
    put(out, &[" ", phrase(status), "\r\nDate: ", around.date.0, "\r\n"]);
    if let Some(length) = length {
        match parts {
            Some(parts) => {
                let boundary = &parts.boundary;
                put(out, &["Content-Type: multipart/byteranges; boundary=", boundary, "\r\n"]);
            }
            None => put_own(out, around.edits, "Content-Type", file.content_type),
        }
        put(out, &["Content-Length: "]);
        put_number(out, length);
        put(out, &["\r\nAccept-Ranges: bytes\r\n"]);
        if let Some(coding) = file.coding {
            put(out, &["Content-Encoding: ", coding.token(), "\r\n"]);
        }
    }
    if let Verdict::Part(range) = verdict {
        put_content_range(out, range, size);
    }
    put_validators(out, file, around);
    if !around.keep_alive {
        put(out, &["Connection: close\r\n"]);
    } else if around.client == Version::Http10 {
        put(out, &["Connection: keep-alive\r\n"]);
    }
    if let Some(via) = around.via {
        write_via(out, Version::Http11, via);
    }
    if let Some(hsts) = around.hsts {
        put_own(out, around.edits, HSTS, hsts);
    }
    write_edits(out, around.edits, template::Facts::NONE);
    out.extend_from_slice(b"\r\n");
}

/// What a cache has to know, also with a 304 (RFC 9110 §15.4.5).
fn put_validators(out: &mut Vec<u8>, file: &Representation<'_>, around: &Around<'_>) {
    let edits = around.edits;
    // Its bytes are digits, hyphens and quotes.
    let tag = std::str::from_utf8(file.tag.as_bytes()).unwrap_or_default();
    put_own(out, edits, "Last-Modified", date(file.facts.modified).as_str());
    put_own(out, edits, "ETag", tag);
    if file.varies {
        put_own(out, edits, "Vary", "Accept-Encoding");
    }
    match file.expires {
        Some(Expires::After(time)) => {
            let seconds = time.as_secs();
            put_own(out, edits, "Expires", date(around.date.1.saturating_add(seconds)).as_str());
            put_own(out, edits, "Cache-Control", &format!("max-age={seconds}"));
        }
        Some(Expires::NoCache) => put_own(out, edits, "Cache-Control", "no-cache"),
        None => {}
    }
}

/// `Content-Range` of a 416: how long the file is (RFC 9110 §15.5.17).
pub fn unsatisfied_range(size: u64) -> String {
    format!("bytes */{size}")
}

impl Files {
    /// How long the file with this name is fresh.
    pub fn expires(&self, name: &[u8]) -> Option<Expires> {
        if self.expires.is_empty() {
            return self.expires_otherwise;
        }
        let named = extension(name, &mut [0; _]).and_then(|it| self.expires.get(it).copied());
        named.or(self.expires_otherwise)
    }
}

impl Multipart {
    /// `chance` makes a boundary that no file holds.
    pub fn new(file: &Representation<'_>, ranges: Vec<Range<u64>>, chance: u64) -> Self {
        Self {
            ranges,
            size: file.facts.size,
            content_type: file.content_type.into(),
            boundary: format!("{chance:020}"),
        }
    }

    /// How many parts there are.
    pub const fn count(&self) -> usize {
        self.ranges.len()
    }

    /// The bytes of the file that the part at this place holds.
    pub fn range(&self, index: usize) -> Option<&Range<u64>> {
        self.ranges.get(index)
    }

    /// Appends what stands before the part at this place; behind the last one, the end.
    pub fn write_before(&self, out: &mut Vec<u8>, index: usize) {
        put(out, &["\r\n--", &self.boundary]);
        let Some(range) = self.ranges.get(index) else {
            return put(out, &["--\r\n"]);
        };
        put(out, &["\r\nContent-Type: ", &self.content_type, "\r\n"]);
        put_content_range(out, range, self.size);
        put(out, &["\r\n"]);
    }

    /// Bytes of the whole body.
    fn length(&self) -> u64 {
        let mut around = Vec::new();
        for index in 0..=self.ranges.len() {
            self.write_before(&mut around, index);
        }
        let within: u64 = self.ranges.iter().map(|range| range.end - range.start).sum();
        within + around.len() as u64
    }
}

fn put_content_range(out: &mut Vec<u8>, range: &Range<u64>, size: u64) {
    put(out, &["Content-Range: bytes "]);
    put_number(out, range.start);
    put(out, &["-"]);
    put_number(out, range.end.saturating_sub(1));
    put(out, &["/"]);
    put_number(out, size);
    put(out, &["\r\n"]);
}

/// A date as HTTP writes it (RFC 9110 §5.6.7).
struct DateText([u8; DATE_BYTES]);

/// Bytes of "Sun, 06 Nov 1994 08:49:37 GMT".
const DATE_BYTES: usize = 29;

impl DateText {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn date(seconds: u64) -> DateText {
    let mut bytes = [0; DATE_BYTES];
    let date = HttpDate::from(UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_DATE)));
    // There is room for exactly what is written.
    let _ = write!(&mut bytes[..], "{date}");
    DateText(bytes)
}

#[cfg(test)]
mod tests;
