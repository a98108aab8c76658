//! Connections of browsers: TLS, then HTTP/1.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::metrics::WebMetrics;

/// Browsers at once; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 4096;
/// From the connection to the end of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// From a connection that is ready to the end of a request's head; also how long it may be idle.
const HEAD: Duration = Duration::from_secs(30);
/// A connection that lasts longer has somebody at the other end who takes an answer in drops.
const WHOLE: Duration = Duration::from_hours(1);
/// What a failed accept waits before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long the end waits for requests under way.
const FAREWELL: Duration = Duration::from_secs(10);

/// Serves `router` until `stop` is done, then ends what is idle and finishes what is not.
pub(super) async fn serve(
    listener: TcpListener,
    tls: &TlsAcceptor,
    router: &Router,
    metrics: &Arc<WebMetrics>,
    stop: impl Future<Output = ()>,
) {
    let (end, ending) = watch::channel(());
    let mut connections = JoinSet::new();
    let accept = async {
        loop {
            while connections.len() >= MOST_CONNECTIONS {
                connections.join_next().await;
            }
            while connections.try_join_next().is_some() {}
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (tls, router) = (tls.clone(), router.clone());
                    let (metrics, ending) = (Arc::clone(metrics), ending.clone());
                    connections.spawn(async move {
                        let connection = connection(stream, tls, router, &metrics, ending);
                        // Who takes longer is cut off.
                        let _ = tokio::time::timeout(WHOLE, connection).await;
                    });
                }
                Err(error) => {
                    tracing::warn!("cannot accept: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = stop => {}
    }
    drop(listener);
    drop(end);
    drop(ending);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, all).await.is_err() {
        tracing::warn!("requests did not end within {FAREWELL:?}");
    }
}

async fn connection(
    stream: TcpStream,
    tls: TlsAcceptor,
    router: Router,
    metrics: &WebMetrics,
    mut ending: watch::Receiver<()>,
) {
    metrics.connections.inc();
    // Answers are awaited; where this fails they are only later.
    let _ = stream.set_nodelay(true);
    let mut is_probe = false;
    let handshake = async {
        is_probe = stream.peek(&mut [0]).await? == 0;
        tls.accept(stream).await
    };
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, handshake).await else {
        // A check of a balancer comes and goes without a byte.
        if is_probe {
            metrics.probes.inc();
        } else {
            metrics.handshakes_failed.inc();
        }
        return;
    };
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = ending.changed() => connection.as_mut().graceful_shutdown(),
    }
    // Whoever was at the other end knows best why it ended.
    let _ = connection.await;
}
