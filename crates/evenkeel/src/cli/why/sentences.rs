//! What was recorded, as sentences with the lines that prove them. Pure: the same records make the
//! same text.

use std::time::{Duration, SystemTime};

use evenkeel_api::{AdminState, Cause, Event, Health, Recorded, RecordedExchange, Server};

/// Causes that are told apart; the rest is counted.
const MOST_CAUSES: usize = 5;
/// Exchanges that are shown of each cause.
const MOST_PROOFS: usize = 3;
/// Events that are shown.
const MOST_EVENTS: usize = 8;

/// What is asked about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Case<'a> {
    Status(u16),
    Code(&'a str),
    Slow,
}

/// Why exchanges failed or were slow.
pub(super) fn of_exchanges(case: Case<'_>, recorded: &Recorded, last: u64) -> String {
    let time = span(last);
    let count = recorded.matched;
    let (one, many) = match case {
        Case::Status(status) => {
            (format!("request was answered {status}"), format!("requests were answered {status}"))
        }
        Case::Code(code) => {
            (format!("exchange ended with {code}"), format!("exchanges ended with {code}"))
        }
        Case::Slow => ("exchange was slow".to_owned(), "exchanges were slow".to_owned()),
    };
    let mut lines = vec![match count {
        0 => format!("No {one} in the last {time}."),
        1 => format!("1 {one} in the last {time}."),
        _ => format!("{count} {many} in the last {time}."),
    }];
    let is_slow = matches!(case, Case::Slow);
    lines.extend(causes(recorded, is_slow));
    lines.extend(unseen(recorded));
    lines.join("\n")
}

/// Why a server is what it is.
pub(super) fn of_server(
    pool: &str,
    server: &Server,
    recorded: &Recorded,
    (last, now): (u64, SystemTime),
) -> String {
    let name = format!("{pool}/{}", server.name);
    let verdict = &server.verdict;
    let state = match verdict.health {
        Health::Up => "up",
        Health::Down => "down",
        Health::Checking => "not settled",
    };
    let since = span(verdict.since.age(now).as_secs());
    let mut lines = vec![format!("{name} is {state}, for {since}: {}.", verdict.reason)];
    let set = match server.admin.state {
        AdminState::Ready => None,
        AdminState::Drain => Some("draining: it gets nothing new"),
        AdminState::Maint => Some("in maintenance: it gets nothing"),
    };
    lines.extend(set.map(|set| {
        let admin = &server.admin;
        let by = if admin.author.is_empty() { "" } else { ", set by " };
        let because = if admin.reason.is_empty() { "" } else { ": " };
        format!("It is {set}{by}{}{because}{}.", admin.author, admin.reason)
    }));
    lines.push(if server.in_use {
        format!("It takes new requests; {} are under way.", server.in_flight)
    } else {
        format!("It takes no new requests; {} are under way.", server.in_flight)
    });
    lines.extend(events(&recorded.events, |event| event.subject == name));
    let time = span(last);
    lines.push(match recorded.matched {
        0 => format!("No exchange with it failed or was slow in the last {time}."),
        1 => format!("1 exchange with it failed or was slow in the last {time}."),
        count => format!("{count} exchanges with it failed or were slow in the last {time}."),
    });
    lines.extend(causes(recorded, false));
    lines.extend(unseen(recorded));
    lines.join("\n")
}

fn unseen(recorded: &Recorded) -> Option<String> {
    let count = recorded.unseen;
    (count > 0).then(|| {
        format!("{count} more failed or were slow in that time, too many to be kept one by one.")
    })
}

/// A sentence for each cause, the most frequent first, with what proves it.
fn causes(recorded: &Recorded, is_slow: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = recorded.matched;
    for cause in recorded.causes.iter().take(MOST_CAUSES) {
        let Cause { words, count, longest_seconds } = cause;
        rest = rest.saturating_sub(*count);
        let longest = format!(", the longest took {longest_seconds:.3} s");
        let longest = if is_slow { &longest } else { "" };
        lines.push(format!("{count} of them: {words}{longest}."));
        let exchanges = || recorded.exchanges.iter().filter(|it| it.cause == *words);
        if let Some(it) = exchanges().next().filter(|it| !it.pool.is_empty() && !is_slow) {
            let of_pool = format!("{}/", it.pool);
            let server = format!("{of_pool}{}", it.server);
            lines.extend(events(&recorded.events, |event| {
                let is_server = event.subject == server;
                let is_pool = event.subject == it.pool;
                is_server || is_pool || it.server.is_empty() && event.subject.starts_with(&of_pool)
            }));
        }
        lines.extend(exchanges().take(MOST_PROOFS).map(proof));
    }
    if rest > 0 {
        lines.push(format!("{rest} had other causes; --json has them all."));
    }
    lines
}

/// The last events that say something of it.
fn events(all: &[Event], is_about: impl Fn(&Event) -> bool) -> Vec<String> {
    let mut found: Vec<String> = all
        .iter()
        .filter(|event| is_about(event))
        .take(MOST_EVENTS)
        .map(|event| {
            let at = event.at.to_string();
            format!("  {}  {} {}: {}", clock(&at), event.kind, event.subject, event.message)
        })
        .collect();
    found.reverse();
    found
}

/// An exchange in a line.
fn proof(it: &RecordedExchange) -> String {
    let at = evenkeel_api::Timestamp(SystemTime::UNIX_EPOCH + Duration::from_millis(it.at));
    let at = at.to_string();
    let what = if it.method.is_empty() {
        "a stream".to_owned()
    } else {
        format!("{} {}{}", it.method, it.host, it.target)
    };
    let status = it.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let server = if it.server.is_empty() { "-" } else { &it.server };
    let timer = |seconds: Option<f64>| {
        seconds.map_or_else(|| "-1".to_owned(), |seconds| format!("{:.0}", seconds * 1_000.0))
    };
    let timers = [
        Some(it.request_seconds),
        it.wait_seconds,
        it.connect_seconds,
        it.response_seconds,
        Some(it.active_seconds),
    ];
    let timers = timers.map(timer).join("/");
    let trace = if it.trace_id.is_empty() { "" } else { ", trace " };
    let line = format!(
        "  {}  {what} from {}: {status} {} by {server}, {timers} ms, {} further tries{trace}{}",
        clock(&at),
        it.client,
        it.code,
        it.retries,
        it.trace_id
    );
    // What a client said may hold what moves a terminal's cursor.
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The time of day, in UTC, of `2026-11-20T12:00:00.000Z`.
fn clock(timestamp: &str) -> &str {
    timestamp.get(11..19).unwrap_or(timestamp)
}

/// So many seconds in words.
fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use evenkeel_api::Timestamp;

    use super::*;

    /// 2026-11-20 12:00:00 UTC.
    const NOON: u64 = 1_795_176_000;

    fn at(second: u64) -> Timestamp {
        Timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(NOON + second))
    }

    fn event(second: u64, kind: &str, subject: &str, message: &str) -> Event {
        Event {
            at: at(second),
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            message: message.to_owned(),
        }
    }

    fn exchange(second: u64, server: &str, cause: &str) -> RecordedExchange {
        RecordedExchange {
            at: (NOON + second) * 1_000,
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
            fault: "told by its cause".to_owned(),
            cause: cause.to_owned(),
            retries: 1,
            request_seconds: 0.001,
            wait_seconds: Some(0.0),
            connect_seconds: None,
            response_seconds: None,
            active_seconds: 0.003,
            slow: false,
        }
    }

    /// Those with the same cause stand together.
    fn recorded(exchanges: Vec<RecordedExchange>, events: Vec<Event>) -> Recorded {
        let alike = exchanges.chunk_by(|one, other| one.cause == other.cause);
        let causes = alike.map(|alike| Cause {
            words: alike[0].cause.clone(),
            count: alike.len() as u64,
            longest_seconds: alike[0].active_seconds,
        });
        let (causes, matched) = (causes.collect(), exchanges.len() as u64);
        Recorded { from: NOON * 1_000, matched, unseen: 0, causes, exchanges, events }
    }

    #[test]
    fn why_503() {
        let mut exchanges = vec![exchange(200, "", "pool app: no server may be used (SC)"); 4];
        exchanges.push(exchange(190, "b", "server app/b: connection refused (SC)"));
        let events = vec![
            event(195, "server-down", "app/b", "connection refused (3 of 3 checks failed)"),
            event(191, "server-down", "app/a", "timed out (3 of 3 checks failed)"),
            event(10, "server-down", "other/a", "timed out (3 of 3 checks failed)"),
        ];
        let said = of_exchanges(Case::Status(503), &recorded(exchanges, events), 300);
        let expected = "\
5 requests were answered 503 in the last 5 minutes.
4 of them: pool app: no server may be used (SC).
  12:03:11  server-down app/a: timed out (3 of 3 checks failed)
  12:03:15  server-down app/b: connection refused (3 of 3 checks failed)
  12:03:20  GET shop.example/x from 192.0.2.7: 503 SC by -, 1/0/-1/-1/3 ms, 1 further tries
  12:03:20  GET shop.example/x from 192.0.2.7: 503 SC by -, 1/0/-1/-1/3 ms, 1 further tries
  12:03:20  GET shop.example/x from 192.0.2.7: 503 SC by -, 1/0/-1/-1/3 ms, 1 further tries
1 of them: server app/b: connection refused (SC).
  12:03:15  server-down app/b: connection refused (3 of 3 checks failed)
  12:03:10  GET shop.example/x from 192.0.2.7: 503 SC by b, 1/0/-1/-1/3 ms, 1 further tries";
        assert_eq!(said, expected);
    }

    #[test]
    fn why_slow() {
        let slow = RecordedExchange {
            status: Some(200),
            code: "--".to_owned(),
            connect_seconds: Some(0.002),
            response_seconds: Some(4.2),
            active_seconds: 4.25,
            retries: 0,
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            ..exchange(30, "a", "app/a was slow to answer")
        };
        let said = of_exchanges(Case::Slow, &recorded(vec![slow], Vec::new()), 60);
        let expected = "\
1 exchange was slow in the last 60 seconds.
1 of them: app/a was slow to answer, the longest took 4.250 s.
  12:00:30  GET shop.example/x from 192.0.2.7: 200 -- by a, 1/0/2/4200/4250 ms, 0 further tries, trace 0af7651916cd43dd8448eb211c80319c";
        assert_eq!(said, expected);
    }

    #[test]
    fn nothing_is_an_answer_too_and_what_was_too_much_is_said() {
        let none = recorded(Vec::new(), Vec::new());
        let said = of_exchanges(Case::Code("sH"), &none, 7_200);
        assert_eq!(said, "No exchange ended with sH in the last 2 hours.");
        let storm = Recorded { unseen: 7_000, ..none };
        let said = of_exchanges(Case::Status(502), &storm, 60);
        let expected = "\
No request was answered 502 in the last 60 seconds.
7000 more failed or were slow in that time, too many to be kept one by one.";
        assert_eq!(said, expected);
    }
}
