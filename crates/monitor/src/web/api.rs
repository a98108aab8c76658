//! The same as the pages, as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::guard::Visitor;
use super::login::{no_session_cookie, session_cookie};
use super::site::{NotIn, Site};
use super::view::{self, Search};
use crate::alarm::Watch;
use crate::clock;
use crate::reading::Fields;
use crate::store::{Added, Device, Stored};

/// What a request that changes something says of itself: the `csrf` of its session.
const CSRF_HEADER: &str = "x-csrf-token";

/// Why a request is not done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Problem {
    NotLoggedIn,
    OtherSite,
    WrongPassword,
    Wait(u64),
    NoSuchThing,
    NotUnderstood,
    TooManyRules,
    Unavailable,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (code, detail) = match self {
            Self::NotLoggedIn => (StatusCode::UNAUTHORIZED, "log in with POST /api/login"),
            Self::OtherSite => (StatusCode::FORBIDDEN, "not from a page of this session"),
            Self::WrongPassword => (StatusCode::UNAUTHORIZED, "name or password are wrong"),
            Self::Wait(_) => (StatusCode::TOO_MANY_REQUESTS, "too many wrong passwords"),
            Self::NoSuchThing => (StatusCode::NOT_FOUND, "there is no such thing"),
            Self::NotUnderstood => (StatusCode::UNPROCESSABLE_ENTITY, "the values are none"),
            Self::TooManyRules => (StatusCode::CONFLICT, "the device has as many rules as it may"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "a shard does not answer"),
        };
        let title = code.canonical_reason();
        let body = Json(json!({ "title": title, "status": code.as_u16(), "detail": detail }));
        let mut response = (code, body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM);
        if let Self::Wait(seconds) = self {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

const PROBLEM: header::HeaderValue = header::HeaderValue::from_static("application/problem+json");

#[derive(Debug, Deserialize)]
pub(super) struct Login {
    name: String,
    password: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct NewRule {
    kind: String,
    #[serde(default)]
    field: String,
    bound: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Since {
    #[serde(default)]
    after: u64,
    #[serde(default = "Since::most")]
    most: usize,
}

impl Since {
    /// As many as a chart is wide.
    fn most() -> usize {
        300
    }
}

#[derive(Debug, Serialize)]
struct Reading {
    sequence: u64,
    time_ms: u64,
    received_ms: u64,
    fields: Fields,
}

#[derive(Debug, Serialize)]
struct Readings {
    now_ms: u64,
    readings: Vec<Reading>,
}

impl From<&Stored> for Reading {
    fn from(stored: &Stored) -> Self {
        let Stored { sequence, time_ms, received_ms, fields } = stored;
        let (sequence, time_ms, received_ms) = (*sequence, *time_ms, *received_ms);
        Self { sequence, time_ms, received_ms, fields: fields.clone() }
    }
}

pub(super) async fn log_in(State(site): State<Arc<Site>>, Json(login): Json<Login>) -> Response {
    match site.log_in(&login.name, login.password).await {
        Ok((secret, session)) => {
            ([(header::SET_COOKIE, session_cookie(&secret))], Json(session)).into_response()
        }
        Err(NotIn::Wrong) => Problem::WrongPassword.into_response(),
        Err(NotIn::Wait(seconds)) => Problem::Wait(seconds).into_response(),
        Err(NotIn::Unavailable) => Problem::Unavailable.into_response(),
    }
}

pub(super) async fn log_out(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check(&visitor, &headers)?;
    site.log_out(&visitor.secret).await.map_err(|_noted_by_the_shard| Problem::Unavailable)?;
    Ok(([(header::SET_COOKIE, no_session_cookie())], StatusCode::NO_CONTENT).into_response())
}

pub(super) async fn session(visitor: Visitor) -> Response {
    Json(visitor.session).into_response()
}

pub(super) async fn devices(
    State(site): State<Arc<Site>>,
    _: Visitor,
    Query(search): Query<Search>,
) -> Response {
    let found = view::find(&site, &search);
    let (devices, missing) = site.newest(&found.shown).await;
    let devices = devices.iter().map(|(device, newest)| {
        let newest = newest.as_ref().map(Reading::from);
        json!({ "name": device.name, "shard": device.shard, "newest": newest })
    });
    let devices: Vec<_> = devices.collect();
    Json(json!({ "total": found.total, "devices": devices, "missing": missing })).into_response()
}

pub(super) async fn device(
    State(site): State<Arc<Site>>,
    _: Visitor,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let device = known(&site, &name)?;
    let rules = site.store.shards()[device.shard].rules(device.number).await;
    let rules = rules.map_err(|_noted_by_the_shard| Problem::Unavailable)?;
    let rules = rules.iter().map(|rule| {
        let (kind, field, bound) = rule.watch.parts();
        json!({ "number": rule.number, "kind": kind, "field": field, "bound": bound })
    });
    let rules: Vec<_> = rules.collect();
    Ok(Json(json!({ "name": device.name, "shard": device.shard, "rules": rules })).into_response())
}

pub(super) async fn readings(
    State(site): State<Arc<Site>>,
    _: Visitor,
    Path(name): Path<String>,
    Query(Since { after, most }): Query<Since>,
) -> Result<Response, Problem> {
    let device = known(&site, &name)?;
    let most = most.min(view::MOST_CHARTED);
    let stored = site.store.shards()[device.shard].latest(device.number, after, most).await;
    let stored = stored.map_err(|_noted_by_the_shard| Problem::Unavailable)?;
    let readings = stored.iter().map(Reading::from).collect();
    Ok(Json(Readings { now_ms: clock::now_ms(), readings }).into_response())
}

pub(super) async fn add_rule(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    headers: HeaderMap,
    Path(name): Path<String>,
    Json(NewRule { kind, field, bound }): Json<NewRule>,
) -> Result<Response, Problem> {
    check(&visitor, &headers)?;
    let device = known(&site, &name)?;
    let watch = Watch::of_parts(&kind, &field, bound).ok_or(Problem::NotUnderstood)?;
    let added = site.store.shards()[device.shard].add_rule(device.number, watch).await;
    match added.map_err(|_noted_by_the_shard| Problem::Unavailable)? {
        Added::Added => Ok(StatusCode::CREATED.into_response()),
        Added::TooMany => Err(Problem::TooManyRules),
    }
}

pub(super) async fn remove_rule(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    headers: HeaderMap,
    Path((name, rule)): Path<(String, u64)>,
) -> Result<StatusCode, Problem> {
    check(&visitor, &headers)?;
    let device = known(&site, &name)?;
    let shard = &site.store.shards()[device.shard];
    let removed = shard.remove_rule(device.number, rule, clock::now_ms()).await;
    removed.map_err(|_noted_by_the_shard| Problem::Unavailable)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn alarms(State(site): State<Arc<Site>>, _: Visitor) -> Response {
    let (alarms, missing) = view::all_alarms(&site).await;
    Json(json!({ "alarms": alarms, "missing": missing })).into_response()
}

pub(super) async fn acknowledge(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    headers: HeaderMap,
    Path((shard, alarm)): Path<(usize, u64)>,
) -> Result<StatusCode, Problem> {
    check(&visitor, &headers)?;
    let shard = site.store.shards().get(shard).ok_or(Problem::NoSuchThing)?;
    let done = shard.acknowledge(alarm, &visitor.session.user, clock::now_ms()).await;
    let is_there = done.map_err(|_noted_by_the_shard| Problem::Unavailable)?;
    if is_there { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::NoSuchThing) }
}

fn known(site: &Site, name: &str) -> Result<Arc<Device>, Problem> {
    view::known(site, name).ok_or(Problem::NoSuchThing)
}

fn check(visitor: &Visitor, headers: &HeaderMap) -> Result<(), Problem> {
    let said = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    if said.is_some_and(|said| visitor.wrote(said)) { Ok(()) } else { Err(Problem::OtherSite) }
}
