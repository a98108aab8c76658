//! Devices are spread evenly, and stay where they are.

use crate::harness::{Comm, Place};

fn devices(place: &Place) -> Vec<usize> {
    place.shards().iter().map(|shard| shard["devices"].as_array().unwrap().len()).collect()
}

#[test]
fn sixty_devices_with_a_record_each_are_twenty_on_every_shard() {
    let place = Place::new(3, "");
    place.register(60);
    let comm = Comm::start(&place);
    let to = comm.address.to_string();
    let output = place.run(&["device", "--to", &to, "--devices", "devices.txt", "--records", "1"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    for shard in place.shards() {
        assert_eq!(shard["records"], 20, "{}", shard["shard"]);
        assert_eq!(shard["devices"].as_array().unwrap().len(), 20);
    }
}

#[test]
fn ten_thousand_devices_differ_by_one_and_a_new_shard_is_filled() {
    let place = Place::new(3, "");
    place.register(10_000);
    let mut counts = devices(&place);
    counts.sort_unstable();
    assert_eq!(counts, [3333, 3333, 3334]);

    place.write_settings(4, "");
    let before = place.shards();
    let names: Vec<String> = (0..100).map(|number| format!("new-{number}")).collect();
    let mut arguments = vec!["register"];
    arguments.extend(names.iter().map(String::as_str));
    assert!(place.run(&arguments).status.success());
    let after = place.shards();
    assert_eq!(before[..3], after[..3], "who was there stays");
    assert_eq!(after[3]["devices"].as_array().unwrap().len(), 100);
}

#[test]
fn a_device_is_registered_once() {
    let place = Place::new(2, "");
    let first = place.run(&["register", "pump", "fan"]);
    assert_eq!(String::from_utf8_lossy(&first.stdout).lines().count(), 2);
    let second = place.run(&["register", "pump", "valve"]);
    let said = String::from_utf8_lossy(&second.stdout).into_owned();
    assert_eq!(said.lines().count(), 1);
    assert!(said.starts_with("valve "), "{said}");
}

#[test]
fn shards_in_another_order_are_refused() {
    let place = Place::new(2, "");
    place.register(2);
    let settings = place.folder.join("monitor.toml");
    let text = "[store]\nshards = [\"sqlite:shard1.db\", \"sqlite:shard0.db\"]\n";
    std::fs::write(settings, text).unwrap();
    let output = place.run(&["register", "pump"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("keep the order of shards"), "{said}");
}
