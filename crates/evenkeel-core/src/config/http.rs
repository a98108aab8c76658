//! What is done with requests.

use std::net::IpAddr;
use std::sync::Arc;

use crate::split::Split;
use crate::template::{Facts, Template};
use crate::trace::Tracing;

use super::{Auth, Compress, Files, Guard, Hedge, HostPattern, PoolId, Priority};

/// An HTTP listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// In the order of the file; matched by specificity (see [`crate::route`]). Shared, since they
    /// may be many and stay the same whenever servers come and go.
    pub routes: Arc<[Route]>,
    /// Taken when no route matches; `None` answers 404.
    pub default: Option<Action>,
    /// The only methods served, exactly these; another one closes the connection without an answer.
    pub methods: Option<Methods>,
    /// For what no route takes; `None`: its answers are passed on as they are.
    pub compress: Option<Arc<Compress>>,
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<Network>,
    pub forwarding: Forwarding,
    pub limits: HttpLimits,
    /// Most bytes of a request body where no route says otherwise; more is answered 413.
    pub body_bytes: Option<u64>,
    /// Body of answers this node makes itself, by status.
    pub error_pages: Vec<ErrorPage>,
    /// Value of `Strict-Transport-Security` (RFC 6797) on every answer. Only where TLS ends here.
    pub hsts: Option<Arc<str>>,
    /// How servers are told whom a client's certificate is about: the name of a header.
    pub client_subject: Option<Arc<str>>,
    /// Headers in which some listener of this node tells servers who the client is: no client may
    /// send one, on whichever listener. Lower-case names.
    pub reserved: Vec<Arc<str>>,
    /// Without TLS: clients may begin with HTTP/2 (RFC 9113 §3.3). Within TLS they ask for it in
    /// the handshake. Default off.
    pub h2c: bool,
}

impl Http {
    /// Where requests may go: by the routes in their order, then by default.
    pub(super) fn pools(&self) -> Vec<PoolId> {
        let actions = self.routes.iter().map(|route| &route.action).chain(&self.default);
        actions.flat_map(Action::pools).collect()
    }

    /// How answers to requests of the route at this place are compressed; `None`: no route's.
    pub fn compress(&self, route: Option<usize>) -> Option<&Compress> {
        route.map_or(&self.compress, |route| &self.routes[route].compress).as_deref()
    }
}

/// Which forwarding headers a request carries to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarding {
    /// `X-Real-IP`, `X-Forwarded-For`, `-Proto`, `-Host`, `-Port`. Default on.
    pub x_forwarded: bool,
    /// `Forwarded` (RFC 7239). Default off.
    pub forwarded: bool,
    /// `X-Request-Id`. Default on.
    pub request_id: bool,
    /// `Via` (RFC 9110 §7.6.3) with this pseudonym, on requests and answers. Default off.
    pub via: Option<Arc<str>>,
    /// `traceparent` and `tracestate` (W3C Trace Context). Default off.
    pub trace: Tracing,
}

impl Default for Forwarding {
    fn default() -> Self {
        Self {
            x_forwarded: true,
            forwarded: false,
            request_id: true,
            via: None,
            trace: Tracing::Off,
        }
    }
}

/// What a client may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of the request head or of a trailer section; more is answered 431. Default and most 64 KiB.
    pub head_bytes: u32,
    /// Lines in the header section; more is answered 431. Default 128, most [`HttpLimits::MOST_HEADERS`].
    pub headers: u16,
    /// Bytes of the request target; more is answered 414. Default 16 KiB.
    pub target_bytes: u32,
    /// Bytes of the request body, whatever the route: the most that any of them takes; more is
    /// answered 413. Default: no limit.
    pub body_bytes: Option<u64>,
    /// Requests on one connection before it is closed. Default 1,000.
    pub requests: u32,
}

impl HttpLimits {
    /// The header table stands on the stack of the parser.
    pub const MOST_HEADERS: u16 = 256;
    /// Heads of more than this are refused whatever the file says: they are held whole.
    pub const MOST_HEAD_BYTES: u32 = 64 * 1024;
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            head_bytes: 64 * 1024,
            headers: 128,
            target_bytes: 16 * 1024,
            body_bytes: None,
            requests: 1_000,
        }
    }
}

/// A rule inside an HTTP listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Given by the operator, else made from host and path; unique in its listener.
    pub name: Arc<str>,
    pub host: Option<HostPattern>,
    pub path: PathPattern,
    /// With `GET` also `HEAD` (see [`Methods::implies_head`]).
    pub methods: Option<Methods>,
    /// All must be there; a value, when given, must be equal byte by byte.
    pub headers: Vec<HeaderMatch>,
    /// As `headers`; names of cookies are case-sensitive (RFC 6265 §4.1.1).
    pub cookies: Vec<CookieMatch>,
    pub guard: Guard,
    pub auth: Auth,
    pub action: Action,
    /// Taken off the front of the path before it is sent to the server: `/api`, without a trailing slash.
    pub strip_prefix: Option<Arc<str>>,
    /// Most bytes of a request body; more is answered 413.
    pub body_bytes: Option<u64>,
    /// `None`: requests go to one pool only.
    pub mirror: Option<Mirror>,
    /// Bytes a second of each answer; `None`: as fast as both sides can.
    pub bandwidth: Option<u64>,
    pub request_headers: HeaderEdits,
    pub response_headers: HeaderEdits,
    /// What is shed before it and after it when this node has too much to do.
    pub priority: Priority,
    /// `None`: a late answer is waited for.
    pub hedge: Option<Hedge>,
    /// Its own or the listener's; `None`: answers are passed on as they are.
    pub compress: Option<Arc<Compress>>,
}

/// A path to match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathPattern {
    /// `=/exact`
    Exact(Arc<str>),
    /// `/api/` or `/api`: a prefix on segment bounds, kept without its trailing slash (`/` is empty).
    Prefix(Arc<str>),
}

/// `name` is lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatch {
    pub name: Arc<str>,
    pub value: Option<Arc<str>>,
}

/// A cookie to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieMatch {
    pub name: Arc<str>,
    pub value: Option<Arc<str>>,
}

/// What a route does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Pool(PoolId),
    Split(Split),
    Redirect(Redirect),
    Files(Arc<Files>),
}

impl Action {
    fn pools(&self) -> Vec<PoolId> {
        match self {
            Self::Pool(pool) => vec![*pool],
            Self::Split(split) => split.pools().collect(),
            Self::Redirect(_) | Self::Files(_) => Vec::new(),
        }
    }
}

/// Copies of requests for another pool, whose answers nobody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mirror {
    pub pool: PoolId,
    /// Of a hundred requests, by chance; 1 to 100.
    pub percent: u8,
}

/// An answer that names another place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// `https://{host}{path}`
    pub to: Template,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// A set of method tokens; few, so a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Methods(pub Vec<Arc<str>>);

impl Methods {
    /// Methods are case-sensitive (RFC 9110 §9.1).
    pub fn contains(&self, method: &str) -> bool {
        self.0.iter().any(|allowed| &**allowed == method)
    }

    /// `GET` is one of them and `HEAD` is not: a route takes `HEAD` all the same, which is `GET`
    /// without content (RFC 9110 §9.3.2).
    pub fn implies_head(&self) -> bool {
        self.contains("GET") && !self.contains("HEAD")
    }
}

/// Changes to a header section: removals, then `set` (replaces), then `add`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Lower-case names.
    pub remove: Vec<Arc<str>>,
    pub set: Vec<(Arc<str>, Template)>,
    pub add: Vec<(Arc<str>, Template)>,
}

impl HeaderEdits {
    /// Nothing to change.
    pub fn is_empty(&self) -> bool {
        let Self { remove, set, add } = self;
        remove.is_empty() && set.is_empty() && add.is_empty()
    }

    /// They say the same for every message.
    pub fn is_fixed(&self) -> bool {
        self.set.iter().chain(&self.add).all(|(_, value)| value.is_fixed())
    }

    /// The same with what is known by now in its place.
    #[must_use]
    pub fn settled(&self, facts: Facts<'_>) -> Self {
        let settled = |pairs: &[(Arc<str>, Template)]| {
            pairs.iter().map(|(name, value)| (Arc::clone(name), value.settled(facts))).collect()
        };
        Self { remove: self.remove.clone(), set: settled(&self.set), add: settled(&self.add) }
    }
}

/// The body of an answer this node makes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    pub status: u16,
    pub content_type: Arc<str>,
    pub body: Arc<[u8]>,
}

/// An address range, such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// `None` when `bits` is more than the address has, or host bits are set.
    ///
    /// A range of IPv4-mapped IPv6 addresses is one of IPv4.
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let (address, bits) = match (address.to_canonical(), bits.checked_sub(96)) {
            (mapped @ IpAddr::V4(_), Some(bits)) if address.is_ipv6() => (mapped, bits),
            _ => (address, bits),
        };
        let network = Self { address, bits };
        let most = if address.is_ipv4() { 32 } else { 128 };
        (bits <= most && network.masked(address) == address).then_some(network)
    }

    /// Whether `address` lies within; an IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && self.masked(address) == self.address
    }

    /// Of IPv4 addresses.
    pub fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    /// The numbers of its first and its last address.
    pub fn range(&self) -> (u128, u128) {
        let (first, width) = match self.address {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        };
        let hosts = u128::MAX.checked_shr(128 - (width - u32::from(self.bits))).unwrap_or(0);
        (first, first | hosts)
    }

    fn masked(&self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits.min(32))).unwrap_or(0);
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits.min(128))).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_own_and_no_others() {
        let network = |text: &str, bits| Network::new(text.parse().unwrap(), bits);
        let ten = network("10.0.0.0", 8).unwrap();
        for (address, inside) in [
            ("10.255.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("11.0.0.1", false),
            ("::a00:1", false),
        ] {
            assert_eq!(ten.contains(address.parse().unwrap()), inside, "{address}");
        }
        assert!(network("0.0.0.0", 0).unwrap().contains("203.0.113.9".parse().unwrap()));
        assert!(network("fd00::", 8).unwrap().contains("fdff::1".parse().unwrap()));
        assert_eq!(network("10.0.0.1", 8), None, "host bits are set");
        assert_eq!(network("10.0.0.0", 33), None);
    }
}
