//! A server with a limit that is known: it works on so many requests at once, so long on each.

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use http::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::super::args;
use crate::cli::out;

/// Held at once; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 4096;

/// `evenkeel bench server`: says where it listens, and serves until it is ended.
pub(in super::super) fn serve(args: &args::Server) -> Result<ExitCode> {
    let args::Server { concurrency, service_time } = *args;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        out::say(&listener.local_addr()?.to_string());
        let slots = Arc::new(Semaphore::new(usize::try_from(concurrency.get())?));
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= MOST_CONNECTIONS {
                connections.join_next().await;
            }
            while connections.try_join_next().is_some() {}
            let (stream, _) = listener.accept().await?;
            let slots = Arc::clone(&slots);
            let service = service_fn(move |_| {
                let slots = Arc::clone(&slots);
                async move {
                    let _slot = slots.acquire().await;
                    tokio::time::sleep(service_time).await;
                    Ok::<_, Infallible>(Response::new("done\n".to_owned()))
                }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            connections.spawn(async move {
                // Whoever was at the other end knows best why it ended.
                let _ = connection.await;
            });
        }
    })
}
