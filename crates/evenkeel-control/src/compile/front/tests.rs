use std::io;

use evenkeel_core::config::{Config, Protocol};
use evenkeel_core::template::{Fact, Facts};

use crate::compile::{Surroundings, compile};

use super::*;

/// Files of the configurations that the program's own tests check.
fn read(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let name = path.file_name().ok_or(io::ErrorKind::NotFound)?;
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../evenkeel/tests/check/tls");
    let mut content = std::fs::read(files.join(name))?;
    content.truncate(limit);
    Ok(content)
}

fn in_year(years_since_1970: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(years_since_1970 * 365 * 24)
}

/// What a listener with these lines means, or what is warned of.
fn compiled(lines: &str, now: fn() -> SystemTime) -> (Config, String) {
    let text = format!(
        "[listener.front]\nbind = [\"0.0.0.0:8443\"]\nprotocol = \"https\"\npool = \"app\"\n\
         certificates = [{{ chain = \"site.pem\", key = \"site.key\" }}]\n{lines}\n\
         [pool.app]\nservers = [\"app.internal:80\"]\n"
    );
    let surroundings = Surroundings {
        base: "/etc/evenkeel".into(),
        overrides: Vec::new(),
        read,
        read_secret: read,
        now,
        cores: 1,
        host_name: "lb0".to_owned(),
        state_directory: None,
        exports_traces: true,
    };
    let compiled = compile("file", &text, &surroundings).unwrap_or_else(|found| panic!("{found}"));
    (compiled.config, compiled.warnings.to_string())
}

fn now() -> SystemTime {
    in_year(60)
}

#[test]
fn what_is_left_out() {
    let (config, warnings) = compiled("", now);
    assert_eq!(warnings, "");
    let Protocol::Https(https) = &config.listeners[0].protocol else { panic!("not https") };
    assert_eq!(
        https.front,
        Front {
            certificates: vec![CertificateSource::File(CertificateFiles {
                chain: "/etc/evenkeel/site.pem".into(),
                key: "/etc/evenkeel/site.key".into(),
                ocsp: None,
            })],
            default_certificate: None,
            strict_sni: false,
            versions: vec![TlsVersion::V12, TlsVersion::V13],
            ciphers: Vec::new(),
            alpn: vec!["h2".into(), "http/1.1".into()],
            client_auth: None,
            max_handshakes: 4_096,
        }
    );
    assert_eq!((&https.http.hsts, &https.http.client_subject), (&None, &None));
    assert_eq!(config.listeners.len(), 1);
}

#[test]
fn certificates_out_of_their_time_are_warned_of() {
    for (when, words) in [
        ((|| in_year(0)) as fn() -> SystemTime, "valid only in"),
        (|| in_year(300), "this certificate expired"),
    ] {
        let (_, warnings) = compiled("", when);
        assert!(warnings.contains(words), "{warnings}");
    }
}

#[test]
fn who_comes_in_the_clear_is_sent_on() {
    let (config, _) = compiled("redirect_http = \"0.0.0.0:8080\"\nhsts = true", now);
    let [secure, clear] = &config.listeners[..] else { panic!("two listeners") };
    assert_eq!((&*clear.name, clear.protocol.as_str()), ("front:redirect", "http"));
    let http = clear.protocol.http().unwrap();
    let Some(Action::Redirect(redirect)) = &http.default else { panic!("no redirect") };
    let location = redirect.to.location(Facts(&|fact| match fact {
        Fact::Host => Some("shop.example".into()),
        Fact::Path => Some("/a?b".into()),
        _ => None,
    }));
    assert_eq!(
        (redirect.status, location.as_deref()),
        (308, Some("https://shop.example:8443/a?b"))
    );
    let hsts = |listener: &Listener| listener.protocol.http().unwrap().hsts.clone();
    assert_eq!(hsts(secure).as_deref(), Some("max-age=31536000"));
    // RFC 6797 §7.2
    assert_eq!(hsts(clear), None);
}

#[test]
fn the_header_that_names_clients_is_this_nodes_on_every_listener() {
    let lines = "redirect_http = \"0.0.0.0:8080\"\n\
                 client_auth = { mode = \"require\", ca = \"ca.pem\", header = \"X-Client\" }";
    let (config, _) = compiled(lines, now);
    for listener in &config.listeners {
        assert_eq!(listener.protocol.http().unwrap().reserved, [Arc::from("x-client")]);
    }
    let http = config.listeners[0].protocol.http().unwrap();
    assert_eq!(http.client_subject.as_deref(), Some("x-client"));
    let auth = config.listeners[0].protocol.front().unwrap().client_auth.clone().unwrap();
    assert!(auth.required && auth.trusted.starts_with(b"-----BEGIN CERTIFICATE-----"));
}
