//! The fuzz corpus, and the hostile corpus as far as it can be told without a socket.

#[path = "../../evenkeel-sim/src/corpus.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the proving ground's module, used there in full against a live listener"
)]
mod corpus;
#[path = "../../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "the library of the fuzz targets, where this is its interface")]
mod properties;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use corpus::{Case, Expect};
use evenkeel_core::config::{Forwarding, HeaderEdits, HttpLimits};
use evenkeel_core::message::chunked::{Decoder, Step};
use evenkeel_core::message::forward::{self, Client, Outgoing};
use evenkeel_core::message::request::{self, Body, RequestHead};
use evenkeel_core::message::response::{self, AnswerBody, Asked};
use evenkeel_core::message::{Reason, Refusal};

type Property = fn(&[u8]);

#[test]
fn fuzz_seeds() {
    let targets: [(&str, Property); 9] = [
        ("request_head", properties::request_head),
        ("response_head", properties::response_head),
        ("chunked_body", properties::chunked_body),
        ("client_hello", properties::client_hello),
        ("proxy_protocol", properties::proxy_protocol),
        ("advert", properties::advert),
        ("neighbour", properties::neighbour),
        ("hpack", properties::hpack),
        ("http2", properties::http2),
    ];
    for (target, check) in targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        let mut seeds = 0;
        for entry in fs::read_dir(&folder).expect("a folder of seeds") {
            check(&fs::read(entry.unwrap().path()).unwrap());
            seeds += 1;
        }
        assert!(seeds > 0, "{} is empty", folder.display());
    }
}

#[test]
fn hostile_requests() {
    for case in corpus::load() {
        let mut rest = &case.send[..];
        let mut seen = Vec::new();
        for expect in &case.expect {
            let Expect::Answer { status, close, .. } = *expect else { continue };
            match exchange(rest) {
                Ok(Some(request)) => {
                    assert_eq!(status, 200, "{} {}: accepted", case.place, case.name);
                    assert!(!close || !request.keep_alive, "{} {}: kept", case.place, case.name);
                    rest = &rest[request.length..];
                    seen.push(request.written);
                }
                Ok(None) => panic!("{} {}: more bytes are awaited", case.place, case.name),
                Err(refusal) => {
                    assert_eq!(refusal.status, status, "{} {}: {refusal}", case.place, case.name);
                    assert!(close, "{} {}: a refusal closes", case.place, case.name);
                }
            }
        }
        check_server(&case, &seen);
    }
}

#[test]
fn hostile_answers() {
    for case in corpus::load_servers() {
        let whole = match answer(&case) {
            // Whether the accept of a WebSocket handshake fits its key is judged elsewhere.
            Ok(Some(101)) => continue,
            Ok(whole) => whole,
            Err(_) => None,
        };
        let fits = match case.expect[0] {
            Expect::Answer { status: 502, .. } | Expect::Incomplete => whole.is_none(),
            Expect::Answer { status, .. } => whole == Some(status),
            Expect::Closed => continue,
        };
        assert!(fits, "{} {}: {:?}", case.place, case.name, answer(&case));
    }
}

/// A request that was accepted, with its body.
struct Request {
    length: usize,
    keep_alive: bool,
    written: String,
}

fn exchange(bytes: &[u8]) -> Result<Option<Request>, Refusal> {
    let limits = HttpLimits::default();
    let mut space = request::Space::new();
    let Some(head) = request::parse(bytes, &mut space, &limits)? else { return Ok(None) };
    let body = &bytes[head.length..];
    let body = match head.body {
        Body::None => 0,
        Body::Length(length) => usize::try_from(length).expect("a length below the limit"),
        Body::Chunked => match chunked(body, limits.head_bytes)? {
            Some(length) => length,
            None => return Ok(None),
        },
    };
    let written = String::from_utf8_lossy(&written(&head)).into_owned();
    Ok(Some(Request { length: head.length + body, keep_alive: head.keep_alive, written }))
}

/// Bytes of a chunked body; `None`: it is not whole.
fn chunked(mut bytes: &[u8], limit: u32) -> Result<Option<usize>, Reason> {
    let mut decoder = Decoder::new(limit);
    let mut length = 0;
    loop {
        let (step, used) = decoder.decode(bytes)?;
        bytes = &bytes[used..];
        length += used;
        match step {
            Step::Data(_) => {}
            Step::More => return Ok(None),
            Step::End => return Ok(Some(length)),
        }
    }
}

fn written(head: &RequestHead<'_, '_>) -> Vec<u8> {
    let client = Client {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        address_text: "127.0.0.1",
        trusted: false,
        scheme: "http",
        port_text: "80",
    };
    let mut out = Vec::new();
    forward::write_request(
        &mut out,
        head,
        &Outgoing {
            path: head.path,
            default_host: "127.0.0.1:1",
            client: &client,
            forwarding: &Forwarding::default(),
            trusted_proxies: &[],
            request_id: "1",
            only: None,
            edits: &HeaderEdits::default(),
            reserved: &[],
            subject: None,
            websocket_key: None,
            trace: evenkeel_core::trace::Onward::AsSent,
            facts: evenkeel_core::template::Facts::NONE,
        },
    );
    out
}

fn check_server(case: &Case, seen: &[String]) {
    let Case { place, name, .. } = case;
    if let Some(count) = case.server_sees {
        assert_eq!(seen.len(), count, "{place} {name}: {seen:?}");
    }
    if let Some(line) = &case.server_line {
        let is_first = |head: &String| head.starts_with(&format!("{line}\r\n"));
        assert!(seen.iter().any(is_first), "{place} {name}: no `{line}` in {seen:?}");
    }
    for head in seen {
        for (field, value) in &case.server_headers {
            let line = format!("\r\n{field}: {value}\r\n");
            assert!(head.contains(&line), "{place} {name}: no `{field}: {value}` in {head:?}");
        }
        let lower = head.to_ascii_lowercase();
        for field in &case.server_lacks {
            let start = format!("\r\n{}:", field.to_ascii_lowercase());
            assert!(!lower.contains(&start), "{place} {name}: `{field}` in {head:?}");
        }
    }
}

/// Status of the final answer, when all of it is there.
fn answer(case: &Case) -> Result<Option<u16>, Reason> {
    let lines = case.send.split(|byte| *byte == b'\n');
    let mut offers = lines.filter_map(|line| line.strip_prefix(b"Upgrade:"));
    let offer = offers.next().map(<[u8]>::trim_ascii);
    let asked = Asked { head: case.send.starts_with(b"HEAD"), offer };
    let mut bytes = case.answer.as_deref().unwrap_or_default();
    for _ in 0..response::MOST_INTERIM_ANSWERS {
        let mut space = response::Space::new();
        let Some(head) = response::parse(bytes, &mut space, asked)? else { return Ok(None) };
        bytes = &bytes[head.length..];
        if head.is_interim() {
            continue;
        }
        let is_whole = match head.body {
            AnswerBody::None | AnswerBody::UntilClose => true,
            AnswerBody::Length(length) => bytes.len() as u64 >= length,
            AnswerBody::Chunked => {
                matches!(chunked(bytes, HttpLimits::MOST_HEAD_BYTES), Ok(Some(_)))
            }
        };
        return Ok(is_whole.then_some(head.status));
    }
    Ok(None)
}
