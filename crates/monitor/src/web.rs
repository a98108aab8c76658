//! The server that people speak to.

mod api;
mod assets;
mod certificate;
mod guard;
mod html;
mod login;
mod pages;
mod serve;
mod sessions;
mod site;
mod view;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{delete, get, post};

pub(crate) use self::certificate::self_signed;
pub(crate) use self::site::Session;
use self::site::Site;
use crate::cache::Cache;
use crate::health::Health;
use crate::metrics::WebMetrics;
use crate::settings::{Settings, Web};
use crate::store::Store;
use crate::{clock, http, listen, tasks};

/// Bytes of a form.
const MOST_BODY_BYTES: usize = 16 * 1024;
/// Between two rounds of judging alarms.
const JUDGE: Duration = Duration::from_secs(2);
/// How often the directory is looked at for new devices.
const DIRECTORY: Duration = Duration::from_secs(2);

/// Serves until `stop` is done, then finishes what is under way.
pub(crate) async fn run(
    settings: &Settings,
    stop: impl Future<Output = ()>,
    started: impl FnOnce(SocketAddr, SocketAddr),
) -> Result<()> {
    let Web { bind, admin, certificate, key, name } = &settings.web;
    let tls = certificate::acceptor(&settings.base.join(certificate), &settings.base.join(key))?;
    let listener = listen::on(*bind)?;
    let admin = listen::on(*admin)?;
    let addresses = (listener.local_addr()?, admin.local_addr()?);
    let store = Store::new(settings);
    if let Err(fault) = store.refresh().await {
        tracing::warn!("no directory of devices yet: {fault}");
    }
    let metrics = Arc::new(WebMetrics::new(Arc::clone(&store)));
    let nodes = &settings.cache;
    let cache = (!nodes.is_empty()).then(|| Arc::new(Cache::new(nodes)));
    let health = Arc::new(Health::new(Arc::clone(&store), cache.clone()));
    let site = Site::new(Arc::clone(&store), Arc::clone(&metrics), name.clone(), cache);
    let counting = Arc::clone(&metrics);
    let observed = http::observed(Arc::clone(&health), Arc::new(move || counting.text()));
    let beside = [
        tasks::spawn(http::serve_plain(admin, observed)),
        tasks::spawn(follow_directory(Arc::clone(&store))),
        tasks::spawn(judge_alarms(store)),
    ];
    started(addresses.0, addresses.1);
    serve::serve(listener, &tls, &router(site, health), &metrics, stop).await;
    for task in beside {
        task.abort();
    }
    Ok(())
}

/// Every path of the site.
fn router(site: Arc<Site>, health: Arc<Health>) -> Router {
    let pages = Router::new()
        .route("/", get(view::devices))
        .route("/login", get(login::page).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/devices/{name}", get(view::device))
        .route("/devices/{name}/readings.csv", get(view::csv))
        .route("/devices/{name}/rules", post(view::add_rule))
        .route("/devices/{name}/rules/{rule}/remove", post(view::remove_rule))
        .route("/alarms", get(view::alarms))
        .route("/alarms/{shard}/{alarm}/acknowledge", post(view::acknowledge));
    let api = Router::new()
        .route("/api/login", post(api::log_in))
        .route("/api/logout", post(api::log_out))
        .route("/api/session", get(api::session))
        .route("/api/devices", get(api::devices))
        .route("/api/devices/{name}", get(api::device))
        .route("/api/devices/{name}/readings", get(api::readings))
        .route("/api/devices/{name}/rules", post(api::add_rule))
        .route("/api/devices/{name}/rules/{rule}", delete(api::remove_rule))
        .route("/api/alarms", get(api::alarms))
        .route("/api/alarms/{shard}/{alarm}/acknowledge", post(api::acknowledge));
    let health = Router::new().route("/health", get(http::answer_health)).with_state(health);
    pages
        .merge(api)
        .merge(assets::router())
        .fallback(view::not_found)
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .layer(middleware::from_fn(guard::same_origin))
        .layer(middleware::from_fn(guard::protect))
        .layer(middleware::from_fn_with_state(Arc::clone(&site), guard::measure))
        .with_state(site)
        .merge(health)
}

async fn follow_directory(store: Arc<Store>) {
    loop {
        tokio::time::sleep(DIRECTORY).await;
        // A shard that is down says so where its state changes.
        let _ = store.refresh().await;
    }
}

async fn judge_alarms(store: Arc<Store>) {
    loop {
        tokio::time::sleep(JUDGE).await;
        for shard in store.shards() {
            // As above; what was not judged is in the next round.
            let _ = shard.judge(clock::now_ms()).await;
        }
    }
}
