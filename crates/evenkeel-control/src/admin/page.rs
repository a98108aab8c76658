//! `/`: what there is to ask for.

use axum::response::Html;
use evenkeel_api::{Method, OPERATIONS, Operation};

pub(super) async fn page() -> Html<String> {
    let readable = OPERATIONS.iter().filter(|operation| operation.method == Method::Get);
    let rows: String = readable.map(row).collect();
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Evenkeel</title>\
         <h1>Evenkeel</h1><ul>{rows}<li><a href=\"/stub_status\">/stub_status</a>: \
         connections and requests, in the form of nginx</ul></html>\n"
    ))
}

fn row(operation: &Operation) -> String {
    let Operation { path, summary, .. } = operation;
    if path.contains('{') {
        return format!("<li>{path}: {summary}");
    }
    format!("<li><a href=\"{path}\">{path}</a>: {summary}")
}
