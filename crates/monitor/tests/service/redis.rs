//! Sessions in real Redis nodes.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::harness::{Comm, Place, Server, eventually, skipped};
use crate::web::{Browser, put, set_user};

struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    fn start(place: &Place, options: &[String]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("redis-server");
        command.current_dir(&place.folder).stdout(Stdio::null());
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        let child = command.args(options).spawn().unwrap();
        let server = Self { child, port };
        eventually("Redis answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have been killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn addresses(nodes: &[Redis]) -> String {
    let nodes: Vec<_> =
        nodes.iter().map(|node| format!("\"redis://127.0.0.1:{}\"", node.port)).collect();
    format!("[cache]\nredis = [{}]\n", nodes.join(", "))
}

fn append(place: &Place, text: &str) {
    let file = place.folder.join("monitor.toml");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, before + text).unwrap();
}

fn is_there() -> bool {
    let there = Path::new("/usr/bin/redis-server").exists();
    if !there {
        skipped("Redis is not installed; `cargo xtask setup` installs it");
    }
    there
}

#[test]
fn a_lost_node_takes_only_its_own_sessions_along() {
    if !is_there() {
        return;
    }
    let place = Place::new(1, "");
    let mut nodes: Vec<Redis> = (0..3).map(|_| Redis::start(&place, &[])).collect();
    append(&place, &addresses(&nodes));
    set_user(&place);
    let devices = place.register(1);
    let comm = Comm::start(&place);
    put(&comm, &devices[0], 1, &[21.5]);
    let web = Server::start(&place, &["web"]);
    let mut browsers: Vec<Browser> = (0..12).map(|_| Browser::new(&place)).collect();
    for browser in &mut browsers {
        browser.log_in(&web);
        assert!(browser.get(&web, "/").body.contains("21.5"));
    }
    nodes[0].kill();
    let codes = browsers.iter_mut().map(|browser| browser.get(&web, "/").code);
    let kept = codes.filter(|code| *code == 200).count();
    assert!((1..12).contains(&kept), "{kept} of 12 kept their sessions");
    let mut browser = Browser::new(&place);
    browser.log_in(&web);
    assert_eq!(browser.get(&web, "/").code, 200, "the others take its place");
    eventually("degraded", || browser.get(&web, "/health?deep").json()["status"] == "degraded");
}

#[test]
fn a_node_with_a_replica_loses_no_session() {
    if !is_there() {
        return;
    }
    let place = Place::new(1, "");
    let mut node = Redis::start(&place, &[]);
    let follow = ["--replicaof".to_owned(), format!("127.0.0.1 {}", node.port)];
    let replica = Redis::start(&place, &follow);
    let (port, copy) = (node.port, replica.port);
    let cache =
        format!("[cache]\nredis = [\"redis://127.0.0.1:{port}?replica=127.0.0.1:{copy}\"]\n");
    append(&place, &cache);
    set_user(&place);
    let web = Server::start(&place, &["web"]);
    let mut browser = Browser::new(&place);
    browser.log_in(&web);
    let keys = || {
        let mut ask = Command::new("redis-cli");
        let output = ask.args(["-p", &copy.to_string(), "dbsize"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    eventually("the replica has the session", || keys() == "1");
    node.kill();
    assert_eq!(browser.get(&web, "/").code, 200);
}
