//! Version 2: a binary head, addresses, and extensions of type, length and value.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::crc32c::crc32c;
use super::{Addresses, Header, Reason, Tls};

/// Bytes of a header. Addresses and the extensions there are take some hundred, a certificate one
/// or two thousand; the rest of the 64 KiB a header could have is nobody's.
pub const MOST_BYTES: usize = 4096;

/// How it begins.
pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and transport, length of what follows.
const HEAD_BYTES: usize = 16;
/// Type and length of an extension.
const EXTENSION_HEAD_BYTES: usize = 3;
const MOST_UNIQUE_ID_BYTES: usize = 128;

const ALPN: u8 = 0x01;
const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const UNIQUE_ID: u8 = 0x05;
const TLS: u8 = 0x20;
const TLS_VERSION: u8 = 0x21;
const TLS_COMMON_NAME: u8 = 0x22;
const TLS_CIPHER: u8 = 0x23;
const TLS_SIGNATURE: u8 = 0x24;
const TLS_KEY: u8 = 0x25;
const TLS_GROUP: u8 = 0x26;
const TLS_SCHEME: u8 = 0x27;
const TLS_CLIENT_CERTIFICATE: u8 = 0x28;
const NAMESPACE: u8 = 0x30;

/// Bits of the first byte of [`TLS`].
const ENCRYPTED: u8 = 0x01;
const CERTIFICATE_ON_CONNECTION: u8 = 0x02;
const CERTIFICATE_IN_SESSION: u8 = 0x04;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Header<'_>, usize)>, Reason> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
    let [.., command, family, high, low] = *head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if command >> 4 != 2 {
        return Err(Reason::BadVersion);
    }
    if HEAD_BYTES + length > MOST_BYTES {
        return Err(Reason::TooLarge);
    }
    // What is wrong at the front is refused before the rest has come.
    let kind = Kind::read(command & 0x0f, family)?;
    if length < kind.address_bytes() {
        return Err(Reason::TooShort);
    }
    let Some(rest) = rest.get(..length) else { return Ok(None) };
    let whole = HEAD_BYTES + length;
    if kind == Kind::Local {
        // To be accepted whatever else it says, and all of that discarded.
        return Ok(Some((Header::default(), whole)));
    }
    let (addresses, extensions) = rest.split_at(kind.address_bytes());
    let mut header = Header { addresses: kind.addresses(addresses), ..Header::default() };
    header.read(Extensions(extensions), &bytes[..whole])?;
    Ok(Some((header, whole)))
}

/// What kind of addresses follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Local,
    Unspecified,
    Tcp4,
    Tcp6,
    Unix,
}

impl Kind {
    fn read(command: u8, family: u8) -> Result<Self, Reason> {
        match (command, family) {
            (0, _) => Ok(Self::Local),
            (1, 0x00) => Ok(Self::Unspecified),
            (1, 0x11) => Ok(Self::Tcp4),
            (1, 0x21) => Ok(Self::Tcp6),
            (1, 0x31) => Ok(Self::Unix),
            // Datagrams (0x12, 0x22, 0x32) do not come over a stream.
            (1, _) => Err(Reason::BadFamily),
            _ => Err(Reason::BadCommand),
        }
    }

    const fn address_bytes(self) -> usize {
        match self {
            Self::Local | Self::Unspecified => 0,
            Self::Tcp4 => 12,
            Self::Tcp6 => 36,
            Self::Unix => 216,
        }
    }

    fn addresses(self, bytes: &[u8]) -> Option<Addresses> {
        let mut bytes = Extensions(bytes);
        let addresses = match self {
            Self::Local | Self::Unspecified | Self::Unix => return None,
            Self::Tcp4 => {
                let (from, to) = (bytes.array::<4>()?, bytes.array::<4>()?);
                (Ipv4Addr::from(from).into(), Ipv4Addr::from(to).into())
            }
            Self::Tcp6 => {
                let (from, to) = (bytes.array::<16>()?, bytes.array::<16>()?);
                (Ipv6Addr::from(from).into(), Ipv6Addr::from(to).into())
            }
        };
        let mut port = || bytes.array().map(u16::from_be_bytes);
        Some(Addresses {
            client: SocketAddr::new(addresses.0, port()?),
            destination: SocketAddr::new(addresses.1, port()?),
        })
    }
}

/// Takes extensions off a slice.
struct Extensions<'b>(&'b [u8]);

impl<'b> Extensions<'b> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// Type and value of the next one; `None` at the end.
    fn next(&mut self) -> Result<Option<(u8, &'b [u8])>, Reason> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let [kind, high, low] = self.array().ok_or(Reason::BadExtension)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (value, rest) = self.0.split_at_checked(length).ok_or(Reason::BadExtension)?;
        self.0 = rest;
        Ok(Some((kind, value)))
    }
}

impl<'b> Header<'b> {
    fn read(&mut self, mut extensions: Extensions<'b>, whole: &[u8]) -> Result<(), Reason> {
        let mut checked = None;
        while let Some((kind, value)) = extensions.next()? {
            match kind {
                ALPN if !value.is_empty() => once(&mut self.alpn, value)?,
                AUTHORITY => once(&mut self.authority, text(value)?)?,
                UNIQUE_ID if value.len() <= MOST_UNIQUE_ID_BYTES => {
                    once(&mut self.unique_id, value)?;
                }
                NAMESPACE => once(&mut self.namespace, text(value)?)?,
                TLS => once(&mut self.tls, Tls::read(value)?)?,
                CRC32C => {
                    once(&mut checked, ())?;
                    let place = value.as_ptr().addr() - whole.as_ptr().addr();
                    verify(whole, place, value)?;
                }
                ALPN | UNIQUE_ID => return Err(Reason::BadExtension),
                // Padding (0x04), and types to come.
                _ => {}
            }
        }
        Ok(())
    }
}

/// The sum is of the whole header with zeros in its own place.
fn verify(whole: &[u8], place: usize, value: &[u8]) -> Result<(), Reason> {
    let sum: [u8; 4] = value.try_into().map_err(|_length| Reason::BadExtension)?;
    let bytes = whole.iter().enumerate();
    let zeroed = bytes.map(|(at, byte)| if (place..place + 4).contains(&at) { 0 } else { *byte });
    if crc32c(zeroed) == u32::from_be_bytes(sum) { Ok(()) } else { Err(Reason::BadChecksum) }
}

impl<'b> Tls<'b> {
    fn read(value: &'b [u8]) -> Result<Self, Reason> {
        let mut extensions = Extensions(value);
        let [client, verify @ ..] = extensions.array::<5>().ok_or(Reason::BadExtension)?;
        let on_connection = client & CERTIFICATE_ON_CONNECTION != 0;
        let in_session = client & CERTIFICATE_IN_SESSION != 0;
        let mut tls = Self {
            encrypted: client & ENCRYPTED != 0,
            certificate_on_connection: on_connection,
            certificate_in_session: in_session,
            // Zero is success; but without a certificate there was nothing to verify.
            verified: verify == [0; 4] && (on_connection || in_session),
            ..Self::default()
        };
        while let Some((kind, value)) = extensions.next()? {
            if kind == TLS_CLIENT_CERTIFICATE {
                once(&mut tls.client_certificate, value)?;
            } else if let Some(field) = tls.field(kind) {
                once(field, text(value)?)?;
            }
        }
        Ok(tls)
    }

    fn field(&mut self, kind: u8) -> Option<&mut Option<&'b str>> {
        match kind {
            TLS_VERSION => Some(&mut self.version),
            TLS_COMMON_NAME => Some(&mut self.common_name),
            TLS_CIPHER => Some(&mut self.cipher),
            TLS_SIGNATURE => Some(&mut self.signature),
            TLS_KEY => Some(&mut self.key),
            TLS_GROUP => Some(&mut self.group),
            TLS_SCHEME => Some(&mut self.scheme),
            _ => None,
        }
    }

    fn write(&self) -> Vec<u8> {
        let bit = |set, bit| if set { bit } else { 0 };
        let client = bit(self.encrypted, ENCRYPTED)
            | bit(self.certificate_on_connection, CERTIFICATE_ON_CONNECTION)
            | bit(self.certificate_in_session, CERTIFICATE_IN_SESSION);
        let mut out = vec![client];
        out.extend_from_slice(&u32::from(!self.verified).to_be_bytes());
        for (kind, value) in [
            (TLS_VERSION, self.version),
            (TLS_COMMON_NAME, self.common_name),
            (TLS_CIPHER, self.cipher),
            (TLS_SIGNATURE, self.signature),
            (TLS_KEY, self.key),
            (TLS_GROUP, self.group),
            (TLS_SCHEME, self.scheme),
        ] {
            put(&mut out, MOST_BYTES / 2, kind, value.map(str::as_bytes));
        }
        put(&mut out, MOST_BYTES / 2, TLS_CLIENT_CERTIFICATE, self.client_certificate);
        out
    }
}

fn once<T>(field: &mut Option<T>, value: T) -> Result<(), Reason> {
    if field.replace(value).is_none() { Ok(()) } else { Err(Reason::BadExtension) }
}

/// What is shown, logged and compared: no control characters.
fn text(value: &[u8]) -> Result<&str, Reason> {
    let text = std::str::from_utf8(value).map_err(|_not_text| Reason::BadExtension)?;
    if text.contains(char::is_control) { Err(Reason::BadExtension) } else { Ok(text) }
}

pub(super) fn write(out: &mut Vec<u8>, header: &Header<'_>) {
    let Some(Addresses { client, destination }) = header.addresses else {
        out.extend_from_slice(&SIGNATURE);
        out.extend_from_slice(&[0x20, 0x00, 0, 0]);
        return;
    };
    let mut whole = SIGNATURE.to_vec();
    whole.extend_from_slice(&[0x21, if client.is_ipv4() { 0x11 } else { 0x21 }, 0, 0]);
    for address in [client, destination] {
        match address {
            SocketAddr::V4(v4) => whole.extend_from_slice(&v4.ip().octets()),
            SocketAddr::V6(v6) => whole.extend_from_slice(&v6.ip().octets()),
        }
    }
    whole.extend_from_slice(&client.port().to_be_bytes());
    whole.extend_from_slice(&destination.port().to_be_bytes());
    put(&mut whole, MOST_BYTES, CRC32C, Some(&[0; 4]));
    let sum = whole.len() - 4;
    put(&mut whole, MOST_BYTES, ALPN, header.alpn.filter(|alpn| !alpn.is_empty()));
    put(&mut whole, MOST_BYTES, AUTHORITY, header.authority.map(str::as_bytes));
    let unique_id = header.unique_id.filter(|id| id.len() <= MOST_UNIQUE_ID_BYTES);
    put(&mut whole, MOST_BYTES, UNIQUE_ID, unique_id);
    put(&mut whole, MOST_BYTES, NAMESPACE, header.namespace.map(str::as_bytes));
    put(&mut whole, MOST_BYTES, TLS, header.tls.as_ref().map(Tls::write).as_deref());
    let length = u16::try_from(whole.len() - HEAD_BYTES).expect("at most MOST_BYTES");
    whole[HEAD_BYTES - 2..HEAD_BYTES].copy_from_slice(&length.to_be_bytes());
    let checksum = crc32c(whole.iter().copied());
    whole[sum..sum + 4].copy_from_slice(&checksum.to_be_bytes());
    out.extend_from_slice(&whole);
}

/// Appends an extension, if there is one and it fits.
fn put(out: &mut Vec<u8>, most: usize, kind: u8, value: Option<&[u8]>) {
    let Some(value) = value else { return };
    let Ok(length) = u16::try_from(value.len()) else { return };
    if out.len() + EXTENSION_HEAD_BYTES + value.len() > most {
        return;
    }
    out.push(kind);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
}
