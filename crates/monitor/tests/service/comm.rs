//! What devices, and those who are none, get to hear.

use std::fs;
use std::net::TcpStream;

use serde_json::Value;

use crate::harness::{Client, Comm, Place, Server, eventually, now_ms};

fn admitted(comm: &Server, (name, key): &(String, String)) -> Client {
    let mut client = comm.connect();
    assert_eq!(client.ask(&format!("hello 1 {name} {key}")), "welcome 0 256");
    client
}

#[test]
fn readings_are_acknowledged_once_stored_and_stored_once() {
    let place = Place::new(3, "");
    let devices = place.register(3);
    let comm = Comm::start(&place);
    let mut client = admitted(&comm, &devices[0]);
    let now = now_ms();
    let put = format!("put 1 {now} {{\"temperature\":21.5}}");
    assert_eq!(client.ask(&put), "ack 1");
    assert_eq!(place.records(), 1);
    assert_eq!(client.ask(&put), "ack 1", "a second time is as good");
    assert_eq!(place.records(), 1);
    client.say(&format!("put 2 {now} {{\"a\":1}}\r\nput 3 {now} {{\"a\":1}}\nping\nbye\n"));
    let mut heard: Vec<String> = (0..5).map(|_| client.hear()).collect();
    assert_eq!(heard.remove(4), "");
    heard.sort();
    assert_eq!(heard, ["ack 2", "ack 3", "closing bye 0", "pong"]);
    assert_eq!(comm.metric("monitor_comm_acknowledged_total"), 4);
    let mut again = comm.connect();
    let (name, key) = &devices[0];
    assert_eq!(again.ask(&format!("hello 1 {name} {key}")), "welcome 3 256");
    assert!(comm.stop());
}

#[test]
fn what_is_not_a_reading_is_refused_with_a_reason() {
    let place = Place::new(1, "rate = 1\nburst = 2");
    let devices = place.register(1);
    let comm = Comm::start(&place);
    let mut client = admitted(&comm, &devices[0]);
    let now = now_ms();
    for (line, answer) in [
        (format!("put 1 {now} {{\"a\":\"<b>\"}}"), "refused 1 body"),
        (format!("put 2 {now} {{\"'; DROP TABLE records; --\":1}}"), "refused 2 body"),
        (format!("put 3 {now} {{\"a\":1{}}}", " ".repeat(1100)), "refused 3 body"),
        ("put 4 0 {\"a\":1}".to_owned(), "refused 4 time"),
        (format!("put 5 {} {{\"a\":1}}", now + 3_600_000), "refused 5 time"),
        (format!("put 6 {now} {{\"a\":1}}"), "ack 6"),
        (format!("put 7 {now} {{\"a\":1}}"), "ack 7"),
    ] {
        assert_eq!(client.ask(&line), answer, "{line}");
    }
    let late = client.ask(&format!("put 8 {now} {{\"a\":1}}"));
    assert!(late.starts_with("retry 8 ") && late.ends_with(" rate"), "{late}");
    assert_eq!(place.records(), 2);
}

#[test]
fn strangers_store_nothing() {
    let place = Place::new(3, "");
    let devices = place.register(1);
    let comm = Comm::start(&place);
    let (name, key) = &devices[0];
    for hello in [
        format!("hello 1 {name} {}", "0".repeat(32)),
        format!("hello 1 {name} {}", &key[1..]),
        format!("hello 1 nobody {key}"),
    ] {
        let mut client = comm.connect();
        client.say(&format!("{hello}\nput 1 {} {{\"a\":1}}\n", now_ms()));
        assert_eq!(client.hear(), "closing not-admitted 30000", "{hello}");
        assert_eq!(client.hear(), "");
    }
    for garbage in
        ["GET / HTTP/1.1", "\u{16}\u{3}\u{1}\u{2}", "put 1 1 {}", "hello 1 x' OR '1'='1 k", "bye"]
    {
        let mut client = comm.connect();
        assert_eq!(client.ask(garbage), "closing not-understood 1000", "{garbage}");
        assert_eq!(client.hear(), "");
    }
    let mut client = comm.connect();
    client.say(&"x".repeat(5000));
    assert_eq!(client.hear(), "closing line-too-long 1000");
    assert_eq!(place.records(), 0);
    assert_eq!(comm.metric("monitor_comm_closed_total{reason=\"not-admitted\"}"), 3);
}

#[test]
fn probes_are_counted_and_half_open_clients_do_not_hold_up_others() {
    let place = Place::new(1, "connections = 40");
    let devices = place.register(1);
    let comm = Comm::start(&place);
    for _ in 0..30 {
        drop(TcpStream::connect(comm.address).unwrap());
    }
    eventually("30 probes", || comm.metric("monitor_comm_probes_total") == 30);
    let silent: Vec<TcpStream> =
        (0..39).map(|_| TcpStream::connect(comm.address).unwrap()).collect();
    let full = || comm.metric("monitor_comm_connections_open") == 39;
    eventually("39 connections", full);
    let mut client = admitted(&comm, &devices[0]);
    assert_eq!(client.ask(&format!("put 1 {} {{\"a\":1}}", now_ms())), "ack 1");
    assert_eq!(comm.connect().hear(), "closing full 1000");
    drop(silent);
    eventually("room", || comm.metric("monitor_comm_connections_open") == 1);
    assert_eq!(client.ask("ping"), "pong");
    // Silence and half a line are as slow as each other, and both end.
    let mut half = comm.connect();
    half.say("hello 1 ");
    assert_eq!(half.hear(), "closing too-slow 1000");
}

#[test]
fn a_device_has_few_connections() {
    let place = Place::new(1, "");
    let devices = place.register(1);
    let comm = Comm::start(&place);
    let mut clients: Vec<Client> = (0..4).map(|_| admitted(&comm, &devices[0])).collect();
    let (name, key) = &devices[0];
    let mut fifth = comm.connect();
    assert_eq!(fifth.ask(&format!("hello 1 {name} {key}")), "closing too-many 2000");
    clients.pop();
    eventually("room for one more", || {
        comm.connect().ask(&format!("hello 1 {name} {key}")).starts_with("welcome")
    });
}

#[test]
fn new_devices_are_known_without_a_restart() {
    let place = Place::new(2, "");
    place.register(1);
    let comm = Comm::start(&place);
    let output = place.run(&["register", "late"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let hello = format!("hello 1 {}", said.trim_end());
    eventually("late is known", || comm.connect().ask(&hello) == "welcome 0 256");
}

#[test]
fn with_a_shard_off_the_others_go_on() {
    let place = Place::new(3, "");
    let devices = place.register(3);
    let comm = Comm::start(&place);
    let mut clients: Vec<Client> = devices.iter().map(|device| admitted(&comm, device)).collect();
    let now = now_ms();
    let off = place.folder.join("shard1.db.offline");
    fs::write(&off, "").unwrap();
    let put = |sequence: u32| format!("put {sequence} {now} {{\"a\":1}}");
    let mut answers = clients.iter_mut().map(|client| client.ask(&put(1)));
    assert_eq!(answers.next().unwrap(), "ack 1");
    assert_eq!(answers.next().unwrap(), "retry 1 1000 shard-down");
    assert_eq!(answers.next().unwrap(), "ack 1");
    let (name, key) = &devices[1];
    let hello = format!("hello 1 {name} {key}");
    assert_eq!(comm.connect().ask(&hello), "closing shard-down 2000");

    let deep = || {
        let (code, body) = comm.get("/health?deep");
        (code, serde_json::from_str::<Value>(&body).unwrap())
    };
    eventually("degraded", || deep().1["status"] == "degraded");
    let (code, report) = deep();
    assert_eq!(code, 200);
    let component = &report["components"][1];
    assert_eq!((&component["name"], &component["status"]), (&"shard1".into(), &"down".into()));
    assert_eq!(component["critical"], false);
    assert!(component["latency_ms"].is_u64());

    fs::remove_file(&off).unwrap();
    eventually("stored", || clients[1].ask(&put(1)) == "ack 1");
    eventually("up", || deep().1["status"] == "up");
    assert_eq!(place.records(), 3);
    assert_eq!(comm.get("/health"), (200, "{\"status\":\"up\"}".to_owned()));
}
