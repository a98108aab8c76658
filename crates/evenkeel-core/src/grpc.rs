//! What this node knows of gRPC: how long a caller waits, how a call is told that it has failed, and
//! the question of `grpc.health.v1`.

use std::time::Duration;

use crate::fault::Fault;
use crate::health::{CheckFailure, Words};

/// Where the health of a service is asked for.
pub const HEALTH_PATH: &str = "/grpc.health.v1.Health/Check";

/// Bytes before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// Digits of a time-out ("`TimeoutValue`" in gRPC over HTTP2).
const MOST_DIGITS: usize = 8;
/// The words of `ServingStatus`, by number.
const STATES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING: u64 = 1;
/// `grpc-status` of a call that went well.
const OK: &[u8] = b"0";

/// Whether a request of this `Content-Type` is a call: `application/grpc`, also with the name of a
/// form of messages or with parameters. gRPC-Web is another protocol.
pub fn is_call(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest, [] | [b'+' | b';' | b' ' | b'\t', ..]))
}

/// How long whoever calls waits, by its `grpc-timeout`; `None` if that is not one: the server will
/// say what it thinks of it.
pub fn timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=MOST_DIGITS).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(number * 60 * 60),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// The `grpc-status` of a call that ended with `fault`, which is answered with the HTTP `status`:
/// that which gRPC gives to the status, unless the caller's own time was over.
pub const fn code(fault: Fault, status: u16) -> u8 {
    match (fault, status) {
        (Fault::DeadlineExceeded, _) => 4, // DEADLINE_EXCEEDED
        (_, 400) => 13,                    // INTERNAL
        (_, 401) => 16,                    // UNAUTHENTICATED
        (_, 403) => 7,                     // PERMISSION_DENIED
        (_, 404) => 12,                    // UNIMPLEMENTED
        (_, 429 | 502..=504) => 14,        // UNAVAILABLE
        _ => 2,                            // UNKNOWN
    }
}

/// The body of the question how `service` is; an empty name means the server as a whole.
pub fn health_question(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a); // field 1, of a length
        put_varint(&mut message, service.len() as u64);
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut framed = vec![0];
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&message);
    framed
}

/// What the answer to [`health_question`] says: `code` and `message` are the values of `grpc-status`
/// and `grpc-message`, `body` is all that came before them.
pub fn health_answer(
    code: Option<&[u8]>,
    message: Option<&[u8]>,
    body: &[u8],
) -> Result<(), CheckFailure> {
    let said = |text: &str| Err(CheckFailure::Said(Words::new(text)));
    match code {
        None => said("the answer has no grpc-status"),
        Some(OK) => match state(body) {
            Some(SERVING) => Ok(()),
            Some(state) => {
                let word = usize::try_from(state).ok().and_then(|state| STATES.get(state));
                said(word.unwrap_or(&"a state that is not known"))
            }
            None => Err(CheckFailure::NotHealth),
        },
        Some(code) => {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            let message = message.filter(|it| !it.is_empty()).map(text).unwrap_or_default();
            said(format!("grpc-status {} {message}", text(code)).trim_end())
        }
    }
}

/// The number of field 1 of the one message in `body`; 0 if it is left out, as zeros are.
fn state(body: &[u8]) -> Option<u64> {
    let (prefix, mut message) = body.split_at_checked(PREFIX_BYTES)?;
    let (flag, length) = prefix.split_first()?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    if *flag != 0 || u32::try_from(message.len()) != Ok(length) {
        return None;
    }
    let mut state = 0;
    while !message.is_empty() {
        let tag = take_varint(&mut message)?;
        let skipped = match tag & 7 {
            0 => {
                let number = take_varint(&mut message)?;
                if tag >> 3 == 1 {
                    state = number;
                }
                0
            }
            1 => 8,
            2 => usize::try_from(take_varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        message = message.get(skipped..)?;
    }
    Some(state)
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_by_their_content_type() {
        for (content_type, wanted) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc; charset=utf-8", true),
            ("application/grpc-web+proto", false),
            ("application/grpcx", false),
            ("text/plain", false),
        ] {
            assert_eq!(is_call(content_type.as_bytes()), wanted, "{content_type}");
        }
    }

    #[test]
    fn time_outs_have_a_number_and_a_unit() {
        for (value, nanos) in [
            ("1H", Some(3_600_000_000_000)),
            ("2M", Some(120_000_000_000)),
            ("3S", Some(3_000_000_000)),
            ("100m", Some(100_000_000)),
            ("5u", Some(5_000)),
            ("99999999n", Some(99_999_999)),
            ("99999999H", Some(99_999_999 * 3_600_000_000_000)),
            ("", None),
            ("S", None),
            ("1", None),
            ("1s", None),
            ("-1S", None),
            ("1.5S", None),
            ("123456789S", None),
        ] {
            let read = timeout(value.as_bytes()).map(|timeout| timeout.as_nanos());
            assert_eq!(read, nanos, "{value}");
        }
    }

    #[test]
    fn a_service_is_asked_for_by_name() {
        assert_eq!(health_question(""), [0, 0, 0, 0, 0]);
        assert_eq!(health_question("a.B"), b"\0\0\0\0\x05\x0a\x03a.B");
        let long = health_question(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 0x2f, 0x0a, 0xac, 0x02]);
    }

    #[test]
    fn only_serving_is_well() {
        let body = |message: &[u8]| {
            [&[0, 0, 0, 0, u8::try_from(message.len()).unwrap()][..], message].concat()
        };
        let answer = |message: &[u8]| health_answer(Some(OK), None, &body(message));
        assert_eq!(answer(&[0x08, 1]), Ok(()));
        assert_eq!(answer(b"\x12\x02xx\x08\x01"), Ok(()), "fields of later versions");
        for (message, word) in [
            (&[][..], "\"UNKNOWN\""),
            (&[0x08, 2], "\"NOT_SERVING\""),
            (&[0x08, 3], "\"SERVICE_UNKNOWN\""),
            (&[0x08, 9], "\"a state that is not known\""),
            (b"\x08", "answered with something that is not a state of health"),
            (b"\x12\x09x", "answered with something that is not a state of health"),
            (b"\x0b", "answered with something that is not a state of health"),
            (&[0xff; 12], "answered with something that is not a state of health"),
        ] {
            assert_eq!(answer(message).unwrap_err().to_string(), word, "{message:?}");
        }
        for body in [&[][..], b"\x01\0\0\0\0", b"\0\0\0\0\x02\x08", b"\0\0\0\0\0\x08\x01"] {
            assert_eq!(health_answer(Some(OK), None, body), Err(CheckFailure::NotHealth));
        }
    }

    #[test]
    fn a_call_that_failed_says_why() {
        let answer = |code: Option<&str>, message: Option<&str>| {
            let (code, message) = (code.map(str::as_bytes), message.map(str::as_bytes));
            health_answer(code, message, b"").unwrap_err().to_string()
        };
        assert_eq!(answer(Some("5"), Some("unknown service")), "\"grpc-status 5 unknown service\"");
        assert_eq!(answer(Some("12"), None), "\"grpc-status 12\"");
        assert_eq!(answer(None, None), "\"the answer has no grpc-status\"");
    }
}
