//! The advert on the wire (RFC 9568 §5.2, RFC 3768 §5.3).
//!
//! ```text
//!  0                   1                   2                   3
//! ├ version 4 bit, type 4 bit ┼ router id ┼ priority ┼ count ┤
//! ├ v3: 0 4 bit, interval in 1/100 s 12 bit ┼ checksum       ┤
//! ├ v2: authentication 8 bit, interval in s 8 bit ┼ checksum ┤
//! ├ addresses, 4 or 16 bytes each                            ┤
//! ├ v2: password, 8 bytes                                    ┤
//! ├ of our own nodes, if they have a key: a signature        ┤
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::signature::{TRAILER_BYTES, Trailer};
use super::{Envelope, HOP_LIMIT, PROTOCOL, Reason, RouterId, Version};
use crate::checksum::{self, Sum};

/// What stands before the addresses.
const HEADER_BYTES: usize = 8;
/// Behind the addresses of version 2, whether there is a password or not.
const PASSWORD_BYTES: usize = 8;
/// The only type there is.
const ADVERT: u8 = 1;
/// Version 2's kinds of authentication that are known: none (RFC 3768 §5.3.6) and a word in the
/// clear (RFC 2338 §5.3.6), which old neighbours still send.
const NO_PASSWORD: u8 = 0;
const PASSWORD: u8 = 1;
/// The longest interval version 3 can say: 12 bits.
const MOST_CENTISECONDS: u16 = 0x0fff;

/// What an owner says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    pub version: Version,
    pub router_id: RouterId,
    /// 1 to 254; 255: the addresses are the sender's own; 0: it is about to leave.
    pub priority: u8,
    /// Between two of its adverts: from 10 ms to 40.95 s in version 3, from 1 s to 255 s in
    /// version 2.
    pub interval: Duration,
    /// From 1 to 255, of one family.
    pub addresses: Vec<IpAddr>,
    /// Version 2 only.
    pub password: Option<Password>,
}

/// A word of version 2, filled up with zeros. Anybody on the link can read it.
pub type Password = [u8; PASSWORD_BYTES];

/// An advert as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'b> {
    pub advert: Advert,
    /// The advert's bytes, without the signature.
    pub signed: &'b [u8],
    /// The signature, not looked into yet.
    pub trailer: Option<Trailer<'b>>,
}

/// How the checksum of version 3 over IPv4 is made. Both are understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumForm {
    /// With a pseudo-header, as keepalived and RFC 5798 have it.
    #[default]
    WithPseudoHeader,
    /// Over the advert alone (RFC 9568 §5.2.8).
    Plain,
}

/// Reads an advert: the payload of one IP packet, whole. What can be checked without knowing the
/// virtual router is checked (RFC 9568 §7.1), in this order: hop limit, version, type, length,
/// checksum, the rest.
pub fn parse<'b>(bytes: &'b [u8], envelope: &Envelope) -> Result<Packet<'b>, Reason> {
    if envelope.hop_limit != HOP_LIMIT {
        return Err(Reason::HopLimit);
    }
    let Some(([first, id, priority, count, five, six, _, _], _)) = bytes.split_first_chunk() else {
        return Err(Reason::TooShort);
    };
    let is_v4 = envelope.source.is_ipv4();
    let version = match first >> 4 {
        2 if is_v4 => Version::V2,
        3 => Version::V3,
        _ => return Err(Reason::Version),
    };
    if first & 0x0f != ADVERT {
        return Err(Reason::Type);
    }
    let addresses_end = HEADER_BYTES + usize::from(*count) * if is_v4 { 4 } else { 16 };
    let end = addresses_end + if version == Version::V2 { PASSWORD_BYTES } else { 0 };
    let (signed, behind) = bytes.split_at_checked(end).ok_or(Reason::TooShort)?;
    let trailer = match behind.len() {
        0 => None,
        TRAILER_BYTES => Some(Trailer::read(behind).ok_or(Reason::TooLong)?),
        _ => return Err(Reason::TooLong),
    };
    check_sum(signed, version, envelope)?;
    if *count == 0 {
        return Err(Reason::NoAddress);
    }
    let router_id = RouterId::new(*id).ok_or(Reason::RouterId)?;
    let (interval, password) = match version {
        Version::V3 => {
            let centiseconds = u16::from_be_bytes([*five, *six]) & MOST_CENTISECONDS;
            (Duration::from_millis(u64::from(centiseconds) * 10), None)
        }
        Version::V2 => {
            let word = signed.last_chunk().filter(|_| *five == PASSWORD);
            if word.is_none() && *five != NO_PASSWORD {
                return Err(Reason::Authentication);
            }
            (Duration::from_secs(u64::from(*six)), word.copied())
        }
    };
    if interval.is_zero() {
        return Err(Reason::Interval);
    }
    let addresses = addresses(&signed[HEADER_BYTES..addresses_end], is_v4);
    let advert = Advert { version, router_id, priority: *priority, interval, addresses, password };
    Ok(Packet { advert, signed, trailer })
}

/// Writes an advert for this way. An interval that the version cannot say becomes the nearest it
/// can; addresses of the other family than the envelope's, and more than 255, are left out.
pub fn write(out: &mut Vec<u8>, advert: &Advert, envelope: &Envelope, form: ChecksumForm) {
    let start = out.len();
    let is_v4 = envelope.source.is_ipv4();
    let of_family = advert.addresses.iter().filter(|address| address.is_ipv4() == is_v4);
    let addresses: Vec<&IpAddr> = of_family.take(usize::from(u8::MAX)).collect();
    let number = if advert.version == Version::V2 { 2 } else { 3 };
    let count = u8::try_from(addresses.len()).expect("no more are taken");
    out.extend([number << 4 | ADVERT, advert.router_id.get(), advert.priority, count]);
    out.extend(match advert.version {
        Version::V3 => {
            let centiseconds = u16::try_from(advert.interval.as_millis() / 10);
            centiseconds.unwrap_or(u16::MAX).clamp(1, MOST_CENTISECONDS).to_be_bytes()
        }
        Version::V2 => {
            let kind = if advert.password.is_some() { PASSWORD } else { NO_PASSWORD };
            [kind, u8::try_from(advert.interval.as_secs()).unwrap_or(u8::MAX).max(1)]
        }
    });
    let sum_at = out.len();
    out.extend([0, 0]);
    for address in addresses {
        match address {
            IpAddr::V4(address) => out.extend(address.octets()),
            IpAddr::V6(address) => out.extend(address.octets()),
        }
    }
    if advert.version == Version::V2 {
        out.extend(advert.password.unwrap_or_default());
    }
    let has_pseudo = match advert.version {
        Version::V2 => false,
        Version::V3 => !is_v4 || form == ChecksumForm::WithPseudoHeader,
    };
    let sum = sum(&out[start..], has_pseudo, envelope);
    out[sum_at..sum_at + 2].copy_from_slice(&sum.finish());
}

/// Version 2 has no pseudo-header (RFC 3768 §5.3.8), IPv6 always has one (RFC 9568 §5.2.8), and
/// for version 3 over IPv4 there are two schools.
fn check_sum(signed: &[u8], version: Version, envelope: &Envelope) -> Result<(), Reason> {
    let fits = |pseudo| sum(signed, pseudo, envelope).fits();
    let good = match version {
        Version::V2 => fits(false),
        Version::V3 if envelope.source.is_ipv6() => fits(true),
        Version::V3 => fits(true) || fits(false),
    };
    if good { Ok(()) } else { Err(Reason::Checksum) }
}

fn sum(advert: &[u8], has_pseudo: bool, envelope: &Envelope) -> Sum {
    let sum = if has_pseudo {
        checksum::pseudo_header(envelope.source, envelope.destination, PROTOCOL, advert.len())
    } else {
        Sum::default()
    };
    sum.with(advert)
}

fn addresses(bytes: &[u8], is_v4: bool) -> Vec<IpAddr> {
    if is_v4 {
        let (addresses, _) = bytes.as_chunks::<4>();
        addresses.iter().map(|octets| Ipv4Addr::from(*octets).into()).collect()
    } else {
        let (addresses, _) = bytes.as_chunks::<16>();
        addresses.iter().map(|octets| Ipv6Addr::from(*octets).into()).collect()
    }
}

#[cfg(test)]
mod tests;
