//! What people get to see, and what those who are none do not.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};

use crate::harness::{Comm, DEADLINE, Place, Server, eventually, now_ms};

pub(crate) const PASSWORD: &str = "correct horse";

/// A service with a certificate and the user `ann`.
fn site(shards: usize) -> Place {
    let place = Place::new(shards, "");
    set_user(&place);
    place
}

/// Makes the certificate and the user `ann`.
pub(crate) fn set_user(place: &Place) {
    assert!(place.run(&["init"]).status.success());
    let mut set = place.command(&["user", "set", "ann"]);
    let mut set = set.stdin(Stdio::piped()).spawn().unwrap();
    set.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    assert!(set.wait().unwrap().success());
}

fn web(place: &Place) -> Server {
    Server::start(place, &["web"])
}

/// Somebody with a jar for cookies.
pub(crate) struct Browser {
    tls: Arc<rustls::ClientConfig>,
    cookies: BTreeMap<String, String>,
}

pub(crate) struct Answer {
    pub(crate) code: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The token of the first form.
    fn csrf(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

impl Browser {
    pub(crate) fn new(place: &Place) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(place.folder.join("site.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { tls: Arc::new(tls), cookies: BTreeMap::new() }
    }

    /// Sends a request with `lines` of its own; keeps the cookies of the answer.
    fn send(&mut self, to: &Server, method: &str, path: &str, lines: &str, body: &str) -> Answer {
        let name = ServerName::try_from("localhost").unwrap();
        let tls = rustls::ClientConnection::new(Arc::clone(&self.tls), name).unwrap();
        let stream = TcpStream::connect(to.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut stream = rustls::StreamOwned::new(tls, stream);
        let cookies: Vec<_> =
            self.cookies.iter().map(|(n, value)| format!("{n}={value}")).collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-length: {}\r\ncookie: {}\r\n{lines}\r\n",
            body.len(),
            cookies.join("; ")
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        // The end of the connection may come without TLS's own.
        let _ = stream.read_to_string(&mut answer);
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        for line in head.lines().filter_map(|line| line.strip_prefix("set-cookie: ")) {
            assert!(line.contains("Secure") && line.contains("HttpOnly"), "{line}");
            assert!(line.contains("SameSite=") && line.contains("Path=/"), "{line}");
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { code, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn get(&mut self, to: &Server, path: &str) -> Answer {
        self.send(to, "GET", path, "", "")
    }

    /// Sends a form as a page of the site does.
    fn form(&mut self, to: &Server, path: &str, fields: &[(&str, &str)]) -> Answer {
        let encoded = |text: &str| -> String {
            let bytes: Vec<String> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            bytes.concat()
        };
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let lines = "content-type: application/x-www-form-urlencoded\r\n\
                     origin: https://localhost\r\nsec-fetch-site: same-origin\r\n";
        self.send(to, "POST", path, lines, &fields.join("&"))
    }

    pub(crate) fn json(
        &mut self,
        to: &Server,
        method: &str,
        path: &str,
        csrf: &str,
        body: &Value,
    ) -> Answer {
        let lines = format!("content-type: application/json\r\nx-csrf-token: {csrf}\r\n");
        self.send(to, method, path, &lines, &body.to_string())
    }

    fn try_log_in(&mut self, to: &Server, name: &str, password: &str) -> Answer {
        let csrf = self.get(to, "/login").csrf();
        self.form(to, "/login", &[("name", name), ("password", password), ("csrf", &csrf)])
    }

    pub(crate) fn log_in(&mut self, to: &Server) {
        let answer = self.try_log_in(to, "ann", PASSWORD);
        assert_eq!((answer.code, answer.header("location")), (303, Some("./")), "{}", answer.body);
    }
}

/// Sends readings of one device.
pub(crate) fn put(comm: &Server, (name, key): &(String, String), first: u64, values: &[f64]) {
    let mut client = comm.connect();
    assert!(client.ask(&format!("hello 1 {name} {key}")).starts_with("welcome"));
    for (sequence, value) in (first..).zip(values) {
        let line = format!("put {sequence} {} {{\"temperature\":{value}}}", now_ms());
        assert_eq!(client.ask(&line), format!("ack {sequence}"));
    }
}

#[test]
fn a_session_is_every_servers() {
    let place = site(3);
    place.register(3);
    let (mut one, other) = (web(&place), web(&place));
    let mut browser = Browser::new(&place);
    browser.log_in(&one);
    assert_eq!(browser.get(&one, "/").code, 200);
    one.kill();
    let page = browser.get(&other, "/");
    assert_eq!(page.code, 200);
    assert!(page.body.contains("device-0002") && page.body.contains("Log out"));
    let csrf = page.csrf();
    let answer = browser.form(&other, "/logout", &[("csrf", &csrf)]);
    assert_eq!((answer.code, answer.header("location")), (303, Some("login")));
    assert_eq!(browser.get(&other, "/").code, 303);
}

#[test]
fn who_is_not_logged_in_sees_nothing() {
    let place = site(1);
    place.register(1);
    let web = web(&place);
    let mut browser = Browser::new(&place);
    for (path, login) in [
        ("/", "./login"),
        ("/alarms", "./login"),
        ("/devices/device-0001", "../login"),
        ("/devices/device-0001/readings.csv", "../../login"),
    ] {
        let answer = browser.get(&web, path);
        assert_eq!((answer.code, answer.header("location")), (303, Some(login)), "{path}");
        assert!(!answer.body.contains("device"));
    }
    for path in ["/api/devices", "/api/alarms", "/api/session", "/api/devices/device-0001/readings"]
    {
        let answer = browser.get(&web, path);
        assert_eq!(answer.code, 401, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    browser.cookies.insert("__Host-monitor".to_owned(), "' OR '1'='1".to_owned());
    assert_eq!(browser.get(&web, "/").code, 303);
    assert_eq!(browser.get(&web, "/health").code, 200);
    assert_eq!(browser.get(&web, "/health?deep").json()["status"], "up");
    assert_eq!(browser.get(&web, "/nowhere").code, 404);
}

#[test]
fn wrong_passwords_are_few() {
    let place = site(1);
    let web = web(&place);
    let mut browser = Browser::new(&place);
    for name in ["' OR '1'='1", "ann' --", "nobody", "\"><script>alert(1)</script>"] {
        let answer = browser.try_log_in(&web, name, PASSWORD);
        assert_eq!(answer.code, 401, "{name}");
        assert!(!answer.body.contains("<script>alert"), "{}", answer.body);
    }
    for _ in 0..5 {
        assert_eq!(browser.try_log_in(&web, "ann", "wrong").code, 401);
    }
    assert_eq!(browser.try_log_in(&web, "ann", PASSWORD).code, 429);
    assert!(!browser.cookies.contains_key("__Host-monitor"));
}

#[test]
fn only_pages_of_the_session_change_anything() {
    let place = site(1);
    place.register(1);
    let web = web(&place);
    let mut browser = Browser::new(&place);
    let answer =
        browser.form(&web, "/login", &[("name", "ann"), ("password", PASSWORD), ("csrf", "")]);
    assert_eq!(answer.code, 403, "a form of no page");
    browser.log_in(&web);
    let rule = [("kind", "above"), ("field", "t"), ("bound", "1")];
    let path = "/devices/device-0001/rules";
    for csrf in ["", "0", &"0".repeat(32)] {
        let fields = [&rule[..], &[("csrf", csrf)]].concat();
        assert_eq!(browser.form(&web, path, &fields).code, 403, "{csrf}");
        let body = json!({"kind": "above", "field": "t", "bound": 1});
        let api = "/api/devices/device-0001/rules";
        assert_eq!(browser.json(&web, "POST", api, csrf, &body).code, 403, "{csrf}");
    }
    let csrf = browser.get(&web, "/api/session").json()["csrf"].as_str().unwrap().to_owned();
    let body = format!("kind=above&field=t&bound=1&csrf={csrf}");
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    for line in ["sec-fetch-site: cross-site\r\n", "origin: https://evil.example\r\n"] {
        let answer = browser.send(&web, "POST", path, &format!("{form}{line}"), &body);
        assert_eq!(answer.code, 403, "{line}");
    }
    let rules = browser.get(&web, "/api/devices/device-0001").json()["rules"].clone();
    assert_eq!(rules, json!([]));
    assert_eq!(browser.send(&web, "POST", path, form, &body).code, 303);
}

#[test]
fn pages_hold_no_markup_and_no_link_of_others() {
    let place = site(2);
    let devices = place.register(2);
    let comm = Comm::start(&place);
    put(&comm, &devices[0], 1, &[20.0, 21.0]);
    let web = web(&place);
    let mut browser = Browser::new(&place);
    let mut pages = vec![("/login".to_owned(), browser.get(&web, "/login"))];
    browser.log_in(&web);
    let csrf = browser.get(&web, "/api/session").json()["csrf"].as_str().unwrap().to_owned();
    let evil = "<img src=x onerror=alert(1)>";
    let field = [("kind", "above"), ("field", evil), ("bound", "1"), ("csrf", &csrf)];
    let refused = browser.form(&web, "/devices/device-0001/rules", &field);
    assert_eq!(refused.code, 422);
    pages.push(("refused".to_owned(), refused));
    for path in [
        "/",
        "/?find=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
        "/?find=%27%20OR%201%3D1%20--&page=99999999999",
        "/alarms",
        "/devices/device-0001",
        "/devices/device-0002",
        "/devices/%27%20OR%20%271%27%3D%271",
        "/devices/%3Cimg%20src%3Dx%3E",
        "/nowhere",
    ] {
        pages.push((path.to_owned(), browser.get(&web, path)));
    }
    for (path, page) in pages {
        assert!(!page.body.contains("<img"), "{path}: {}", page.body);
        for inside in ["<script>", "<style", " style=", " onclick=", "javascript:"] {
            assert!(!page.body.contains(inside), "{path}: {inside}");
        }
        for absolute in ["href=\"/", "src=\"/", "action=\"/", "href=\"http", "src=\"http"] {
            assert!(!page.body.contains(absolute), "{path}: {absolute}");
        }
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
    }
    assert!(browser.get(&web, "/?find=%27%20OR%201%3D1").body.contains("No device"));
}

#[test]
fn readings_are_shown_and_given_away() {
    let place = site(3);
    let devices = place.register(3);
    let comm = Comm::start(&place);
    put(&comm, &devices[1], 1, &[20.5, 21.0, 21.5]);
    let web = web(&place);
    let mut browser = Browser::new(&place);
    browser.log_in(&web);
    assert!(browser.get(&web, "/").body.contains("21.5"));
    let listed = browser.get(&web, "/api/devices?find=0002").json();
    assert_eq!(listed["total"], 1);
    assert_eq!(listed["devices"][0]["newest"]["fields"]["temperature"], 21.5);
    let path = "/api/devices/device-0002/readings?after=1";
    let readings = browser.get(&web, path).json();
    assert_eq!(readings["readings"].as_array().unwrap().len(), 2);
    let csv = browser.get(&web, "/devices/device-0002/readings.csv");
    assert_eq!(
        csv.header("content-disposition").unwrap(),
        "attachment; filename=\"device-0002.csv\""
    );
    let lines: Vec<&str> = csv.body.lines().collect();
    assert_eq!(lines[0], "sequence,time_ms,received_ms,temperature");
    assert_eq!(lines.len(), 4);
    assert!(lines[3].starts_with("3,") && lines[3].ends_with(",21.5"));
}

#[test]
fn alarms_are_raised_acknowledged_and_over() {
    let place = site(2);
    let devices = place.register(2);
    let comm = Comm::start(&place);
    put(&comm, &devices[0], 1, &[99.0]);
    let webs = [web(&place), web(&place)];
    let mut browser = Browser::new(&place);
    let login = json!({"name": "ann", "password": PASSWORD});
    let session = browser.json(&webs[0], "POST", "/api/login", "", &login).json();
    let csrf = session["csrf"].as_str().unwrap().to_owned();
    for (device, rule) in [
        ("device-0001", json!({"kind": "above", "field": "temperature", "bound": 30})),
        ("device-0002", json!({"kind": "silence", "bound": 1})),
    ] {
        let path = format!("/api/devices/{device}/rules");
        assert_eq!(browser.json(&webs[0], "POST", &path, &csrf, &rule).code, 201);
    }
    put(&comm, &devices[0], 2, &[29.0, 31.0, 40.0]);
    let mut alarms = || browser.get(&webs[1], "/api/alarms").json()["alarms"].clone();
    eventually("two alarms", || alarms().as_array().unwrap().len() == 2);
    let all = alarms();
    let find = |device: &str| {
        all.as_array().unwrap().iter().find(|alarm| alarm["device"] == device).unwrap().clone()
    };
    let hot = find("device-0001");
    assert_eq!((&hot["watch"], &hot["value"]), (&"temperature above 30".into(), &31.0.into()));
    assert_eq!(find("device-0002")["watch"], "silent for 1 s");

    let path = format!("/api/alarms/{}/{}/acknowledge", hot["shard"], hot["number"]);
    assert_eq!(browser.json(&webs[0], "POST", &path, &csrf, &json!({})).code, 204);
    assert_eq!(
        browser.json(&webs[0], "POST", "/api/alarms/0/999/acknowledge", &csrf, &json!({})).code,
        404
    );
    put(&comm, &devices[0], 5, &[20.0, 50.0]);
    let of_hot = |all: &Value| -> Vec<Value> {
        let all = all.as_array().unwrap().iter();
        all.filter(|alarm| alarm["device"] == "device-0001").cloned().collect()
    };
    let mut alarms = || browser.get(&webs[1], "/api/alarms").json()["alarms"].clone();
    eventually("the first is over, a second is raised", || of_hot(&alarms()).len() == 2);
    let hot = of_hot(&alarms());
    assert!(hot[0]["closed_ms"].is_null() && hot[1]["closed_ms"].is_u64(), "{hot:?}");
    assert_eq!(hot[1]["acknowledged_by"], "ann");
    assert!(browser.get(&webs[0], "/alarms").body.contains("acknowledged by ann"));
}

#[test]
fn a_page_says_which_part_is_missing() {
    let place = site(3);
    let devices = place.register(3);
    let comm = Comm::start(&place);
    for device in &devices {
        put(&comm, device, 1, &[21.5]);
    }
    let web = web(&place);
    let mut browser = Browser::new(&place);
    browser.log_in(&web);
    for (shard, device) in ["device-0001", "device-0002", "device-0003"].iter().enumerate() {
        let off = place.folder.join(format!("shard{shard}.db.offline"));
        fs::write(&off, "").unwrap();
        let page = browser.get(&web, "/");
        assert_eq!(page.code, 200, "still logged in without shard {shard}");
        assert!(page.body.contains(&format!("<strong>shard{shard}</strong> does not answer")));
        assert_eq!(page.body.matches("21.5").count(), 2, "the others are shown");
        let page = browser.get(&web, &format!("/devices/{device}"));
        assert!(page.body.contains("does not answer"));
        let mut other = Browser::new(&place);
        other.log_in(&web);
        fs::remove_file(&off).unwrap();
        let whole = || !browser.get(&web, "/").body.contains("does not answer");
        eventually("it is whole again", whole);
    }
}
