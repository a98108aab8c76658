//! What is probed: what was typed, or each listener that leads to what is drilled.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use evenkeel_api::{Client, ExplainedOutcome, Listener, Question, Status, Vip};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::bench::request::Request;
use crate::bench::target::{self, Asked, Http};
use crate::bench::tls::{self, Trust};

/// What is probed at once: each gets its own requests.
const MOST: usize = 8;

/// It is not the certificates that are drilled.
const ANYBODY: Trust<'_> = Trust { insecure: true, authority: None };

/// Something that is probed.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// As people know it.
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// `None`: a connection is enough.
    pub(super) request: Option<Arc<Request>>,
}

impl Target {
    /// What was typed.
    pub(super) fn of(url: &str) -> Result<Self> {
        if let Some((scheme, authority)) = url.split_once("://")
            && matches!(scheme, "tcp" | "tls")
        {
            return Self::connection(url, scheme == "tls", authority);
        }
        let headers = [format!("user-agent: evenkeel-drill/{}", env!("CARGO_PKG_VERSION"))];
        let asked = Asked {
            method: "GET",
            headers: &headers,
            body: None,
            keep_alive: false,
            http: Some(Http::One),
            streams: 1,
            trust: ANYBODY,
        };
        let target = target::Target::new(url, &asked).with_context(|| format!("--probe {url}"))?;
        Ok(Self {
            name: url.to_owned(),
            address: target.address,
            tls: target.tls.map(|secured| (secured.config, secured.name)),
            request: Some(target.request),
        })
    }

    fn connection(url: &str, secure: bool, authority: &str) -> Result<Self> {
        let wrong = || format!("--probe {url}: write tcp://HOST:PORT or tls://HOST:PORT");
        let authority = authority.trim_end_matches('/');
        let mut found = authority.to_socket_addrs().with_context(wrong)?;
        let address = found.next().with_context(wrong)?;
        let (host, _) = authority.rsplit_once(':').with_context(wrong)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let tls = if secure {
            // Whatever is spoken inside.
            Some((
                Arc::new(tls::config(&ANYBODY, &[])?),
                ServerName::try_from(host).with_context(wrong)?,
            ))
        } else {
            None
        };
        Ok(Self { name: url.to_owned(), address, tls, request: None })
    }

    /// What was typed, each of it.
    pub(super) fn all_of(urls: &[String]) -> Result<Vec<Self>> {
        if urls.len() > MOST {
            bail!("--probe: {} are given, {MOST} may be", urls.len());
        }
        urls.iter().map(|url| Self::of(url)).collect()
    }
}

/// Each listener that leads to a pool.
pub(super) fn of_pool(client: &Client, status: &Status, pool: &str) -> Result<Vec<Target>> {
    let here = node_address(client)?;
    let mut targets = Vec::new();
    let mut others = Vec::new();
    for listener in &status.listeners {
        if !listener.pools.iter().any(|it| it == pool) {
            continue;
        }
        let address = listener.addresses.iter().find_map(|it| reachable(it, here));
        let Some((url, address)) = address.and_then(|it| Some((url(listener, it)?, it))) else {
            continue;
        };
        match leads_elsewhere(client, listener, &url, pool)? {
            Some(why) => others.push(format!("{}: {why}", listener.name)),
            None => targets.push(Target { address, ..Target::of(&url)? }),
        }
    }
    if targets.is_empty() {
        let why =
            if others.is_empty() { String::new() } else { format!(" ({})", others.join("; ")) };
        bail!("no listener leads to pool {pool} by itself{why}: say what to ask with --probe URL");
    }
    targets.truncate(MOST);
    Ok(targets)
}

/// Each listener at a virtual address.
pub(super) fn of_vip(status: &Status, vip: &Vip) -> Result<Vec<Target>> {
    let address = vip.addresses.first().and_then(|it| it.split('/').next()?.parse::<IpAddr>().ok());
    let address = address.with_context(|| format!("{} has no address", vip.name))?;
    let mut targets = Vec::new();
    for listener in &status.listeners {
        let bound = listener.addresses.iter().filter_map(|it| it.parse::<SocketAddr>().ok());
        let is_there = |it: &SocketAddr| {
            let any = it.ip().is_unspecified() && it.is_ipv4() == address.is_ipv4();
            it.ip() == address || any
        };
        let Some(bound) = bound.into_iter().find(is_there) else { continue };
        let at = SocketAddr::new(address, bound.port());
        if let Some(url) = url(listener, at) {
            targets.push(Target { address: at, ..Target::of(&url)? });
        }
    }
    if targets.is_empty() {
        bail!("no listener is at {address}: say what to ask with --probe URL");
    }
    targets.truncate(MOST);
    Ok(targets)
}

/// What a client of a listener asks at `address`.
fn url(listener: &Listener, address: SocketAddr) -> Option<String> {
    let scheme = match listener.protocol.as_str() {
        "http" | "https" | "tcp" | "tls" => listener.protocol.as_str(),
        _ => return None,
    };
    let path = if scheme.starts_with("http") { "/" } else { "" };
    Some(format!("{scheme}://{address}{path}"))
}

/// Why a request to a listener does not get to a pool; `None`: it does.
fn leads_elsewhere(
    client: &Client,
    listener: &Listener,
    url: &str,
    pool: &str,
) -> Result<Option<String>> {
    if !listener.protocol.starts_with("http") {
        let single = listener.pools.len() == 1;
        return Ok((!single).then(|| "it has several pools".to_owned()));
    }
    let question =
        Question { method: "GET", url, headers: &[], from: None, listener: Some(&listener.name) };
    Ok(match client.explain(&question)?.outcome {
        ExplainedOutcome::Pool(to) if to.pool == pool || to.by_split => None,
        ExplainedOutcome::Pool(to) => Some(format!("GET / goes to pool {}", to.pool)),
        ExplainedOutcome::Refused { why, .. } => Some(format!("GET / is refused: {why}")),
        ExplainedOutcome::Answer { why, .. } => {
            Some(format!("GET / is the node's to answer: {why}"))
        }
        ExplainedOutcome::Redirect { location, .. } => {
            Some(format!("GET / is redirected to {location}"))
        }
        ExplainedOutcome::File { .. } => Some("GET / is a file".to_owned()),
    })
}

/// Where this machine finds what a listener is bound to, on a node at `here`.
fn reachable(bound: &str, here: IpAddr) -> Option<SocketAddr> {
    let bound: SocketAddr = bound.parse().ok()?;
    if !bound.ip().is_unspecified() {
        return Some(bound);
    }
    // `[::]` takes IPv4 as well, unless something else has the port.
    (bound.is_ipv6() || here.is_ipv4()).then(|| SocketAddr::new(here, bound.port()))
}

/// Where the node is.
fn node_address(client: &Client) -> Result<IpAddr> {
    let authority = client.authority();
    let with_port = format!("{authority}:80");
    let mut found = authority.to_socket_addrs().or_else(|_| with_port.to_socket_addrs());
    let found = found.as_mut().ok().and_then(Iterator::next);
    Ok(found.with_context(|| format!("cannot look up {authority}"))?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_a_request_or_a_connection() {
        let target = Target::of("http://127.0.0.1:8080/x").unwrap();
        let request = String::from_utf8(target.request.expect("it asks").bytes.clone()).unwrap();
        assert!(request.starts_with("GET /x HTTP/1.1\r\nuser-agent: evenkeel-drill/"), "{request}");
        assert!(request.contains("\r\nconnection: close\r\n"), "{request}");
        let target = Target::of("tcp://127.0.0.1:5000").unwrap();
        assert!(target.request.is_none() && target.tls.is_none());
        let target = Target::of("tls://[::1]:443/").unwrap();
        assert!(target.request.is_none() && target.tls.is_some());
        for wrong in ["", "127.0.0.1:80", "udp://127.0.0.1:53", "tcp://127.0.0.1", "tls://:443"] {
            Target::of(wrong).expect_err(wrong);
        }
    }

    #[test]
    fn a_listener_is_asked_where_it_can_be_reached() {
        let (v4, v6) = (IpAddr::from([10, 0, 0, 5]), "fd00::5".parse::<IpAddr>().unwrap());
        for (bound, here, expected) in [
            ("0.0.0.0:80", v4, Some("10.0.0.5:80")),
            ("[::]:80", v4, Some("10.0.0.5:80")),
            ("[::]:80", v6, Some("[fd00::5]:80")),
            ("0.0.0.0:80", v6, None),
            ("192.0.2.1:443", v4, Some("192.0.2.1:443")),
            ("nonsense", v4, None),
        ] {
            let expected = expected.map(|it| it.parse().unwrap());
            assert_eq!(reachable(bound, here), expected, "{bound} {here}");
        }
    }
}
