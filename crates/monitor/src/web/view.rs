//! The pages' requests: what is asked of the store, and which page shows it.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::guard::{Visitor, see};
use super::login::Confirmed;
use super::pages::{self, Frame};
use super::site::Site;
use crate::alarm::Watch;
use crate::clock;
use crate::store::{Added, Alarm, Device, MOST_SHOWN};

/// Devices on one page.
const PAGE: usize = 50;
/// Readings of one answer to a chart.
pub(super) const MOST_CHARTED: usize = 2000;
/// Readings of one export.
const MOST_EXPORTED: usize = 100_000;
/// Readings in the table below the charts.
const MOST_LISTED: usize = 10;

/// Which devices are asked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Search {
    /// Part of a name.
    #[serde(default)]
    pub(super) find: String,
    /// From 0.
    #[serde(default)]
    pub(super) page: usize,
}

/// Which devices there are.
pub(super) struct Found {
    pub(super) shown: Vec<Arc<Device>>,
    pub(super) total: usize,
    pub(super) pages: usize,
}

#[derive(Debug, Deserialize)]
pub(super) struct NewRule {
    csrf: String,
    kind: String,
    #[serde(default)]
    field: String,
    bound: String,
}

pub(super) fn find(site: &Site, search: &Search) -> Found {
    let directory = site.store.directory();
    let found = directory.find(&search.find);
    let shown = found.iter().skip(search.page.saturating_mul(PAGE)).take(PAGE);
    Found {
        shown: shown.map(|device| Arc::clone(device)).collect(),
        total: found.len(),
        pages: found.len().div_ceil(PAGE),
    }
}

pub(super) fn known(site: &Site, name: &str) -> Option<Arc<Device>> {
    let device = site.store.directory().get(name).map(Arc::clone)?;
    (device.shard < site.store.shards().len()).then_some(device)
}

pub(super) async fn devices(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(search): Query<Search>,
) -> Response {
    let found = find(&site, &search);
    let (devices, missing) = site.newest(&found.shown).await;
    let frame = Frame::new(&site, &visitor, "/").await;
    let list = pages::devices(&devices, &found, &search, &missing, clock::now_ms());
    frame.page("Devices", &list).into_response(StatusCode::OK)
}

pub(super) async fn device(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Response {
    let Some(device) = known(&site, &name) else { return missing(&site, &visitor).await };
    show_device(&site, &visitor, &device, StatusCode::OK, "").await
}

async fn show_device(
    site: &Arc<Site>,
    visitor: &Visitor,
    device: &Device,
    code: StatusCode,
    said: &str,
) -> Response {
    let shard = &site.store.shards()[device.shard];
    let asked = async {
        let rules = shard.rules(device.number).await?;
        let latest = shard.latest(device.number, 0, MOST_LISTED).await?;
        Ok::<_, crate::store::Fault>((rules, latest))
    };
    let frame = Frame::new(site, visitor, "/devices/x").await;
    let page = match asked.await {
        Ok((rules, latest)) => pages::device(device, &rules, &latest, &visitor.session.csrf, said),
        Err(_noted_by_the_shard) => pages::device_missing(device, shard.name()),
    };
    frame.page(&device.name, &page).into_response(code)
}

pub(super) async fn csv(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Response {
    let Some(device) = known(&site, &name) else { return missing(&site, &visitor).await };
    let shard = &site.store.shards()[device.shard];
    let Ok(readings) = shard.latest(device.number, 0, MOST_EXPORTED).await else {
        return unavailable();
    };
    let disposition = format!("attachment; filename=\"{}.csv\"", device.name);
    let head = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (head, pages::csv(&readings)).into_response()
}

pub(super) async fn add_rule(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(name): Path<String>,
    Form(NewRule { csrf, kind, field, bound }): Form<NewRule>,
) -> Response {
    if !visitor.wrote(&csrf) {
        return forbidden(&site, &visitor);
    }
    let Some(device) = known(&site, &name) else { return missing(&site, &visitor).await };
    let bound = bound.trim().parse().ok();
    let Some(watch) = bound.and_then(|bound| Watch::of_parts(&kind, field.trim(), bound)) else {
        let code = StatusCode::UNPROCESSABLE_ENTITY;
        let said = "Please give a field and a number, or seconds of silence.";
        return show_device(&site, &visitor, &device, code, said).await;
    };
    match site.store.shards()[device.shard].add_rule(device.number, watch).await {
        Ok(Added::Added) => see(&format!("../{}", device.name)),
        Ok(Added::TooMany) => {
            let said = "This device has as many rules as it may.";
            show_device(&site, &visitor, &device, StatusCode::CONFLICT, said).await
        }
        Err(_noted_by_the_shard) => unavailable(),
    }
}

pub(super) async fn remove_rule(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path((name, rule)): Path<(String, u64)>,
    Form(Confirmed { csrf }): Form<Confirmed>,
) -> Response {
    if !visitor.wrote(&csrf) {
        return forbidden(&site, &visitor);
    }
    let Some(device) = known(&site, &name) else { return missing(&site, &visitor).await };
    let shard = &site.store.shards()[device.shard];
    match shard.remove_rule(device.number, rule, clock::now_ms()).await {
        Ok(()) => see(&format!("../../../{}", device.name)),
        Err(_noted_by_the_shard) => unavailable(),
    }
}

pub(super) async fn alarms(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let (alarms, missing) = all_alarms(&site).await;
    let frame = Frame::new(&site, &visitor, "/alarms").await;
    let list = pages::alarms(&alarms, &missing, &visitor.session.csrf, clock::now_ms());
    frame.page("Alarms", &list).into_response(StatusCode::OK)
}

/// The alarms of all shards, open ones first, and the shards that do not answer.
pub(super) async fn all_alarms(site: &Site) -> (Vec<Alarm>, Vec<String>) {
    let (mut alarms, mut missing) = (Vec::new(), Vec::new());
    for shard in site.store.shards() {
        match shard.alarms().await {
            Ok(more) => alarms.extend(more),
            Err(_noted_by_the_shard) => missing.push(shard.name().to_owned()),
        }
    }
    alarms.sort_by_key(|alarm| (alarm.closed_ms.is_some(), u64::MAX - alarm.opened_ms));
    alarms.truncate(MOST_SHOWN);
    (alarms, missing)
}

pub(super) async fn acknowledge(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path((shard, alarm)): Path<(usize, u64)>,
    Form(Confirmed { csrf }): Form<Confirmed>,
) -> Response {
    if !visitor.wrote(&csrf) {
        return forbidden(&site, &visitor);
    }
    let Some(shard) = site.store.shards().get(shard) else {
        return missing(&site, &visitor).await;
    };
    match shard.acknowledge(alarm, &visitor.session.user, clock::now_ms()).await {
        Ok(true) => see("../../../alarms"),
        Ok(false) => missing(&site, &visitor).await,
        Err(_noted_by_the_shard) => unavailable(),
    }
}

async fn missing(site: &Arc<Site>, visitor: &Visitor) -> Response {
    let frame = Frame::new(site, visitor, "/devices/x").await;
    let page = pages::message("There is nothing here", "It may have had another name.");
    frame.page("Nothing here", &page).into_response(StatusCode::NOT_FOUND)
}

pub(super) async fn not_found() -> Response {
    pages::alone("There is nothing here", "This address leads nowhere.")
        .into_response(StatusCode::NOT_FOUND)
}

pub(super) fn forbidden(site: &Site, visitor: &Visitor) -> Response {
    tracing::warn!("{}: a form of {} was not of their session", site.name, visitor.session.user);
    pages::alone("Not done", "This form was too old. Please go back and load the page again.")
        .into_response(StatusCode::FORBIDDEN)
}

pub(super) fn unavailable() -> Response {
    pages::alone("Not right now", "A part of the store does not answer. Please try again.")
        .into_response(StatusCode::SERVICE_UNAVAILABLE)
}
