//! The connection to a receiver: made when there is something to send, kept for the next batch.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use evenkeel_core::delivery::Answer;
use evenkeel_engine::OutwardTls;
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::protobuf::{Field, fields};
use crate::compile::ReceiverSettings;

/// What is read of an answer: it has a number and a sentence.
const MOST_ANSWER_BYTES: usize = 64 << 10;

/// What is repeated of that sentence.
const MOST_REASON_CHARS: usize = 200;

/// How this program calls itself.
const OWN_NAME: &str = concat!("evenkeel/", env!("CARGO_PKG_VERSION"));

/// Why a batch, or a part of it, was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    #[error("{0}")]
    Tls(String),
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[source] io::Error),
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    #[error("no answer within {} ms", .0.as_millis())]
    Late(Duration),
    #[error("it answered {}", .0.status)]
    Refused(Answer),
}

/// What to do when nothing is known here of why a receiver does not want spans.
pub(super) const LOOK_THERE: &str = "its own log says more";

impl SendError {
    /// What an operator may do about it.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Connect(_) | Self::Broken(_) | Self::Late(_) => {
                "see whether it runs and can be reached from here, or correct `endpoint` of [trace]"
            }
            Self::Tls(_) | Self::Handshake(_) => {
                "see whether its certificate is one that `ca` of [trace], or the system, trusts"
            }
            Self::Refused(answer) => match answer.status {
                401 | 403 => "give it what it asks for in `headers_file` of [trace]",
                404 | 405 => "correct the path in `endpoint` of [trace]",
                429 | 502..=504 => {
                    "it has too much to do, or what is before it does not reach it: lower `sample` of \
                     [trace], or see whether it is well"
                }
                _ => LOOK_THERE,
            },
        }
    }
}

/// What a receiver has not taken of a batch that it took, with its reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) spans: u64,
    pub(super) reason: String,
}

/// A connection, or none yet.
#[derive(Debug, Default)]
pub(super) struct Line(Option<Open>);

struct Open {
    to: Arc<ReceiverSettings>,
    sender: SendRequest<Full<Bytes>>,
    /// Moves the bytes while it is polled.
    connection: Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>,
}

impl Line {
    /// Sends one batch. After a failure, also by dropping this, the next one gets a new connection.
    pub(super) async fn post(
        &mut self,
        to: &Arc<ReceiverSettings>,
        body: Bytes,
    ) -> Result<Rejected, SendError> {
        let patience = to.timeout;
        let posted = timeout(patience, self.post_in_time(to, body)).await;
        posted.unwrap_or(Err(SendError::Late(patience)))
    }

    async fn post_in_time(
        &mut self,
        to: &Arc<ReceiverSettings>,
        body: Bytes,
    ) -> Result<Rejected, SendError> {
        let kept = match self.0.take() {
            Some(open) if open.to == *to => open.if_alive().await,
            _ => None,
        };
        let mut open = match kept {
            Some(open) => open,
            None => Open::new(to).await?,
        };
        let mut request = Request::post(to.target())
            .header(HOST, to.authority())
            .header(USER_AGENT, OWN_NAME)
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(Full::new(body))
            .expect("the endpoint was looked at when the configuration was read");
        request.headers_mut().extend(to.headers.clone());
        let (answered, is_open) = {
            let mut asking = pin!(ask(&mut open.sender, request));
            // What has arrived before the end of the connection is still there after it.
            tokio::select! {
                biased;
                answered = &mut asking => (answered, true),
                _ = &mut open.connection => (asking.await, false),
            }
        };
        let (status, headers, said) = answered?;
        if is_open {
            self.0 = Some(open);
        }
        if !status.is_success() {
            let retry_after = retry_after(&headers);
            return Err(SendError::Refused(Answer { status: status.as_u16(), retry_after }));
        }
        Ok(rejected(&said))
    }
}

/// The whole answer; what is too long of it is left out.
async fn ask(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, HeaderMap, Bytes), SendError> {
    let (head, body) = sender.send_request(request).await.map(Response::into_parts)?;
    let said = Limited::new(body, MOST_ANSWER_BYTES).collect().await;
    Ok((head.status, head.headers, said.map_or_else(|_| Bytes::new(), Collected::to_bytes)))
}

impl Open {
    async fn new(to: &Arc<ReceiverSettings>) -> Result<Self, SendError> {
        let socket = TcpStream::connect((to.host(), to.port())).await;
        let socket = socket.map_err(SendError::Connect)?;
        match &to.trusted {
            None => Self::over(socket, to).await,
            Some(trusted) => {
                let tls = OutwardTls::new(trusted).map_err(SendError::Tls)?;
                let secured = tls.dial(socket, to.host()).await.map_err(SendError::Handshake)?;
                Self::over(secured, to).await
            }
        }
    }

    async fn over<S>(stream: S, to: &Arc<ReceiverSettings>) -> Result<Self, SendError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { to: Arc::clone(to), sender, connection: Box::pin(connection) })
    }

    /// `None`: the receiver has closed it meanwhile.
    async fn if_alive(mut self) -> Option<Self> {
        let is_alive = tokio::select! {
            biased;
            _ = &mut self.connection => false,
            ready = self.sender.ready() => ready.is_ok(),
        };
        is_alive.then_some(self)
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("to", &self.to).finish_non_exhaustive()
    }
}

/// Given in seconds; as a date it is left to the one who asks.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// What an `ExportTraceServiceResponse` says of spans that were not taken.
fn rejected(response: &[u8]) -> Rejected {
    let mut rejected = Rejected::default();
    for (field, value) in fields(response) {
        let (1, Field::Bytes(partial)) = (field, value) else { continue };
        for (field, value) in fields(partial) {
            match (field, value) {
                (1, Field::Number(spans)) => rejected.spans = spans,
                (2, Field::Bytes(reason)) => {
                    let reason = String::from_utf8_lossy(reason);
                    rejected.reason = reason.chars().take(MOST_REASON_CHARS).collect();
                }
                _ => {}
            }
        }
    }
    rejected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_was_not_taken() {
        assert_eq!(rejected(b""), Rejected::default());
        let told = rejected(b"\x0a\x08\x08\x03\x12\x04full");
        assert_eq!(told, Rejected { spans: 3, reason: "full".to_owned() });
        // JSON, or anything else.
        assert_eq!(rejected(b"{\"partialSuccess\":{}}"), Rejected::default());
    }

    #[test]
    fn how_long_to_wait_is_read_in_seconds() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().expect("visible"));
            retry_after(&headers)
        };
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        for other in ["", "-1", "1.5", "Sat, 21 Nov 2026 10:00:00 GMT"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
