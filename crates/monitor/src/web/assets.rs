//! Files of the site, held in the program.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

/// A clone of another version may answer the next request; so they are not kept for long.
const CACHING: &str = "max-age=60";

pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let file = |kind: &'static str, text: &'static str| {
        get(move || async move {
            ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, CACHING)], text).into_response()
        })
    };
    Router::new()
        .route("/style.css", file("text/css; charset=utf-8", include_str!("assets/style.css")))
        .route("/site.js", file("text/javascript; charset=utf-8", include_str!("assets/site.js")))
        .route("/icon.svg", file("image/svg+xml", include_str!("assets/icon.svg")))
}
