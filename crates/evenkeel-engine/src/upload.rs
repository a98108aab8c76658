//! The request on its way to the server: the head, then the body as the client sends it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use evenkeel_core::fault::{Fault, Phase};
use evenkeel_core::message::Version;
use evenkeel_core::message::chunked::{self, Barred, Decoder, Step};
use evenkeel_core::message::request::Body;
use evenkeel_core::retry::Attempt;
use evenkeel_sys::Spliced;
use tokio::io::AsyncWrite;

use crate::clock;
use crate::exchange::{Client, Desk};
use crate::pace::Pace;
use crate::receive::Request;
use crate::stream::Stream;
use crate::tunnel::{self, Conduit, SPLICE_FROM};

/// Body bytes kept for another try; a longer body is streamed and cannot be sent twice.
const MOST_REPLAY: usize = 64 * 1024;
/// The head and this much of the body may wait for a slow server.
const MOST_WAITING: usize = MOST_REPLAY + 16 * 1024;

/// How far the request has got.
#[derive(Debug)]
pub(crate) struct Upload<'a> {
    source: Source,
    /// What may not follow the body.
    barred: Barred<'a>,
    /// Bytes of the outbox the server has taken.
    sent: usize,
    /// All that it has taken is on its way to it.
    is_flushed: bool,
    /// The outbox still holds the request from its first byte.
    replayable: bool,
    /// Length of the head at the start of the outbox.
    head: usize,
    received: u64,
    most: Option<u64>,
    pipe: Option<Conduit>,
    /// Whom the upload waits for.
    pub(crate) waits_for_client: bool,
    /// Bytes moved since the last look: a reason to extend the deadline.
    pub(crate) moved: bool,
    pace: Pace,
    /// The server takes no more: only its answer is of interest.
    failed: bool,
}

/// What is still to come from the client.
#[derive(Debug)]
enum Source {
    Done,
    Length(u64),
    Chunked(Box<Decoder>),
    /// Until the stream of an HTTP/2 exchange ends.
    Framed,
}

impl<'a> Upload<'a> {
    /// For a request whose head is in the outbox.
    pub(crate) fn new(request: &Request, barred: Barred<'a>, desk: &Desk) -> Self {
        let source = match request.body {
            Body::None | Body::Length(0) => Source::Done,
            Body::Length(length) => Source::Length(length),
            Body::Chunked if request.version == Version::Http2 => Source::Framed,
            Body::Chunked => Source::Chunked(Box::new(Decoder::new(request.trailer_bytes))),
        };
        Self {
            source,
            barred,
            sent: 0,
            is_flushed: true,
            replayable: true,
            head: desk.outbox.len(),
            received: 0,
            most: request.body_bytes,
            pipe: None,
            waits_for_client: false,
            moved: false,
            pace: Pace::default(),
            failed: false,
        }
    }

    /// All of the request has been read from the client.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self.source, Source::Done)
    }

    /// The server has taken all of the request: another one may follow on its connection.
    pub(crate) fn is_sent(&self, desk: &Desk) -> bool {
        let is_taken = self.sent == desk.outbox.len() && self.is_flushed;
        self.is_read() && self.pipe.is_none() && !self.failed && is_taken
    }

    /// What another try would be.
    pub(crate) fn attempt(&self, idempotent: bool, tries: usize) -> Attempt {
        Attempt {
            tries: u8::try_from(tries).unwrap_or(u8::MAX),
            idempotent,
            replayable: self.replayable,
            nothing_sent: self.replayable && self.sent == 0,
            answer_started: false,
        }
    }

    /// The request from its first byte to its last, if it is still held.
    pub(crate) fn whole<'d>(&self, desk: &'d Desk) -> Option<&'d [u8]> {
        (self.replayable && self.is_read()).then_some(&desk.outbox)
    }

    /// Begins anew with another server. Only while replayable.
    pub(crate) fn rewind(&mut self) {
        self.sent = 0;
        self.is_flushed = true;
        self.failed = false;
    }

    /// Another connection has taken all of the request, which has no body.
    pub(crate) fn was_sent(&mut self, desk: &Desk) {
        self.sent = desk.outbox.len();
        self.failed = false;
    }

    /// How long the client may be waited for by what it has sent so far.
    pub(crate) fn client_time(&mut self) -> Duration {
        self.pace.wait(self.received, clock::now())
    }

    /// Body bytes received from the client.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Moves what can be moved. `Ready`: the server has all of it, or takes no more.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Client,
        desk: &mut Desk,
        server: &mut Stream,
    ) -> Poll<Result<(), Fault>> {
        loop {
            if self.failed {
                return Poll::Ready(Ok(()));
            }
            self.waits_for_client = false;
            ready!(self.poll_send(cx, desk, server));
            if matches!(self.source, Source::Done) && self.pipe.is_none() {
                return Poll::Ready(Ok(()));
            }
            self.take_body(desk)?;
            if self.sent < desk.outbox.len() || matches!(self.source, Source::Done) {
                continue;
            }
            if self.may_splice(client, server) {
                ready!(self.poll_splice(cx, client, server))?;
                continue;
            }
            self.waits_for_client = true;
            let spare = &client.seat.worker.stocks.buffers;
            match ready!(desk.inbox.poll_fill_with(cx, &mut client.stream, spare)) {
                Ok(0) if matches!(self.source, Source::Framed) => {
                    let trailers = client.stream.take_trailers();
                    if client.stream.brings_sensitive() {
                        server.set_sensitive();
                    }
                    let fields = trailers.iter().flat_map(|trailers| trailers.fields());
                    let fields = fields.map(|(_, name, value)| (name, value));
                    chunked::write_end_with(&mut desk.outbox, fields, &self.barred)
                        .map_err(|reason| Fault::BadRequest(reason.status()))?;
                    self.source = Source::Done;
                }
                Ok(0) | Err(_) => return Poll::Ready(Err(Fault::ClientGone(Phase::Data))),
                Ok(_) => {
                    self.moved = true;
                    self.pace.resume(clock::now());
                }
            }
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        desk: &mut Desk,
        server: &mut Stream,
    ) -> Poll<()> {
        while self.sent < desk.outbox.len() {
            let unsent = &desk.outbox[self.sent..];
            let Ok(sent) = ready!(Pin::new(&mut *server).poll_write(cx, unsent)) else {
                // The server may have answered before it closed.
                self.failed = true;
                return Poll::Ready(());
            };
            self.sent += sent;
            self.is_flushed = false;
            self.moved = true;
        }
        if !self.is_flushed {
            // Within TLS the last of it may still lie on this side.
            self.failed = ready!(Pin::new(server).poll_flush(cx)).is_err();
            self.is_flushed = true;
        }
        if !self.replayable {
            desk.outbox.clear();
            self.sent = 0;
        }
        Poll::Ready(())
    }

    /// From the inbox to the outbox, in the framing the head announced.
    pub(crate) fn take_body(&mut self, desk: &mut Desk) -> Result<(), Fault> {
        let Desk { inbox, outbox, .. } = desk;
        while !inbox.is_empty() && outbox.len() - self.sent < MOST_WAITING {
            match &mut self.source {
                Source::Done => break,
                Source::Length(left) => {
                    let here = inbox.unread();
                    let count = usize::try_from(*left).map_or(here.len(), |it| it.min(here.len()));
                    outbox.extend_from_slice(&here[..count]);
                    inbox.consume(count);
                    self.received += count as u64;
                    *left -= count as u64;
                    if *left == 0 {
                        self.source = Source::Done;
                    }
                }
                Source::Framed => {
                    let data = inbox.unread();
                    self.received += data.len() as u64;
                    chunked::write_chunk(outbox, data);
                    inbox.clear();
                    self.check_size()?;
                }
                Source::Chunked(decoder) => {
                    let decoded = decoder.decode(inbox.unread());
                    let (step, consumed) =
                        decoded.map_err(|reason| Fault::BadRequest(reason.status()))?;
                    let mut ended = false;
                    match step {
                        Step::More => {}
                        Step::Data(data) => {
                            self.received += data.len() as u64;
                            chunked::write_chunk(outbox, data);
                        }
                        Step::End => {
                            chunked::write_end(outbox, &self.barred.keep(decoder.trailers()));
                            ended = true;
                        }
                    }
                    inbox.consume(consumed);
                    if ended {
                        self.source = Source::Done;
                    }
                    self.check_size()?;
                }
            }
        }
        if outbox.len() > self.head + MOST_REPLAY {
            self.replayable = false;
        }
        Ok(())
    }

    fn check_size(&self) -> Result<(), Fault> {
        let is_over = self.most.is_some_and(|most| self.received > most);
        if is_over { Err(Fault::BadRequest(413)) } else { Ok(()) }
    }

    /// A long body of known length, of which nothing lies in a buffer, and a pipe to be had.
    fn may_splice(&mut self, client: &Client, server: &Stream) -> bool {
        let long = matches!(self.source, Source::Length(left) if left >= SPLICE_FROM);
        let plain = || client.stream.plain().is_some() && server.plain().is_some();
        if self.pipe.is_none() && long && !self.replayable && plain() {
            self.pipe = Conduit::take(client.worker());
        }
        self.pipe.is_some()
    }

    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Client,
        server: &Stream,
    ) -> Poll<Result<(), Fault>> {
        let (Source::Length(left), Some(pipe)) = (&mut self.source, &mut self.pipe) else {
            return Poll::Ready(Ok(()));
        };
        let (Some(from), Some(to)) = (client.stream.plain(), server.plain()) else {
            return Poll::Ready(Err(Fault::Internal));
        };
        loop {
            if pipe.held() > 0 {
                if ready!(tunnel::poll_drain(cx, pipe, to)).is_err() {
                    self.failed = true;
                    return Poll::Ready(Ok(()));
                }
                self.moved = true;
                continue;
            }
            if *left == 0 {
                if let Some(pipe) = self.pipe.take() {
                    client.worker().stocks.pipes.give_back(pipe);
                }
                self.source = Source::Done;
                // The last splice took what there was without the runtime seeing it: look once.
                let _ = client.stream.poll_peek(cx);
                return Poll::Ready(Ok(()));
            }
            self.waits_for_client = true;
            let most = usize::try_from(*left).unwrap_or(usize::MAX);
            match ready!(tunnel::poll_fill(cx, pipe, from, most)) {
                Ok(Spliced::Moved(moved)) => {
                    self.waits_for_client = false;
                    self.moved = true;
                    self.pace.resume(clock::now());
                    self.received += moved as u64;
                    *left -= moved as u64;
                }
                Ok(Spliced::End) | Err(_) => {
                    return Poll::Ready(Err(Fault::ClientGone(Phase::Data)));
                }
            }
        }
    }
}
