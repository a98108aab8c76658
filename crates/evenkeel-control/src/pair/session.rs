//! One connection to the other node, for as long as it lasts.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_engine::LinkStream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::message::{self, Message};
use crate::node::{Node, Told};
use crate::whole::whole;

/// Messages that have come and not yet taken effect. More wait in the connection: a heartbeat
/// behind them is late then, and the adverts alone count.
const MOST_UNREAD: usize = 64;

/// How late the other node may learn how a server is judged here.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often a node without virtual addresses says that it is there.
const LONGEST_BEAT: Duration = Duration::from_secs(1);
/// Of so many beats in the time a node may be silent, one may be late.
const BEATS: u32 = 3;

/// Lives until the connection ends; why it did.
pub(super) async fn live(node: &Arc<Node>, stream: LinkStream, limit: Duration) -> String {
    let (mut from, mut to) = tokio::io::split(stream);
    let (inbox, unread) = mpsc::channel(MOST_UNREAD);
    // One offer is answered before the next is read.
    let (answers, answered) = mpsc::channel(1);
    let ended = tokio::select! {
        ended = listen(node, &mut from, &inbox, limit) => ended,
        ended = speak(node, &mut to, answered, limit) => ended,
        ended = heed(node, unread, &answers) => ended,
    };
    let Err(error) = ended else { return String::new() };
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it has ended the connection".to_owned(),
        _ => error.to_string(),
    }
}

/// Never returns without an error.
async fn listen(
    node: &Node,
    from: &mut (impl AsyncRead + Unpin),
    inbox: &mpsc::Sender<Message>,
    limit: Duration,
) -> io::Result<()> {
    loop {
        match message::read(from, limit).await? {
            // Not behind anything that takes its time.
            Message::Beat(beat) => node.peer_beats(&beat),
            other => inbox.send(other).await.map_err(io::Error::other)?,
        }
    }
}

/// Says what is new, and that this node is there.
async fn speak(
    node: &Node,
    to: &mut (impl AsyncWrite + Unpin),
    mut answers: mpsc::Receiver<Message>,
    limit: Duration,
) -> io::Result<()> {
    let mut news = node.pair().news();
    let mut told = Told::default();
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        news.borrow_and_update();
        message::write(to, &Message::Beat(node.beat()), limit).await?;
        for message in node.news_for_peer(&mut told) {
            message::write(to, &message, limit).await?;
        }
        let often = node.vip_interval().unwrap_or(LONGEST_BEAT);
        let pause = often.min(LONGEST_BEAT).min(limit / BEATS);
        tokio::select! {
            () = sleep(pause) => {}
            () = node.vip_heartbeat_changed() => {}
            // The sender is the node's own.
            _ = news.changed() => {}
            _ = look.tick() => {
                for message in node.views_for_peer(&mut told) {
                    message::write(to, &message, limit).await?;
                }
            }
            Some(answer) = answers.recv() => message::write(to, &answer, limit).await?,
        }
    }
}

/// What has come takes effect, in its order: one after the other, each as a whole, whatever becomes
/// of the connection meanwhile.
async fn heed(
    node: &Arc<Node>,
    mut unread: mpsc::Receiver<Message>,
    answers: &mpsc::Sender<Message>,
) -> io::Result<()> {
    while let Some(message) = unread.recv().await {
        let here = Arc::clone(node);
        let answer = whole(async move { take_in(&here, message).await }).await;
        if let Some(answer) = answer {
            answers.send(answer).await.map_err(io::Error::other)?;
        }
    }
    Ok(())
}

/// The answer, if there is one.
async fn take_in(node: &Node, message: Message) -> Option<Message> {
    match message {
        Message::Beat(_) => {}
        Message::Words(words) => node.take_words(words).await,
        Message::Tickets(keys) => node.take_ticket_keys(&keys).await,
        Message::Views(views) => node.take_views(views),
        Message::Offer(offer) => return Some(Message::Verdict(node.heed_offer(offer).await)),
        Message::Verdict(verdict) => node.take_verdict(verdict),
        Message::Proofs(proofs) => return Some(Message::Shown(node.show_for_peer(proofs))),
        Message::Shown(number) => node.peer_shows(number),
        Message::Account(account) => node.take_account(account).await,
        Message::Certificate(certificate) => node.take_certificate(certificate).await,
    }
    None
}
