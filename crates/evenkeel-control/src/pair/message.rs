//! What two nodes say to each other: JSON documents, each behind its length.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_api as api;
use evenkeel_core::vrrp::machine::Heartbeat;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::words::Word;
use crate::ticket_file::KeptKey;

/// What is spoken. Nodes that speak another version do not understand each other.
pub(crate) const VERSION: u32 = 2;

/// The largest message: a configuration of 1 MiB, each byte escaped at worst.
pub(crate) const MOST_BYTES: usize = 8 << 20;
/// Before it is known who speaks.
const MOST_HELLO_BYTES: usize = 4096;

/// Words, or views, in one message.
pub(crate) const MOST_WORDS: usize = 256;
/// Virtual addresses in one message; more are not listened to.
pub(crate) const MOST_VIPS: usize = 1024;

/// The first message each way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// What it speaks: [`VERSION`]. Whatever else changes, this is read.
    pub(crate) speaks: u32,
    /// Name of the node.
    #[serde(default)]
    pub(crate) node: String,
    /// Version of its program.
    #[serde(default)]
    pub(crate) program: String,
    /// Which run of it.
    #[serde(default)]
    pub(crate) run: u64,
}

/// Every other message.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Message {
    Beat(Beat),
    /// What operators said of servers.
    Words(Vec<Word>),
    /// The keys of session tickets.
    Tickets(Vec<KeptKey>),
    /// How servers are judged.
    Views(Vec<View>),
    /// A configuration for both nodes.
    Offer(Offer),
    Verdict(Verdict),
    /// What an authority is about to look for.
    Proofs(Proofs),
    /// The proofs of this number are shown.
    Shown(u64),
    /// The account with an authority.
    Account(Account),
    /// A certificate that has arrived.
    Certificate(Certificate),
}

/// What an authority looks for: it may be at either node that it does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proofs {
    pub(crate) number: u64,
    pub(crate) proofs: Vec<Proof>,
}

/// One of them, see [`evenkeel_engine::Proof`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Proof {
    Http { token: String, answer: String },
    Tls { name: String, certificate: Vec<u8>, key: Vec<u8> },
}

impl From<Proof> for evenkeel_engine::Proof {
    fn from(proof: Proof) -> Self {
        match proof {
            Proof::Http { token, answer } => Self::Http { token, answer },
            Proof::Tls { name, certificate, key } => Self::Tls { name, certificate, key },
        }
    }
}

/// An account as its file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// URL of the authority.
    pub(crate) directory: String,
    pub(crate) text: String,
}

/// A certificate of an authority: its chain and its key (PEM).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Certificate {
    /// URL of the authority.
    pub(crate) directory: String,
    pub(crate) pem: String,
}

/// How a node judges a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct View {
    pub(crate) pool: String,
    pub(crate) server: String,
    pub(crate) judged: api::PeerView,
}

/// A configuration that is for both nodes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Offer {
    /// By which its verdict is known.
    pub(crate) number: u64,
    pub(crate) text: String,
    pub(crate) wish: OfferWish,
}

/// What is to be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OfferWish {
    /// Say whether it fits.
    Check,
    /// Have it take effect, as one that came by the API does.
    Apply,
    /// And write it into the file, as it is in the other node's.
    Write,
}

/// What became of an offer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) number: u64,
    pub(crate) result: api::PeerApplied,
}

/// That a node is there, and how its virtual addresses stand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Beat {
    /// Its time of day, in milliseconds since 1970.
    pub(crate) now: u64,
    /// The same number on both nodes when their configurations are the same, but for what is each
    /// one's own.
    #[serde(default)]
    pub(crate) config: Option<u64>,
    /// What it does; `None`: it does not look.
    #[serde(default)]
    pub(crate) figures: Option<api::PeerFigures>,
    /// What is being drilled there.
    #[serde(default)]
    pub(crate) drilled: Option<String>,
    pub(crate) vips: Vec<VipBeat>,
}

/// [`Heartbeat`] of one virtual address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VipBeat {
    pub(crate) vip: String,
    node: IpAddr,
    owns: bool,
    claim: Option<u8>,
    boot: u64,
    claims: u64,
    /// The other node is to give it: it was lent, or this one would preempt that one.
    #[serde(default)]
    pub(crate) wanted: bool,
}

impl VipBeat {
    /// `lent`: the address is the other node's for a while.
    pub(crate) fn new(vip: &str, heartbeat: Heartbeat, lent: bool) -> Self {
        let Heartbeat { node, owns, claim, boot, claims, wants } = heartbeat;
        let wanted = wants || (lent && !owns);
        Self { vip: vip.to_owned(), node, owns, claim, boot, claims, wanted }
    }

    pub(crate) fn heartbeat(&self) -> Heartbeat {
        let Self { vip: _, node, owns, claim, boot, claims, wanted } = *self;
        Heartbeat { node, owns, claim, boot, claims, wants: wanted }
    }

    /// As it is shown.
    pub(crate) fn document(&self) -> api::PeerVip {
        api::PeerVip { address: self.node.to_string(), owns: self.owns, claim: self.claim }
    }
}

/// Writes one message; an error if it takes longer than `limit`.
pub(crate) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &(impl Serialize + Sync),
    limit: Duration,
) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MOST_BYTES);
    let length = length.ok_or_else(|| io::Error::other("a message is too long to be sent"))?;
    let writing = async {
        stream.write_u32(length).await?;
        stream.write_all(&body).await?;
        stream.flush().await
    };
    timeout(limit, writing).await.unwrap_or_else(|_late| Err(silent("takes nothing", limit)))
}

/// The next message; an error if there is none for `limit`.
pub(crate) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    limit: Duration,
) -> io::Result<Message> {
    document(stream, MOST_BYTES, limit).await
}

/// The first message.
pub(crate) async fn read_hello(
    stream: &mut (impl AsyncRead + Unpin),
    limit: Duration,
) -> io::Result<Hello> {
    document(stream, MOST_HELLO_BYTES, limit).await
}

async fn document<T: for<'de> Deserialize<'de>>(
    stream: &mut (impl AsyncRead + Unpin),
    most: usize,
    limit: Duration,
) -> io::Result<T> {
    let reading = async {
        let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
        if length > most {
            let reason = format!("it sends a message of {length} bytes, {most} are the limit");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        Ok(body)
    };
    let body =
        timeout(limit, reading).await.unwrap_or_else(|_late| Err(silent("is silent", limit)));
    serde_json::from_slice(&body?).map_err(|error| {
        let reason = format!("it says something that is not understood: {error}");
        io::Error::new(io::ErrorKind::InvalidData, reason)
    })
}

fn silent(what: &str, limit: Duration) -> io::Error {
    let reason = format!("it {what} for {:.1} s", limit.as_secs_f64());
    io::Error::new(io::ErrorKind::TimedOut, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn messages_come_as_they_went() {
        let (mut one, mut other) = tokio::io::duplex(1 << 16);
        let heartbeat = Heartbeat {
            node: [192, 0, 2, 1].into(),
            owns: false,
            claim: Some(150),
            boot: u64::MAX,
            claims: 3,
            wants: true,
        };
        let vips = vec![VipBeat::new("main", heartbeat, false)];
        let beat = Beat { now: 7, config: None, figures: None, drilled: None, vips };
        write(&mut one, &Message::Beat(beat), LIMIT).await.unwrap();
        write(&mut one, &Message::Words(Vec::new()), LIMIT).await.unwrap();
        let Message::Beat(Beat { now, vips, .. }) = read(&mut other, LIMIT).await.unwrap() else {
            panic!("it was a beat");
        };
        let [said] = &vips[..] else { panic!("it was one") };
        let expected = (7, "main", heartbeat, true);
        assert_eq!((now, said.vip.as_str(), said.heartbeat(), said.wanted), expected);
        assert!(matches!(read(&mut other, LIMIT).await.unwrap(), Message::Words(_)));
        drop(one);
        let ended = read(&mut other, LIMIT).await.err().expect("it has ended");
        assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn what_is_too_long_or_makes_no_sense_is_refused() {
        let hello = |bytes: Vec<u8>| async move { read_hello(&mut &bytes[..], LIMIT).await };
        let long = hello(vec![0, 1, 0, 0]).await.unwrap_err().to_string();
        assert_eq!(long, "it sends a message of 65536 bytes, 4096 are the limit");
        let wrong = hello(b"\0\0\0\x02[]".to_vec()).await.unwrap_err();
        assert_eq!(wrong.kind(), io::ErrorKind::InvalidData);
        let cut = hello(b"\0\0\0\x09{}".to_vec()).await.unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
        // One that knows more is understood in what matters.
        let newer = br#"{"speaks": 9, "song": "la"}"#;
        let newer = [&u32::try_from(newer.len()).unwrap().to_be_bytes()[..], newer].concat();
        assert_eq!(hello(newer).await.unwrap().speaks, 9);
    }

    #[tokio::test]
    async fn silence_has_an_end() {
        let (mut one, _other) = tokio::io::duplex(64);
        let silent = read(&mut one, Duration::from_millis(1)).await.err().expect("nobody speaks");
        assert_eq!(silent.kind(), io::ErrorKind::TimedOut);
    }
}
