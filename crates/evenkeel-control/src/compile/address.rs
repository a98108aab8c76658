//! Where a server is, as written: host and port, or a service record; and what was probably meant by
//! what is neither.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::table::{Wrong, wrong};
use super::word::{is_host_name, with_port};

/// Host and port of a server; the host may be a name to look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostPort<'a> {
    /// An address of IPv6 without its brackets.
    pub(super) host: &'a str,
    pub(super) port: u16,
}

/// `10.0.0.21:8000`, `[fd00::1]:8000` or `app2.internal:8000`.
pub(super) fn host_port_of(written: &str) -> Result<HostPort<'_>, Wrong> {
    parse(written).ok_or_else(|| {
        let guesses =
            [padded, several, file, url, with_path, service, v6, only_port, foreign, portless];
        let meant = guesses.iter().find_map(|guess| guess(written));
        wrong(format!("\"{written}\" is not a server's address")).help(meant.unwrap_or_else(|| {
            "host and port, such as \"10.0.0.21:8000\" or \"[fd00::1]:8000\"".to_owned()
        }))
    })
}

/// `_http._tcp.app.internal` (RFC 2782).
pub(super) fn is_service(written: &str) -> bool {
    let mut labels = written.splitn(3, '.');
    let service = labels.next().is_some_and(|label| label.len() > 1 && label.starts_with('_'));
    let over_tcp = labels.next().is_some_and(|label| label.eq_ignore_ascii_case("_tcp"));
    service && over_tcp && labels.next().is_some_and(is_host_name) && is_host_name(written)
}

fn parse(written: &str) -> Option<HostPort<'_>> {
    let (host, digits) = written.rsplit_once(':')?;
    let port = port(digits)?;
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok().then_some(HostPort { host: v6, port }),
        None if names_service(host) => None,
        None => (host.parse::<Ipv4Addr>().is_ok() || is_host_name(host))
            .then_some(HostPort { host, port }),
    }
}

fn port(digits: &str) -> Option<u16> {
    let is_number = digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|port| is_number && *port != 0)
}

/// Begins as service records do, whose names no host has (RFC 2782: the underscores are there so
/// that they cannot be mistaken for each other).
fn names_service(host: &str) -> bool {
    let mut labels = host.splitn(3, '.');
    [labels.next(), labels.next()].iter().all(|it| it.is_some_and(|label| label.starts_with('_')))
}

/// `"10.0.0.21:8000 "`
fn padded(written: &str) -> Option<String> {
    let bare = written.trim();
    (bare != written && parse(bare).is_some())
        .then(|| format!("without the white space: \"{bare}\""))
}

/// `"10.0.0.21:8000, 10.0.0.22:8000"`
fn several(written: &str) -> Option<String> {
    let parts = || written.split([',', ' ', ';']).filter(|part| !part.is_empty());
    let quoted = || parts().map(|part| format!("\"{part}\"")).collect::<Vec<_>>();
    (parts().count() > 1 && parts().all(|part| parse(part).is_some()))
        .then(|| format!("each in quotes of its own: {}", quoted().join(", ")))
}

/// `"http://10.0.0.21:8000/"`
fn url(written: &str) -> Option<String> {
    let (scheme, rest) = written.split_once("://")?;
    let secure = scheme.eq_ignore_ascii_case("https");
    let place = rest.split('/').next().unwrap_or_default();
    let Some(whole) = whole(place, if secure { 443 } else { 80 }) else {
        return Some("host and port only, such as \"10.0.0.21:8000\"".to_owned());
    };
    let more = if secure { ", and `upstream = \"https\"` in the pool" } else { "" };
    Some(format!("host and port only: \"{whole}\"{more}"))
}

/// `"/run/app.sock"`
fn file(written: &str) -> Option<String> {
    let begins = |start: &&str| written.starts_with(*start);
    ["/", "./", "../", "~/", "unix:"]
        .iter()
        .any(begins)
        .then(|| "servers are reached over TCP, such as \"127.0.0.1:8000\"".to_owned())
}

/// `"10.0.0.21:8000/app"`
fn with_path(written: &str) -> Option<String> {
    let (place, _path) = written.split_once('/')?;
    whole(place, 80).map(|whole| format!("without a path: \"{whole}\""))
}

/// `"_http._tcp.app.internal:80"`
fn service(written: &str) -> Option<String> {
    let name = written.split(':').next().filter(|name| names_service(name))?;
    Some(if is_service(name) {
        format!("a service record says the ports of its servers itself: \"{name}\"")
    } else {
        "a service record is such as \"_http._tcp.app.internal\"".to_owned()
    })
}

/// `"fd00::1"`, `"[fd00::1]"` or `"fd00::1:8000"`
fn v6(written: &str) -> Option<String> {
    let bare = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(written).parse::<Ipv6Addr>().ok();
    let address = address.map(|address| with_port(&address.to_string(), 80));
    let split = written.rsplit_once(':').and_then(|(front, digits)| {
        Some(format!("[{}]:{}", front.parse::<Ipv6Addr>().ok()?, port(digits)?))
    });
    match (split, address) {
        (Some(split), Some(address)) => {
            Some(format!("put the address in brackets: \"{split}\", or \"{address}\""))
        }
        (Some(split), None) => Some(format!("put the address in brackets: \"{split}\"")),
        (None, Some(address)) => Some(format!("say the port: \"{address}\"")),
        (None, None) => None,
    }
}

/// `"8000"` or `":8000"`
fn only_port(written: &str) -> Option<String> {
    let port = port(written.strip_prefix(':').unwrap_or(written))?;
    Some(format!("say the host: \"127.0.0.1:{port}\""))
}

/// `"müller.example:80"`
fn foreign(written: &str) -> Option<String> {
    let help = "write the name as it goes over the wire, in its xn-- form";
    (!written.is_ascii()).then(|| help.to_owned())
}

/// `"app.internal"`, or with a port that is none
fn portless(written: &str) -> Option<String> {
    let has_port = written.rsplit_once(':').is_some_and(|(host, _)| whole(host, 80).is_some());
    let none = "a port is a number from 1 to 65535".to_owned();
    has_port
        .then_some(none)
        .or_else(|| whole(written, 80).map(|whole| format!("say the port: \"{whole}\"")))
}

/// With a port, if that makes an address of it.
fn whole(place: &str, port: u16) -> Option<String> {
    let is_v6 = place.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6());
    let with_port = if is_v6 { format!("[{place}]:{port}") } else { format!("{place}:{port}") };
    [place.to_owned(), with_port].into_iter().find(|it| parse(it).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers() {
        for (text, host, port) in [
            ("10.0.0.1:80", "10.0.0.1", 80),
            ("[fd00::1]:81", "fd00::1", 81),
            ("app_2.internal:8000", "app_2.internal", 8000),
            ("_app.internal:8000", "_app.internal", 8000),
            ("app.internal.:8000", "app.internal.", 8000),
            ("localhost:65535", "localhost", 65535),
        ] {
            assert_eq!(host_port_of(text), Ok(HostPort { host, port }), "{text}");
        }
    }

    #[test]
    fn services() {
        for text in ["_http._tcp.app.internal", "_x-1._TCP.app.", "_a._tcp.b"] {
            assert!(is_service(text), "{text}");
        }
        for text in ["_http._udp.a", "http._tcp.a", "_._tcp.a", "_http._tcp", "_http._tcp.a:80"] {
            assert!(!is_service(text), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_told_what_it_may_be() {
        let such_as = "host and port, such as \"10.0.0.21:8000\" or \"[fd00::1]:8000\"";
        let no_file = "servers are reached over TCP, such as \"127.0.0.1:8000\"";
        let no_port = "a port is a number from 1 to 65535";
        let no_service = "a service record is such as \"_http._tcp.app.internal\"";
        for (text, help) in [
            ("", such_as),
            (":", such_as),
            ("a b:1", such_as),
            ("1.2.3:80", such_as),
            ("10.0.0.300:80", such_as),
            ("*.example:80", such_as),
            ("a", "say the port: \"a:80\""),
            ("10.0.0.1", "say the port: \"10.0.0.1:80\""),
            ("fd00::1", "say the port: \"[fd00::1]:80\""),
            ("[fd00::1]", "say the port: \"[fd00::1]:80\""),
            (
                "fd00::1:8000",
                "put the address in brackets: \"[fd00::1]:8000\", or \"[fd00::1:8000]:80\"",
            ),
            ("1:2:3:4:5:6:7:8:80", "put the address in brackets: \"[1:2:3:4:5:6:7:8]:80\""),
            ("a:0", no_port),
            ("a:+80", no_port),
            ("a:http", no_port),
            ("a:65536", no_port),
            ("8000", "say the host: \"127.0.0.1:8000\""),
            (":8000", "say the host: \"127.0.0.1:8000\""),
            (" a:80", "without the white space: \"a:80\""),
            ("a:1, b:2", "each in quotes of its own: \"a:1\", \"b:2\""),
            ("http://a:8000/x", "host and port only: \"a:8000\""),
            ("https://a", "host and port only: \"a:443\", and `upstream = \"https\"` in the pool"),
            ("http://", "host and port only, such as \"10.0.0.21:8000\""),
            ("unix:///run/a", no_file),
            ("unix:a", no_file),
            ("/run/a.sock", no_file),
            ("a:80/x", "without a path: \"a:80\""),
            ("a/x", "without a path: \"a:80\""),
            (
                "_http._tcp.a:80",
                "a service record says the ports of its servers itself: \"_http._tcp.a\"",
            ),
            ("_http._udp.a", no_service),
            ("_http._tcp:80", no_service),
            ("müller.example:80", "write the name as it goes over the wire, in its xn-- form"),
        ] {
            let wrong = host_port_of(text).expect_err(text);
            assert_eq!(wrong.help.as_deref(), Some(help), "{text}");
        }
    }
}
