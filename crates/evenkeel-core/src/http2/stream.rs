//! One exchange on a connection: what has come, what may be sent, and how far either side is.

use std::collections::VecDeque;

use super::frame::{Code, MOST_WINDOW, count};
use super::head::Head;

/// Bytes of a body's memory that a place keeps for the next exchange: small uploads are the usual
/// ones.
const KEPT_BODY: usize = 4 * 1024;

/// A stream that its exchange has not let go of yet.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) id: u32,
    /// Until somebody takes it.
    pub(super) head: Option<Box<Head>>,
    /// Received and not read.
    body: VecDeque<u8>,
    pub(super) trailers: Option<Box<Head>>,
    /// What is still to come by `Content-Length`.
    expected: Option<u64>,
    /// Bytes the peer may still send.
    credit: u32,
    /// Bytes taken of which the peer has not been told.
    taken: u32,
    /// Bytes this node may still send; below 0 after the peer has made its windows smaller
    /// (RFC 9113 §6.9.2).
    window: i64,
    /// The final head of an answer has come.
    pub(super) answered: bool,
    /// No body follows the head of an answer (RFC 9110 §9.3.2).
    pub(super) head_only: bool,
    /// The peer has sent its last frame.
    pub(super) received: bool,
    /// This node has sent its last frame.
    pub(super) sent: bool,
    /// Either side has given up.
    pub(super) reset: Option<Code>,
    /// What this node sends is not to be put into a table by anybody.
    pub(super) is_sensitive: bool,
    /// It stands in the line of those who wait for room.
    pub(super) waits: bool,
}

/// What has come of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<'c> {
    /// These bytes are next.
    Bytes(&'c [u8]),
    /// The body is over; trailers, if any, are there.
    End,
    /// Nothing has come.
    Nothing,
    /// Nothing more will.
    Reset(Code),
}

impl Stream {
    /// Begins anew: `credit` bytes may be received, `window` sent.
    pub(super) fn begin(&mut self, id: u32, credit: u32, window: i64) {
        let body = std::mem::take(&mut self.body);
        *self = Self { id, body, credit, window, ..Self::default() };
    }

    /// The head of a request. `ends`: no body follows.
    pub(super) fn ask(&mut self, head: Box<Head>, ends: bool) {
        self.expected = if ends { None } else { head.content_length() };
        self.received = ends;
        self.head = Some(head);
    }

    /// A head that comes from a server: an interim one (RFC 9110 §15.2), the final one, or
    /// trailers. Gives back an interim one that nobody has taken, which is no loss.
    pub(super) fn answer(
        &mut self,
        head: Box<Head>,
        ends: bool,
    ) -> Result<Option<Box<Head>>, Code> {
        if self.answered {
            return self.trail(head, ends).map(|()| None);
        }
        let status = head.status().filter(|_| !head.is_too_large()).ok_or(Code::PROTOCOL_ERROR)?;
        // There is no other protocol to switch to (RFC 9113 §8.6).
        if status == 101 || (status < 200 && ends) {
            return Err(Code::PROTOCOL_ERROR);
        }
        self.answered = status >= 200;
        if self.answered {
            let has_none = self.head_only || matches!(status, 204 | 304);
            self.expected = if has_none { Some(0) } else { head.content_length() };
        }
        let before = self.head.replace(head);
        if ends { self.end() } else { Ok(()) }.map(|()| before)
    }

    /// The fields behind a body, which end it (RFC 9113 §8.1).
    pub(super) fn trail(&mut self, head: Box<Head>, ends: bool) -> Result<(), Code> {
        if self.received {
            return Err(Code::STREAM_CLOSED);
        }
        if !ends || head.is_no_trailers() {
            return Err(Code::PROTOCOL_ERROR);
        }
        self.trailers = Some(head);
        self.end()
    }

    /// Nobody works on it any more: gives back what it holds.
    pub(super) fn end_work(&mut self) -> [Option<Box<Head>>; 2] {
        self.body.clear();
        self.body.shrink_to(KEPT_BODY);
        [self.head.take(), self.trailers.take()]
    }

    /// Neither side sends on it any more.
    pub(super) const fn is_closed(&self) -> bool {
        self.reset.is_some() || (self.received && self.sent)
    }

    /// Every announced byte has gone both ways, only the peer's last frame has not come.
    pub(super) fn is_all_but_over(&self) -> bool {
        self.sent && self.expected == Some(0)
    }

    /// Takes the data of a frame of `length` bytes, padding and all.
    pub(super) fn receive(&mut self, data: &[u8], length: u32, ends: bool) -> Result<(), Code> {
        if self.received {
            return Err(Code::STREAM_CLOSED);
        }
        self.credit = self.credit.checked_sub(length).ok_or(Code::FLOW_CONTROL_ERROR)?;
        if let Some(expected) = &mut self.expected {
            let left = expected.checked_sub(data.len() as u64).ok_or(Code::PROTOCOL_ERROR)?;
            *expected = left;
        }
        self.body.extend(data);
        if ends { self.end() } else { Ok(()) }
    }

    /// The peer has said all it had to say; it must be as much as it announced
    /// (RFC 9113 §8.1.1).
    pub(super) fn end(&mut self) -> Result<(), Code> {
        if self.expected.is_some_and(|left| left > 0) {
            return Err(Code::PROTOCOL_ERROR);
        }
        self.received = true;
        Ok(())
    }

    /// What is to be read next. Whatever becomes of a stream, a body that is whole may be read
    /// (RFC 9113 §8.1).
    pub(super) fn peek(&self) -> Received<'_> {
        let (first, _) = self.body.as_slices();
        match self.reset {
            Some(code) if !self.received => Received::Reset(code),
            _ if !first.is_empty() => Received::Bytes(first),
            _ if self.received => Received::End,
            _ => Received::Nothing,
        }
    }

    /// The next `length` bytes are read.
    pub(super) fn consume(&mut self, length: usize) {
        self.body.drain(..length);
    }

    /// Everything the peer sends has come and was read.
    pub(super) fn is_read(&self) -> bool {
        self.received && self.body.is_empty()
    }

    /// Bytes received that nobody will read.
    pub(super) fn unread(&self) -> u32 {
        let (first, second) = self.body.as_slices();
        count(first) + count(second)
    }

    /// `count` bytes of the window have been used and are free again. Returns by how much the
    /// peer is to be told to widen it: not for every few bytes.
    pub(super) fn give_back(&mut self, count: u32, whole: u32) -> Option<u32> {
        self.taken += count;
        if self.received || self.reset.is_some() || self.taken < whole / 2 {
            return None;
        }
        self.credit += self.taken;
        Some(std::mem::take(&mut self.taken))
    }

    /// Bytes that may be sent by this stream's window.
    pub(super) fn window(&self) -> usize {
        usize::try_from(self.window).unwrap_or(0)
    }

    /// So many bytes of the window are used.
    pub(super) const fn narrow(&mut self, by: i64) {
        self.window -= by;
    }

    /// Changes what may be sent.
    pub(super) fn widen(&mut self, by: i64) -> Result<(), Code> {
        let window = self.window + by;
        if window > i64::from(MOST_WINDOW) {
            return Err(Code::FLOW_CONTROL_ERROR);
        }
        self.window = window;
        Ok(())
    }
}
