//! The page at `/`: what `dashboard/` is built to, held in the program. It holds no secret, so it is
//! there before a token is given; all it shows, it asks the API for.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use evenkeel_core::coding::{Accepted, Coding};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Scripts, styles and figures come from this node and nowhere else, nothing is written into the page
/// as text that could be a script, and no other page may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// What every part of the page is sent with. A browser asks each time whether its copy still holds:
/// a new program may bring a new page. The rest is what [every answer](super::guard::ours_alone) is
/// sent with.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-cache"),
    (header::VARY, "accept-encoding"),
];

/// A file of the page.
struct Part {
    path: &'static str,
    kind: &'static str,
    plain: &'static [u8],
    /// Absent where it would not be smaller.
    gzip: Option<Vec<u8>>,
    /// Of its content.
    tag: String,
}

macro_rules! part {
    ($path:literal, $file:literal, $kind:literal) => {
        Part::new($path, $kind, include_bytes!(concat!("../../../../dashboard/dist/", $file)))
    };
}

/// Compressed once, when somebody first asks.
static PARTS: LazyLock<[Part; 7]> = LazyLock::new(|| {
    [
        part!("/", "index.html", "text/html; charset=utf-8"),
        part!("/page.js", "page.js", "text/javascript; charset=utf-8"),
        part!("/page.css", "page.css", "text/css; charset=utf-8"),
        part!("/icon.svg", "icon.svg", "image/svg+xml"),
        part!(
            "/ibm-plex-sans-latin-400-normal.woff2",
            "ibm-plex-sans-latin-400-normal.woff2",
            "font/woff2"
        ),
        part!(
            "/ibm-plex-sans-latin-600-normal.woff2",
            "ibm-plex-sans-latin-600-normal.woff2",
            "font/woff2"
        ),
        part!(
            "/ibm-plex-mono-latin-400-normal.woff2",
            "ibm-plex-mono-latin-400-normal.woff2",
            "font/woff2"
        ),
    ]
});

/// A path for each part.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    (0..PARTS.len()).fold(Router::new(), |router, place| {
        let answer = move |headers: HeaderMap| async move { PARTS[place].answer(&headers) };
        router.route(PARTS[place].path, get(answer))
    })
}

impl Part {
    fn new(path: &'static str, kind: &'static str, plain: &'static [u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        plain.hash(&mut hasher);
        let small = gzip(plain);
        let gzip = (small.len() < plain.len()).then_some(small);
        Self { path, kind, plain, gzip, tag: format!("{:016x}", hasher.finish()) }
    }

    fn answer(&self, request: &HeaderMap) -> Response {
        let accepted = request.get_all(header::ACCEPT_ENCODING).iter();
        let accepted = Accepted::read(accepted.map(HeaderValue::as_bytes));
        let takes_gzip = accepted.best_of(Coding::ALL).any(|coding| coding == Coding::Gzip);
        let gzip = self.gzip.as_deref().filter(|_| takes_gzip);
        // Two forms of one thing have two tags (RFC 9110 §8.8.3).
        let tag = if gzip.is_some() {
            format!("\"{}-gzip\"", self.tag)
        } else {
            format!("\"{}\"", self.tag)
        };
        let known = request.get_all(header::IF_NONE_MATCH).iter();
        let mut response = if known.into_iter().any(|tags| is_listed(tags, &tag)) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = gzip.map_or_else(
                || self.plain.into_response(),
                |bytes| ([(header::CONTENT_ENCODING, "gzip")], bytes.to_vec()).into_response(),
            );
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
            response
        };
        let headers = response.headers_mut();
        headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
        headers.insert(header::ETAG, tag.parse().expect("hexadecimal digits in quotes"));
        response
    }
}

/// Whether a value of `If-None-Match` names this tag (RFC 9110 §13.1.2).
fn is_listed(tags: &HeaderValue, tag: &str) -> bool {
    let tags = tags.to_str().unwrap_or_default();
    tags.split(',').map(str::trim).any(|it| it == "*" || it.trim_start_matches("W/") == tag)
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).and_then(|()| encoder.finish()).expect("a vector takes all")
}

#[cfg(test)]
mod tests;
