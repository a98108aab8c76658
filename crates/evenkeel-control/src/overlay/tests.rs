use std::path::Path;
use std::time::SystemTime;

use evenkeel_api as api;

use super::*;
use crate::names::Answer;

fn now() -> api::Timestamp {
    api::Timestamp(SystemTime::UNIX_EPOCH)
}

fn said() -> api::Said {
    api::Said { author: "ann".into(), reason: "test".into(), since: now(), expires: None }
}

fn listed(written: &str) -> Listed {
    compile::listed(written).unwrap()
}

/// `written` with every address a server of its own.
fn expanded(written: &str) -> Listed {
    match listed(written) {
        Listed::Named(named) => Listed::Named(Named { expand: true, ..named }),
        other => other,
    }
}

fn endpoint(priority: u16, ip: [u8; 4], port: u16, weight: u16) -> Endpoint {
    Endpoint { priority, ip: ip.into(), port, weight }
}

fn answer(resolved: &mut Resolved, host: &str, records: Records, endpoints: Vec<Endpoint>) {
    let ttl = std::time::Duration::from_secs(1);
    let question = Question { host: host.to_owned(), records };
    resolved.note(&question, &Ok(Answer { endpoints, ttl, unanswered: None }), now());
}

#[derive(Default)]
struct Bench {
    overrides: Overrides,
    resolved: Resolved,
    files: Files,
}

impl Bench {
    /// `NAME=ADDRESS*WEIGHT`, with a `b` at the end for backups, and `@ZONE`.
    fn servers(&self, listed: &[Listed]) -> Vec<String> {
        let Self { overrides, resolved, files } = self;
        let config = Config { pools: vec![Pool::new("app".into())], ..Config::default() };
        let members = [listed.to_vec()];
        let config = overlay(&config, &members, Layers { overrides, resolved, files });
        let shown = |server: &Server| {
            let Server { name, address, weight, backup, zone, .. } = server;
            let zone = zone.as_ref().map_or_else(String::new, |zone| format!("@{zone}"));
            format!("{name}={address}*{weight}{}{zone}", if *backup { "b" } else { "" })
        };
        config.pools[0].servers.iter().map(shown).collect()
    }

    fn say(&mut self, server: &str, change: impl FnOnce(&mut api::ServerOverride)) {
        assert!(self.overrides.change("app", server, change));
    }
}

#[test]
fn without_layers_it_is_what_the_file_says() {
    let bench = Bench::default();
    let servers = bench.servers(&[listed("10.0.0.1:80"), listed("app.internal:80")]);
    assert_eq!(servers, ["10.0.0.1:80=10.0.0.1:80*1"]);
}

#[test]
fn operators_add_remove_and_weigh() {
    let mut bench = Bench::default();
    let added = |address: &str| {
        let (address, said) = (address.to_owned(), said());
        Some(api::AddedServer {
            address,
            weight: 4,
            backup: true,
            zone: Some("b".to_owned()),
            said,
        })
    };
    bench.say("c", |over| over.added = added("10.0.0.3:80"));
    bench.say("broken", |over| over.added = added("nonsense"));
    bench.say("10.0.0.1:80", |over| over.removed = Some(said()));
    bench.say("10.0.0.2:80", |over| {
        over.weight = Some(api::WeightOverride { weight: 0, configured: Some(1), said: said() });
    });
    let servers = bench.servers(&[listed("10.0.0.1:80"), listed("10.0.0.2:80")]);
    assert_eq!(servers, ["10.0.0.2:80=10.0.0.2:80*0", "c=10.0.0.3:80*4b@b"]);
}

#[test]
fn a_name_is_one_server_or_several() {
    let mut bench = Bench::default();
    let two = vec![endpoint(0, [10, 0, 0, 8], 0, 0), endpoint(0, [10, 0, 0, 9], 0, 0)];
    answer(&mut bench.resolved, "app.internal", Records::Address, two);
    assert_eq!(bench.servers(&[listed("app.internal:80")]), ["app.internal:80=10.0.0.8:80*1"]);
    bench.say("app.internal:80", |over| {
        over.weight = Some(api::WeightOverride { weight: 7, configured: Some(1), said: said() });
    });
    bench.say("app.internal:80/10.0.0.8:80", |over| over.removed = Some(said()));
    // What is said of the name holds for each, as does its zone; the same address again is not taken.
    let name = expanded("app.internal:80").map(|it| Server { zone: Some("a".into()), ..it });
    let servers = bench.servers(&[name, listed("10.0.0.9:80")]);
    assert_eq!(servers, ["app.internal:80/10.0.0.9:80=10.0.0.9:80*7@a"]);
}

#[test]
fn service_records_bring_ports_weights_and_backups() {
    let mut bench = Bench::default();
    let records = vec![
        endpoint(10, [10, 0, 0, 1], 8001, 65_535),
        endpoint(10, [10, 0, 0, 2], 8002, 0),
        endpoint(20, [10, 0, 0, 3], 8003, 32_768),
    ];
    answer(&mut bench.resolved, "_a._tcp.b", Records::Service, records);
    let name = |address: &str| format!("_a._tcp.b/{address}={address}");
    assert_eq!(
        bench.servers(&[listed("_a._tcp.b")]),
        [
            name("10.0.0.1:8001") + "*256",
            name("10.0.0.2:8002") + "*1",
            name("10.0.0.3:8003") + "*128b",
        ]
    );
}

#[test]
fn files_stand_where_they_are_named() {
    let mut bench = Bench::default();
    let path = Path::new("targets.json").to_owned();
    bench.files.insert(path.clone(), vec![listed("10.0.0.5:80"), listed("10.0.0.1:80")]);
    let servers = bench.servers(&[listed("10.0.0.1:80"), Listed::File(path)]);
    assert_eq!(servers, ["10.0.0.1:80=10.0.0.1:80*1", "10.0.0.5:80=10.0.0.5:80*1"]);
}

#[test]
fn a_server_with_another_address_is_another_one() {
    let with = |address: &str| {
        let mut pool = Pool::new("app".into());
        pool.servers = vec![Server::new("a".into(), address.parse().unwrap())];
        Config { pools: vec![pool], ..Config::default() }
    };
    let (before, after) = (with("10.0.0.1:80"), with("10.0.0.2:80"));
    let found: Vec<_> = differences(&before, &after)
        .into_iter()
        .map(|(change, _, server)| (change, server.address.to_string()))
        .collect();
    assert_eq!(
        found,
        [(Change::Came, "10.0.0.2:80".to_owned()), (Change::Went, "10.0.0.1:80".to_owned())]
    );
    assert!(differences(&after, &after).is_empty());
}
