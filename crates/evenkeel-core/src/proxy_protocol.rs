//! PROXY protocol, versions 1 and 2: whom a connection is really from, told by the proxy in front.
//!
//! Strict, because who is believed here decides about access: what the specification does not
//! allow, or allows in two readings, ends the connection. Whether a sender is believed at all is
//! not decided here.

mod crc32c;
mod v1;
mod v2;

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

pub use self::v1::MOST_LINE_BYTES;
pub use self::v2::MOST_BYTES;

/// What a header says. Nothing is known of what is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header<'b> {
    /// `None`: the proxy speaks for itself (`LOCAL`, a check of its own) or does not know
    /// (`UNKNOWN`, `UNSPEC`, a Unix socket): the addresses of the connection are the real ones.
    pub addresses: Option<Addresses>,
    /// The protocol negotiated with the client (RFC 7301), such as `h2`.
    pub alpn: Option<&'b [u8]>,
    /// The host the client asked for, its TLS server name as a rule.
    pub authority: Option<&'b str>,
    /// What the proxy calls the connection; at most 128 bytes.
    pub unique_id: Option<&'b [u8]>,
    /// The client's TLS, which the proxy has ended.
    pub tls: Option<Tls<'b>>,
    /// The network namespace of the proxy's socket.
    pub namespace: Option<&'b str>,
}

/// The two ends of the connection that the client made, of one address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    client: SocketAddr,
    destination: SocketAddr,
}

/// TLS of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls<'b> {
    /// The client spoke TLS; without it the rest says nothing.
    pub encrypted: bool,
    /// It presented a certificate on this connection.
    pub certificate_on_connection: bool,
    /// It presented one in this TLS session.
    pub certificate_in_session: bool,
    /// That certificate was verified.
    pub verified: bool,
    /// Such as `TLSv1.3`.
    pub version: Option<&'b str>,
    /// Of the certificate's subject.
    pub common_name: Option<&'b str>,
    pub cipher: Option<&'b str>,
    /// Of this node's or the proxy's own certificate: how it is signed, and its key.
    pub signature: Option<&'b str>,
    pub key: Option<&'b str>,
    /// The key exchange group, and the signature scheme of the handshake.
    pub group: Option<&'b str>,
    pub scheme: Option<&'b str>,
    /// The client's certificate in DER.
    pub client_certificate: Option<&'b [u8]>,
}

/// Which rule was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The bytes begin like neither version.
    NotProxy,
    /// Version 1: no end of line within [`MOST_LINE_BYTES`].
    LineTooLong,
    /// Version 1: not the words, numbers and single spaces of its one line.
    BadLine,
    /// Version 2 in its signature, but not in its number.
    BadVersion,
    /// Neither LOCAL nor PROXY.
    BadCommand,
    /// An address family or a transport that cannot be this connection's.
    BadFamily,
    /// More than [`MOST_BYTES`].
    TooLarge,
    /// Shorter than its addresses.
    TooShort,
    /// An extension reaches beyond the header, is there twice, or is not what its type says.
    BadExtension,
    /// The checksum does not fit.
    BadChecksum,
}

impl Reason {
    /// A short word for a counter.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotProxy => "not-proxy",
            Self::LineTooLong => "line-too-long",
            Self::BadLine => "bad-line",
            Self::BadVersion => "bad-version",
            Self::BadCommand => "bad-command",
            Self::BadFamily => "bad-family",
            Self::TooLarge => "too-large",
            Self::TooShort => "too-short",
            Self::BadExtension => "bad-extension",
            Self::BadChecksum => "bad-checksum",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotProxy => "the sender does not speak PROXY protocol",
            Self::LineTooLong => "the PROXY line does not end within 107 bytes",
            Self::BadLine => "the PROXY line is malformed",
            Self::BadVersion => "the PROXY header has a version other than 2",
            Self::BadCommand => "the PROXY header has an unknown command",
            Self::BadFamily => "the PROXY header's addresses are of a kind this socket cannot have",
            Self::TooLarge => "the PROXY header is larger than 4 KiB",
            Self::TooShort => "the PROXY header is shorter than its addresses",
            Self::BadExtension => "an extension of the PROXY header is malformed",
            Self::BadChecksum => "the PROXY header's checksum does not fit",
        })
    }
}

impl std::error::Error for Reason {}

impl Addresses {
    /// IPv4 in IPv6 clothes counts as IPv4, unless the other end is not IPv4.
    pub fn new(client: SocketAddr, destination: SocketAddr) -> Self {
        let (from, to) = (client.ip().to_canonical(), destination.ip().to_canonical());
        let both = from.is_ipv4() == to.is_ipv4();
        let plain = |ip: IpAddr, port| match ip {
            IpAddr::V4(v4) if !both => SocketAddrV6::new(v4.to_ipv6_mapped(), port, 0, 0).into(),
            ip => SocketAddr::new(ip, port),
        };
        Self { client: plain(from, client.port()), destination: plain(to, destination.port()) }
    }

    /// Who made the connection.
    pub fn client(&self) -> SocketAddr {
        self.client
    }

    /// What it was made to.
    pub fn destination(&self) -> SocketAddr {
        self.destination
    }
}

/// Reads the header at the start of `bytes` and says how long it is. `None`: it is not whole yet;
/// [`MOST_BYTES`] are always enough to tell.
pub fn parse(bytes: &[u8]) -> Result<Option<(Header<'_>, usize)>, Reason> {
    if begins_like(bytes, &v2::SIGNATURE) {
        v2::parse(bytes)
    } else if begins_like(bytes, v1::BEGINNING) {
        v1::parse(bytes)
    } else {
        Err(Reason::NotProxy)
    }
}

/// Writes version 1, which has room for the addresses alone.
pub fn write_v1(out: &mut Vec<u8>, addresses: Option<&Addresses>) {
    v1::write(out, addresses);
}

/// Writes version 2, with a checksum. Without addresses it says that this node speaks for itself,
/// and nothing else. Extensions that would make it larger than [`MOST_BYTES`] are left out, the
/// client's certificate first.
pub fn write_v2(out: &mut Vec<u8>, header: &Header<'_>) {
    v2::write(out, header);
}

/// As far as both go.
fn begins_like(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(byte, expected)| byte == expected)
}

#[cfg(test)]
mod tests;
