//! More work for somebody than there is, for a while.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::wire::{Request, ask_tls};

/// As long as somebody watches.
pub(super) const LASTS: Duration = Duration::from_secs(10);
/// Requests at once. Each is a connection of its own, with a handshake where there is TLS, which
/// takes the server longer than the one who asks: enough to keep a core at work.
const AT_ONCE: usize = 8;
/// After a failure.
const BREATH: Duration = Duration::from_millis(10);

/// What is asked of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Pages of a web server, or of a site behind a balancer.
    Site(SocketAddr),
    /// Devices that nobody knows, at a comm server.
    Comm(SocketAddr),
}

/// Keeps `target` at work for a while.
pub(super) async fn burden(target: Target, tls: TlsConnector, lasts: Duration) {
    let mut asking = JoinSet::new();
    for _ in 0..AT_ONCE {
        let tls = tls.clone();
        asking.spawn_local(async move {
            let work = async {
                loop {
                    if !ask(target, &tls).await {
                        sleep(BREATH).await;
                    }
                }
            };
            // It has no other end.
            let _: Result<(), _> = timeout(lasts, work).await;
        });
    }
    asking.join_all().await;
}

async fn ask(target: Target, tls: &TlsConnector) -> bool {
    match target {
        Target::Site(site) => {
            let request = Request { line: "GET /login", ..Request::default() };
            ask_tls(tls, site, request).await.is_ok()
        }
        Target::Comm(comm) => {
            let talk = async {
                let mut stream = TcpStream::connect(comm).await?;
                stream.write_all(b"hello 1 nobody none\n").await?;
                stream.read_to_end(&mut Vec::new()).await
            };
            talk.await.is_ok()
        }
    }
}
