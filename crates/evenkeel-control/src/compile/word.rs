//! The words of HTTP and of names: hosts, paths, methods, headers, statuses, addresses.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use evenkeel_core::config::{HostPattern, Network, PathPattern};

use super::table::{Wrong, wrong};
use super::value::text;
use crate::document::Value;
use crate::nearest::nearest;

/// A name becomes a metric's label and part of a URL: longer ones help nobody.
const LONGEST_NAME: usize = 64;

/// The methods servers usually know, for suggestions.
const USUAL_METHODS: [&str; 8] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"];

/// A name of a listener, pool, route or server.
pub(super) fn name(name: &str) -> Result<Arc<str>, Wrong> {
    let fits =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '[' | ']');
    if name.is_empty() || name.len() > LONGEST_NAME {
        return Err(wrong(format!("a name has 1 to {LONGEST_NAME} characters")));
    }
    match name.chars().find(|c| !fits(*c)) {
        Some(c) => Err(wrong(format!("a name cannot contain {c:?}"))
            .help("letters, digits, `-`, `_`, `.` and `:`")),
        None => Ok(name.into()),
    }
}

/// `0.0.0.0:5000` or `[::]:5000`.
pub(super) fn bind(value: &Value) -> Result<SocketAddr, Wrong> {
    let address = text(value)?;
    if let Ok(address) = address.parse() {
        return Ok(address);
    }
    let wrong = wrong(format!("\"{address}\" is not an address to listen on"));
    let port = address.rsplit(':').next().unwrap_or_default();
    if address.parse::<IpAddr>().is_ok() {
        return Err(wrong.help(format!("say the port: \"{}\"", with_port(address, 80))));
    }
    if port.parse::<u16>().is_err() {
        return Err(wrong.help("IP address and port, such as \"0.0.0.0:80\" or \"[::]:80\""));
    }
    let host = if address.starts_with("localhost:") { "127.0.0.1" } else { "0.0.0.0" };
    Err(wrong.help(format!("write \"{host}:{port}\"")))
}

pub(super) fn with_port(address: &str, port: u16) -> String {
    address.parse().map_or_else(
        |_| format!("{address}:{port}"),
        |ip: IpAddr| SocketAddr::new(ip, port).to_string(),
    )
}

/// RFC 1123 §2.1, with the underscore that many internal names have; all-digit names are
/// addresses gone wrong.
pub(super) fn is_host_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.len() <= 253
        && host.split('.').all(label)
        && host.bytes().any(|b| !b.is_ascii_digit() && b != b'.')
}

/// `shop.example` or `*.example`.
pub(super) fn host_pattern(value: &Value) -> Result<HostPattern, Wrong> {
    host_pattern_of(text(value)?)
}

pub(super) fn host_pattern_of(written: &str) -> Result<HostPattern, Wrong> {
    let no = || wrong(format!("\"{written}\" is not a host name"));
    let lower = written.strip_suffix('.').unwrap_or(written).to_ascii_lowercase();
    if !written.is_ascii() {
        return Err(no().help("write it as it goes over the wire, in its xn-- form"));
    }
    if lower.contains("://") || lower.contains('/') {
        return Err(no().help("the name alone, without scheme or path"));
    }
    if let Some((name, port)) = lower.rsplit_once(':')
        && port.bytes().all(|b| b.is_ascii_digit())
    {
        return Err(no().help(format!("without the port: \"{name}\"")));
    }
    if let Some(suffix) = lower.strip_prefix("*.") {
        return if is_host_name(suffix) {
            Ok(HostPattern::Suffix(format!(".{suffix}").into()))
        } else {
            Err(no().help("a star stands for the front of a name only: \"*.example\""))
        };
    }
    if lower.contains('*') {
        return Err(no().help("a star stands for the front of a name only: \"*.example\""));
    }
    if is_host_name(&lower) || lower.parse::<IpAddr>().is_ok() {
        Ok(HostPattern::Exact(lower.into()))
    } else {
        Err(no().help("such as \"shop.example\" or \"*.example\""))
    }
}

/// A host's name, or an address, that a certificate is to be for.
pub(super) fn tls_name(value: &Value) -> Result<Arc<str>, Wrong> {
    match host_pattern(value)? {
        HostPattern::Exact(name) => Ok(name),
        HostPattern::Suffix(_) => Err(wrong("a server has one name, not all under a star")),
    }
}

/// `/api/` or `=/exact`.
pub(super) fn path_pattern(value: &Value) -> Result<PathPattern, Wrong> {
    let written = text(value)?;
    if let Some(exact) = written.strip_prefix('=') {
        return certain(exact).map(|path| PathPattern::Exact(path.into()));
    }
    if written.ends_with('*') {
        let prefix = written.trim_end_matches('*');
        return Err(wrong("a path is a prefix already").help(format!("write \"{prefix}\"")));
    }
    certain(written).map(|path| PathPattern::Prefix(path.trim_end_matches('/').into()))
}

/// A path that is the same to every server: requests for another one are refused where two routes
/// could take them.
fn certain(written: &str) -> Result<&str, Wrong> {
    let path = path(written)?;
    match evenkeel_core::path::readings(path).as_deref() {
        Ok([]) => Ok(path),
        Ok([.., other]) => Err(wrong(format!("\"{written}\" can be read in two ways"))
            .help(format!("a server may read it as \"{other}\": write that"))),
        Err(reason) => Err(wrong(format!("a request for \"{written}\" is refused: {reason}"))),
    }
}

/// A path as it stands in a request, in the form routes are matched against.
pub(super) fn path(written: &str) -> Result<&str, Wrong> {
    let no = || wrong(format!("\"{written}\" is not a path to match"));
    if !written.starts_with('/') {
        return Err(no().help(format!("write \"/{written}\"")));
    }
    if let Some(c) = written.chars().find(|c| matches!(c, '?' | '#')) {
        return Err(no().help(format!("a path ends before `{c}`")));
    }
    if let Some(c) = written.chars().find(|c| !c.is_ascii_graphic() || *c == '\\') {
        return Err(no().help(format!("{c:?} does not occur in a path; escape it as %XX")));
    }
    // Requests are matched in one form: a path in another would never be.
    let mut scratch = String::new();
    match evenkeel_core::path::normalise(written, &mut scratch) {
        Ok(matched) if matched.path == written => Ok(written),
        Ok(matched) => {
            Err(no().help(format!("requests for it are matched as \"{}\"", matched.path)))
        }
        Err(reason) => Err(no().help(format!("such a request is refused: {reason}"))),
    }
}

/// A method's name (RFC 9110 §9.1).
pub(super) fn method(value: &Value) -> Result<Arc<str>, Wrong> {
    let written = text(value)?;
    if !is_token(written) {
        return Err(wrong(format!("\"{written}\" is not a method")).help("such as \"GET\""));
    }
    if written == "CONNECT" {
        return Err(wrong("CONNECT is always refused: this is not a forward proxy"));
    }
    // A method in small letters is legal and never meant.
    if written.bytes().any(|b| b.is_ascii_lowercase()) {
        let upper = written.to_ascii_uppercase();
        let near = nearest(&upper, USUAL_METHODS).unwrap_or(&upper);
        return Err(wrong(format!("\"{written}\" is not a method"))
            .help(format!("methods are written in capitals: \"{near}\"")));
    }
    Ok(written.into())
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(word: &str) -> bool {
    !word.is_empty()
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// A header's name, in lower case.
pub(super) fn header_name(written: &str) -> Result<Arc<str>, Wrong> {
    if is_token(written) {
        return Ok(written.to_ascii_lowercase().into());
    }
    Err(wrong(format!("\"{written}\" is not a header's name"))
        .help("letters, digits and `-`, without the colon"))
}

/// A header's value: what would break out of its line is refused.
pub(super) fn header_value(value: &Value) -> Result<Arc<str>, Wrong> {
    let written = text(value)?;
    if written.chars().any(|c| matches!(c, '\r' | '\n')) {
        return Err(wrong("a header's value is one line").help("remove the line break"));
    }
    if let Some(c) = written.chars().find(|c| c.is_control() && *c != '\t') {
        return Err(wrong(format!("{c:?} does not occur in a header's value")));
    }
    if written.trim() != written {
        return Err(wrong("white space around a header's value is not part of it")
            .help(format!("write {:?}", written.trim())));
    }
    Ok(written.into())
}

/// `10.0.0.0/8`, or one address.
pub(super) fn network(value: &Value) -> Result<Network, Wrong> {
    let written = text(value)?;
    let no = || wrong(format!("\"{written}\" is not an address range"));
    let (address, bits) = match written.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (written, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return Err(no().help("such as \"10.0.0.0/8\" or \"fd00::/8\""));
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits: u8 = match bits.map_or(Ok(most), str::parse) {
        Ok(bits) if bits <= most => bits,
        _ => return Err(no().help(format!("the part behind `/` is 0 to {most}"))),
    };
    Network::new(address, bits).ok_or_else(|| {
        let start = start_of(address, bits);
        no().help(format!(
            "the range that holds it starts at its first address: \"{start}/{bits}\""
        ))
    })
}

fn start_of(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

/// `"200"`, `"200-399"` or several with commas.
pub(super) fn statuses(value: &Value) -> Result<Vec<(u16, u16)>, Wrong> {
    let written = text(value)?;
    let one = |part: &str| -> Option<(u16, u16)> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let status = |digits: &str| {
            digits.trim().parse().ok().filter(|status: &u16| (100..=599).contains(status))
        };
        let (first, last) = (status(first)?, status(last)?);
        (first <= last).then_some((first, last))
    };
    written.split(',').map(|part| one(part.trim())).collect::<Option<Vec<_>>>().ok_or_else(|| {
        wrong(format!("\"{written}\" is not a list of statuses"))
            .help("statuses from 100 to 599, such as \"200-299\" or \"200,204,300-399\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Kind;
    use crate::finding::Place;

    fn value(text: &str) -> Value {
        Value { place: Place::new(0, 0..0), kind: Kind::Text(text.to_owned()) }
    }

    #[test]
    fn hosts() {
        let exact = |name: &str| Ok(HostPattern::Exact(name.into()));
        assert_eq!(host_pattern_of("Shop.Example."), exact("shop.example"));
        assert_eq!(host_pattern_of("10.0.0.1"), exact("10.0.0.1"));
        assert_eq!(host_pattern_of("*.example"), Ok(HostPattern::Suffix(".example".into())));
        for text in ["", "*", "a.*.b", "*a.b", "a:80", "http://a", "a b", "müller.example", "a/b"]
        {
            host_pattern_of(text).expect_err(text);
        }
    }

    #[test]
    fn paths() {
        let prefix = |path: &str| Ok(PathPattern::Prefix(path.into()));
        assert_eq!(path_pattern(&value("/api/")), prefix("/api"));
        assert_eq!(path_pattern(&value("/")), prefix(""));
        assert_eq!(path_pattern(&value("=/a/")), Ok(PathPattern::Exact("/a/".into())));
        for text in
            ["", "api", "/a?b", "/a#b", "/a/../b", "/a b", "/a*", "/ü", "/a%2Fb", "/a;b", "/%40a"]
        {
            path_pattern(&value(text)).expect_err(text);
        }
    }

    #[test]
    fn ranges() {
        network(&value("10.0.0.0/8")).expect("a good value");
        network(&value("fd00::1")).expect("a good value");
        let help = network(&value("10.1.0.0/8")).expect_err("host bits are set").help;
        assert!(help.is_some_and(|help| help.contains("\"10.0.0.0/8\"")));
        for text in ["", "10.0.0.0/33", "10.0.0/8", "a/8", "10.0.0.0/x"] {
            network(&value(text)).expect_err(text);
        }
    }

    #[test]
    fn status_lists() {
        assert_eq!(statuses(&value("200-299, 304")), Ok(vec![(200, 299), (304, 304)]));
        for text in ["", "2xx", "99", "600", "300-200", "200,"] {
            statuses(&value(text)).expect_err(text);
        }
    }

    #[test]
    fn header_values_stay_in_their_line() {
        header_value(&value("a b")).expect("a good value");
        for text in ["a\r\nb", "a\nb", "a\0", " a", "a\u{7f}"] {
            header_value(&value(text)).expect_err(text);
        }
    }

    #[test]
    fn addresses_to_listen_on() {
        for (text, help) in [
            (":80", "write \"0.0.0.0:80\""),
            ("80", "write \"0.0.0.0:80\""),
            ("localhost:80", "write \"127.0.0.1:80\""),
            ("10.0.0.1", "say the port: \"10.0.0.1:80\""),
        ] {
            let wrong = bind(&value(text)).expect_err("not an address");
            assert_eq!(wrong.help.as_deref(), Some(help), "{text}");
        }
    }
}
