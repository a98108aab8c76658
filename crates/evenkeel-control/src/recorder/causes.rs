//! Why exchanges failed or were slow, in words: those with the same words have the same cause.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use evenkeel_api::{Cause, RecordedExchange};

/// Causes in an answer: a page of them. What is rarer is in no hurry.
const MOST_CAUSES: usize = 20;

/// The causes of all of these, the most frequent first.
pub(super) fn causes<'a>(
    exchanges: impl Iterator<Item = &'a RecordedExchange>,
    is_slowness: bool,
) -> Vec<Cause> {
    let mut by_words: BTreeMap<String, (u64, f64)> = BTreeMap::new();
    for it in exchanges {
        let (count, longest) = by_words.entry(cause(it, is_slowness)).or_default();
        *count += 1;
        *longest = longest.max(it.active_seconds);
    }
    let causes = by_words.into_iter();
    let mut causes: Vec<Cause> = causes
        .map(|(words, (count, longest_seconds))| Cause { words, count, longest_seconds })
        .collect();
    causes.sort_by_key(|it| Reverse(it.count));
    causes.truncate(MOST_CAUSES);
    causes
}

/// Why it failed; where its time went if it did not fail, or if that is what is asked.
pub(super) fn cause(it: &RecordedExchange, is_slowness: bool) -> String {
    if is_slowness || it.fault.is_empty() && it.status < Some(500) {
        delay(it)
    } else {
        failure(it)
    }
}

/// What went wrong, about what.
fn failure(it: &RecordedExchange) -> String {
    let RecordedExchange { pool, server, fault, code, status, .. } = it;
    let whom = match (pool.as_str(), server.as_str()) {
        ("", _) => format!("listener {}", it.listener),
        (pool, "") => format!("pool {pool}"),
        (pool, server) => format!("server {pool}/{server}"),
    };
    match status {
        Some(status) if fault.is_empty() => format!("{whom} itself answered {status}"),
        _ => format!("{whom}: {fault} ({code})"),
    }
}

/// Where most of the time went.
fn delay(it: &RecordedExchange) -> String {
    let (wait, connect) = (it.wait_seconds.unwrap_or(0.0), it.connect_seconds.unwrap_or(0.0));
    let response = it.response_seconds.unwrap_or(0.0);
    let rest = it.active_seconds - it.request_seconds - wait - connect - response;
    let server = format!("{}/{}", it.pool, it.server);
    let parts = [
        (it.request_seconds, "the client was slow to send its request".to_owned()),
        (
            wait,
            format!("they waited for a server of pool {} with room, or for further tries", it.pool),
        ),
        (connect, format!("{server} was slow to take the connection")),
        (response, format!("{server} was slow to answer")),
        (rest, "bodies, or what follows a failure, took most of the time".to_owned()),
    ];
    let longest = parts.into_iter().reduce(|one, other| if other.0 > one.0 { other } else { one });
    longest.map(|(_, words)| words).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(server: &str, fault: &str) -> RecordedExchange {
        RecordedExchange {
            at: 0,
            listener: "front".to_owned(),
            route: "api".to_owned(),
            pool: "app".to_owned(),
            server: server.to_owned(),
            client: "192.0.2.7".to_owned(),
            method: "GET".to_owned(),
            host: "shop.example".to_owned(),
            target: "/x".to_owned(),
            request_id: String::new(),
            trace_id: String::new(),
            status: Some(503),
            code: "SC".to_owned(),
            fault: fault.to_owned(),
            cause: String::new(),
            retries: 1,
            request_seconds: 0.001,
            wait_seconds: Some(0.0),
            connect_seconds: None,
            response_seconds: None,
            active_seconds: 0.003,
            slow: false,
        }
    }

    #[test]
    fn a_failure_is_told_of_whom_it_concerns() {
        let nowhere = RecordedExchange { pool: String::new(), ..exchange("", "shed") };
        for (it, words) in [
            (exchange("a", ""), "server app/a itself answered 503"),
            (exchange("a", "connection refused"), "server app/a: connection refused (SC)"),
            (exchange("", "no server may be used"), "pool app: no server may be used (SC)"),
            (nowhere, "listener front: shed (SC)"),
        ] {
            assert_eq!(cause(&it, false), words);
        }
    }

    #[test]
    fn what_did_not_fail_was_slow_somewhere() {
        let slow = RecordedExchange {
            status: Some(200),
            code: "--".to_owned(),
            connect_seconds: Some(0.002),
            response_seconds: Some(4.2),
            active_seconds: 4.25,
            ..exchange("a", "")
        };
        assert_eq!(cause(&slow, false), "app/a was slow to answer");
        let failed = RecordedExchange { status: Some(502), ..slow };
        assert_eq!(cause(&failed, false), "server app/a itself answered 502");
        assert_eq!(cause(&failed, true), "app/a was slow to answer");
    }

    #[test]
    fn the_most_frequent_cause_comes_first_and_the_list_has_an_end() {
        let longer = RecordedExchange { active_seconds: 9.0, ..exchange("b", "reset") };
        let all = [exchange("a", "reset"), exchange("b", "reset"), longer];
        let found = causes(all.iter(), false);
        let words: Vec<_> = found.iter().map(|it| (it.words.as_str(), it.count)).collect();
        assert_eq!(words, [("server app/b: reset (SC)", 2), ("server app/a: reset (SC)", 1)]);
        assert!((found[0].longest_seconds - 9.0).abs() < 1e-9);
        let many: Vec<_> = (0..50).map(|it| exchange(&it.to_string(), "reset")).collect();
        assert_eq!(causes(many.iter(), false).len(), MOST_CAUSES);
    }
}
