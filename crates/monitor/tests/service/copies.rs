//! Copies: of the store, and of a server.

use std::fs;
use std::process::Command;

use crate::harness::{Comm, Place};
use crate::mariadb;
use crate::web::{put, set_user};

fn backups(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.folder.join("backups")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_backup_is_whole_checked_and_kept_for_a_while() {
    let place = Place::new(3, "rate = 100000\nburst = 100000");
    set_user(&place);
    place.register(9);
    let comm = Comm::start(&place);
    let to = comm.address.to_string();
    let mut load = place.command(&["device", "--to", &to, "--devices", "devices.txt"]);
    let load = load.args(["--interval", "1ms", "--records", "2000"]);
    let mut load = load.stdout(std::process::Stdio::null()).spawn().unwrap();
    for _ in 0..3 {
        let output = place.run(&["backup", "backups", "--keep", "2"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(load.wait().unwrap().success());
    assert_eq!(backups(&place).len(), 2);

    let other = Place::new(3, "");
    let newest = place.folder.join("backups").join(backups(&place).pop().unwrap());
    let output = other.run(&["restore", newest.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for shard in other.shards() {
        for device in shard["devices"].as_array().unwrap() {
            assert_eq!(device["records"], device["highest"], "a moment has no gaps: {device}");
        }
    }
    let output = other.run(&["restore", newest.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("has to be empty"), "{said}");

    let torn = newest.join("shard1.db");
    let empty = Place::new(3, "");
    fs::remove_file(&torn).unwrap();
    let output = empty.run(&["restore", newest.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("shard1.db is missing"), "{said}");
}

#[test]
fn a_clone_serves_from_its_folder() {
    let place = Place::new(2, "");
    set_user(&place);
    let devices = place.register(2);
    let output = place.run(&["clone", "cs2"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = place.folder.join("cs2");
    for file in ["monitor", "monitor.toml", "site.pem", "site.key"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
    let shown = Command::new(folder.join("monitor")).current_dir(&folder).arg("shards").output();
    let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
    assert_eq!(shown.matches("1 devices").count(), 2, "{shown}");
    let comm = Comm::start(&place);
    put(&comm, &devices[0], 1, &[21.5]);
    assert!(!place.run(&["clone", "cs2"]).status.success(), "a folder that is there stays");
}

#[test]
fn a_backup_comes_from_the_replica_and_goes_into_an_empty_server() {
    if !mariadb::is_there() {
        return;
    }
    let place = Place::new(1, "");
    let pair = mariadb::pair(&place, "b");
    place.write_shards(&[mariadb::address(&pair)], "rate = 100000\nburst = 100000");
    set_user(&place);
    place.register(4);
    let comm = Comm::start(&place);
    let to = comm.address.to_string();
    let mut load = place.command(&["device", "--to", &to, "--devices", "devices.txt"]);
    let load = load.args(["--interval", "2ms", "--records", "1000"]);
    let mut load = load.stdout(std::process::Stdio::null()).spawn().unwrap();
    let output = place.run(&["backup", "backups"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(load.wait().unwrap().success());

    pair.0.sql("CREATE DATABASE restored; GRANT ALL ON restored.* TO monitor@'127.0.0.1'");
    let empty = format!("mysql://monitor:secret@127.0.0.1:{}/restored", pair.0.port);
    place.write_shards(&[empty], "");
    let backup = format!("backups/{}", backups(&place)[0]);
    let output = place.run(&["restore", &backup]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
