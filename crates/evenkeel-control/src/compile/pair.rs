//! `[pair]`: the other node, and how both know each other.

use std::net::SocketAddr;
use std::time::Duration;

use super::table::{Reader, Wrong, wrong};
use super::value::{duration, text};
use super::{Bench, word};
use crate::document::Value;
use crate::pair::PairSecret;

/// A secret with what is said around it has a few hundred bytes.
const MOST_SECRET_BYTES: usize = 4096;

/// A node that hangs or is cut off is given up after this; a connection that does not come, too.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Below it, a busy machine would lose its link again and again.
const LEAST_TIMEOUT: Duration = Duration::from_millis(500);
/// Beyond it, nobody would call it noticed.
const MOST_TIMEOUT: Duration = Duration::from_secs(30);

/// `[pair]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairSettings {
    /// Where this node waits for the other.
    pub bind: SocketAddr,
    /// Where the other node waits for this one.
    pub peer: SocketAddr,
    pub secret: PairSecret,
    /// How long a connection may take to come about, and how long it may be silent.
    pub timeout: Duration,
}

pub(super) fn pair(
    root: &mut Reader<'_>,
    bench: Bench<'_>,
    admin: SocketAddr,
) -> Option<PairSettings> {
    let mut reader = root.table("pair")?;
    let help = "where this node waits for the other, such as \"10.0.0.2:7071\"";
    let bind = reader.need("bind", help, |value| {
        let bind = word::bind(value)?;
        let is_same = bind.ip() == admin.ip() || bind.ip().is_unspecified();
        if bind.port() == admin.port() && is_same {
            return Err(wrong(format!("the admin address is {admin}"))
                .help("the nodes speak to each other on a port of its own, such as 7071"));
        }
        Ok(bind)
    });
    let help = "where the other node waits, its `bind`, such as \"10.0.0.3:7071\"";
    let peer = reader.need("peer", help, |value| {
        let peer = word::bind(value)?;
        if peer.ip().is_unspecified() || peer.port() == 0 {
            return Err(
                wrong(format!("{peer} is not where another node can be reached")).help(help)
            );
        }
        if bind == Some(peer) {
            return Err(wrong(format!("{peer} is this node itself")).help(help));
        }
        Ok(peer)
    });
    let help = "make it on one node and copy it to the other: `evenkeel pair init`";
    let secret = reader.need("secret_file", help, |value| secret(value, bench));
    let timeout = reader.read("timeout", |value| match duration(value)? {
        fits if (LEAST_TIMEOUT..=MOST_TIMEOUT).contains(&fits) => Ok(fits),
        _ => Err(wrong("out of range: 500 ms to 30 s")),
    });
    reader.finish();
    let timeout = timeout.unwrap_or(TIMEOUT);
    Some(PairSettings { bind: bind?, peer: peer?, secret: secret?, timeout })
}

fn secret(value: &Value, bench: Bench<'_>) -> Result<PairSecret, Wrong> {
    let path = bench.surroundings.base.join(text(value)?);
    let shown = path.display();
    let make = format!(
        "make it on one node, `evenkeel pair init --out {shown}`, and copy it to the other"
    );
    let content = (bench.surroundings.read_secret)(&path, MOST_SECRET_BYTES).map_err(|error| {
        let help = match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                format!("`chmod 600 {shown}`, and see that it is this user's")
            }
            _ => make.clone(),
        };
        wrong(format!("cannot read {shown}: {error}")).help(help)
    })?;
    PairSecret::parse(&String::from_utf8_lossy(&content))
        .ok_or_else(|| wrong(format!("{shown} does not hold the secret of a pair")).help(make))
}
