//! One check of one server.

mod exec;
mod grpc;
mod http;
mod json;
mod talk;
mod tls;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::agent::Advice;
use evenkeel_core::config::{Agent, AgentCheck, Check, CheckKind, Pool, ProxyVersion};
use evenkeel_core::health::{CheckFailure, Outcome, Words};
use evenkeel_core::proxy_protocol::{self, Header};
use evenkeel_core::verdict::{Component, Testimony};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::clock;
use crate::fleet::Server;
use crate::tls::{ToServers, Towards};

/// How long to wait, once the outcome is known, for the server to close its side: a socket closed
/// with something unread sends a reset, which servers write into their logs.
const FAREWELL: Duration = Duration::from_millis(100);
/// Bytes of a server's answer that are read before it is told to keep the rest.
const FAREWELL_BYTES: usize = 64 * 1024;
/// Bytes read at once: most answers to checks are smaller.
const READ_BYTES: usize = 4 * 1024;

/// The end of a connection whose check has an outcome, waited for a while.
type Farewell = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How the servers of a pool are checked, made ready.
#[derive(Debug)]
pub(super) struct Method {
    check: Option<Check>,
    /// What connections of traffic begin with.
    proxy_protocol: Option<ProxyVersion>,
    /// For a TLS check.
    tls: Option<Result<tls::Client, CheckFailure>>,
    /// For a gRPC check of servers that are spoken to in TLS.
    towards: HashMap<SocketAddr, Towards>,
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// Nothing wrong.
    Fine,
    Fault(CheckFailure),
    /// Nothing wrong but that the certificate is valid for so many days only.
    Expiring {
        days: u32,
    },
    /// What the server says of itself and of what it needs.
    Testimony(Testimony),
    /// What the server's agent says.
    Advice(Heard),
}

/// What an agent has said.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Heard {
    pub(super) advice: Advice,
    pub(super) words: Words,
}

impl Method {
    /// `to_servers`: how the pool's servers are spoken to in TLS.
    pub(super) fn new(pool: &Pool, to_servers: Option<&ToServers>) -> Self {
        let Pool { check, proxy_protocol, servers, .. } = pool;
        let tls = check.as_ref().and_then(|check| match &check.kind {
            CheckKind::Tls(asked) => Some(tls::Client::new(asked)),
            _ => None,
        });
        let is_grpc = check.as_ref().is_some_and(|it| matches!(it.kind, CheckKind::Grpc(_)));
        let towards = to_servers.filter(|_| is_grpc).map(|to_servers| {
            servers.iter().map(|server| (server.address, to_servers.towards(server))).collect()
        });
        let towards = towards.unwrap_or_default();
        Self { check: check.clone(), proxy_protocol: *proxy_protocol, tls, towards }
    }

    /// Checks a server; without a check there is nothing to fail. Also how long it took until the
    /// outcome was known.
    pub(super) async fn attempt(&self, server: &Server) -> (Found, Duration) {
        let begun = clock::refresh();
        let took = || clock::refresh().since(begun);
        let Some(check) = &self.check else { return (Found::Fine, took()) };
        let address = server.address;
        let target = SocketAddr::new(address.ip(), check.port.unwrap_or_else(|| address.port()));
        let found = match &check.kind {
            CheckKind::Exec(exec) => exec::run(exec, server, target, check.timeout).await,
            kind => match timeout(check.timeout, self.exchange(address, target, kind)).await {
                Ok(Ok((farewell, found))) => {
                    let took = took();
                    // Nothing that happens now says anything about the server.
                    let _ = timeout(FAREWELL, farewell).await;
                    return (found, took);
                }
                Ok(Err(failure)) => Err(failure),
                Err(_elapsed) => Err(CheckFailure::Timeout),
            },
        };
        (found.unwrap_or_else(Found::Fault), took())
    }

    /// Hears what the agent beside the check of a server says.
    pub(super) async fn ask(agent: &Agent, server: &Server) -> Result<Heard, CheckFailure> {
        let address = SocketAddr::new(server.address.ip(), agent.port);
        let conversation = async {
            let mut stream = connect(address).await.map_err(|error| failure(&error))?;
            let heard = talk::advice(&mut stream, agent.send.as_deref()).await?;
            Ok((stream, heard))
        };
        let (stream, heard) =
            timeout(agent.timeout, conversation).await.unwrap_or(Err(CheckFailure::Timeout))?;
        let _ = timeout(FAREWELL, part(stream)).await; // as after a check
        Ok(heard)
    }

    /// All of a check but the farewell, which is returned.
    async fn exchange(
        &self,
        server: SocketAddr,
        address: SocketAddr,
        kind: &CheckKind,
    ) -> Result<(Farewell, Found), CheckFailure> {
        let mut stream = self.connect(address).await?;
        let found = match kind {
            CheckKind::Tcp => {
                // A server that has closed already has let us connect.
                let _ = stream.shutdown().await;
                Found::Fine
            }
            CheckKind::Talk(talk) => talk::talk(&mut stream, talk).await?,
            CheckKind::Agent(AgentCheck { send }) => {
                Found::Advice(talk::advice(&mut stream, send.as_deref()).await?)
            }
            CheckKind::Http(asked) => http::check(&mut stream, address, asked).await?,
            CheckKind::Deep(asked) => http::deep(&mut stream, address, asked).await?,
            CheckKind::Tls(_) => {
                let client = self.tls.as_ref().expect("made for a TLS check").as_ref();
                let client = client.map_err(|failure| *failure)?;
                let (stream, found) = client.check(stream, address).await?;
                return Ok((Box::pin(part(stream)), found));
            }
            CheckKind::Grpc(asked) => {
                let towards = self.towards.get(&server);
                return grpc::check((stream, address), towards, asked).await;
            }
            CheckKind::Exec(_) => Found::Fine,
        };
        Ok((Box::pin(part(stream)), found))
    }

    async fn connect(&self, address: SocketAddr) -> Result<TcpStream, CheckFailure> {
        let mut stream = connect(address).await.map_err(|error| failure(&error))?;
        let mut introduction = Vec::new();
        // What listens on another port is another thing.
        let own_port = self.check.as_ref().is_some_and(|check| check.port.is_none());
        match self.proxy_protocol.filter(|_| own_port) {
            Some(ProxyVersion::V1) => proxy_protocol::write_v1(&mut introduction, None),
            Some(ProxyVersion::V2) => {
                proxy_protocol::write_v2(&mut introduction, &Header::default());
            }
            None => return Ok(stream),
        }
        stream.write_all(&introduction).await.map_err(|error| failure(&error))?;
        Ok(stream)
    }
}

impl Found {
    /// What the server needs, by its own account.
    pub(super) fn components(&self) -> Option<Arc<[Component]>> {
        match self {
            Self::Testimony(testimony) => Some(testimony.components.as_slice().into()),
            _ => None,
        }
    }

    /// What it means to the health of the server, unless others have to be heard.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Fault(failure) => Outcome::Failed(*failure),
            Self::Fine | Self::Expiring { .. } | Self::Testimony(_) | Self::Advice(_) => {
                Outcome::Passed
            }
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    socket?.connect(address).await
}

/// Waits for the server to close: it has been told that nothing more will come.
async fn part(mut stream: TcpStream) {
    let mut rest = [0; 1024];
    let mut received = 0;
    while received < FAREWELL_BYTES {
        match stream.read(&mut rest).await {
            Ok(more @ 1..) => received += more,
            Ok(0) | Err(_) => break,
        }
    }
}

/// What an error of the system says about the server.
fn failure(error: &io::Error) -> CheckFailure {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, NotConnected, TimedOut,
    };
    if evenkeel_sys::is_exhausted(error) {
        return CheckFailure::Exhausted;
    }
    match error.kind() {
        ConnectionRefused => CheckFailure::Refused,
        ConnectionReset | ConnectionAborted | BrokenPipe | NotConnected => CheckFailure::Reset,
        TimedOut => CheckFailure::Timeout,
        // No route, a network that is down, a firewall of this node.
        _ => CheckFailure::Unreachable,
    }
}

/// What the server says instead of the expected text.
fn unexpected(said: &[u8]) -> CheckFailure {
    let shown = &said[..said.len().min(Words::MOST_BYTES * 2)];
    CheckFailure::Unexpected(Words::new(&String::from_utf8_lossy(shown)))
}

/// What is wrong, in the words of whoever found it.
fn in_words(error: &dyn std::fmt::Display) -> Words {
    Words::new(&error.to_string())
}

#[cfg(test)]
mod tests;
