//! A file on its way to the client: a small one with its head in one piece, a large one by sendfile.

use std::future::poll_fn;
use std::io;
use std::mem;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use evenkeel_core::fault::{Fault, Phase};
use evenkeel_core::files::Multipart;
use evenkeel_core::throttle::Throttle;
use evenkeel_sys::{OpenFile, send_more};
use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;

use crate::buffer::BUFFER_BYTES;
use crate::clock;
use crate::exchange::{Client, Desk, Next};
use crate::own;
use crate::pace::Pace;
use crate::receive::Request;
use crate::worker::Place;

/// Bytes of files copied into one reply. A file that is not longer goes out with its head in one
/// send: two copies of so little cost less than a call of sendfile.
const MOST_COPIED: usize = BUFFER_BYTES;

/// Bytes one call may move from a file: what has to come from a disk makes the whole worker wait.
const MOST_SENT_AT_ONCE: usize = 256 * 1024;

/// Bytes one client with an open window is sent before others have their turn.
const MOST_IN_A_TURN: u64 = 1024 * 1024;

/// What of a file is sent behind the head.
#[derive(Debug)]
pub(crate) struct FileBody {
    pub(crate) status: u16,
    pub(crate) file: OpenFile,
    /// Nothing for a head alone, and where there are parts.
    pub(crate) left: Range<u64>,
    pub(crate) parts: Option<Multipart>,
}

/// One body on its way.
struct Sending<'s> {
    client: &'s mut Client,
    desk: &'s mut Desk,
    idle: Duration,
    body: &'s FileBody,
    left: Range<u64>,
    /// The part that comes next.
    part: usize,
    /// Bytes of `reply` the client has taken.
    replied: usize,
    /// Bytes the client has taken, the head among them.
    sent: u64,
    /// The client is not a plain socket, or the file system does not send by itself.
    copies: bool,
    moved: bool,
    throttle: Option<Throttle>,
    /// Bytes of `sent` that the throttle knows of.
    charged: u64,
    /// What may pass for now has passed: the deadline is when it goes on.
    paused: bool,
    pace: Pace,
    /// Bytes in the kernel's queue to the client when the deadline was set.
    queued: u32,
}

/// Sends the head that is in `reply`, and the body.
pub(crate) async fn send(
    client: &mut Client,
    desk: &mut Desk,
    place: &Place,
    request: &Request,
    body: &FileBody,
) -> Result<Next, Fault> {
    desk.record.answered(body.status);
    let head = desk.reply.len();
    let mut sending = Sending {
        idle: place.listener().timeouts.idle,
        left: body.left.clone(),
        body,
        part: 0,
        replied: 0,
        sent: 0,
        copies: client.stream.plain().is_none(),
        moved: false,
        throttle: request.bandwidth.map(Throttle::new),
        charged: 0,
        paused: false,
        pace: Pace::default(),
        queued: 0,
        client,
        desk,
    };
    sending.client.watch.set_after(sending.idle);
    let ended = poll_fn(|cx| sending.poll(cx)).await;
    let sent = sending.sent;
    desk.record.sent(sent, head, 0);
    desk.reply.clear();
    ended?;
    let keep = client.is_framed() || request.keep_alive && request.body.is_empty();
    own::after(client, desk, keep).await
}

impl Sending<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let was_paused = mem::take(&mut self.paused);
        let polled = self.poll_body(cx);
        if polled.is_ready() || self.paused {
            return polled;
        }
        if mem::take(&mut self.moved) || was_paused || self.is_read() {
            self.extend();
        }
        if self.client.watch.expired() {
            Poll::Ready(Err(Fault::ClientTimeout(Phase::Data)))
        } else {
            Poll::Pending
        }
    }

    /// Something moved: the client has time again.
    fn extend(&mut self) {
        let now = clock::now();
        self.pace.resume(now);
        self.queued = self.client.stream.unacknowledged();
        self.client.watch.set_after(self.idle.min(self.pace.wait(self.sent, now)));
    }

    /// The deadline has come, but the client has taken bytes out of the kernel's queue since it was
    /// set: it reads, if slowly, although there is no room for more yet.
    fn is_read(&self) -> bool {
        self.client.watch.expired() && self.client.stream.unacknowledged() < self.queued
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let before = self.sent;
        loop {
            let room = self.room();
            self.fill(room)?;
            if let Err(_gone) = ready!(self.poll_flush(cx)) {
                return Poll::Ready(Err(Fault::ClientGone(Phase::Data)));
            }
            if self.left.is_empty() && !self.has_parts() {
                return Poll::Ready(Ok(()));
            }
            if self.sent - before >= MOST_IN_A_TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let (0, Some(throttle)) = (room, &self.throttle) {
                self.client.watch.set(throttle.next());
                self.paused = true;
                return Poll::Pending;
            }
            ready!(self.poll_file(cx, room))?;
        }
    }

    /// Bytes of the body that may pass now.
    fn room(&mut self) -> usize {
        let Some(throttle) = &mut self.throttle else { return usize::MAX };
        let now = clock::now();
        throttle.passed(self.sent - mem::replace(&mut self.charged, self.sent), now);
        let room = throttle.room(now);
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    /// The end of the last part is one more.
    fn has_parts(&self) -> bool {
        self.body.parts.as_ref().is_some_and(|parts| self.part <= parts.count())
    }

    /// Copies what goes out with a head or instead of sendfile.
    fn fill(&mut self, most: usize) -> Result<(), Fault> {
        let reply = &mut self.desk.reply;
        if self.replied > 0 || (reply.is_empty() && !self.copies && !self.left.is_empty()) {
            return Ok(());
        }
        let mut room = MOST_COPIED.min(most);
        while room > 0 {
            if self.left.is_empty() {
                let Some(parts) = &self.body.parts else { break };
                if self.part > parts.count() {
                    break;
                }
                parts.write_before(reply, self.part);
                self.left = parts.range(self.part).cloned().unwrap_or(0..0);
                self.part += 1;
                continue;
            }
            if !self.copies && within(&self.left, usize::MAX) > MOST_COPIED {
                break;
            }
            let most = within(&self.left, room);
            match self.body.file.read_behind(reply, self.left.start, most) {
                // It was made shorter since it was opened.
                Ok(0) => return Err(Fault::FileCut),
                Ok(read) => {
                    room -= read;
                    self.left.start += read as u64;
                }
                Err(error) => return Err(cut(&error)),
            }
        }
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Desk { reply, .. } = &mut *self.desk;
        // What sendfile adds at once belongs into the same segments.
        let more_follows = !self.copies && !self.left.is_empty() && self.throttle.is_none();
        while self.replied < reply.len() {
            let bytes = &reply[self.replied..];
            let written = match self.client.stream.plain() {
                Some(socket) if more_follows => ready!(poll_send_more(socket, cx, bytes))?,
                _ => ready!(Pin::new(&mut self.client.stream).poll_write(cx, bytes))?,
            };
            self.moved = true;
            self.replied += written;
            self.sent += written as u64;
        }
        reply.clear();
        self.replied = 0;
        Pin::new(&mut self.client.stream).poll_flush(cx)
    }

    /// From the file into the socket, past this process.
    fn poll_file(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<Result<(), Fault>> {
        let most = within(&self.left, MOST_SENT_AT_ONCE.min(most));
        let stream = self.client.stream.plain().filter(|_| most > 0 && !self.copies);
        let Some(stream) = stream else { return Poll::Ready(Ok(())) }; // goes through the reply
        let sent = loop {
            if let Err(_gone) = ready!(stream.poll_write_ready(cx)) {
                return Poll::Ready(Err(Fault::ClientGone(Phase::Data)));
            }
            let send = || self.body.file.send(stream, self.left.start, most);
            match stream.try_io(Interest::WRITABLE, send) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => break sent,
            }
        };
        Poll::Ready(match sent {
            Ok(0) => Err(Fault::FileCut),
            Ok(sent) => {
                self.moved = true;
                self.left.start += sent as u64;
                self.sent += sent as u64;
                Ok(())
            }
            Err(error) => match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                    Err(Fault::ClientGone(Phase::Data))
                }
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => {
                    self.copies = true;
                    Ok(())
                }
                _ => Err(cut(&error)),
            },
        })
    }
}

fn poll_send_more(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_write_ready(cx))?;
        match socket.try_io(Interest::WRITABLE, || send_more(socket, bytes)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return Poll::Ready(sent),
        }
    }
}

fn within(left: &Range<u64>, most: usize) -> usize {
    usize::try_from(left.end - left.start).map_or(most, |left| left.min(most))
}

fn cut(error: &io::Error) -> Fault {
    tracing::error!(%error, "cannot read a file to its end");
    Fault::FileCut
}
