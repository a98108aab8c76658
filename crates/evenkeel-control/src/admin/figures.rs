//! `/api/v1/live`, `/api/v1/history` and `/api/v1/exchanges`

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{Query as Parameters, State};
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use evenkeel_api as api;
use evenkeel_core::history::{Figure, Tier};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Deserialize;

use super::answer::{Json, Refusal};
use super::events::KEEP_ALIVE;
use crate::clock;
use crate::history::{Pattern, Query, QueryError};
use crate::node::Node;
use crate::recorder::{Wanted, millis};

/// What is asked for when nobody says how long.
const LAST: Duration = Duration::from_mins(15);

/// What is remembered of exchanges.
const HOUR: Duration = Duration::from_hours(1);

/// Exchanges in an answer when nobody says how many: a page of them.
const EXCHANGES: usize = 200;

/// The newest tick, each second. A reader that falls behind misses those between.
pub(super) async fn live(
    State(node): State<Arc<Node>>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let full = || {
        let detail = "as many watch already as may: close a page, or scrape /metrics";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    };
    let reader = node.live().read().ok_or_else(full)?;
    let stream = unfold(reader, |mut reader| async {
        let tick = reader.next().await?;
        Some((Ok(Event::default().event("tick").data(&*tick)), reader))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// As written in the address.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    of: Option<String>,
    figures: Option<String>,
    last: Option<String>,
    /// Milliseconds since 1970.
    from: Option<u64>,
    to: Option<u64>,
    step: Option<u32>,
}

pub(super) async fn history(
    State(node): State<Arc<Node>>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<api::History>, Refusal> {
    let query = understand(&asked, clock::now())
        .map_err(|detail| Refusal::new(StatusCode::BAD_REQUEST, detail))?;
    let refusal = |error: QueryError| {
        let status = match &error {
            QueryError::Off => StatusCode::CONFLICT,
            QueryError::Busy | QueryError::Closed(_) => StatusCode::SERVICE_UNAVAILABLE,
            QueryError::TooMuch { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        };
        Refusal::new(status, error.to_string())
    };
    node.history().ask(query).await.map(Json).map_err(refusal)
}

/// As written in the address.
#[derive(Debug, Deserialize)]
pub(super) struct AskedToRecall {
    status: Option<u16>,
    code: Option<String>,
    listener: Option<String>,
    pool: Option<String>,
    server: Option<String>,
    #[serde(default)]
    slow: bool,
    last: Option<String>,
    /// Milliseconds since 1970.
    from: Option<u64>,
    to: Option<u64>,
    limit: Option<usize>,
    events: Option<bool>,
}

/// Exchanges that failed or were slow.
pub(super) async fn exchanges(
    State(node): State<Arc<Node>>,
    Parameters(asked): Parameters<AskedToRecall>,
) -> Result<Json<api::Recorded>, Refusal> {
    let refused = |detail: String| Refusal::new(StatusCode::BAD_REQUEST, detail);
    let last = asked.last.as_deref().map_or(Ok(HOUR), |last| {
        duration(last)
            .ok_or_else(|| refused(format!("`last` is `{last}`: write a duration such as 15m")))
    });
    let (pool, server) = match asked.server.as_deref().map(|server| server.split_once('/')) {
        None => (asked.pool, None),
        Some(Some((pool, server))) => (Some(pool.to_owned()), Some(server.to_owned())),
        Some(None) => return Err(refused("`server` is written POOL/SERVER".to_owned())),
    };
    let now = clock::now();
    let earliest = now.checked_sub(last?).unwrap_or(SystemTime::UNIX_EPOCH);
    let wanted = Wanted {
        status: asked.status,
        code: asked.code,
        listener: asked.listener,
        pool,
        server,
        slow: asked.slow,
        from: asked.from.unwrap_or_else(|| millis(earliest)),
        to: asked.to,
        limit: asked.limit.unwrap_or(EXCHANGES).min(Wanted::MOST),
        with_events: asked.events.unwrap_or(true),
    };
    Ok(Json(node.recorder().recall(&wanted, now)))
}

fn understand(asked: &Asked, now: SystemTime) -> Result<Query, String> {
    let Asked { of, figures, last, from, to, step } = asked;
    let of = of.as_deref().unwrap_or_default().split(',').map(|written| {
        Pattern::parse(written).ok_or_else(|| {
            format!(
                "`of` has `{written}`, which is not node, listener/NAME, route/LISTENER/NAME, \
                 pool/NAME, server/POOL/NAME or vip/NAME; a name may be *"
            )
        })
    });
    let words = figures.as_deref().unwrap_or_default().split(',').filter(|word| !word.is_empty());
    let mut figures = Vec::new();
    for word in words {
        match Figure::parse(word) {
            Some(figure) => figures.push(figure),
            None if word == "ended" => figures.extend(Figure::ended()),
            None => {
                let known = Figure::ALL.map(Figure::as_str).join(", ");
                return Err(format!(
                    "`figures` has `{word}`; there are {known}, and ended, all termination codes, \
                     or one of them, as in ended_SH"
                ));
            }
        }
    }
    let tier = step.map(|step| {
        let tier = Tier::ALL.into_iter().find(|tier| tier.step() == i64::from(step));
        tier.ok_or_else(|| format!("`step` is {step}: 1, 10 or 300 seconds are kept"))
    });
    let last = match last {
        None => LAST,
        Some(last) => duration(last)
            .ok_or_else(|| format!("`last` is `{last}`: write a duration such as 15m, 6h or 7d"))?,
    };
    let seconds = |millis: u64| i64::try_from(millis / 1_000).unwrap_or(i64::MAX);
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let to = to.map_or(now, seconds);
    let last = i64::try_from(last.as_secs()).unwrap_or(i64::MAX);
    Ok(Query {
        of: of.collect::<Result<_, _>>()?,
        figures,
        from: from.map_or(to.saturating_sub(last), seconds),
        to,
        tier: tier.transpose()?,
        now,
    })
}

/// `90s`, `15m`, `6h`, `7d`
pub(super) fn duration(written: &str) -> Option<Duration> {
    let number = written.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &written[number.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    number.checked_mul(unit).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(of: &str) -> Asked {
        let of = Some(of.to_owned());
        Asked { of, figures: None, last: None, from: None, to: None, step: None }
    }

    #[test]
    fn what_is_asked_for_is_understood() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100_000);
        let query = understand(&asked("node,pool/*"), now).unwrap();
        assert_eq!((query.of.len(), query.from, query.to), (2, 99_100, 100_000));
        let six_hours = Asked {
            last: Some("6h".to_owned()),
            figures: Some("rate,ended_SH".to_owned()),
            step: Some(300),
            ..asked("server/app/*")
        };
        let query = understand(&six_hours, now).unwrap();
        assert_eq!((query.from, query.figures.len()), (100_000 - 21_600, 2));
        assert_eq!(query.tier, Some(Tier::FiveMinutes));
        let by_code = Asked { figures: Some("ended".to_owned()), ..asked("node") };
        assert_eq!(understand(&by_code, now).unwrap().figures.len(), 24);
        let exact = Asked { from: Some(5_000_999), to: Some(6_000_000), ..asked("node") };
        let query = understand(&exact, now).unwrap();
        assert_eq!((query.from, query.to), (5_000, 6_000));
    }

    #[test]
    fn what_cannot_be_asked_for_is_said_with_what_can() {
        let now = SystemTime::UNIX_EPOCH;
        for (bad, part) in [
            (asked(""), "which is not node, listener/NAME"),
            (asked("cpu"), "`of` has `cpu`"),
            (Asked { figures: Some("p42".to_owned()), ..asked("node") }, "there are cpu,"),
            (Asked { last: Some("1y".to_owned()), ..asked("node") }, "such as 15m"),
            (Asked { step: Some(2), ..asked("node") }, "1, 10 or 300"),
        ] {
            let said = understand(&bad, now).expect_err(part);
            assert!(said.contains(part), "{said}");
        }
    }
}
