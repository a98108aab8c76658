//! Who is let in, and how often.

use std::sync::Arc;

use crate::access::Access;
use crate::rate::{Rate, Shares};

/// What has to be passed at a listener or a route: first the addresses, then the rates in the order
/// of the file. Requests on an http listener, else connections.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Guard {
    /// `None`: everybody may come.
    pub access: Option<Access>,
    pub rates: Vec<RateId>,
}

impl Guard {
    /// Lets everybody pass.
    pub fn is_open(&self) -> bool {
        let Self { access, rates } = self;
        access.is_none() && rates.is_empty()
    }
}

/// A limit, by name: what it counts is the same wherever it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    pub name: Arc<str>,
    pub rate: Rate,
    pub key: RateKey,
    /// Counts and tells, but refuses nobody.
    pub dry_run: bool,
}

/// Index of a limit in [`super::Config::rates`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RateId(pub u16);

/// What has a rate of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateKey {
    /// A client's address, or the network it is in.
    Source(Shares),
    /// The value of this header (lower case); without one, the client's address.
    Header(Arc<str>),
    /// The value of this cookie; without one, the client's address.
    Cookie(Arc<str>),
    /// All together that come to one route, or to one listener's default.
    Route,
}
