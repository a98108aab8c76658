//! What a connection or a request has to pass before anything is done for it: addresses, rates,
//! connections of one source. Where nothing is asked for, nothing is looked at.

mod rates;
mod sources;

use std::net::IpAddr;

use evenkeel_core::config::{Guard, Http, RateId};
use evenkeel_core::fault::Fault;
use evenkeel_core::message::request::{Body, RequestHead};
use evenkeel_core::message::{Reason, forward};

pub(crate) use self::rates::LiveRate;
pub(crate) use self::sources::{Share, Sources};
use crate::accept::Seat;
use crate::exchange::Client;
use crate::receive::cookie;
use crate::worker::Place;

/// Fields of the answer that tells a client why it was refused.
pub(crate) type Fields = Vec<(&'static str, String)>;

/// A connection that has come, at its listener.
pub(crate) fn enter(seat: &mut Seat) -> Result<(), Fault> {
    let place = seat.slot.place(&seat.worker);
    let (listener, source) = (place.listener(), seat.peer.ip());
    if let Some(most) = listener.connections_per_source {
        let trusted = listener.protocol.http().map_or(&[][..], |http| &http.trusted_proxies);
        if trusted.iter().all(|network| !network.contains(source)) {
            let share = seat.slot.counts.sources.enter(source, most);
            seat.share = Some(share.ok_or(Fault::SourceFull)?);
        }
    }
    if listener.protocol.http().is_some() || listener.guard.is_open() {
        return Ok(()); // its requests are asked
    }
    let asked = Asked { place: &place, address: source, route: "", request: None };
    asked.pass(&[&listener.guard], &mut Fields::new())
}

/// A request that has its route, or none. What it is refused with is told in `fields`.
pub(crate) fn admit(
    client: &Client,
    place: &Place,
    (http, route): (&Http, Option<usize>),
    head: &RequestHead<'_, '_>,
    fields: &mut Fields,
) -> Result<(), Fault> {
    let here = &place.listener().guard;
    let route = route.map(|route| &http.routes[route]);
    let most = route.map_or(http.body_bytes, |route| route.body_bytes);
    if let Err(reason) = fits(head.body, most) {
        client.seat.slot.counts.refuse(reason.label());
        return Err(Fault::BadRequest(reason.status()));
    }
    if here.is_open() && route.is_none_or(|route| route.guard.is_open()) {
        return Ok(());
    }
    let peer = client.seat.peer.ip().to_canonical();
    let asked = Asked {
        place,
        address: forward::client_address(head, peer, &http.trusted_proxies),
        route: route.map_or("", |route| &route.name),
        request: Some(head),
    };
    match route {
        Some(route) => asked.pass(&[here, &route.guard], fields),
        None => asked.pass(&[here], fields),
    }
}

/// Whether a body of the length that is announced may come.
pub(crate) fn fits(body: Body, most: Option<u64>) -> Result<(), Reason> {
    match (body, most) {
        (Body::Length(length), Some(most)) if length > most => Err(Reason::BodyTooLarge),
        _ => Ok(()),
    }
}

/// Whether lists of addresses let this one in.
pub(crate) fn lets_in(guards: &[&Guard], address: IpAddr) -> Result<(), Fault> {
    let mut lists = guards.iter().filter_map(|guard| guard.access.as_ref());
    if lists.all(|access| access.admits(address)) { Ok(()) } else { Err(Fault::Denied) }
}

/// Who wants to pass.
struct Asked<'a> {
    place: &'a Place,
    address: IpAddr,
    /// Name of the route; empty on a connection and at the listener's default.
    route: &'a str,
    request: Option<&'a RequestHead<'a, 'a>>,
}

impl Asked<'_> {
    fn pass(&self, guards: &[&Guard], fields: &mut Fields) -> Result<(), Fault> {
        lets_in(guards, self.address)?;
        guards.iter().flat_map(|guard| &guard.rates).try_for_each(|id| self.keep_to(*id, fields))
    }

    fn keep_to(&self, RateId(id): RateId, fields: &mut Fields) -> Result<(), Fault> {
        let rate = &self.place.local.plan.rates[usize::from(id)];
        let listener = &self.place.listener().name;
        let header = |name: &str| self.request.and_then(|head| head.header(name));
        let cookie = |name: &str| self.request.and_then(|head| cookie(head, name));
        rate.ask(self.address, (listener, self.route), (&header, &cookie), fields)
    }
}
