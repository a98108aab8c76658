//! What the placeholders of a request's templates stand for.

use std::borrow::Cow;

use evenkeel_core::config::Http;
use evenkeel_core::message::forward;
use evenkeel_core::message::request::RequestHead;
use evenkeel_core::template::Fact;

use crate::accept::Seat;

/// A request that was routed.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    pub(crate) head: &'a RequestHead<'a, 'a>,
    pub(crate) seat: &'a Seat,
    pub(crate) http: &'a Http,
    pub(crate) scheme: &'a str,
    pub(crate) request_id: &'a str,
    /// Empty where it belongs to none.
    pub(crate) trace_id: &'a str,
    /// Its name; empty at the listener's default.
    pub(crate) route: &'a str,
    /// Its name; empty where there is none.
    pub(crate) pool: &'a str,
}

impl Told<'_> {
    /// All but what is known of an answer only.
    pub(crate) fn fact(&self, fact: Fact) -> Option<Cow<'_, str>> {
        let Self { head, seat, http, .. } = self;
        Some(match fact {
            Fact::ClientIp => {
                let peer = seat.peer.ip().to_canonical();
                let client = forward::client_address(head, peer, &http.trusted_proxies);
                client.to_string().into()
            }
            Fact::ClientPort => seat.peer.port().to_string().into(),
            Fact::Host => head.host.into(),
            Fact::Path => match head.query {
                Some(query) => format!("{}?{query}", head.path).into(),
                None => head.path.into(),
            },
            Fact::Method => head.method.into(),
            Fact::Scheme => self.scheme.into(),
            Fact::RequestId => self.request_id.into(),
            Fact::TraceId => self.trace_id.into(),
            Fact::TlsVersion => seat.tls.as_deref().map_or("", |tls| tls.version).into(),
            Fact::Sni => {
                let name = seat.tls.as_deref().and_then(|tls| tls.server_name.as_deref());
                name.unwrap_or_default().into()
            }
            Fact::Listener => (*seat.slot.name).into(),
            Fact::Route => self.route.into(),
            Fact::Pool => self.pool.into(),
            Fact::Server => return None,
        })
    }
}
