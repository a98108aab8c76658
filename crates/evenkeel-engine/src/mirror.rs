//! Copies of requests to another pool. They go out once the request itself has its answer, and
//! nobody waits for them: what becomes of a copy changes nothing for the client.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use evenkeel_core::config::{HttpLimits, PoolId};
use evenkeel_core::fault::Fault;
use evenkeel_core::message::chunked::{Decoder, Step};
use evenkeel_core::message::response::{self, AnswerBody, Asked, Space};
use evenkeel_core::pick::{Choice, Pick, Tried};
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::buffer::Buffer;
use crate::clock;
use crate::connect::{Upstream, Wanted, connect};
use crate::exchange::Client;
use crate::introduction;
use crate::stream::Stream;
use crate::worker::{Place, Worker};

/// Copies under way in one worker; those beyond it are not made. Each holds at most a head and a
/// body that could be sent again: 10 MiB together.
const MOST_COPIES: u32 = 64;
/// Connecting, sending and the whole answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of an answer that nobody reads, to keep the connection; a longer one costs it.
const MOST_ANSWER: u64 = 1024 * 1024;

/// A copy under way, counted until it is dropped.
struct Copy(Rc<Worker>);

/// Sends `request`, a head with its whole body, to a server of the pool.
pub(crate) fn send(client: &Client, place: &Place, pool: PoolId, request: &[u8], head_only: bool) {
    let worker = client.worker();
    let Some(copy) = Copy::take(worker) else {
        worker.vitals().copies_dropped.add(1);
        return;
    };
    let version = place.pool(pool).live.config.proxy_protocol;
    let introduction =
        version.map(|version| introduction::write(version, &client.seat, &client.stream, &[]));
    let is_sensitive = client.stream.brings_sensitive();
    let (place, request) = (place.clone(), request.to_vec());
    drop(spawn_local(async move {
        let sent = copy.deliver(
            &place,
            pool,
            (&request, introduction.as_deref()),
            (head_only, is_sensitive),
        );
        // What is late is given up like what failed.
        let _ = timeout(PATIENCE, sent).await;
    }));
}

impl Copy {
    fn take(worker: &Rc<Worker>) -> Option<Self> {
        let under_way = worker.copies.get();
        (under_way < MOST_COPIES).then(|| {
            worker.copies.set(under_way + 1);
            Self(Rc::clone(worker))
        })
    }

    async fn deliver(
        &self,
        place: &Place,
        pool: PoolId,
        (request, introduction): (&[u8], Option<&[u8]>),
        (head_only, is_sensitive): (bool, bool),
    ) -> Option<()> {
        let worker = &self.0;
        let pool = place.pool(pool);
        let (turn, chance) = (pool.live.take_turn(), worker.chance());
        let choice = Choice { turn, chance, key: None, token: None };
        let pick = pool.roster().pick(&choice, &pool.live.loads(false), &Tried::new());
        let Pick::Server(index) = pick else { return None };
        let in_flight = pool.live.enter(index, false)?;
        let server = &pool.servers[index];
        server.tally(worker).requests.add(1);
        let watch = poll_fn(|cx| Poll::Ready(worker.timers.watch(cx.waker().clone()))).await;
        let wanted = introduction.map_or(Wanted::Any, Wanted::Introduced);
        let time = (&watch, clock::now() + pool.live.config.timeouts.connect);
        let upstream = connect(worker, &pool.live, (server, in_flight), time, wanted).await;
        let mut upstream =
            upstream.map_err(|fault| worker.report_fault(&server.server, fault)).ok()?;
        if is_sensitive {
            upstream.link.stream.set_sensitive();
        }
        match exchange(&mut upstream, request, head_only).await {
            Ok(true) => upstream.keep(),
            // A kept connection may be closed at any time: that is nobody's failure.
            Err(fault) if !upstream.reused => worker.report_fault(&server.server, fault),
            Ok(false) | Err(_) => {}
        }
        Some(())
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.0.copies.set(self.0.copies.get() - 1);
    }
}

/// Sends the request and reads its answer. Returns whether the connection can be kept.
async fn exchange(upstream: &mut Upstream, request: &[u8], head: bool) -> Result<bool, Fault> {
    let stream = &mut upstream.link.stream;
    stream.write_all(request).await.map_err(|_gone| Fault::ServerReset)?;
    stream.flush().await.map_err(|_gone| Fault::ServerReset)?;
    let mut buffer = Buffer::default();
    loop {
        fill(&mut buffer, stream).await?;
        loop {
            let mut space = Space::new();
            let parsed = response::parse(buffer.unread(), &mut space, Asked { head, offer: None });
            let Some(answer) = parsed.map_err(|_reason| Fault::BadAnswer)? else { break };
            let (length, is_interim) = (answer.length, answer.is_interim());
            let (body, keeps) = (answer.body, answer.keep_alive);
            buffer.consume(length);
            if !is_interim {
                return Ok(keeps && drain(&mut buffer, stream, body).await?);
            }
        }
    }
}

/// Reads a body to its end. Returns whether the connection stands right behind it.
async fn drain(buffer: &mut Buffer, stream: &mut Stream, body: AnswerBody) -> Result<bool, Fault> {
    match body {
        AnswerBody::None => {}
        AnswerBody::UntilClose => return Ok(false),
        AnswerBody::Length(length) if length > MOST_ANSWER => return Ok(false),
        AnswerBody::Length(mut left) => {
            while left > 0 {
                if buffer.is_empty() {
                    fill(buffer, stream).await?;
                }
                let here =
                    usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
                buffer.consume(here);
                left -= here as u64;
            }
        }
        AnswerBody::Chunked => {
            let mut decoder = Decoder::new(HttpLimits::MOST_HEAD_BYTES);
            let mut passed = 0;
            loop {
                if buffer.is_empty() {
                    fill(buffer, stream).await?;
                }
                let decoded = decoder.decode(buffer.unread());
                let (step, consumed) = decoded.map_err(|_reason| Fault::BadAnswer)?;
                let ended = matches!(step, Step::End);
                buffer.consume(consumed);
                passed += consumed as u64;
                if ended {
                    break;
                }
                if passed > MOST_ANSWER {
                    return Ok(false);
                }
            }
        }
    }
    Ok(buffer.is_empty())
}

async fn fill(buffer: &mut Buffer, stream: &mut Stream) -> Result<(), Fault> {
    buffer.make_room(HttpLimits::MOST_HEAD_BYTES as usize);
    match poll_fn(|cx| buffer.poll_fill(cx, stream)).await {
        Ok(read) if read > 0 => Ok(()),
        _ => Err(Fault::ServerReset),
    }
}
