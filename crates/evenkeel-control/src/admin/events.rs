//! `/api/v1/events`

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use evenkeel_api as api;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::broadcast::error::RecvError;

use crate::node::Node;

/// Below what proxies and firewalls take for a dead connection.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Events from now on. A reader that falls behind loses the oldest and is told so.
pub(super) async fn events(
    State(node): State<Arc<Node>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stream = unfold(node.events(), |mut events| async {
        let event = match events.recv().await {
            Ok(event) => written(&event),
            Err(RecvError::Lagged(lost)) => Event::default().event("lost").data(lost.to_string()),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(event), events))
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

fn written(event: &api::Event) -> Event {
    let data = serde_json::to_string(event).expect("an event is made of plain values");
    Event::default().event(&event.kind).data(data)
}
