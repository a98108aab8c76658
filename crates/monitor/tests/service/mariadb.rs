//! Shards in real `MariaDB` servers, each with a replica that takes over.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Comm, Place, Server, eventually, skipped};
use crate::web::{Browser, PASSWORD, put, set_user};

/// A server with its data in a folder; killed with the test.
pub(crate) struct Maria {
    child: Child,
    pub(crate) port: u16,
}

/// Whether the servers are there; says so where not.
pub(crate) fn is_there() -> bool {
    let there = ["mariadbd", "mariadb-install-db", "mariadb"].iter().all(|name| {
        ["/usr/sbin", "/usr/bin"].iter().any(|folder| Path::new(folder).join(name).exists())
    });
    if !there {
        skipped("MariaDB is not installed; `cargo xtask setup` installs it");
    }
    there
}

impl Maria {
    /// Starts a server on the data in `folder`; who may be written to is said by `options`.
    fn start(folder: &Path, id: u32, options: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = fs::File::create(folder.with_extension("log")).unwrap();
        let mut command = Command::new("mariadbd");
        command.args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1"]);
        command.arg(format!("--datadir={}", folder.display()));
        command.args([format!("--port={port}"), format!("--server-id={id}")]);
        command.args(["--socket=s", "--pid-file=p", "--skip-name-resolve", "--log-bin=bin"]);
        command.args(["--log-slave-updates", "--gtid-strict-mode=1", "--sync-binlog=1"]);
        command.args(["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M"]);
        command.args(["--rpl-semi-sync-slave-enabled=1", "--performance-schema=0"]);
        let child = command.args(options).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Self { child, port }
    }

    fn wait(&self) {
        eventually("MariaDB answers", || self.try_sql("SELECT 1").is_some());
    }

    /// What the statements answer, column by column; `None` where they fail.
    pub(crate) fn try_sql(&self, sql: &str) -> Option<String> {
        let port = self.port.to_string();
        let mut client = Command::new("mariadb");
        client.args(["--no-defaults", "-h", "127.0.0.1", "-P", &port, "-u", "root", "-N", "-B"]);
        let output = client.args(["-e", sql]).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(crate) fn sql(&self, sql: &str) -> String {
        self.try_sql(sql).unwrap_or_else(|| panic!("refused: {sql}"))
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Applies what has arrived, then may be written to.
    fn promote(&self) {
        eventually("what has arrived is applied", || {
            self.sql("SHOW SLAVE STATUS\\G").contains("has read all relay log")
        });
        self.sql("STOP SLAVE; SET GLOBAL read_only = 0");
    }
}

impl Drop for Maria {
    fn drop(&mut self) {
        // It may have been killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An empty data folder.
fn data(place: &Place, name: &str) -> PathBuf {
    let folder = place.folder.join(name);
    let mut install = Command::new("mariadb-install-db");
    install.args(["--no-defaults", "--user=root", "--auth-root-authentication-method=normal"]);
    install.args(["--skip-test-db", "--innodb-log-file-size=16M"]);
    install.arg(format!("--datadir={}", folder.display()));
    let output = install.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

/// A primary and the replica that follows it. What the primary commits the replica has received,
/// so that nothing that was acknowledged is lost with it.
pub(crate) fn pair(place: &Place, name: &str) -> (Maria, Maria) {
    let first = data(place, &format!("{name}a"));
    let second = place.folder.join(format!("{name}b"));
    assert!(Command::new("cp").arg("-r").args([&first, &second]).status().unwrap().success());
    let semi_sync = ["--rpl-semi-sync-master-enabled=1", "--rpl-semi-sync-master-timeout=60000"];
    let wait_point = "--rpl-semi-sync-master-wait-point=AFTER_SYNC";
    let primary = Maria::start(&first, 1, &[&semi_sync[..], &[wait_point]].concat());
    let replica = Maria::start(&second, 2, &["--read-only=1"]);
    primary.wait();
    replica.wait();
    replica.sql(&format!(
        "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='root', \
         MASTER_USE_GTID=slave_pos; START SLAVE",
        primary.port
    ));
    primary.sql(
        "CREATE DATABASE monitor; CREATE USER monitor@'127.0.0.1' IDENTIFIED BY 'secret'; \
         GRANT ALL ON monitor.* TO monitor@'127.0.0.1'; \
         GRANT REPLICA MONITOR ON *.* TO monitor@'127.0.0.1'",
    );
    eventually("the replica follows", || replica.sql("SHOW DATABASES").contains("monitor"));
    (primary, replica)
}

/// The shard of `pair` as settings name it.
pub(crate) fn address((primary, replica): &(Maria, Maria)) -> String {
    format!(
        "mysql://monitor:secret@127.0.0.1:{}/monitor?replica=127.0.0.1:{}",
        primary.port, replica.port
    )
}

#[test]
fn a_killed_primary_loses_nothing_and_its_replica_takes_over() {
    if !is_there() {
        return;
    }
    let place = Place::new(1, "");
    let mut pair = pair(&place, "m");
    place.write_shards(&[address(&pair)], "rate = 100000\nburst = 100000");
    set_user(&place);
    let devices = place.register(20);
    let comm = Comm::start(&place);
    let web = Server::start(&place, &["web"]);
    let mut browser = Browser::new(&place);
    let login = json!({"name": "ann", "password": PASSWORD});
    let session = browser.json(&web, "POST", "/api/login", "", &login).json();
    let csrf = session["csrf"].as_str().unwrap().to_owned();
    let rule = json!({"kind": "above", "field": "temperature", "bound": 30});
    let path = format!("/api/devices/{}/rules", devices[0].0);
    assert_eq!(browser.json(&web, "POST", &path, &csrf, &rule).code, 201);
    put(&comm, &devices[0], 1, &[20.0, 31.0]);
    eventually("an alarm", || {
        browser.get(&web, "/api/alarms").json()["alarms"].as_array().unwrap().len() == 1
    });
    eventually("shown from the replica", || browser.get(&web, "/").body.contains("31"));
    assert_eq!(comm.get("/health?deep").1.matches("\"up\"").count(), 3, "all, shard0, replica0");

    // A replica of which nobody knows how far behind it is is not read from.
    pair.1.sql("STOP SLAVE SQL_THREAD");
    put(&comm, &devices[0], 3, &[57.25]);
    eventually("shown from the primary", || browser.get(&web, "/").body.contains("57.25"));
    pair.1.sql("START SLAVE SQL_THREAD");

    let each = 150;
    let to = comm.address.to_string();
    let records = each.to_string();
    let mut load = place.command(&["device", "--to", &to, "--devices", "devices.txt"]);
    let load = load.args(["--interval", "5ms", "--records", &records, "--report", "report.json"]);
    let mut load = load.args(["--patience", "60s"]).spawn().unwrap();
    eventually("half of the load", || place.records() > 20 * each / 2);
    pair.0.kill();
    pair.1.promote();
    assert!(load.wait().unwrap().success(), "some readings had no answer");

    let report = fs::read(place.folder.join("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["acknowledged"], 20 * each);
    for device in place.shards()[0]["devices"].as_array().unwrap() {
        let (lowest, highest) = (&device["lowest"], &device["highest"]);
        let records = device["records"].as_u64().unwrap();
        assert_eq!((lowest.as_u64(), highest.as_u64()), (Some(1), Some(records)), "{device}");
        assert!(records >= each, "{device}");
    }
    eventually("still logged in", || browser.get(&web, "/").code == 200);
}
