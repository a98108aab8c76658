//! The certificates of listeners in a status.

use std::time::{Duration, SystemTime};

use evenkeel_api::{Certificate, Listener};

use super::ago;
use crate::cli::table::{Cell, Colour, Screen, cell, plain, table};

/// From here on somebody has to look after it, and from here on now: when the node warns, too.
const SOON: Duration = Duration::from_hours(30 * 24);
const VERY_SOON: Duration = Duration::from_hours(7 * 24);

/// A table of them; empty without any.
pub(super) fn in_words(listeners: &[Listener], now: SystemTime, screen: Screen) -> String {
    let certificates = listeners.iter().flat_map(|listener| {
        listener.certificates.iter().map(move |certificate| row(&listener.name, certificate, now))
    });
    let rows: Vec<_> = certificates.collect();
    if rows.is_empty() {
        return String::new();
    }
    table(["CERTIFICATE", "LISTENER", "KEY", "EXPIRES", "NAMES"], &rows, screen)
}

fn row(listener: &str, certificate: &Certificate, now: SystemTime) -> [Cell; 5] {
    let names = certificate.names.join(" ");
    let names = match &certificate.failure {
        Some(failure) => format!("{names}; not replaced: {failure}"),
        None => names,
    };
    [
        plain(&certificate.file),
        plain(listener),
        plain(&certificate.key),
        expires(certificate, now),
        plain(names),
    ]
}

fn expires(certificate: &Certificate, now: SystemTime) -> Cell {
    match certificate.not_after.0.duration_since(now) {
        Err(ended) => cell(format!("{} ago", ago(ended.duration())), Colour::Red),
        Ok(left) => {
            let colour = match left {
                _ if left < VERY_SOON => Colour::Red,
                _ if left < SOON => Colour::Yellow,
                _ => Colour::Plain,
            };
            cell(format!("in {}", ago(left)), colour)
        }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_api::Timestamp;

    use super::*;

    #[test]
    fn an_end_that_comes_near_is_seen() {
        const DAY: Duration = Duration::from_hours(24);
        let now = SystemTime::UNIX_EPOCH + DAY * 20_000;
        let certificate = |not_after| Certificate {
            file: "site.pem".to_owned(),
            names: vec!["a.example".to_owned(), "*.b.example".to_owned()],
            key: "ecdsa".to_owned(),
            fingerprint: String::new(),
            not_before: Timestamp(now - DAY * 60),
            not_after: Timestamp(not_after),
            ocsp_until: None,
            failure: None,
        };
        for (not_after, text, colour) in [
            (now + DAY * 80, "in 80 d", Colour::Plain),
            (now + DAY * 29, "in 29 d", Colour::Yellow),
            (now + DAY * 3, "in 3 d", Colour::Red),
            (now - DAY * 2, "2 d ago", Colour::Red),
        ] {
            assert_eq!(expires(&certificate(not_after), now), cell(text, colour));
        }
        let failed = Certificate {
            failure: Some("the key is another one's".to_owned()),
            ..certificate(now + DAY * 80)
        };
        let row = row("front", &failed, now);
        let names = "a.example *.b.example; not replaced: the key is another one's";
        assert_eq!(row[4], plain(names));
    }
}
