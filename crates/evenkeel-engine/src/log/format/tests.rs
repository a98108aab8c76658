use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::UNIX_EPOCH;

use super::*;
use crate::log::Said;

fn said() -> Said {
    let mut said = Said::default();
    said.set_method(b"GET");
    said.set_target(b"/x?y=1");
    said.set_host(b"shop.example");
    said.set_referer(b"https://shop.example/");
    said.set_user_agent(b"curl/7.88.1");
    said.set_request_id(b"0123456789abcdef0123456789abcdef");
    said.set_trace_id(b"0af7651916cd43dd8448eb211c80319c");
    said
}

fn an_exchange(said: &Said) -> Line<'_> {
    Line {
        client: Ipv4Addr::new(192, 0, 2, 10).into(),
        client_port: 40_001,
        started: UNIX_EPOCH + Duration::from_millis(971_211_336_042),
        listener: "front",
        route: "/",
        pool: "web",
        server: "a",
        said,
        version: "HTTP/1.1",
        status: Some(200),
        bytes: 2_326,
        request: Duration::ZERO,
        wait: Some(Duration::ZERO),
        connect: Some(Duration::from_micros(1_900)),
        response: Some(Duration::from_millis(12)),
        active: Duration::from_secs(3),
        code: "--",
        retries: 1,
    }
}

/// A client that connected and was cut off.
fn a_stream(said: &Said) -> Line<'_> {
    Line {
        client: Ipv6Addr::LOCALHOST.into(),
        route: "",
        server: "",
        version: "",
        status: None,
        bytes: 0,
        wait: None,
        connect: None,
        response: None,
        code: "SC",
        retries: 0,
        ..an_exchange(said)
    }
}

fn written(format: &LogFormat, line: &Line<'_>) -> String {
    let mut stamp = Stamp::default();
    stamp.set(line.started);
    let mut out = Vec::new();
    super::line(&mut out, format, line, &stamp);
    String::from_utf8(out).expect("logs are UTF-8")
}

#[test]
fn combined_is_what_apache_and_nginx_write() {
    let expected = "192.0.2.10 - - [10/Oct/2000:20:55:36 +0000] \"GET /x?y=1 HTTP/1.1\" 200 2326 \
                    \"https://shop.example/\" \"curl/7.88.1\"\n";
    assert_eq!(written(&LogFormat::Combined, &an_exchange(&said())), expected);
    let expected = "::1 - - [10/Oct/2000:20:55:36 +0000] \"-\" 000 0 \"-\" \"-\"\n";
    assert_eq!(written(&LogFormat::Combined, &a_stream(&Said::default())), expected);
}

#[test]
fn json_tells_every_field() {
    let expected = concat!(
        r#"{"time":"2000-10-10T20:55:36.042Z","client":"192.0.2.10","client_port":40001,"#,
        r#""listener":"front","route":"/","pool":"web","server":"a","method":"GET","#,
        r#""host":"shop.example","path":"/x?y=1","version":"HTTP/1.1","status":200,"bytes":2326,"#,
        r#""referer":"https://shop.example/","user_agent":"curl/7.88.1","#,
        r#""request_id":"0123456789abcdef0123456789abcdef","#,
        r#""trace_id":"0af7651916cd43dd8448eb211c80319c","TR":0,"Tw":0,"Tc":1,"Tr":12,"Ta":3000,"#,
        r#""termination":"--","retries":1}"#,
        "\n"
    );
    assert_eq!(written(&LogFormat::Json, &an_exchange(&said())), expected);
    let expected = concat!(
        r#"{"time":"2000-10-10T20:55:36.042Z","client":"::1","client_port":40001,"#,
        r#""listener":"front","route":null,"pool":"web","server":null,"method":null,"#,
        r#""host":null,"path":null,"version":null,"status":null,"bytes":0,"#,
        r#""referer":null,"user_agent":null,"request_id":null,"trace_id":null,"#,
        r#""TR":0,"Tw":-1,"Tc":-1,"Tr":-1,"Ta":3000,"termination":"SC","retries":0}"#,
        "\n"
    );
    assert_eq!(written(&LogFormat::Json, &a_stream(&Said::default())), expected);
}

#[test]
fn a_template_is_filled_in() {
    let field = |field| LogPart::Field(field);
    let text = |text: &str| LogPart::Text(text.into());
    let format = LogFormat::Template(vec![
        field(LogField::Client),
        text(" ["),
        field(LogField::Time),
        text("] "),
        field(LogField::Pool),
        text("/"),
        field(LogField::Server),
        text(" "),
        field(LogField::TimeConnect),
        text("/"),
        field(LogField::TimeActive),
        text(" "),
        field(LogField::Status),
        text(" "),
        field(LogField::Termination),
    ]);
    let expected = "192.0.2.10 [2000-10-10T20:55:36.042Z] web/a 1/3000 200 --\n";
    assert_eq!(written(&format, &an_exchange(&said())), expected);
    let expected = "::1 [2000-10-10T20:55:36.042Z] web/- -1/3000 - SC\n";
    assert_eq!(written(&format, &a_stream(&Said::default())), expected);
}

#[test]
fn nothing_a_client_says_escapes_its_field() {
    let check = |bytes: &[u8], in_text: &str, in_json: &str| {
        let mut said = Said::default();
        said.set_method(b"GET");
        said.set_user_agent(bytes);
        let combined = written(&LogFormat::Combined, &an_exchange(&said));
        assert!(combined.ends_with(&format!(" \"-\" \"{in_text}\"\n")), "{combined}");
        let template = LogFormat::Template(vec![LogPart::Field(LogField::UserAgent)]);
        assert_eq!(written(&template, &an_exchange(&said)), format!("{in_text}\n"));
        let json = written(&LogFormat::Json, &an_exchange(&said));
        assert!(json.contains(&format!("\"user_agent\":\"{in_json}\",")), "{json}");
    };
    check(b"a\r\n127.0.0.1 - -", r"a\x0D\x0A127.0.0.1 - -", r"a\u000D\u000A127.0.0.1 - -");
    check(b"\x1b[2J\x07", r"\x1B[2J\x07", r"\u001B[2J\u0007");
    check(br#"a" "b\"#, r"a\x22 \x22b\x5C", r#"a\" \"b\\"#);
    check("é".as_bytes(), r"\xC3\xA9", "é");
    check(b"\xe9t\xff", r"\xE9t\xFF", r"\u00E9t\u00FF");
    check("\u{9b}2J\u{2028}".as_bytes(), r"\xC2\x9B2J\xE2\x80\xA8", r"\u009B2J\u2028");
    check(b"\0\x7f", r"\x00\x7F", r"\u0000\u007F");
}

#[test]
fn an_ipv4_client_of_an_ipv6_socket_is_written_as_ipv4() {
    let said = Said::default();
    let client = Ipv4Addr::new(10, 0, 0, 255).to_ipv6_mapped().into();
    let line = Line { client, ..an_exchange(&said) };
    assert!(written(&LogFormat::Combined, &line).starts_with("10.0.0.255 - - ["));
}

#[test]
fn numbers_are_written_in_full() {
    for number in [0, 7, 10, 65_535, u64::MAX] {
        let mut out = Vec::new();
        decimal(&mut out, number);
        assert_eq!(String::from_utf8_lossy(&out), number.to_string());
    }
}
