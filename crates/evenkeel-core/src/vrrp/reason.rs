//! Why an advert is not heeded.

use std::fmt;

/// Which check an advert has not passed. It changes nothing and is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It comes from beyond the link (RFC 9568 §7.1).
    HopLimit,
    /// Shorter than what it says it holds.
    TooShort,
    /// There are bytes behind its end that are no signature.
    TooLong,
    /// Of another version than this virtual router speaks, or of none.
    Version,
    /// Not an advert (RFC 9568 §5.2.2).
    Type,
    /// The number of another virtual router, or 0.
    RouterId,
    /// It names no address (RFC 9568 §5.2.5).
    NoAddress,
    /// 0, or in version 2 another than this node's (RFC 3768 §7.1).
    Interval,
    /// The sum does not fit, neither with nor without a pseudo-header.
    Checksum,
    /// Version 2: another kind of authentication than configured (RFC 3768 §7.1).
    Authentication,
    /// Version 2: not the password (RFC 2338 §5.3.6).
    Password,
    /// It has this node's own address as its source.
    Own,
    /// With named peers: it comes from somebody else.
    Stranger,
    /// It has no signature and must have one.
    Unsigned,
    /// Signed with a key that this node does not have.
    UnknownKey,
    /// The signature is not that of the key it names.
    BadSignature,
    /// Its signature was seen before, or is older than those seen.
    Replayed,
}

impl Reason {
    /// Each of them, for who keeps a counter of each.
    pub const ALL: [Self; 17] = [
        Self::HopLimit,
        Self::TooShort,
        Self::TooLong,
        Self::Version,
        Self::Type,
        Self::RouterId,
        Self::NoAddress,
        Self::Interval,
        Self::Checksum,
        Self::Authentication,
        Self::Password,
        Self::Own,
        Self::Stranger,
        Self::Unsigned,
        Self::UnknownKey,
        Self::BadSignature,
        Self::Replayed,
    ];

    /// A short word for a counter.
    pub const fn label(self) -> &'static str {
        match self {
            Self::HopLimit => "hop-limit",
            Self::TooShort => "too-short",
            Self::TooLong => "too-long",
            Self::Version => "version",
            Self::Type => "type",
            Self::RouterId => "router-id",
            Self::NoAddress => "no-address",
            Self::Interval => "interval",
            Self::Checksum => "checksum",
            Self::Authentication => "authentication",
            Self::Password => "password",
            Self::Own => "own",
            Self::Stranger => "stranger",
            Self::Unsigned => "unsigned",
            Self::UnknownKey => "unknown-key",
            Self::BadSignature => "bad-signature",
            Self::Replayed => "replayed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HopLimit => "the advert has crossed a router: its TTL or hop limit is not 255",
            Self::TooShort => "the advert is shorter than what it says it holds",
            Self::TooLong => "the advert is longer than what it says it holds",
            Self::Version => "the advert is of another version of VRRP",
            Self::Type => "the packet is not an advert",
            Self::RouterId => "the advert is of another virtual router",
            Self::NoAddress => "the advert names no address",
            Self::Interval => "the advert's interval is 0 or, in version 2, not this node's",
            Self::Checksum => "the advert's checksum does not fit",
            Self::Authentication => "the advert has another kind of authentication",
            Self::Password => "the advert's password is not this node's",
            Self::Own => "the advert has this node's own address as its source",
            Self::Stranger => "the advert comes from none of the peers",
            Self::Unsigned => "the advert is not signed",
            Self::UnknownKey => "the advert is signed with a key this node does not have",
            Self::BadSignature => "the advert's signature does not fit",
            Self::Replayed => "the advert was seen before, or is older than those seen",
        })
    }
}

impl std::error::Error for Reason {}
