//! A standby that knows what the owner knew: clients that come to it after a kill keep their server
//! and their TLS session.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_sim::authority::{Authority, Secured};
use evenkeel_sim::balancer::binary;
use evenkeel_sim::clock;
use evenkeel_sim::link::{Link, NO_LINK, Node};
use evenkeel_sim::origin::Origin;
use evenkeel_sim::process::{self, Signal};
use evenkeel_sim::scratch::Scratch;
use rustls::ClientConfig;
use rustls::version::TLS13;

use super::{PATIENCE, Profile, VIP, allowed, is, vip};
use crate::trial::Tried;

const NAME: &str = "site.example";
/// On the machine of the clients, which is the third.
const SERVERS: [&str; 2] = ["192.0.2.3:8001", "192.0.2.3:8002"];
/// Each comes twice before the kill, and once after it.
const VISITORS: usize = 8;

/// A client with a cookie and a session, once it has been there.
struct Visitor {
    tls: Arc<ClientConfig>,
    cookie: String,
}

struct Visit {
    is_resumed: bool,
    /// Who has answered.
    server: String,
    cookie: Option<String>,
}

pub(super) fn lose(profile: &Profile, short: bool) -> Tried {
    let link = Link::with(&["a", "b", "client", "asker"]).ok_or(NO_LINK)?;
    let authority = Authority::new();
    let certificate = authority.issue("site", &[NAME]).toml();
    let _servers = SERVERS.map(|address| {
        let at = address.parse().expect("an address");
        link.enter("client", || Origin::start(address, at))
    });
    let (mut a, b) = nodes(&link, profile, &certificate)?;
    let new = || authority.clients(&[&TLS13], None);
    // A ticket that a has sealed is opened by b once both know each other's keys.
    let knows = || {
        let tls = new();
        let came = visit(&link, &tls, VIP, "").is_ok();
        came && visit(&link, &tls, "192.0.2.2", "").is_ok_and(|visit| visit.is_resumed)
    };
    if !clock::comes_true(PATIENCE, knows) {
        return Err("b does not open what a has sealed".to_owned());
    }
    let mut visitors = Vec::new();
    for _ in 0..VISITORS {
        let tls = new();
        let cookie = visit(&link, &tls, VIP, "")?.cookie.ok_or("no cookie came")?;
        let visitor = Visitor { tls, cookie };
        let home = visit(&link, &visitor.tls, VIP, &visitor.cookie)?.server;
        visitors.push((visitor, home));
    }
    let (client, asker) = (link.watch("client", VIP), link.ask("asker", VIP));
    a.process().signal(Signal::KILL);
    is(&b, "active")?;
    client.await_server("b");
    let (mut resumed, mut at_home) = (0, 0);
    for (visitor, home) in &visitors {
        let again = visit(&link, &visitor.tls, VIP, &visitor.cookie)?;
        resumed += usize::from(again.is_resumed);
        at_home += usize::from(again.server == *home);
    }
    clock::pause_until(clock::now() + Duration::from_secs(1));
    let (seen, overlap) = (client.end(), asker.end());
    let mut broken = Vec::new();
    if seen.gap > allowed(profile.gap, short) {
        broken.push(format!("no answer for {:?}", seen.gap));
    }
    if overlap > allowed(profile.overlap, short) {
        broken.push(format!("two answered ARP for {overlap:?}"));
    }
    if (resumed, at_home) != (VISITORS, VISITORS) {
        broken.push("sessions were lost".to_owned());
    }
    let held = format!(
        "of {VISITORS} clients {at_home} kept their server, {resumed} resumed their TLS session"
    );
    Ok((format!("{seen}; {held}; two answered ARP for {overlap:?}"), broken))
}

/// Two that hear each other over the link of a pair; a owns the address.
fn nodes<'l>(
    link: &'l Link,
    profile: &Profile,
    certificate: &str,
) -> Result<(Node<'l>, Node<'l>), String> {
    let scratch = Scratch::new("pair");
    let path = scratch.file("pair.secret");
    process::run(Command::new(binary()).args(["pair", "init", "--out"]).arg(&path));
    let secret = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let node = |name: &str, number: u8, priority: u8| {
        let other = 3 - number;
        let pair = format!(
            "[pair]\nbind = \"192.0.2.{number}:7071\"\npeer = \"192.0.2.{other}:7071\"\n\
             secret_file = \"pair.secret\"\n"
        );
        let site = format!(
            "[listener.site]\nbind = [\"0.0.0.0:8443\"]\nprotocol = \"https\"\npool = \"app\"\n\
             certificates = [{certificate}]\n[pool.app]\nsticky = {{ cookie = \"srv\" }}\n\
             servers = {SERVERS:?}\n"
        );
        let config = pair + &site + &vip(priority, profile.advertise);
        link.node_with(name, &config, &[("pair.secret", &secret)])
    };
    let a = node("a", 1, 150);
    is(&a, "active")?;
    let b = node("b", 2, 100);
    is(&b, "backup")?;
    let hears = || b.vip("main")["peer"]["owns"] == true && b.vip("main")["owner"] == "192.0.2.1";
    if clock::comes_true(PATIENCE, hears) { Ok((a, b)) } else { Err("b hears nothing".into()) }
}

fn visit(link: &Link, tls: &Arc<ClientConfig>, to: &str, cookie: &str) -> Result<Visit, String> {
    let to = format!("{to}:8443").parse().expect("an address");
    let visit = link.enter("client", || {
        let secured = Secured::connect(to, NAME, tls)?;
        let is_resumed = secured.is_resumed();
        let line = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
        Ok((is_resumed, secured.ask(NAME, &line)?))
    });
    let (is_resumed, answer) = visit.map_err(|error: std::io::Error| error.to_string())?;
    let header = |name: &str| {
        let mut lines = answer.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let server = header("x-server").ok_or("nobody answered")?.to_owned();
    let cookie = header("set-cookie").and_then(|it| it.split(';').next()).map(str::to_owned);
    Ok(Visit { is_resumed, server, cookie })
}
