use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::compile::{Compiled, Surroundings, compile};

fn read(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let content: &[u8] = match path.to_str() {
        Some("/etc/ssl/certs/ca-certificates.crt" | "/etc/evenkeel/ca.pem") => {
            include_bytes!("../../../../evenkeel/tests/check/tls/ca.pem")
        }
        Some("/etc/evenkeel/good") => b"# who we are\n\nAuthorization: Bearer s3cret\nx-team:  a\n",
        Some("/etc/evenkeel/bad") => b"x-team: a\ns3cret\n",
        Some("/etc/evenkeel/odd") => b"host: s3cret\n",
        _ => return Err(io::ErrorKind::NotFound.into()),
    };
    Ok(content[..content.len().min(limit)].to_vec())
}

fn compiled(trace: &str, exports_traces: bool) -> Result<Compiled, String> {
    let surroundings = Surroundings {
        base: PathBuf::from("/etc/evenkeel"),
        overrides: Vec::new(),
        now: crate::clock::now,
        read,
        read_secret: read,
        cores: 2,
        host_name: "lb0".to_owned(),
        state_directory: None,
        exports_traces,
    };
    let text = format!(
        "[trace]\n{trace}\n[listener.web]\nbind = [\"0.0.0.0:80\"]\nprotocol = \"http\"\npool = \"app\"\n\
         forwarding = {{ trace = \"start\" }}\n[pool.app]\nservers = [\"10.0.0.1:80\"]\n"
    );
    compile("file", &text, &surroundings).map_err(|findings| findings.to_string())
}

fn receiver(trace: &str) -> ReceiverSettings {
    let compiled = compiled(trace, true).unwrap_or_else(|findings| panic!("{findings}"));
    assert!(compiled.config.traces.are_exported && compiled.warnings.is_empty());
    compiled.receiver.expect("there is one")
}

#[track_caller]
fn assert_bad(trace: &str, reason: &str) {
    let findings = compiled(trace, true).expect_err(trace);
    assert!(findings.contains(reason), "{trace}:\n{findings}");
    assert!(!findings.contains("s3cret"), "{findings}");
}

#[test]
fn where_spans_go() {
    for (endpoint, expected, is_secure) in [
        ("http://127.0.0.1:4318", ("127.0.0.1", 4318, "/v1/traces"), false),
        ("http://[::1]:4318/", ("::1", 4318, "/v1/traces"), false),
        ("http://collector/otlp", ("collector", 80, "/otlp"), false),
        ("https://c.example/v1/traces?k=v", ("c.example", 443, "/v1/traces?k=v"), true),
    ] {
        let it = receiver(&format!("endpoint = \"{endpoint}\""));
        assert_eq!((it.host(), it.port(), it.target()), expected, "{endpoint}");
        assert_eq!(it.trusted.is_some(), is_secure, "{endpoint}");
        assert_eq!((it.timeout, &*it.service_name), (TIMEOUT, SERVICE_NAME));
        assert!(it.headers.is_empty());
    }
    let it = receiver(
        "endpoint = \"https://c.example\"\nca = \"ca.pem\"\ntimeout = \"2s\"\nservice_name = \"edge\"\n\
         headers = { X-Scope-OrgID = \"shop\" }\nheaders_file = \"good\"",
    );
    assert_eq!((it.timeout, &*it.service_name), (Duration::from_secs(2), "edge"));
    let of = |name| it.headers.get(name).map(|value| value.to_str().expect("visible"));
    assert_eq!(of("x-scope-orgid"), Some("shop"));
    assert_eq!((of("authorization"), of("x-team")), (Some("Bearer s3cret"), Some("a")));
    assert!(!format!("{it:?}").contains("s3cret"));
}

#[test]
fn what_cannot_be_is_refused_and_no_secret_is_repeated() {
    for endpoint in
        ["", "collector:4318", "ftp://c", "http://", "https:///v1", "http://c/#a", "http://a b"]
    {
        assert_bad(&format!("endpoint = \"{endpoint}\""), "is not the URL of a receiver");
    }
    assert_bad("endpoint = \"http://me:s3cret@c\"", "a user in the URL");
    let good = "endpoint = \"http://c:4318\"";
    for (more, reason) in [
        ("ca = \"ca.pem\"", "in the clear"),
        ("headers = { authorization = \"Bearer x\" }", "`authorization` is a secret"),
        ("headers = { content-type = \"text/plain\" }", "follows from what is sent"),
        ("headers = { host = \"c\" }", "decided by the balancer itself"),
        ("headers_file = \"none\"", "cannot read /etc/evenkeel/none"),
        ("headers_file = \"bad\"", "/etc/evenkeel/bad, line 2: no `:`"),
        ("headers_file = \"odd\"", "/etc/evenkeel/odd, line 1: `host`"),
        ("timeout = \"10ms\"", "out of range"),
        ("timeout = \"61s\"", "out of range"),
        ("service_name = \"\"", "a service has a name"),
    ] {
        assert_bad(&format!("{good}\n{more}"), reason);
    }
    for alone in ["headers = {}", "headers_file = \"good\"", "ca = \"ca.pem\"", "timeout = \"1s\""]
    {
        assert_bad(alone, "says nothing without an `endpoint`");
    }
}

#[test]
fn the_port_of_the_other_protocol_is_worth_a_word() {
    let compiled = compiled("endpoint = \"http://c:4317\"", true).expect("it may be right");
    assert!(compiled.warnings.to_string().contains("4317 is the port of OTLP over gRPC"));
}

#[test]
fn a_build_that_cannot_export_says_so() {
    let findings = compiled("endpoint = \"http://c:4318\"", false).expect_err("it cannot");
    assert!(findings.contains("without the export of traces"), "{findings}");
    assert!(findings.contains("--features otel"), "{findings}");
    assert!(compiled("sample = \"1%\"", false).is_ok_and(|it| !it.config.traces.are_exported));
}
