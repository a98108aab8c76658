//! Who a request is from, and what every answer says to browsers.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::api::Problem;
use super::site::{Session, Site};
use super::view;
use crate::{clock, key};

/// The cookie that holds a session's secret. Its prefix makes browsers refuse it without TLS, for
/// another path, and from a neighbour.
pub(super) const COOKIE: &str = "__Host-monitor";

/// Nothing but files of this site, no script or style within a page, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) session: Session,
    pub(super) secret: String,
}

impl Visitor {
    /// Whether a form or request that says `csrf` comes from a page of this session.
    pub(super) fn wrote(&self, csrf: &str) -> bool {
        key::is_same(csrf.as_bytes(), self.session.csrf.as_bytes())
    }
}

impl FromRequestParts<Arc<Site>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        site: &Arc<Site>,
    ) -> Result<Self, Self::Rejection> {
        let is_api = parts.uri.path().starts_with("/api/");
        if let Some(secret) = cookie(&parts.headers, COOKIE) {
            match site.session(secret).await {
                Ok(Some(session)) => return Ok(Self { session, secret: secret.to_owned() }),
                Ok(None) => {}
                Err(_) if is_api => return Err(Problem::Unavailable.into_response()),
                Err(_) => return Err(view::unavailable()),
            }
        }
        if is_api {
            return Err(Problem::NotLoggedIn.into_response());
        }
        Err(see(&format!("{}login", to_root(parts.uri.path()))))
    }
}

/// The value of a cookie.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    let mut pairs = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// From the page `path` to the root of the site, so that every link is relative.
pub(super) fn to_root(path: &str) -> String {
    let depth = path.matches('/').count().saturating_sub(1);
    if depth == 0 { "./".to_owned() } else { "../".repeat(depth) }
}

/// Go there with a GET.
pub(super) fn see(relative: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, relative.to_owned())]).into_response()
}

/// What changes something comes from a page of this site, as browsers tell it.
pub(super) async fn same_origin(request: Request, next: Next) -> Response {
    if *request.method() != Method::GET
        && *request.method() != Method::HEAD
        && !is_same_origin(request.headers())
    {
        return Problem::OtherSite.into_response();
    }
    next.run(request).await
}

fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("?"));
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => origin.strip_prefix("https://") == Some(host),
        (Some(_), None) => false,
        // No browser: nobody who could be tricked.
        (None, _) => true,
    }
}

/// What every answer says to browsers.
pub(super) async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Pages and data are somebody's own; assets say otherwise themselves.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Counts the request and its time.
pub(super) async fn measure(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Response {
    let began = clock::instant();
    let is_api = request.uri().path().starts_with("/api/");
    let response = next.run(request).await;
    site.metrics.answered(is_api, response.status().as_u16(), began.elapsed());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_finds_the_root() {
        for (path, root) in [
            ("/", "./"),
            ("/login", "./"),
            ("/devices/pump", "../"),
            ("/devices/pump/rules/1/remove", "../../../../"),
        ] {
            assert_eq!(to_root(path), root, "{path}");
        }
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; x__Host-monitor=2"));
        headers.append(header::COOKIE, HeaderValue::from_static("b=3;__Host-monitor=4"));
        assert_eq!(cookie(&headers, COOKIE), Some("4"));
        assert_eq!(cookie(&headers, "c"), None);
    }

    #[test]
    fn other_sites_are_told_apart() {
        let origin = |lines: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, HeaderValue::from_static(value));
            }
            is_same_origin(&headers)
        };
        assert!(origin(&[("sec-fetch-site", "same-origin")]));
        assert!(!origin(&[("sec-fetch-site", "cross-site")]));
        assert!(!origin(&[("sec-fetch-site", "same-site")]));
        assert!(origin(&[("origin", "https://a:8443"), ("host", "a:8443")]));
        assert!(!origin(&[("origin", "https://evil"), ("host", "a:8443")]));
        assert!(!origin(&[("origin", "http://a:8443"), ("host", "a:8443")]));
        assert!(!origin(&[("origin", "null"), ("host", "a:8443")]));
        assert!(origin(&[("host", "a:8443")]));
    }
}
