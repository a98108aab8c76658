//! The hostile corpus: raw bytes in, what must happen out, as the data files of `corpus/`.
//!
//! The format is described in `corpus/README.md`.

use std::path::Path;
use std::{fs, io};

/// One exchange, or several pipelined ones, on one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// File and line, for messages.
    pub place: String,
    pub name: String,
    /// What the client sends, all at once.
    pub send: Vec<u8>,
    /// What the server sends for each request; `None`: it answers as a good server does.
    pub answer: Option<Vec<u8>>,
    /// What the server does after its answer.
    pub then: Then,
    /// What the client sees, in order.
    pub expect: Vec<Expect>,
    /// Requests that reach the server; `None`: not checked.
    pub server_sees: Option<usize>,
    /// The first line of a request that reaches the server.
    pub server_line: Option<String>,
    /// Header lines that all requests reaching the server have.
    pub server_headers: Vec<(String, String)>,
    /// Names none of them has.
    pub server_lacks: Vec<String>,
}

/// What a server does after its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// Keeps the connection open and reads on.
    #[default]
    Keep,
    Close,
    /// Closes with a reset.
    Reset,
}

/// What a client sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// An answer. `close`: the connection ends after it; otherwise that is not checked.
    Answer { status: u16, close: bool, body: Option<Vec<u8>> },
    /// The end of the connection instead of an answer.
    Closed,
    /// An answer that can be told to be cut short.
    Incomplete,
}

/// Cases of hostile clients: `corpus/http1/*.case`.
pub fn load() -> Vec<Case> {
    files(false)
}

/// Cases of hostile servers: `corpus/http1/*.server.case`.
pub fn load_servers() -> Vec<Case> {
    files(true)
}

fn files(of_servers: bool) -> Vec<Case> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../evenkeel-sim/corpus/http1"));
    let mut names = list(folder).unwrap_or_else(|cause| panic!("{}: {cause}", folder.display()));
    names.retain(|name| match name.strip_suffix(".case") {
        Some(stem) => stem.ends_with(".server") == of_servers,
        None => false,
    });
    names.sort();
    let mut cases = Vec::new();
    for name in names {
        let text = fs::read_to_string(folder.join(&name))
            .unwrap_or_else(|cause| panic!("{name} cannot be read: {cause}"));
        cases.extend(parse(&name, &text).unwrap_or_else(|fault| panic!("{fault}")));
    }
    cases
}

fn list(folder: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into()));
    names.collect()
}

/// Reads the text of one file; the error names the line.
pub fn parse(file: &str, text: &str) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let place = format!("{file}:{number}");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix("== ") {
            cases.push(Case { place, name: name.to_owned(), ..Case::default() });
            continue;
        }
        let case = cases
            .last_mut()
            .ok_or_else(|| format!("{place}: a line before the first `== name`"))?;
        let (key, value) =
            line.split_once(':').ok_or_else(|| format!("{place}: a line without a key"))?;
        let value = value.strip_prefix(' ').unwrap_or(value);
        take(case, key, value).ok_or_else(|| format!("{place}: `{line}` is not understood"))?;
    }
    Ok(cases)
}

fn take(case: &mut Case, key: &str, value: &str) -> Option<()> {
    match key {
        "send" => case.send.extend(unescape(value)?),
        "answer" => case.answer.get_or_insert_default().extend(unescape(value)?),
        "then" => {
            case.then = match value {
                "keep" => Then::Keep,
                "close" => Then::Close,
                "reset" => Then::Reset,
                _ => return None,
            }
        }
        "expect" => case.expect.push(expect(value)?),
        "server-sees" => case.server_sees = Some(value.split(' ').next()?.parse().ok()?),
        "server-line" => case.server_line = Some(value.to_owned()),
        "server-header" => {
            let (name, value) = value.split_once(": ")?;
            case.server_headers.push((name.to_owned(), value.to_owned()));
        }
        "server-lacks" => case.server_lacks.push(value.to_owned()),
        _ => return None,
    }
    Some(())
}

/// `closed`, `incomplete`, or `STATUS [close] [body "…"]`.
fn expect(value: &str) -> Option<Expect> {
    match value {
        "closed" => return Some(Expect::Closed),
        "incomplete" => return Some(Expect::Incomplete),
        _ => {}
    }
    let (value, body) = match value.split_once(" body ") {
        Some((value, body)) => (value, Some(unescape(quoted(body)?)?)),
        None => (value, None),
    };
    let (status, close) = match value.split_once(' ') {
        Some((status, "close")) => (status, true),
        Some(_) => return None,
        None => (value, false),
    };
    Some(Expect::Answer { status: status.parse().ok()?, close, body })
}

/// Text with `\r \n \t \0 \\ \" \xHH` and `{repeat N "text"}`, which may not be nested.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(repeat) = rest.strip_prefix("{repeat ") {
            let (inside, after) = repeat.split_once("\"}")?;
            let (count, text) = inside.split_once(" \"")?;
            out.extend(unescape(text)?.repeat(count.parse().ok()?));
            rest = after;
        } else if first == '\\' {
            let code = rest.get(1..2)?;
            let (byte, length) = match code {
                "r" => (b'\r', 2),
                "n" => (b'\n', 2),
                "t" => (b'\t', 2),
                "0" => (0, 2),
                "\\" => (b'\\', 2),
                "\"" => (b'"', 2),
                "x" => (u8::from_str_radix(rest.get(2..4)?, 16).ok()?, 4),
                _ => return None,
            };
            out.push(byte);
            rest = &rest[length..];
        } else {
            out.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
            rest = &rest[first.len_utf8()..];
        }
    }
    Some(out)
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read() {
        let text = "# a comment\n\n== name\nsend: G\\x45T\\r\\n\nsend: {repeat 3 \"a\\0\"}!\n\
                    expect: 200 close body \"x\\n\"\nexpect: closed\nserver-sees: 2 requests\n\
                    server-header: A: b: c\nthen: reset\nanswer: \n";
        let cases = parse("f", text).unwrap();
        let [case] = &cases[..] else { panic!("{cases:?}") };
        assert_eq!(case.place, "f:3");
        assert_eq!(case.send, b"GET\r\na\0a\0a\0!");
        let answer = Expect::Answer { status: 200, close: true, body: Some(b"x\n".to_vec()) };
        assert_eq!(case.expect, [answer, Expect::Closed]);
        assert_eq!(case.server_sees, Some(2));
        assert_eq!(case.server_headers, [("A".to_owned(), "b: c".to_owned())]);
        assert_eq!((case.then, case.answer.as_deref()), (Then::Reset, Some(&b""[..])));
    }

    #[test]
    fn a_faulty_line_is_named() {
        for line in ["send: \\q", "expect: 2x", "expect: 200 open", "sned: a", "no key", "then: x"]
        {
            let fault = parse("f", &format!("== a\n{line}\n")).unwrap_err();
            assert!(fault.starts_with("f:2: "), "{fault}");
        }
        assert_eq!(parse("f", "send: a").unwrap_err(), "f:1: a line before the first `== name`");
    }

    #[test]
    fn every_file_is_well_formed() {
        let (clients, servers) = (load(), load_servers());
        assert!(clients.len() > 150 && servers.len() > 25, "{} {}", clients.len(), servers.len());
        for case in clients.iter().chain(&servers) {
            assert!(!case.expect.is_empty(), "{}: nothing is expected", case.place);
        }
        assert!(clients.iter().all(|case| !case.send.is_empty() && case.answer.is_none()));
        assert!(servers.iter().all(|case| case.answer.is_some()));
    }
}
