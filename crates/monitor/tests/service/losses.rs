//! What is acknowledged is stored, and stored once, whoever is killed.

use std::fs;
use std::process::Child;

use serde_json::Value;

use crate::harness::{Comm, Place, eventually};

/// How often comm is killed, unless `MONITOR_KILLS` says more.
const KILLS: u64 = 6;
/// Records of a device for each of them.
const RECORDS: u64 = 60;
const DEVICES: u64 = 30;

fn kills() -> u64 {
    std::env::var("MONITOR_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"))
}

fn wait(mut device: Child) {
    assert!(device.wait().unwrap().success(), "some readings had no answer");
}

#[test]
fn killing_comm_loses_and_doubles_nothing() {
    let place = Place::new(3, "rate = 100000\nburst = 100000");
    place.register(usize::try_from(DEVICES).unwrap());
    let each = kills() * RECORDS;
    let records = each.to_string();
    let mut comm = Comm::start(&place);
    let address = comm.address.to_string();
    let mut devices = place.command(&["device", "--to", &address, "--devices", "devices.txt"]);
    devices.args(["--interval", "0s", "--records", &records, "--report", "report.json"]);
    let devices = devices.args(["--patience", "60s"]).spawn().unwrap();
    for round in 1..=kills() {
        let enough = DEVICES * each / (kills() + 2) * round;
        eventually("more records", || place.records() >= enough);
        comm.kill();
        comm = Comm::start_on(&place, &address);
    }
    wait(devices);

    let report = fs::read(place.folder.join("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(
        (&report["acknowledged"], &report["sent"]),
        (&(DEVICES * each).into(), &(DEVICES * each).into())
    );
    assert!(report["connections"].as_u64().unwrap() > DEVICES, "it was killed under load");
    let mut stored: Vec<Value> = Vec::new();
    for shard in place.shards() {
        stored.extend(shard["devices"].as_array().unwrap().iter().cloned());
    }
    assert_eq!(stored.len() as u64, DEVICES);
    for device in stored {
        // As many as numbers from the first to the last: none is missing, none is there twice.
        assert_eq!(device["records"], each, "{device}");
        assert_eq!((&device["lowest"], &device["highest"]), (&1.into(), &each.into()), "{device}");
    }
}
