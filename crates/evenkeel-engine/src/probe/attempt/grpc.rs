//! Checks that ask a gRPC server how one of its services is (`grpc.health.v1`).

use std::net::SocketAddr;
use std::pin::pin;

use bytes::Bytes;
use evenkeel_core::config::GrpcCheck;
use evenkeel_core::grpc::{HEALTH_PATH, health_answer, health_question};
use evenkeel_core::health::CheckFailure;
use h2::client::{self, SendRequest};
use http::uri::{Scheme, Uri};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{Farewell, Found, failure, in_words};
use crate::tls::Towards;

/// A state is a few bytes; whoever says more has not understood.
const MOST_ANSWER_BYTES: usize = 4 * 1024;

/// Asks over this connection, in TLS if the server is spoken to in it.
pub(super) async fn check(
    (stream, address): (TcpStream, SocketAddr),
    towards: Option<&Towards>,
    asked: &GrpcCheck,
) -> Result<(Farewell, Found), CheckFailure> {
    let Some(towards) = towards else { return ask(stream, (Scheme::HTTP, address), asked).await };
    let secured = towards.connect(stream).await;
    let secured = secured.map_err(|error| CheckFailure::Handshake(in_words(&error)))?;
    ask(secured, (Scheme::HTTPS, address), asked).await
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    (scheme, address): (Scheme, SocketAddr),
    asked: &GrpcCheck,
) -> Result<(Farewell, Found), CheckFailure> {
    let mut builder = client::Builder::new();
    builder.enable_push(false);
    let (sender, connection) = builder.handshake(stream).await.map_err(|error| met(&error))?;
    let mut connection = Box::pin(connection);
    let found = {
        let mut answered = pin!(answer(sender, request(scheme, address, asked), asked));
        tokio::select! {
            answered = &mut answered => answered?,
            // The connection ends first only by a fault: who asks holds it.
            ended = &mut connection => match ended {
                Ok(()) => return Err(CheckFailure::Reset),
                Err(error) => return Err(met(&error)),
            },
        }
    };
    // With nobody left who asks, it says goodbye.
    let farewell = async {
        let _ = connection.await; // the outcome is known
    };
    Ok((Box::pin(farewell), found))
}

fn request(scheme: Scheme, address: SocketAddr, asked: &GrpcCheck) -> Option<Request<()>> {
    let authority = asked.host.as_ref().map_or_else(|| address.to_string(), ToString::to_string);
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(HEALTH_PATH);
    Request::builder()
        .method(Method::POST)
        .uri(uri.build().ok()?)
        .header(header::TE, "trailers")
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::USER_AGENT, "evenkeel-check")
        .body(())
        .ok()
}

async fn answer(
    sender: SendRequest<Bytes>,
    request: Option<Request<()>>,
    asked: &GrpcCheck,
) -> Result<Found, CheckFailure> {
    // A host that is no authority was refused with the configuration.
    let request = request.ok_or(CheckFailure::NotHttp)?;
    let mut sender = sender.ready().await.map_err(|error| met(&error))?;
    let sent = sender.send_request(request, false).map_err(|error| met(&error));
    let (response, mut body) = sent?;
    let question = Bytes::from(health_question(&asked.service));
    body.send_data(question, true).map_err(|error| met(&error))?;
    let (head, mut body) = response.await.map_err(|error| met(&error))?.into_parts();
    if head.status != StatusCode::OK {
        return Err(CheckFailure::Status(head.status.as_u16()));
    }
    let mut said = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| met(&error))?;
        let _ = body.flow_control().release_capacity(data.len()); // the stream may be reset
        said.extend_from_slice(&data);
        if said.len() > MOST_ANSWER_BYTES {
            return Err(CheckFailure::NotHealth);
        }
    }
    let trailers = body.trailers().await.map_err(|error| met(&error))?;
    // A call that fails at once has all it says in its head.
    let told = trailers.as_ref().unwrap_or(&head.headers);
    health_answer(field(told, "grpc-status"), field(told, "grpc-message"), &said)?;
    Ok(Found::Fine)
}

fn field<'h>(fields: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    fields.get(name).map(HeaderValue::as_bytes)
}

fn met(error: &h2::Error) -> CheckFailure {
    error.get_io().map_or(CheckFailure::NotHttp, failure)
}
