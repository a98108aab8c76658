//! The hostile corpus against the running program.

use std::net::SocketAddr;

use evenkeel_sim::corpus::{self, Case, Expect};
use evenkeel_sim::prelude::*;

/// What a good server answers in the corpus.
const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// What a client of a hostile server sends if the case names nothing else.
const PLAIN: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn hostile_clients_get_what_they_deserve() {
    run(&corpus::load());
}

#[test]
fn hostile_servers_are_told_from_good_ones() {
    run(&corpus::load_servers());
}

fn run(cases: &[Case]) {
    assert!(!cases.is_empty());
    let server = origin("0");
    let listen = free_address();
    let _lb = balancer(&http(listen, &[&server]));
    let mut wrong = Vec::new();
    for case in cases {
        let bytes = case.answer.clone().unwrap_or_else(|| GOOD.to_vec());
        server.set(Mode::Raw(
            bytes,
            match case.then {
                corpus::Then::Keep => Then::Keep,
                corpus::Then::Close => Then::Close,
                corpus::Then::Reset => Then::Reset,
            },
        ));
        server.forget();
        let found = play(case, listen).and_then(|()| look_at_server(case, &server));
        if let Err(reason) = found {
            wrong.push(format!("{} {}: {reason}", case.place, case.name));
        }
        // Nothing of one case is left for the next.
        server.hang_up();
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// One client's part.
fn play(case: &Case, listen: SocketAddr) -> Result<(), String> {
    let mut client = client(listen);
    let send = if case.send.is_empty() { PLAIN } else { &case.send };
    // A listener may close before it has read all of it.
    let _ = client.try_send(send);
    let method = if send.starts_with(b"HEAD ") { "HEAD" } else { "GET" };
    for (number, expect) in case.expect.iter().enumerate() {
        let method = if number == 0 { method } else { "GET" };
        let came = client.try_answer(method);
        match (expect, came) {
            (Expect::Answer { status, close, body }, Ok(answer)) => {
                if answer.status != *status {
                    return Err(format!("expected {status}, got {}", answer.status));
                }
                let body = body.as_ref().filter(|body| **body != answer.body.bytes);
                if let Some(body) = body {
                    let body = body.escape_ascii();
                    return Err(format!("expected body {body}, got {:?}", answer.text()));
                }
                if *close {
                    ends(&mut client)?;
                }
            }
            (Expect::Closed, Err(Broken::Closed | Broken::Reset))
            | (Expect::Incomplete, Err(Broken::Cut | Broken::Garbage(_))) => {}
            (expect, Ok(answer)) => {
                return Err(format!("expected {expect:?}, got {}", answer.status));
            }
            (expect, Err(broken)) => return Err(format!("expected {expect:?}, got: {broken}")),
        }
    }
    Ok(())
}

fn ends(client: &mut Client) -> Result<(), String> {
    match client.rest() {
        (rest, None | Some(Broken::Reset | Broken::Cut)) if rest.is_empty() => Ok(()),
        (rest, broken) => Err(format!("no close, but {} and {broken:?}", rest.escape_ascii())),
    }
}

fn look_at_server(case: &Case, server: &Origin) -> Result<(), String> {
    let seen = server.seen();
    let shown =
        || seen.iter().map(|seen| seen.head.raw.escape_ascii().to_string()).collect::<Vec<_>>();
    if let Some(requests) = case.server_sees.filter(|requests| *requests != seen.len()) {
        return Err(format!("the server sees {}, not {requests}: {:?}", seen.len(), shown()));
    }
    let line = case.server_line.as_ref();
    if let Some(line) = line.filter(|line| seen.iter().all(|seen| seen.head.first_line != **line)) {
        return Err(format!("the server never sees {line}: {:?}", shown()));
    }
    for (name, value) in &case.server_headers {
        if !seen.iter().all(|seen| seen.head.all(name).any(|is| is == value)) {
            return Err(format!("the server does not see {name}: {value}: {:?}", shown()));
        }
    }
    for name in &case.server_lacks {
        if seen.iter().any(|seen| seen.head.header(name).is_some()) {
            return Err(format!("the server sees {name}: {:?}", shown()));
        }
    }
    Ok(())
}
