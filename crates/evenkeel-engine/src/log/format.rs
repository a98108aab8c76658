//! A line in each of the formats.
//!
//! What clients say is escaped in all of them: nothing a client sends can end a line, close a
//! quotation or reach an operator's terminal as a command.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_core::config::{LogField, LogFormat, LogPart};

use super::Line;
use super::stamp::Stamp;

/// What a field holds, however it is written.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    /// Empty: there is nothing to tell.
    Text(&'a [u8]),
    Address(IpAddr),
    Number(u64),
    Time,
    /// The phase whose time this would be was not reached.
    NotReached,
    None,
}

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// Appends `line` to `out`.
pub(super) fn line(out: &mut Vec<u8>, format: &LogFormat, line: &Line<'_>, stamp: &Stamp) {
    match format {
        LogFormat::Combined => combined(out, line, stamp),
        LogFormat::Json => json(out, line, stamp),
        LogFormat::Template(parts) => {
            for part in parts {
                match part {
                    LogPart::Text(text) => out.extend_from_slice(text.as_bytes()),
                    LogPart::Field(field) => template(out, value(line, *field), stamp),
                }
            }
        }
    }
    out.push(b'\n');
}

/// As nginx writes it: `-` for what was not said, status 000 for no answer.
fn combined(out: &mut Vec<u8>, line: &Line<'_>, stamp: &Stamp) {
    address(out, line.client);
    out.extend_from_slice(b" - - [");
    out.extend_from_slice(stamp.combined());
    out.extend_from_slice(b"] \"");
    let said = line.said;
    if said.method().is_empty() {
        out.push(b'-');
    } else {
        text(out, said.method());
        out.push(b' ');
        text(out, said.target());
        out.push(b' ');
        text(out, line.version.as_bytes());
    }
    out.extend_from_slice(b"\" ");
    match line.status {
        Some(status) => decimal(out, status.into()),
        None => out.extend_from_slice(b"000"),
    }
    out.push(b' ');
    decimal(out, line.bytes);
    for said in [said.referer(), said.user_agent()] {
        out.extend_from_slice(b" \"");
        text_or_dash(out, said);
        out.push(b'"');
    }
}

/// `-` for what there is not.
fn template(out: &mut Vec<u8>, value: Value<'_>, stamp: &Stamp) {
    match value {
        Value::Text(value) => text_or_dash(out, value),
        Value::Address(value) => address(out, value),
        Value::Number(value) => decimal(out, value),
        Value::Time => stamp.rfc3339(out),
        Value::NotReached => out.extend_from_slice(b"-1"),
        Value::None => out.push(b'-'),
    }
}

/// One object with every field, always; `null` for what there is not.
fn json(out: &mut Vec<u8>, line: &Line<'_>, stamp: &Stamp) {
    let mut before = b'{';
    for (name, field) in LogField::NAMES {
        out.extend_from_slice(&[before, b'"']);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        before = b',';
        match value(line, field) {
            Value::Text(b"") | Value::None => out.extend_from_slice(b"null"),
            Value::Text(value) => quoted(out, |out| json_text(out, value)),
            Value::Address(value) => quoted(out, |out| address(out, value)),
            Value::Number(value) => decimal(out, value),
            Value::Time => quoted(out, |out| stamp.rfc3339(out)),
            Value::NotReached => out.extend_from_slice(b"-1"),
        }
    }
    out.push(b'}');
}

fn value<'a>(line: &Line<'a>, field: LogField) -> Value<'a> {
    match field {
        LogField::Client => Value::Address(line.client),
        LogField::ClientPort => Value::Number(line.client_port.into()),
        LogField::Time => Value::Time,
        LogField::Listener => Value::Text(line.listener.as_bytes()),
        LogField::Route => Value::Text(line.route.as_bytes()),
        LogField::Pool => Value::Text(line.pool.as_bytes()),
        LogField::Server => Value::Text(line.server.as_bytes()),
        LogField::Method => Value::Text(line.said.method()),
        LogField::Host => Value::Text(line.said.host()),
        LogField::Path => Value::Text(line.said.target()),
        LogField::Version => Value::Text(line.version.as_bytes()),
        LogField::Status => line.status.map_or(Value::None, |status| Value::Number(status.into())),
        LogField::Bytes => Value::Number(line.bytes),
        LogField::Referer => Value::Text(line.said.referer()),
        LogField::UserAgent => Value::Text(line.said.user_agent()),
        LogField::RequestId => Value::Text(line.said.request_id()),
        LogField::TraceId => Value::Text(line.said.trace_id()),
        LogField::TimeRequest => millis(Some(line.request)),
        LogField::TimeWait => millis(line.wait),
        LogField::TimeConnect => millis(line.connect),
        LogField::TimeResponse => millis(line.response),
        LogField::TimeActive => millis(Some(line.active)),
        LogField::Termination => Value::Text(line.code.as_bytes()),
        LogField::Retries => Value::Number(line.retries.into()),
    }
}

fn millis(time: Option<Duration>) -> Value<'static> {
    time.map_or(Value::NotReached, |time| {
        Value::Number(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    })
}

fn text_or_dash(out: &mut Vec<u8>, value: &[u8]) {
    if value.is_empty() {
        out.push(b'-');
    } else {
        text(out, value);
    }
}

/// Escapes as nginx does: everything that is not printable ASCII, quotes and backslashes, as `\xHH`.
fn text(out: &mut Vec<u8>, mut value: &[u8]) {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    while let Some(at) = value.iter().position(|byte| !plain(byte)) {
        out.extend_from_slice(&value[..at]);
        let byte = value[at];
        out.extend_from_slice(&[b'\\', b'x', high(byte), low(byte)]);
        value = &value[at + 1..];
    }
    out.extend_from_slice(value);
}

/// Escapes for JSON. Bytes that are not UTF-8 are taken for the Latin-1 they most likely are.
fn json_text(out: &mut Vec<u8>, value: &[u8]) {
    for chunk in value.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some((at, found)) = rest.char_indices().find(|(_, found)| json_escapes(*found)) {
            out.extend_from_slice(&rest.as_bytes()[..at]);
            match found {
                '"' | '\\' => out.extend_from_slice(&[b'\\', found as u8]),
                _ => write!(out, "\\u{:04X}", u32::from(found)).expect("memory takes everything"),
            }
            rest = &rest[at + found.len_utf8()..];
        }
        out.extend_from_slice(rest.as_bytes());
        for byte in chunk.invalid() {
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high(*byte), low(*byte)]);
        }
    }
}

/// What JSON requires, and what terminals and line readers act on: the controls of ASCII and
/// Latin-1, and Unicode's line ends.
fn json_escapes(found: char) -> bool {
    matches!(found, '"' | '\\' | '\u{2028}' | '\u{2029}') || found.is_control()
}

fn quoted(out: &mut Vec<u8>, inner: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    inner(out);
    out.push(b'"');
}

/// An IPv4 address that came over an IPv6 socket is written as the IPv4 address it is.
fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, rest @ ..] = address.octets();
            decimal(out, first.into());
            for octet in rest {
                out.push(b'.');
                decimal(out, octet.into());
            }
        }
        IpAddr::V6(address) => write!(out, "{address}").expect("memory takes everything"),
    }
}

/// Without the machinery of `write!`, which would cost more than the rest of a line.
fn decimal(out: &mut Vec<u8>, mut number: u64) {
    // As many as `u64::MAX` has.
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = DIGITS[(number % 10) as usize];
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

fn high(byte: u8) -> u8 {
    DIGITS[usize::from(byte >> 4)]
}

fn low(byte: u8) -> u8 {
    DIGITS[usize::from(byte & 15)]
}

#[cfg(test)]
mod tests;
