//! JSON in and out, and refusals as problems (RFC 9457).

use axum::Json as AxumJson;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use evenkeel_api as api;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A document.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        AxumJson(self.0).into_response()
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let refused =
            |rejection: JsonRejection| Refusal::new(rejection.status(), rejection.body_text());
        AxumJson::from_request(request, state).await.map(|AxumJson(it)| Self(it)).map_err(refused)
    }
}

/// Why something was not done.
#[derive(Debug)]
pub(super) struct Refusal(Box<api::Problem>);

impl Refusal {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self(Box::new(api::Problem {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("refused").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            faults: Vec::new(),
        }))
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// With the faults of a configuration.
    pub(super) fn with_faults(mut self, faults: Vec<api::Found>) -> Self {
        "urn:evenkeel:invalid-config".clone_into(&mut self.0.kind);
        "Invalid configuration".clone_into(&mut self.0.title);
        self.0.faults = faults;
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).expect("made from a status");
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (status, AxumJson(self.0)).into_response();
        for (name, value) in kind {
            response.headers_mut().insert(name, header::HeaderValue::from_static(value));
        }
        response
    }
}
