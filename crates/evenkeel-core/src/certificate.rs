//! What a certificate says of itself: as much of X.509 (RFC 5280 §4.1) as choosing and watching
//! certificates takes. Whether it is to be trusted is not asked here.

mod der;
mod distinguished_name;
pub mod expiry;
pub mod ocsp;

use std::net::IpAddr;
use std::sync::Arc;

use self::der::{BIT_STRING, BOOLEAN, INTEGER, OBJECT, OCTET_STRING, SEQUENCE};
use self::der::{each, element, expect, seconds};

/// Names of one certificate that are looked at: public authorities stop at a hundred.
pub const MOST_NAMES: usize = 1_000;

const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// Kinds of alternative names (RFC 5280 §4.2.1.6).
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// What signs with the key of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// On whichever curve.
    Ecdsa,
    Ed25519,
    Rsa,
    /// No server of TLS can use it.
    Other,
}

impl KeyKind {
    /// Its word in answers and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::Ed25519 => "ed25519",
            Self::Rsa => "rsa",
            Self::Other => "other",
        }
    }
}

/// A certificate, as far as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Host names it is for, in lower case; `*.example` stands for one label. At most
    /// [`MOST_NAMES`].
    pub names: Vec<Arc<str>>,
    /// Addresses it is for.
    pub addresses: Vec<IpAddr>,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    pub key: KeyKind,
    /// The distinguished name of whom it is about, in DER.
    pub subject: Box<[u8]>,
    /// The distinguished name of who signed it, in DER.
    pub issuer: Box<[u8]>,
    /// As DER holds it, the sign included.
    pub serial: Box<[u8]>,
}

impl Facts {
    /// Reads the certificate `der`. `None`: it is malformed.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (content, _) = expect(SEQUENCE, der)?;
        let (mut signed, _) = expect(SEQUENCE, content)?;
        if let Some((VERSION, _, rest)) = element(signed) {
            signed = rest;
        }
        let (serial, rest) = expect(INTEGER, signed)?;
        let (_, rest) = expect(SEQUENCE, rest)?; // signature algorithm
        let (issuer, rest) = expect(SEQUENCE, rest)?;
        let (validity, rest) = expect(SEQUENCE, rest)?;
        let (subject, rest) = expect(SEQUENCE, rest)?;
        let (key, rest) = expect(SEQUENCE, rest)?;
        let (before, begin, rest_of_validity) = element(validity)?;
        let (after, end, _) = element(rest_of_validity)?;
        let mut facts = Self {
            names: Vec::new(),
            addresses: Vec::new(),
            not_before: seconds(before, begin)?,
            not_after: seconds(after, end)?,
            key: key_kind(key),
            subject: subject.into(),
            issuer: issuer.into(),
            serial: serial.into(),
        };
        let extensions = each(rest).find(|(tag, _)| *tag == EXTENSIONS);
        if let Some((_, wrapped)) = extensions {
            let (list, _) = expect(SEQUENCE, wrapped)?;
            for (_, extension) in each(list) {
                facts.read_extension(extension);
            }
        }
        Some(facts)
    }

    fn read_extension(&mut self, extension: &[u8]) -> Option<()> {
        let (object, mut rest) = expect(OBJECT, extension)?;
        if object != SUBJECT_ALTERNATIVE_NAME {
            return None;
        }
        if let Some((BOOLEAN, _, after)) = element(rest) {
            rest = after;
        }
        let (wrapped, _) = expect(OCTET_STRING, rest)?;
        let (names, _) = expect(SEQUENCE, wrapped)?;
        for (tag, name) in each(names).take(MOST_NAMES) {
            match tag {
                DNS_NAME => {
                    let name = std::str::from_utf8(name).ok();
                    self.names.extend(name.map(|name| Arc::from(name.to_ascii_lowercase())));
                }
                IP_ADDRESS => self.addresses.extend(ip_address(name)),
                _ => {}
            }
        }
        Some(())
    }

    /// Whether `other` has signed it, going by the names alone.
    pub fn is_issued_by(&self, other: &Self) -> bool {
        self.issuer == other.subject
    }

    /// The certificate of an authority at the top: clients have it already.
    pub fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whom it is about, as RFC 4514 writes it, in visible ASCII. `None`: it is malformed or longer
    /// than [`MOST_SUBJECT_BYTES`].
    pub fn subject_text(&self) -> Option<String> {
        distinguished_name::text(&self.subject)
    }

    /// The common name of whom it is about, the innermost if it has several, as it is written.
    pub fn common_name(&self) -> Option<&str> {
        distinguished_name::common_name(&self.subject)
    }

    /// Whether it is for the host `name`, given in lower case without a trailing dot. A star stands
    /// for one label (RFC 6125 §6.4.3).
    pub fn covers(&self, name: &str) -> bool {
        let wildcard = name.split_once('.').map(|(_, rest)| rest);
        self.names.iter().any(|own| {
            **own == *name || own.strip_prefix("*.").is_some_and(|rest| Some(rest) == wildcard)
        })
    }
}

pub use self::distinguished_name::MOST_SUBJECT_BYTES;

/// When the certificate `der` ends to be valid, in seconds since 1970. `None`: it is malformed.
pub fn not_after(der: &[u8]) -> Option<i64> {
    Facts::read(der).map(|facts| facts.not_after)
}

fn key_kind(key: &[u8]) -> KeyKind {
    let algorithm = expect(SEQUENCE, key).filter(|(_, rest)| expect(BIT_STRING, rest).is_some());
    match algorithm.and_then(|(algorithm, _)| expect(OBJECT, algorithm)) {
        Some((EC_PUBLIC_KEY, _)) => KeyKind::Ecdsa,
        Some((RSA_ENCRYPTION, _)) => KeyKind::Rsa,
        Some((ED25519, _)) => KeyKind::Ed25519,
        _ => KeyKind::Other,
    }
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests;
