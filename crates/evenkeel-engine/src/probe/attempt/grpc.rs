//! Checks that ask a gRPC server how one of its services is (`grpc.health.v1`).

use std::net::SocketAddr;

use evenkeel_core::config::GrpcCheck;
use evenkeel_core::grpc::{HEALTH_PATH, health_answer, health_question};
use evenkeel_core::health::CheckFailure;
use evenkeel_core::http2::{Code, Connection, Head, Limits, Received, Slot};
use evenkeel_core::moment::Moment;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Farewell, Found, failure, in_words};
use crate::tls::Towards;

/// A state is a few bytes; whoever says more has not understood.
const MOST_ANSWER_BYTES: usize = 4 * 1024;
/// Room for an answer, and for a head with an explanation.
const LIMITS: Limits =
    Limits { streams: 0, stream_window: 65_535, connection_window: 65_535, head_bytes: 16 * 1024 };
/// Bytes read at once.
const READ_BYTES: usize = 4 * 1024;

/// Asks over this connection, in TLS if the server is spoken to in it.
pub(super) async fn check(
    (stream, address): (TcpStream, SocketAddr),
    towards: Option<&Towards>,
    asked: &GrpcCheck,
) -> Result<(Farewell, Found), CheckFailure> {
    let Some(towards) = towards else { return ask(stream, ("http", address), asked).await };
    let secured = towards.connect(stream).await;
    let secured = secured.map_err(|error| CheckFailure::Handshake(in_words(&error)))?;
    ask(secured, ("https", address), asked).await
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    (scheme, address): (&str, SocketAddr),
    asked: &GrpcCheck,
) -> Result<(Farewell, Found), CheckFailure> {
    let authority = asked.host.as_ref().map_or_else(|| address.to_string(), ToString::to_string);
    let mut connection = Connection::with_server(LIMITS);
    let fields = [
        (":method", "POST"),
        (":scheme", scheme),
        (":authority", &authority),
        (":path", HEALTH_PATH),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "evenkeel-check"),
    ];
    let fields = fields.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    // Nothing was asked before: there is room for one.
    let slot = connection.ask(fields, (false, false), || false).ok_or(CheckFailure::NotHttp)?;
    connection.send_data(slot, &health_question(&asked.service), true);
    let mut call = Call { stream, connection, slot, inbox: Vec::new() };
    let found = call.answer().await?;
    let farewell = async move {
        call.connection.end(Code::NO_ERROR);
        let _ = call.flush().await; // the outcome is known
        let _ = call.stream.shutdown().await;
    };
    Ok((Box::pin(farewell), found))
}

/// A question that was asked, and the connection its answer comes on.
struct Call<S> {
    stream: S,
    connection: Connection,
    slot: Slot,
    /// Received and not yet a whole frame, of which the size is bounded.
    inbox: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Call<S> {
    async fn answer(&mut self) -> Result<Found, CheckFailure> {
        let mut said = Vec::new();
        let mut answered = None;
        loop {
            self.flush().await.map_err(|error| failure(&error))?;
            self.receive().await?;
            while let Some(head) = self.connection.take_head(self.slot) {
                match head.status() {
                    Some(200) => answered = Some(head),
                    Some(100..200) => {}
                    Some(status) => return Err(CheckFailure::Status(status)),
                    None => return Err(CheckFailure::NotHttp),
                }
            }
            if self.read(&mut said)?
                && let Some(head) = &answered
            {
                let trailers = self.connection.take_trailers(self.slot);
                // A call that fails at once has all it says in its head.
                let told = trailers.as_ref().unwrap_or(head);
                health_answer(field(told, "grpc-status"), field(told, "grpc-message"), &said)?;
                return Ok(Found::Fine);
            }
        }
    }

    /// Sends what there is to say.
    async fn flush(&mut self) -> std::io::Result<()> {
        let unsent = self.connection.unsent();
        self.stream.write_all(unsent).await?;
        let sent = unsent.len();
        self.connection.sent(sent);
        self.stream.flush().await
    }

    /// Waits for more frames.
    async fn receive(&mut self) -> Result<(), CheckFailure> {
        let mut bytes = [0; READ_BYTES];
        let read = self.stream.read(&mut bytes).await.map_err(|error| failure(&error))?;
        if read == 0 {
            return Err(CheckFailure::Reset);
        }
        self.inbox.extend_from_slice(&bytes[..read]);
        loop {
            let next = self.connection.next(&self.inbox, Moment::START);
            match next.map_err(|_failure| CheckFailure::NotHttp)? {
                Some((length, _)) => drop(self.inbox.drain(..length)),
                None => return Ok(()),
            }
        }
    }

    /// Takes what has come of the body. `true`: it is over.
    fn read(&mut self, said: &mut Vec<u8>) -> Result<bool, CheckFailure> {
        loop {
            let length = match self.connection.peek(self.slot) {
                Received::Bytes(bytes) => {
                    said.extend_from_slice(bytes);
                    bytes.len()
                }
                Received::End => return Ok(true),
                Received::Nothing => return Ok(false),
                Received::Reset(_) => return Err(CheckFailure::NotHttp),
            };
            if said.len() > MOST_ANSWER_BYTES {
                return Err(CheckFailure::NotHealth);
            }
            self.connection.consume(self.slot, length);
        }
    }
}

fn field<'h>(head: &'h Head, name: &str) -> Option<&'h [u8]> {
    head.fields().find(|&(_, other, _)| other == name).map(|(_, _, value)| value)
}
