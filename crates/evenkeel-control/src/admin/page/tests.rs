use axum::body::{Body, to_bytes};
use axum::http::Request;
use tower::ServiceExt as _;

use super::*;

/// What a browser loads before it shows anything, over a slow line to a machine room.
const MOST_BYTES: usize = 150 << 10;

async fn ask(path: &str, headers: &[(HeaderName, &str)]) -> Response {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    routes::<()>().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[test]
fn the_whole_page_is_small() {
    let sizes = PARTS.iter().map(|part| part.gzip.as_deref().unwrap_or(part.plain).len());
    let all: usize = sizes.sum();
    assert!(all < MOST_BYTES, "{all} bytes");
}

#[test]
fn what_the_page_refers_to_is_served() {
    let text = |path| {
        let part = PARTS.iter().find(|part| part.path == path).unwrap();
        std::str::from_utf8(part.plain).unwrap()
    };
    for (of, path) in [
        ("/", "/page.js"),
        ("/", "/page.css"),
        ("/", "/icon.svg"),
        ("/page.css", "/ibm-plex-sans-latin-400-normal.woff2"),
        ("/page.css", "/ibm-plex-sans-latin-600-normal.woff2"),
        ("/page.css", "/ibm-plex-mono-latin-400-normal.woff2"),
    ] {
        assert!(text(of).contains(path), "{of} does not name {path}");
        assert!(PARTS.iter().any(|part| part.path == path), "{path}");
    }
}

#[tokio::test]
async fn every_part_says_what_it_is_and_what_it_may() {
    for part in PARTS.iter() {
        let answer = ask(part.path, &[]).await;
        assert_eq!(answer.status(), StatusCode::OK, "{}", part.path);
        let header = |name| answer.headers()[name].to_str().unwrap();
        assert_eq!(header(header::CONTENT_TYPE), part.kind);
        assert!(header(header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'; "));
        assert_eq!(header(header::REFERRER_POLICY), "no-referrer");
        assert!(!answer.headers().contains_key(header::CONTENT_ENCODING));
    }
}

#[tokio::test]
async fn a_copy_that_still_holds_is_not_sent_again() {
    for coding in ["gzip, deflate, br", "identity"] {
        let accepts = (header::ACCEPT_ENCODING, coding);
        let first = ask("/page.js", std::slice::from_ref(&accepts)).await;
        let coded = first.headers().get(header::CONTENT_ENCODING).is_some();
        assert_eq!(coded, coding.starts_with("gzip"));
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        let again = ask("/page.js", &[accepts.clone(), (header::IF_NONE_MATCH, &tag)]).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers()[header::ETAG], tag);
        assert!(to_bytes(again.into_body(), 1).await.unwrap().is_empty());
        let other = ask("/page.js", &[accepts, (header::IF_NONE_MATCH, "\"other\"")]).await;
        assert_eq!(other.status(), StatusCode::OK);
    }
}
