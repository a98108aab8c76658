//! A request of the drill's own, on a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::target::Target;
use crate::bench::answer::Reader;

/// What is read at once.
const READ_BYTES: usize = 16 << 10;

/// A balancer that has no server closes a connection at once; one that is open for so long has one.
const QUIET: Duration = Duration::from_millis(100);

/// The first status that says that the service did not do what it was asked.
const FIRST_BAD_STATUS: u16 = 500;

/// Asks once, within `limit`; the error says why that was no good.
pub(super) async fn probe(target: &Target, limit: Duration) -> Result<(), String> {
    let late = |_late| format!("no answer within {} s", limit.as_secs_f64());
    timeout(limit, ask(target)).await.map_err(late)?
}

async fn ask(target: &Target) -> Result<(), String> {
    let connecting = TcpStream::connect(target.address).await;
    let stream = connecting.map_err(|error| format!("cannot connect: {error}"))?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let Some((config, name)) = &target.tls else { return talk(target, stream).await };
    let connector = TlsConnector::from(Arc::clone(config));
    let shaking = connector.connect(ServerName::clone(name), stream).await;
    let stream = shaking.map_err(|error| format!("the TLS handshake failed: {error}"))?;
    // Who has shaken hands is a server.
    if target.request.is_none() { Ok(()) } else { talk(target, stream).await }
}

async fn talk(
    target: &Target,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
) -> Result<(), String> {
    let mut buffer = vec![0; READ_BYTES];
    let broken = |error: std::io::Error| format!("the connection broke: {error}");
    let Some(request) = &target.request else {
        return match timeout(QUIET, stream.read(&mut buffer)).await {
            Err(_quiet) => Ok(()),
            Ok(Ok(0)) => Err("the connection was closed at once".to_owned()),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(broken(error)),
        };
    };
    stream.write_all(&request.bytes).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut reader = Reader::new(request.head_only);
    let answer = loop {
        let count = stream.read(&mut buffer).await.map_err(broken)?;
        if count == 0 {
            break reader.end().ok_or("the connection was closed before the answer was whole")?;
        }
        let read = reader.feed(&buffer[..count]);
        if let Some(answer) =
            read.map_err(|_garbage| "what came was no answer of HTTP".to_owned())?
        {
            break answer;
        }
    };
    if answer.status >= FIRST_BAD_STATUS {
        return Err(format!("answered {}", answer.status));
    }
    Ok(())
}
