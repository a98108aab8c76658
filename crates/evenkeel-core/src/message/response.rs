//! Reading the head of a server's answer.

use super::framing::{Framing, classify};
pub use super::header::Space;
use super::header::{Fields, list};
use super::{Reason, Version};
use crate::config::HttpLimits;

/// Why an answer cannot be passed on: the client gets 502, the connection to the server is closed.
pub type BadAnswer = Reason;

/// Interim answers to one request. A server sends one or two; more is a fault or a flood, and is
/// answered 502.
pub const MOST_INTERIM_ANSWERS: u16 = 64;

/// What of the request decides how its answer is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The method was `HEAD`: no body follows, whatever the head says.
    pub head: bool,
    /// The protocols that the request offered to change to, as in `Upgrade`; 101 with others, or
    /// with `None`, is refused.
    pub offer: Option<&'a [u8]>,
}

/// The head of an answer that was understood.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'s, 'b> {
    /// Bytes of the head.
    pub length: usize,
    pub version: Version,
    /// 100 to 599; below 200 another answer follows, except after 101.
    pub status: u16,
    /// As sent; empty when missing or not ASCII.
    pub reason: &'b str,
    pub body: AnswerBody,
    /// As sent, also where no body follows (an answer to `HEAD`, or 304).
    pub content_length: Option<u64>,
    /// Whether the connection to the server can carry another request after this answer.
    pub keep_alive: bool,
    pub fields: Fields<'s, 'b>,
}

/// Where the body of an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerBody {
    /// There is none.
    None,
    Length(u64),
    Chunked,
    /// With the connection.
    UntilClose,
}

impl<'b> ResponseHead<'_, 'b> {
    /// The value of the first line with this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.fields.get(name)
    }

    /// An interim answer: another one follows on the same request (RFC 9110 §15.2).
    pub const fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
}

/// Reads the head at the start of `bytes`, at most [`HttpLimits::MOST_HEAD_BYTES`] and
/// [`HttpLimits::MOST_HEADERS`]. `None`: it is not whole yet.
pub fn parse<'s, 'b>(
    bytes: &'b [u8],
    space: &'s mut Space<'b>,
    asked: Asked<'_>,
) -> Result<Option<ResponseHead<'s, 'b>>, BadAnswer> {
    let Space { headers, kinds, .. } = space;
    // The syntax parser would skip empty lines; before an answer there are none.
    if bytes.first().is_some_and(|byte| *byte != b'H') {
        return Err(Reason::StatusLine);
    }
    let mut syntax = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let most = HttpLimits::MOST_HEAD_BYTES as usize;
    let length = match config.parse_response_with_uninit_headers(&mut syntax, bytes, headers) {
        Ok(httparse::Status::Complete(length)) if length <= most => length,
        Ok(httparse::Status::Partial) if bytes.len() < most => return Ok(None),
        Ok(_) => return Err(Reason::HeadTooLarge),
        Err(error) => return Err(syntax_error(error)),
    };
    let httparse::Response { version, code: Some(status), reason, headers } = syntax else {
        return Err(Reason::StatusLine);
    };
    let headers: &'s [httparse::Header<'b>] = headers;
    let version = if version == Some(0) { Version::Http10 } else { Version::Http11 };
    if !(100..=599).contains(&status) {
        return Err(Reason::StatusRange);
    }

    let mut framing = Framing::default();
    classify(&bytes[..length], headers, kinds, |kind, value| framing.take(kind, value))?;
    framing.judge(version)?;
    check_interim(status, &framing, asked)?;

    let body = body(status, &framing, asked);
    Ok(Some(ResponseHead {
        length,
        version,
        status,
        reason: reason.unwrap_or_default(),
        body,
        content_length: framing.length,
        keep_alive: framing.persists(version)
            && body != AnswerBody::UntilClose
            && status != 101
            && !announces_forbidden_body(status, &framing),
        fields: Fields { headers, kinds: &kinds[..headers.len()], connection_names: framing.names },
    }))
}

#[cold]
fn syntax_error(error: httparse::Error) -> Reason {
    match error {
        httparse::Error::HeaderName => Reason::FieldName,
        httparse::Error::HeaderValue => Reason::FieldValue,
        httparse::Error::TooManyHeaders => Reason::TooManyFields,
        httparse::Error::Version => Reason::Version,
        httparse::Error::NewLine | httparse::Error::Status | httparse::Error::Token => {
            Reason::StatusLine
        }
    }
}

/// An interim answer has no body to frame (RFC 9110 §15.2), and 101 must name a protocol that the
/// request has offered (§7.8).
fn check_interim(status: u16, framing: &Framing<'_>, asked: Asked<'_>) -> Result<(), Reason> {
    if status < 200 && (framing.chunked || framing.length.is_some_and(|length| length > 0)) {
        return Err(Reason::InterimFraming);
    }
    let is_told = framing.upgrade && !framing.protocol_repeated;
    let told = framing.protocol.filter(|_| is_told).unwrap_or_default();
    if status == 101 && !asked.offer.is_some_and(|offer| is_offered(offer, told)) {
        return Err(Reason::UpgradeUnasked);
    }
    Ok(())
}

/// Whether each of the protocols `told`, and there are some, is in the offer.
fn is_offered(offer: &[u8], told: &[u8]) -> bool {
    let is_one = |told: &[u8]| list(offer).any(|offered| offered.eq_ignore_ascii_case(told));
    list(told).next().is_some() && list(told).all(is_one)
}

/// RFC 9112 §6.3.
fn body(status: u16, framing: &Framing<'_>, asked: Asked<'_>) -> AnswerBody {
    if asked.head || status < 200 || status == 204 || status == 304 {
        AnswerBody::None
    } else if framing.chunked {
        AnswerBody::Chunked
    } else {
        framing.length.map_or(AnswerBody::UntilClose, AnswerBody::Length)
    }
}

/// 204 has no body, but a server that announces one is likely to send it: what follows on its
/// connection cannot be trusted to be the next answer.
fn announces_forbidden_body(status: u16, framing: &Framing<'_>) -> bool {
    status == 204 && (framing.chunked || framing.length.is_some_and(|length| length > 0))
}

#[cfg(test)]
mod tests;
