//! The body of an answer, from the server to the client, without ever holding more than a buffer.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use evenkeel_core::config::HttpLimits;
use evenkeel_core::fault::{Fault, Phase};
use evenkeel_core::message::chunked::{self, Barred, Decoder, Step};
use evenkeel_core::message::response::AnswerBody;
use evenkeel_core::throttle::Throttle;
use evenkeel_sys::Spliced;
use tokio::io::AsyncWrite;

use crate::answer::Answer;
use crate::clock;
use crate::compress::{Encoder, MOST_IN_A_TURN};
use crate::connect::Upstream;
use crate::exchange::{Desk, Errand};
use crate::pace::Pace;
use crate::tunnel::{self, Conduit, SPLICE_FROM};

/// Bodies up to this are copied behind their head, so that one plain send carries both.
const MOST_COPIED: usize = 4 * 1024;

/// One body on its way.
struct Delivery<'d, 'e> {
    errand: &'d mut Errand<'e>,
    upstream: &'d mut Upstream,
    source: Source,
    /// Chunks towards the client.
    chunk: bool,
    /// What `Connection` of the answer lists, where trailers may follow.
    hop: Option<Box<[u8]>>,
    /// Takes the body and gives it back smaller.
    encoder: Option<Box<Encoder>>,
    /// Bytes of `reply` the client has taken.
    replied: usize,
    /// Bytes at the start of `answer` that go to the client as they are, after `reply`.
    direct: usize,
    pipe: Option<Conduit>,
    /// Bytes the client has taken, the head among them.
    sent: u64,
    /// Length of the head.
    head: usize,
    /// The server broke the framing: what was good before that still goes out.
    broken: bool,
    moved: bool,
    waits_for_client: bool,
    pace: Pace,
    throttle: Option<Throttle>,
    /// Bytes of `sent` that the throttle knows of.
    charged: u64,
    /// What may pass for now has passed: the deadline is when it goes on.
    paused: bool,
    /// Bytes in the kernel's queue to the client when the deadline was set.
    queued: u32,
    keep_server: bool,
}

/// What is still to come from the server.
enum Source {
    Done,
    Length(u64),
    Chunked(Box<Decoder>),
    UntilClose,
}

/// Passes the body on. Returns whether the server's connection can be kept.
pub(crate) async fn deliver(
    errand: &mut Errand<'_>,
    upstream: &mut Upstream,
    answer: &mut Answer,
) -> Result<bool, Fault> {
    let timeouts = &errand.pool.live.config.timeouts;
    errand.patience(timeouts.idle);
    let mut delivery = Delivery {
        source: Source::new(answer.from_server),
        chunk: answer.to_client == AnswerBody::Chunked,
        hop: answer.hop.take(),
        encoder: answer.encoder.take(),
        replied: 0,
        direct: 0,
        pipe: None,
        sent: 0,
        head: errand.desk.reply.len(),
        broken: false,
        moved: false,
        waits_for_client: false,
        pace: Pace::default(),
        throttle: errand.request.bandwidth.map(Throttle::new),
        charged: 0,
        paused: false,
        queued: 0,
        keep_server: answer.keep_server,
        errand,
        upstream,
    };
    let ended = poll_fn(|cx| delivery.poll(cx)).await;
    let Delivery { errand, upstream, pipe, sent, head, keep_server, .. } = delivery;
    if let Some(pipe) = pipe.filter(|pipe| pipe.held() == 0) {
        errand.client.worker().stocks.pipes.give_back(pipe);
    }
    errand.desk.record.sent(sent, head, errand.upload.received());
    if let (Err(Fault::ServerCut), Some(code)) = (&ended, upstream.link.stream.reset_code()) {
        errand.client.stream.give_up(code);
    }
    if ended.is_err() && answer.to_client == AnswerBody::UntilClose {
        // A FIN would say that this was all.
        errand.client.stream.break_off();
    }
    ended.map(|()| keep_server && errand.upload.is_sent(errand.desk))
}

impl Source {
    fn new(body: AnswerBody) -> Self {
        match body {
            AnswerBody::None | AnswerBody::Length(0) => Self::Done,
            AnswerBody::Length(length) => Self::Length(length),
            AnswerBody::Chunked => {
                Self::Chunked(Box::new(Decoder::new(HttpLimits::MOST_HEAD_BYTES)))
            }
            AnswerBody::UntilClose => Self::UntilClose,
        }
    }
}

impl Delivery<'_, '_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let Errand { client, desk, upload, .. } = &mut *self.errand;
        if !upload.is_sent(desk) {
            // The server answers while the request is still on its way. It may want the rest, but
            // what becomes of it no longer decides anything.
            let _ = upload.poll(cx, client, desk, &mut self.upstream.link.stream);
        }
        let was_paused = mem::take(&mut self.paused);
        let polled = self.poll_body(cx);
        if polled.is_ready() {
            return polled;
        }
        if self.paused && !self.errand.is_over_time() {
            return Poll::Pending;
        }
        let moved = mem::take(&mut self.moved) | mem::take(&mut self.errand.upload.moved);
        if moved || was_paused || self.is_read() {
            self.extend();
        }
        if self.errand.client.watch.expired() {
            Poll::Ready(Err(self.late()))
        } else {
            Poll::Pending
        }
    }

    /// Something moved: whoever is waited for has time again.
    fn extend(&mut self) {
        let now = clock::now();
        self.pace.resume(now);
        let idle = self.errand.client_timeouts().idle;
        let limit = if self.waits_for_client {
            self.queued = self.errand.client.stream.unacknowledged();
            idle.min(self.pace.wait(self.sent, now))
        } else if self.waits_for_sender() {
            idle.min(self.errand.upload.client_time())
        } else {
            self.errand.pool.live.config.timeouts.idle
        };
        self.errand.patience(limit);
    }

    /// The deadline has come, but the client has taken bytes out of the kernel's queue since it was
    /// set: it reads, if slowly, although there is no room for more yet.
    fn is_read(&self) -> bool {
        self.waits_for_client
            && self.errand.client.watch.expired()
            && !self.errand.is_over_time()
            && self.errand.client.stream.unacknowledged() < self.queued
    }

    /// The server has begun to answer but waits for the rest of the request.
    fn waits_for_sender(&self) -> bool {
        let upload = &self.errand.upload;
        !upload.is_read() && upload.waits_for_client
    }

    /// Whose time is over.
    fn late(&self) -> Fault {
        if self.errand.is_over_time() {
            Fault::TotalCut
        } else if self.waits_for_client || self.waits_for_sender() {
            Fault::ClientTimeout(Phase::Data)
        } else {
            Fault::ServerStalled
        }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let before = self.encoded();
        loop {
            // What lies here already goes out together with the head.
            self.take_body()?;
            self.waits_for_client = true;
            if let Err(_gone) = ready!(self.poll_flush(cx)) {
                return Poll::Ready(Err(Fault::ClientGone(Phase::Data)));
            }
            self.waits_for_client = false;
            if self.broken {
                return Poll::Ready(Err(Fault::ServerCut));
            }
            if self.encoded().saturating_sub(before) >= MOST_IN_A_TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.errand.desk.answer.is_empty() && !self.is_waiting() {
                if matches!(self.source, Source::Done) {
                    return Poll::Ready(Ok(()));
                }
                match self.poll_more(cx) {
                    // The server pauses: the client gets all there is.
                    Poll::Pending if self.release() => {}
                    polled => ready!(polled)?,
                }
            } else if matches!(self.source, Source::Done) && !self.is_waiting() {
                // More than was announced: nobody's answer, and never the next client's.
                self.keep_server = false;
                self.errand.desk.answer.clear();
            }
        }
    }

    /// Bytes the encoder has taken.
    fn encoded(&self) -> u64 {
        self.encoder.as_ref().map_or(0, |encoder| encoder.taken())
    }

    /// What the encoder holds back is to go out. `false`: nothing.
    fn release(&mut self) -> bool {
        let reply = &mut self.errand.desk.reply;
        self.encoder.as_mut().is_some_and(|encoder| encoder.flush(reply))
    }

    /// Ends a body of which the server has not framed the end, or that has been compressed.
    fn finish(&mut self) {
        let reply = &mut self.errand.desk.reply;
        if let Some(encoder) = self.encoder.take() {
            encoder.finish(reply);
        }
        if self.chunk {
            chunked::write_end(reply, &[]);
        }
    }

    /// Something is still to be written.
    fn is_waiting(&self) -> bool {
        self.replied < self.errand.desk.reply.len()
            || self.direct > 0
            || self.pipe.as_ref().is_some_and(|pipe| pipe.held() > 0)
    }

    /// Reads on, into a pipe for long bodies of known length, else into the buffer.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let room = self.room();
        self.paused = room == 0;
        if self.paused {
            return Poll::Pending;
        }
        let stream = &mut self.upstream.link.stream;
        if let (Source::Length(left), Some(plain)) = (&mut self.source, stream.plain()) {
            let client = &self.errand.client;
            let passes_by = self.encoder.is_none() && client.stream.plain().is_some();
            if self.pipe.is_none() && *left >= SPLICE_FROM && passes_by {
                self.pipe = Conduit::take(client.worker());
            }
            if let Some(pipe) = &mut self.pipe {
                let most = usize::try_from(room.min(*left)).unwrap_or(usize::MAX);
                return match ready!(tunnel::poll_fill(cx, pipe, plain, most)) {
                    Ok(Spliced::Moved(moved)) => {
                        *left -= moved as u64;
                        if *left == 0 {
                            self.source = Source::Done;
                        }
                        self.moved = true;
                        Poll::Ready(Ok(()))
                    }
                    Ok(Spliced::End) | Err(_) => Poll::Ready(Err(Fault::ServerCut)),
                };
            }
        }
        let Errand { client, desk, .. } = &mut *self.errand;
        let spare = &client.worker().stocks.buffers;
        match ready!(desk.answer.poll_fill_with(cx, stream, spare)) {
            Ok(0) if matches!(self.source, Source::UntilClose) => {
                self.source = Source::Done;
                self.finish();
            }
            Ok(0) | Err(_) => return Poll::Ready(Err(Fault::ServerCut)),
            Ok(_) => self.moved = true,
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes that may pass now. If none, the deadline is when some may again.
    fn room(&mut self) -> u64 {
        let Some(throttle) = &mut self.throttle else { return u64::MAX };
        let now = clock::now();
        throttle.passed(self.sent - mem::replace(&mut self.charged, self.sent), now);
        let room = throttle.room(now);
        if room == 0 {
            let wait = throttle.next().since(now);
            self.errand.patience(wait);
        }
        room
    }

    /// From `answer` into what is written next: copied when small or framed anew, else in place.
    fn take_body(&mut self) -> Result<(), Fault> {
        let Desk { answer, reply, .. } = &mut *self.errand.desk;
        if answer.is_empty() || self.direct > 0 || self.broken {
            return Ok(());
        }
        let here = answer.len();
        let take = match &mut self.source {
            Source::Done => return Ok(()),
            Source::Chunked(_) => return self.take_chunks(),
            Source::UntilClose => here,
            Source::Length(left) => {
                let take = usize::try_from(*left).map_or(here, |left| left.min(here));
                *left -= take as u64;
                if *left == 0 {
                    self.source = Source::Done;
                }
                take
            }
        };
        if let Some(encoder) = &mut self.encoder {
            encoder.push(&answer.unread()[..take], reply);
            answer.consume(take);
            if matches!(self.source, Source::Done) {
                self.finish();
            }
        } else if self.chunk {
            chunked::write_chunk(reply, &answer.unread()[..take]);
            answer.consume(take);
        } else if reply.len() + take <= MOST_COPIED {
            reply.extend_from_slice(&answer.unread()[..take]);
            answer.consume(take);
        } else {
            self.direct = take;
        }
        Ok(())
    }

    fn take_chunks(&mut self) -> Result<(), Fault> {
        let Errand { client, desk, place, request, .. } = &mut *self.errand;
        let Desk { answer, reply, .. } = &mut **desk;
        let server = &self.upstream.link.stream;
        let hop = self.hop.as_deref().unwrap_or_default();
        let barred = Barred { reserved: &[], edits: place.answer_edits(request), hop };
        while let Source::Chunked(decoder) = &mut self.source {
            if answer.is_empty() {
                break;
            }
            let Ok((step, consumed)) = decoder.decode(answer.unread()) else {
                if self.sent == 0 && reply.len() == self.head {
                    return Err(Fault::BadAnswer); // the client has seen nothing of it yet
                }
                self.broken = true;
                break;
            };
            let mut ended = false;
            match step {
                Step::More => {}
                Step::Data(data) if let Some(encoder) = &mut self.encoder => {
                    encoder.push(data, reply);
                }
                Step::Data(data) if self.chunk => chunked::write_chunk(reply, data),
                Step::Data(data) => reply.extend_from_slice(data),
                Step::End => {
                    if let Some(encoder) = self.encoder.take() {
                        encoder.finish(reply);
                    }
                    let trailers = barred.keep(decoder.trailers());
                    if self.chunk {
                        chunked::write_end(reply, &trailers);
                    } else {
                        client.stream.set_trailers(&trailers);
                        if server.brings_sensitive() {
                            client.stream.set_sensitive();
                        }
                    }
                    ended = true;
                }
            }
            answer.consume(consumed);
            if ended {
                self.source = Source::Done;
            }
        }
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Errand { client, desk, .. } = &mut *self.errand;
        let Desk { answer, reply, .. } = &mut **desk;
        let mut stream = Pin::new(&mut client.stream);
        loop {
            let head = &reply[self.replied..];
            let body = &answer.unread()[..self.direct];
            let written = match (head, body) {
                ([], []) => break,
                (bytes, []) | ([], bytes) => ready!(stream.as_mut().poll_write(cx, bytes))?,
                (head, body) => {
                    let both = [IoSlice::new(head), IoSlice::new(body)];
                    ready!(stream.as_mut().poll_write_vectored(cx, &both))?
                }
            };
            self.moved = true;
            self.sent += written as u64;
            let of_head = written.min(head.len());
            self.replied += of_head;
            self.direct -= written - of_head;
            answer.consume(written - of_head);
        }
        reply.clear();
        self.replied = 0;
        if let (Some(pipe), Some(sink)) = (&mut self.pipe, client.stream.plain()) {
            while pipe.held() > 0 {
                let drained = ready!(tunnel::poll_drain(cx, pipe, sink))?;
                self.moved = true;
                self.sent += drained as u64;
            }
        }
        Pin::new(&mut client.stream).poll_flush(cx)
    }
}
