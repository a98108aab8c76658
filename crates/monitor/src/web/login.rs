//! Logging in and out, for people.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::guard::{COOKIE, Visitor, cookie, see};
use super::site::{NotIn, SESSION, Site};
use super::{pages, view};
use crate::key;

/// The cookie that the login form has to repeat, so that no other site can log somebody in.
const FORM_COOKIE: &str = "__Host-login";

#[derive(Debug, Deserialize)]
pub(super) struct Login {
    name: String,
    password: String,
    csrf: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Confirmed {
    pub(super) csrf: String,
}

pub(super) async fn page(State(site): State<Arc<Site>>) -> Response {
    form(&site, StatusCode::OK, "", "")
}

/// The form with a fresh cookie beside it.
fn form(site: &Site, code: StatusCode, name: &str, said: &str) -> Response {
    let Ok(csrf) = key::generate() else { return view::unavailable() };
    let cookie = format!("{FORM_COOKIE}={csrf}; Path=/; Secure; HttpOnly; SameSite=Strict");
    let page = pages::login(&site.name, name, &csrf, said).into_response(code);
    ([(header::SET_COOKIE, cookie)], page).into_response()
}

pub(super) async fn log_in(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Form(login): Form<Login>,
) -> Response {
    let Login { name, password, csrf } = login;
    let expected = cookie(&headers, FORM_COOKIE).unwrap_or_default();
    if expected.is_empty() || !key::is_same(expected.as_bytes(), csrf.as_bytes()) {
        let said = "This form was too old. Please try again.";
        return form(&site, StatusCode::FORBIDDEN, &name, said);
    }
    match site.log_in(&name, password).await {
        Ok((secret, _)) => {
            ([(header::SET_COOKIE, session_cookie(&secret))], see("./")).into_response()
        }
        Err(NotIn::Wrong) => {
            form(&site, StatusCode::UNAUTHORIZED, &name, "Name or password are wrong.")
        }
        Err(NotIn::Wait(seconds)) => {
            let said = format!("Too many wrong passwords. Please wait {seconds} seconds.");
            form(&site, StatusCode::TOO_MANY_REQUESTS, &name, &said)
        }
        Err(NotIn::Unavailable) => {
            let said = "Nobody can log in right now. Please try again in a moment.";
            form(&site, StatusCode::SERVICE_UNAVAILABLE, &name, said)
        }
    }
}

pub(super) async fn log_out(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Form(Confirmed { csrf }): Form<Confirmed>,
) -> Response {
    if !visitor.wrote(&csrf) {
        return view::forbidden(&site, &visitor);
    }
    if site.log_out(&visitor.secret).await.is_err() {
        // The browser forgets it all the same; a shard that is down may remember it until it ends.
        tracing::warn!("a session could not be removed everywhere");
    }
    ([(header::SET_COOKIE, no_session_cookie())], see("login")).into_response()
}

/// Gives a session's secret to the browser.
pub(super) fn session_cookie(secret: &str) -> String {
    let seconds = SESSION.as_secs();
    format!("{COOKIE}={secret}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax")
}

/// Takes it back.
pub(super) fn no_session_cookie() -> String {
    format!("{COOKIE}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax")
}
