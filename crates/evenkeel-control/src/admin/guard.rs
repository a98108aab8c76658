//! Who may speak to the admin address.
//!
//! A web page that somebody looks at on this machine is the one attacker a loopback address does
//! not keep out: it can send requests here (CSRF), and with a name that it makes point here it
//! could read the answers (DNS rebinding). Where no token is asked for, it could also have answers
//! taken for scripts or pictures of its own (XSSI). Hence the checks of `Host`, `Origin`, content type
//! and `Sec-Fetch-Site`, and what every answer says of who may use it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::answer::Refusal;
use crate::node::Node;

/// What a form on a web page cannot send without asking first.
const WRITE_TYPES: [&str; 2] = ["application/json", "application/toml"];

/// What every answer is sent with: it is what its type says, and no other origin's to load.
const HEADERS: [(HeaderName, &str); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Keeps answers from pages of other origins that would load them as something else.
pub(super) async fn ours_alone(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value)));
    response.headers_mut().extend(headers);
    response
}

/// Refuses names that are not ours, what a page of another origin asks for, and writes that one could
/// have sent.
pub(super) async fn origin(
    State(node): State<Arc<Node>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let bound = node.admin();
    let host = single(request.headers(), &header::HOST);
    if bound.ip().is_loopback() && !host.is_some_and(|host| is_ours(host, bound)) {
        let detail = format!("this is {bound}: ask for it by that address or as localhost");
        return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, detail));
    }
    if is_write(request.method()) {
        writes(request.headers(), host)?;
    } else if is_of_another_page(request.headers()) {
        let detail = "a web page of another origin may not ask here";
        return Err(Refusal::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(next.run(request).await)
}

/// While another process takes over, nothing is changed here that it would not know of, and who stays
/// connected is sent to it.
pub(super) async fn charge(
    State(node): State<Arc<Node>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    if !node.is_in_charge() && is_write(request.method()) {
        let detail = "another process is taking over: ask again";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    }
    let mut response = next.run(request).await;
    if !node.is_in_charge() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// What a browser says of who asks (Fetch Metadata). Somebody who follows a link asks for themselves.
fn is_of_another_page(headers: &HeaderMap) -> bool {
    const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
    const TARGET: HeaderName = HeaderName::from_static("sec-fetch-dest");
    let says = |name, value| single(headers, &name) == Some(value);
    let is_foreign = says(SITE, "cross-site") || says(SITE, "same-site");
    is_foreign && !(says(MODE, "navigate") && says(TARGET, "document"))
}

pub(super) fn is_write(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn writes(headers: &HeaderMap, host: Option<&str>) -> Result<(), Refusal> {
    if let Some(origin) = headers.get(header::ORIGIN) {
        let from = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        if from.is_none() || from != host {
            let detail = "a web page of another origin may not write here";
            return Err(Refusal::new(StatusCode::FORBIDDEN, detail));
        }
    }
    let kind = single(headers, &header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if WRITE_TYPES.iter().any(|known| kind.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    let detail = format!("say `Content-Type: {}`", WRITE_TYPES.join("` or `"));
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

/// The value of a header that is there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.to_str().ok())?
}

/// `localhost`, a loopback address or the address bound, with any port: ports may be forwarded.
fn is_ours(host: &str, bound: SocketAddr) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    match bare.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address == bound.ip(),
        Err(_) => bare.eq_ignore_ascii_case("localhost"),
    }
}

/// Asks for the token, when there is one.
pub(super) async fn token(
    State(node): State<Arc<Node>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let Some(token) = node.token() else { return Ok(next.run(request).await) };
    let given = single(request.headers(), &header::AUTHORIZATION);
    let given = given.and_then(|value| value.split_once(' '));
    let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if given.is_some_and(|(_, given)| is_equal(given.trim().as_bytes(), token.0.as_bytes())) {
        return Ok(next.run(request).await);
    }
    let detail = "send the node's token: `Authorization: Bearer TOKEN`";
    Err(Refusal::new(StatusCode::UNAUTHORIZED, detail))
}

/// Takes the same time wherever the two differ, so that a token cannot be guessed letter by letter.
fn is_equal(given: &[u8], token: &[u8]) -> bool {
    let differ = given.iter().zip(token).fold(0, |differ, (a, b)| differ | (a ^ b));
    given.len() == token.len() && std::hint::black_box(differ) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        let bound: SocketAddr = "127.0.0.1:7070".parse().unwrap();
        for ours in
            ["localhost", "LOCALHOST:7070", "127.0.0.1:7070", "127.8.8.8", "[::1]:80", "[::1]"]
        {
            assert!(is_ours(ours, bound), "{ours}");
        }
        for foreign in ["", "evil.example", "localhost.evil.example:7070", "10.0.0.1:7070", "[::"] {
            assert!(!is_ours(foreign, bound), "{foreign}");
        }
    }

    #[test]
    fn tokens_are_equal_or_not() {
        assert!(is_equal(b"secret", b"secret"));
        for other in [&b""[..], b"secre", b"secrets", b"secreT"] {
            assert!(!is_equal(other, b"secret"));
        }
    }
}
