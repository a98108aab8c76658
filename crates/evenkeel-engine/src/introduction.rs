//! PROXY protocol at both ends: hearing from the proxy in front who the client is, and telling the
//! server behind. What its bytes mean is decided in [`evenkeel_core::proxy_protocol`].

use std::time::Duration;

use evenkeel_core::client_hello;
use evenkeel_core::config::ProxyVersion;
use evenkeel_core::proxy_protocol::{self, Addresses, Header, MOST_BYTES, Tls};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::accept::Seat;
use crate::stream::Stream;

/// How long a proxy may take for its first words: it knows them when it connects.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes what the proxy in front says of the client off the stream. The error is the label a
/// refusal is counted under.
pub(crate) async fn hear(seat: &mut Seat, stream: &mut TcpStream) -> Result<(), &'static str> {
    let place = seat.slot.place(&seat.worker);
    let trusted = place.listener().proxy_protocol.as_deref().unwrap_or_default();
    if !trusted.iter().any(|network| network.contains(seat.peer.ip())) {
        return Err("proxy-untrusted");
    }
    drop(place); // reloads need not wait for a proxy
    let addresses =
        timeout(PATIENCE, take_header(stream)).await.map_err(|_late| "proxy-timeout")??;
    if let Some(addresses) = addresses {
        seat.peer = addresses.client();
        seat.destination = Some(addresses.destination());
        seat.port = addresses.destination().port().to_string().into();
    }
    Ok(())
}

/// Reads the header and nothing behind it: that is the client's. `None`: the proxy speaks for
/// itself.
async fn take_header(stream: &mut TcpStream) -> Result<Option<Addresses>, &'static str> {
    let gone = |_error| "client-gone";
    let mut bytes = Vec::new();
    loop {
        let taken = bytes.len();
        bytes.resize(MOST_BYTES, 0);
        let seen = stream.peek(&mut bytes[taken..]).await.map_err(gone)?;
        if seen == 0 {
            return Err("client-gone");
        }
        let parsed = proxy_protocol::parse(&bytes[..taken + seen]);
        let whole = parsed.map_err(proxy_protocol::Reason::label)?;
        let whole = whole.map(|(header, length)| (header.addresses, length));
        // While it is not whole, all that there is belongs to it.
        let end = whole.map_or(taken + seen, |(_, length)| length);
        stream.read_exact(&mut bytes[taken..end]).await.map_err(gone)?;
        if let Some((addresses, _)) = whole {
            return Ok(addresses);
        }
        bytes.truncate(end);
    }
}

/// What a new connection to a server begins with. `first`: what the client has said already; from
/// a `ClientHello` the server learns the name, and the protocol if there is but one to choose.
pub(crate) fn write(version: ProxyVersion, seat: &Seat, client: &Stream, first: &[u8]) -> Vec<u8> {
    let destination = seat.destination.or_else(|| client.socket()?.local_addr().ok());
    let addresses = destination.map(|destination| Addresses::new(seat.peer, destination));
    let mut out = Vec::new();
    if version == ProxyVersion::V1 {
        proxy_protocol::write_v1(&mut out, addresses.as_ref());
        return out;
    }
    let hello = client_hello::parse(first).ok().flatten();
    let mut offered = hello.iter().flat_map(client_hello::ClientHello::alpn);
    let offered = offered.next().filter(|_| offered.next().is_none());
    let unique_id = seat.worker.request_id();
    let ended = seat.tls.as_deref();
    let header = Header {
        addresses,
        alpn: ended.map_or(offered, |tls| tls.alpn.as_deref()),
        authority: hello
            .as_ref()
            .and_then(|hello| hello.server_name())
            .or_else(|| ended?.server_name.as_deref()),
        unique_id: Some(&unique_id),
        tls: ended.map(|tls| Tls {
            encrypted: true,
            certificate_on_connection: tls.subject.is_some(),
            certificate_in_session: tls.subject.is_some(),
            verified: tls.subject.is_some(),
            version: Some(tls.version),
            common_name: tls.common_name.as_deref(),
            cipher: tls.cipher,
            group: tls.group,
            ..Tls::default()
        }),
        ..Header::default()
    };
    proxy_protocol::write_v2(&mut out, &header);
    out
}

#[cfg(test)]
mod tests;
