//! Answers that are compressed on their way, as clients and decoders that are not ours see them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use evenkeel_sim::prelude::*;

/// A listener whose pool is this server, with `compress` as given.
fn config(listen: SocketAddr, server: SocketAddr, compress: &str) -> String {
    format!(
        r#"
[node]
workers = 1
[listener.front]
bind = ["{listen}"]
protocol = "http"
h2c = true
pool = "app"
compress = {compress}
[[listener.front.route]]
path = "/plain/"
pool = "app"
compress = false
[[listener.front.route]]
path = "/told/"
pool = "app"
response_headers = {{ add = {{ "content-encoding" = "x-mine" }} }}
[pool.app]
servers = ["{server}"]
"#
    )
}

/// A server of one answer before a node.
struct Site {
    listen: SocketAddr,
    server: Origin,
    lb: Balancer,
}

fn site(compress: &str) -> Site {
    let (listen, server) = (free_address(), origin("0"));
    let lb = balancer(&config(listen, server.address(), compress));
    Site { listen, server, lb }
}

impl Site {
    /// What the server answers from now on.
    fn answers(&self, fields: &str, body: &[u8]) -> &Self {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        self.server.set(Mode::raw([head.as_bytes(), body].concat()));
        self
    }

    fn ask(&self, method: &str, target: &str, accepted: &str) -> Answer {
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: test.example\r\nAccept-Encoding: {accepted}\r\n\r\n"
        );
        client(self.listen).send(head).answer_to(method)
    }
}

/// Lines that are alike and not the same.
fn text(bytes: usize) -> Vec<u8> {
    let lines = (0_u64..).flat_map(|line| format!("{} is line {line}\n", line * line).into_bytes());
    lines.take(bytes).collect()
}

fn decoded(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let read = match coding {
        "zstd" => zstd::Decoder::new(bytes).and_then(|mut reader| reader.read_to_end(&mut out)),
        "br" => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out),
        "gzip" => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out),
        other => panic!("no coding: {other}"),
    };
    read.unwrap_or_else(|error| panic!("{coding} after {} bytes: {error}", out.len()));
    out
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let chunks = body.chunks(10_007);
    let chunks =
        chunks.flat_map(|it| [format!("{:x}\r\n", it.len()).as_bytes(), it, b"\r\n"].concat());
    chunks.chain(*b"0\r\nX-Trailer: t\r\n\r\n").collect()
}

#[test]
fn every_body_comes_out_as_it_went_in() {
    let site = site("true");
    for size in [1_024, 30_000, 700_000] {
        let body = text(size);
        let length =
            format!("Content-Type: text/html\r\nContent-Length: {size}\r\nETag: \"x\"\r\n");
        let kind = "Content-Type: text/html\r\nETag: \"x\"\r\n";
        for (fields, sent) in [
            (length.as_str(), body.clone()),
            (kind, body.clone()),
            (&format!("{kind}Transfer-Encoding: chunked\r\n"), chunked(&body)),
        ] {
            site.answers(fields, &sent);
            for coding in ["zstd", "br", "gzip"] {
                let answer = site.ask("GET", "/", coding);
                let shown = format!("{coding} {size} {fields}: {:?}", answer.head);
                assert_eq!(answer.header("content-encoding"), Some(coding), "{shown}");
                assert!(decoded(coding, &answer.body.bytes) == body, "{shown}");
                assert!(answer.body.size < size as u64 / 2, "{} {shown}", answer.body.size);
                assert_eq!(answer.header("content-length"), None, "{shown}");
                assert_eq!(answer.header("etag"), Some("W/\"x\""), "{shown}");
                assert_eq!(answer.header("vary"), Some("Accept-Encoding"), "{shown}");
                assert!(answer.keeps, "{shown}");
                let trailers = usize::from(fields.contains("chunked"));
                assert_eq!(answer.body.trailers.len(), trailers, "{shown}");
            }
        }
    }
}

#[test]
fn curl_reads_each_coding_over_both_versions() {
    let site = site("{ effort = \"fast\" }");
    let body = text(200_000);
    site.answers("Content-Type: application/json\r\n", &body);
    for coding in ["zstd", "br", "gzip"] {
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            let output = Command::new("curl")
                .args(["--silent", version, "--max-time", "10", "--compressed"])
                .args(["--header", &format!("Accept-Encoding: {coding}")])
                .args(["--write-out", "%{size_download}", &format!("http://{}/", site.listen)])
                .output();
            let printed = skip_unless!(output.ok(), "curl is not installed").stdout;
            let told = printed.strip_prefix(body.as_slice()).unwrap_or_default();
            let wire: usize = String::from_utf8_lossy(told).parse().unwrap_or(usize::MAX);
            assert!(wire < body.len() / 2, "{coding} {version}: {wire} bytes on the wire");
        }
    }
}

#[test]
fn what_is_not_to_be_compressed_is_passed_on_as_it_is() {
    let site = site("{ least = \"2KiB\" }");
    let body = text(5_000);
    let vary = Some("Accept-Encoding");
    for (target, fields, accepted, varies) in [
        ("/", "", "gzip;q=0, identity", vary),
        ("/", "", "deflate", vary),
        ("/plain/", "", "gzip", None),
        ("/told/", "", "gzip", None),
        ("/", "Set-Cookie: a=b\r\n", "gzip", None),
        ("/", "Cache-Control: public, no-transform\r\n", "gzip", None),
        ("/", "Content-Encoding: br\r\n", "gzip", None),
        ("/", "Content-Range: bytes 0-4999/9000\r\n", "gzip", None),
    ] {
        site.answers(
            &format!("Content-Type: text/html\r\nContent-Length: 5000\r\nETag: \"x\"\r\n{fields}"),
            &body,
        );
        let answer = site.ask("GET", target, accepted);
        let shown = format!("{target} {fields} {accepted}: {answer:?}");
        assert!(answer.body.bytes == body, "{shown}");
        assert_eq!(answer.header("content-length"), Some("5000"), "{shown}");
        assert_eq!(answer.header("etag"), Some("\"x\""), "{shown}");
        assert_eq!(answer.header("vary"), varies, "{shown}");
    }
    site.answers("Content-Type: text/html\r\nContent-Length: 2047\r\n", &body[..2047]);
    assert_eq!(site.ask("GET", "/", "gzip").header("content-length"), Some("2047"));
    site.answers("Content-Type: image/png\r\n", &body);
    assert!(site.ask("GET", "/", "gzip").body.bytes == body);
    // A client of HTTP/1.0 would not know the end from a cut.
    site.answers("Content-Type: text/html\r\nContent-Length: 5000\r\n", &body);
    let old = "GET / HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n";
    assert!(client(site.listen).send(old).answer().body.bytes == body);
}

#[test]
fn a_head_and_a_304_say_what_the_get_says() {
    let site = site("true");
    let fields = "Content-Type: text/css\r\nContent-Length: 5000\r\nETag: \"x\"\r\n\
                  Accept-Ranges: bytes\r\n";
    let get = site.answers(fields, &text(5_000)).ask("GET", "/", "gzip");
    let head = site.answers(fields, b"").ask("HEAD", "/", "gzip");
    for answer in [&get, &head] {
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{answer:?}");
        assert_eq!(answer.header("etag"), Some("W/\"x\""), "{answer:?}");
        assert_eq!(answer.header("content-length"), None, "{answer:?}");
        assert_eq!(answer.header("accept-ranges"), None, "{answer:?}");
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"), "{answer:?}");
    }
    site.server.set(Mode::raw("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"));
    for (accepted, tag) in [("gzip", "W/\"x\""), ("identity", "\"x\"")] {
        let answer = site.ask("GET", "/", accepted);
        assert_eq!((answer.status, answer.header("etag")), (304, Some(tag)));
    }
    let part = "HTTP/1.1 206 Partial Content\r\nContent-Type: text/css\r\nETag: \"x\"\r\n\
                Content-Range: bytes 0-1/5000\r\nContent-Length: 2\r\n\r\nab";
    site.server.set(Mode::raw(part));
    let part = site.ask("GET", "/", "gzip");
    assert_eq!((part.status, &*part.text(), part.header("etag")), (206, "ab", Some("\"x\"")));
}

/// A server that sends a piece whenever it is told to, to whoever asks.
fn told_server() -> (SocketAddr, SyncSender<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("bound");
    let (tell, told) = sync_channel::<Vec<u8>>(1);
    thread::spawn(move || {
        let (mut stream, _) = loop {
            let (mut stream, from) = listener.accept().expect("descriptors left");
            // A check says nothing.
            if stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                break (stream, from);
            }
        };
        // The client that leaves is the end of the test.
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n");
        for piece in told {
            let _ = stream.write_all(&piece);
        }
    });
    (address, tell)
}

#[test]
fn what_a_server_has_said_is_not_held_back_while_it_pauses() {
    for coding in ["zstd", "br", "gzip"] {
        let (server, tell) = told_server();
        let listen = free_address();
        let _lb = balancer(&config(listen, server, "true"));
        let mut client = client(listen);
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n"));
        assert_eq!(client.try_head().unwrap().header("content-encoding"), Some(coding));
        let mut compressed = Vec::new();
        let mut seen = Vec::new();
        for word in ["one, ", "two, ", "three"] {
            tell.send(word.into()).unwrap();
            seen.extend_from_slice(word.as_bytes());
            // A decoder has it all, although the body goes on.
            while so_far(coding, &compressed) != seen {
                compressed.extend(chunk(&mut client));
            }
        }
        drop(tell);
        compressed.extend(
            std::iter::repeat_with(|| chunk(&mut client)).take_while(|it| !it.is_empty()).flatten(),
        );
        assert_eq!(decoded(coding, &compressed), b"one, two, three");
    }
}

/// The next chunk's data.
fn chunk(client: &mut Client) -> Vec<u8> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(client.receive(1));
    }
    let digits = String::from_utf8_lossy(&line[..line.len() - 2]);
    let size = usize::from_str_radix(&digits, 16).expect("a size");
    let mut data = client.receive(size + 2);
    data.truncate(size);
    data
}

/// What a decoder gives before it misses something.
fn so_far(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // The error is that there is no end yet.
    let _ = match coding {
        "zstd" => zstd::Decoder::new(bytes).and_then(|mut reader| reader.read_to_end(&mut out)),
        "br" => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out),
        _ => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out),
    };
    out
}

#[test]
fn an_answer_that_is_cut_looks_cut() {
    let site = site("true");
    for fields in ["Content-Length: 50000\r\n", "Transfer-Encoding: chunked\r\n"] {
        let fields = format!("Content-Type: text/plain\r\n{fields}");
        let sent = if fields.contains("chunked") { &b"ffff\r\nbegun"[..] } else { &b"begun"[..] };
        site.answers(&fields, sent);
        let mut client = client(site.listen);
        client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
        let broken = client.try_answer("GET").unwrap_err();
        assert!(matches!(broken, Broken::Cut | Broken::Reset), "{fields}: {broken:?}");
    }
}

#[test]
fn so_many_are_compressed_at_a_time_and_memory_is_bounded() {
    const MOST: usize = 64;
    // The one that takes most.
    let asking = "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n";
    let site = site("{ effort = \"small\" }");
    let mut lb = site.lb;
    // They never end: the server announces more than it sends, and then says nothing.
    let (pieces, head) = (text(100_000), "Content-Type: text/plain\r\nContent-Length: 900000\r\n");
    let answer = [format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes(), &pieces].concat();
    site.server.set(Mode::Raw(answer, Then::Keep));
    let before = lb.process().resident_kib();
    let mut clients: Vec<Client> = Vec::new();
    for number in 0..MOST + 6 {
        let mut client = client(site.listen);
        client.send(asking);
        let head = client.try_head().unwrap();
        let wanted = (number < MOST).then_some("br");
        assert_eq!(head.header("content-encoding"), wanted, "{number}");
        assert_eq!(head.header("vary"), Some("Accept-Encoding"), "{number}");
        clients.push(client);
    }
    // What comes out says that much has gone in.
    for client in &mut clients[..MOST] {
        client.receive(1);
    }
    let grown = lb.process().resident_kib() - before;
    assert!(grown < MOST as u64 * 3 * 1024, "{grown} KiB for {MOST}");
    site.server.hang_up();
    wait_until("there is room again", PATIENCE, || {
        let mut client = client(site.listen);
        client.send(asking);
        client.try_head().unwrap().header("content-encoding") == Some("br")
    });
}
