//! Drills on a running installation: nobody misses what is taken out, and whatever happens to the
//! drill, everything is put back.

use std::fs;
use std::process::{Command, Output};
use std::thread;

use evenkeel_sim::balancer::binary;
use evenkeel_sim::link::{Link, NO_LINK, Node};
use evenkeel_sim::prelude::*;
use evenkeel_sim::process::{self, Process, bound};
use evenkeel_sim::scratch::Scratch;
use serde_json::Value;

/// Limits that a machine with too much to do does not pass by being slow.
const PATIENT: [&str; 9] =
    ["--yes", "--author", "ann", "--calm", "200ms", "--timeout", "20s", "--max-gap", "1m"];

fn arguments<'a>(what: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let lease: &[&str] = if more.contains(&"--lease") { &[] } else { &["--lease", "60"] };
    [&["drill"], what, &PATIENT[..], lease, more].concat()
}

/// A node whose servers have all passed their checks: no other is drilled.
fn well(config: &str, servers: &[&Origin]) -> Balancer {
    let lb = balancer(config);
    for server in servers {
        lb.await_health("app", server.address(), "up");
    }
    lb
}

/// A drill of a server under way.
fn begin(lb: &Balancer, which: &str, more: &[&str]) -> Process {
    let mut command = bound(&binary());
    command.args(arguments(&["server", which], more));
    command.env("EVENKEEL_ADMIN", format!("http://{}", lb.admin()));
    Process::start("drill", command)
}

fn admin(lb: &Balancer, server: &Origin) -> String {
    let state = lb.server("app", &server.address().to_string())["admin"]["state"].clone();
    state.as_str().expect("it has one").to_owned()
}

fn await_admin(lb: &Balancer, server: &Origin, state: &str) {
    wait_until(&format!("the server is {state}"), PATIENCE * 2, || admin(lb, server) == state);
}

fn which(server: &Origin) -> String {
    format!("app/{}", server.address())
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// When a drill last passed, as scrapers see it.
fn last_success(lb: &Balancer, object: &str) -> f64 {
    lb.metric("evenkeel_drill_last_success_timestamp_seconds", object)
}

#[test]
fn a_server_that_is_drilled_is_missed_by_nobody() {
    let servers = origins::<3>();
    let listen = free_address();
    let mut lb = well(&http(listen, &servers.each_ref()), &servers.each_ref());
    let load = Load::start(Plan::steady(listen, 100));
    wait_until("load is under way", PATIENCE, || load.ok() > 20);
    let which = which(&servers[1]);
    let done = lb.cli(&arguments(&["server", &which], &["--away", "500ms", "--json"]));
    assert!(done.status.success(), "{}", stderr(&done));
    let report: Value = serde_json::from_slice(&done.stdout).expect("it speaks JSON");
    assert_eq!((&report["passed"], &report["probes"][0]["failed"]), (&true.into(), &0.into()));
    let stages = report["stages"].as_array().expect("a list").iter();
    let stages: Vec<&str> = stages.filter_map(|it| it["stage"].as_str()).collect();
    assert_eq!(stages, ["before", "leaving", "away", "returning", "after"]);
    assert!(report["requests"].as_u64() > Some(0) && report["errors"] == 0, "{report}");
    let clients = load.stop();
    assert!(clients.is_clean(), "{clients}");
    assert_eq!(lb.server("app", &servers[1].address().to_string())["in_use"], true);
    wait_until("it is told", PATIENCE, || {
        lb.log().contains("drill-begun") && lb.log().contains("drill-passed")
    });
    let passed = last_success(&lb, &which);
    assert!(passed > 1e9, "{passed}");
    // It is known after a restart, too.
    lb.kill();
    lb.revive();
    assert!((last_success(&lb, &which) - passed).abs() < 1.0);
    let shown = String::from_utf8_lossy(&lb.cli(&["status"]).stdout).into_owned();
    assert!(shown.contains("LAST PASSED") && shown.contains(&which), "{shown}");
}

#[test]
fn a_tcp_server_is_drilled_by_connections() {
    let servers = origins::<2>();
    let lb = well(&tcp(free_address(), &servers.each_ref()), &servers.each_ref());
    let which = which(&servers[0]);
    let folder = Scratch::new("drill");
    let page = folder.file("drill.html");
    let html = page.to_str().expect("paths here are UTF-8");
    let more = ["--away", "300ms", "--mode", "maint", "--html", html];
    let done = lb.cli(&arguments(&["server", &which], &more));
    assert!(done.status.success(), "{}", stderr(&done));
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(text.contains("set to maint") && text.contains("PASSED"), "{text}");
    assert!(fs::read_to_string(page).expect("it was written").contains("Drill passed"));
}

#[test]
fn what_is_needed_is_not_drilled() {
    let [needed, spare] = &origins();
    let listen = free_address();
    let lb = well(&http(listen, &[needed, spare]), &[needed, spare]);
    lb.cli(&["server", "maint", &which(spare)]);
    let refused = |arguments: &[&str], part: &str| {
        let done = lb.cli(arguments);
        let said = stderr(&done);
        assert!(done.status.code() == Some(1) && said.contains(part), "{arguments:?}: {said}");
        assert_eq!(admin(&lb, needed), "ready");
    };
    let drill = |object: &str, part: &str| {
        refused(&arguments(&["server", object], &["--away", "1s"]), part);
    };
    drill(&which(needed), "no other server of the pool could take its requests");
    drill(&which(spare), "it is not ready");
    drill("app/nobody", "pool `app` has no server `nobody`");
    drill("none/nobody", "no listener leads to pool none");
    lb.cli(&["server", "ready", &which(spare)]);
    lb.await_health("app", spare.address(), "up");
    refused(&["drill", "server", &which(needed)], "say --yes");
    refused(&arguments(&["vip", "main"], &[]), "there is no virtual address `main`");
    assert_eq!(lb.cli(&["drill", "server", "app"]).status.code(), Some(2));
    // One at a time.
    let mut first = begin(&lb, &which(spare), &["--away", "1m"]);
    await_admin(&lb, spare, "drain");
    drill(&which(needed), "is being drilled: wait for its end");
    first.signal(Signal::INT);
    assert_eq!(first.wait(PATIENCE * 2).code(), Some(1));
    assert_eq!(admin(&lb, spare), "ready", "who is interrupted puts it back");
    assert!(last_success(&lb, "").abs() < 1.0, "none has passed");
}

#[test]
fn errors_beyond_the_limit_put_it_back() {
    let [drilled, other] = &origins();
    let lb = well(&http(free_address(), &[drilled, other]), &[drilled, other]);
    let mut drill = begin(&lb, &which(drilled), &["--away", "1m", "--max-failed", "1"]);
    await_admin(&lb, drilled, "drain");
    other.set(Mode::ResetBeforeAnswer);
    assert_eq!(drill.wait(PATIENCE * 3).code(), Some(1));
    wait_until("it is told", PATIENCE, || {
        drill.stdout.text().contains("ABORTED")
            && drill.stderr.text().contains("it is put back")
            && lb.log().contains("drill-aborted")
    });
    assert_eq!(admin(&lb, drilled), "ready");
}

#[test]
fn a_drill_that_is_killed_leaves_nothing_out() {
    let [drilled, other] = &origins();
    let lb = well(&http(free_address(), &[drilled, other]), &[drilled, other]);
    let mut drill = begin(&lb, &which(drilled), &["--away", "1m", "--lease", "2"]);
    await_admin(&lb, drilled, "drain");
    drill.signal(Signal::KILL);
    await_admin(&lb, drilled, "ready");
    wait_until("it is told", PATIENCE, || lb.log().contains("nothing was heard of who drills"));
    assert!(lb.metric("evenkeel_drill_under_way", "") < 0.5);
}

#[test]
fn what_an_operator_says_meanwhile_holds() {
    let [drilled, other] = &origins();
    let lb = well(&http(free_address(), &[drilled, other]), &[drilled, other]);
    let mut drill = begin(&lb, &which(drilled), &["--away", "1m"]);
    await_admin(&lb, drilled, "drain");
    lb.cli(&["server", "maint", &which(drilled), "--reason", "it burns"]);
    assert_eq!(drill.wait(PATIENCE * 2).code(), Some(1));
    wait_until("it is told", PATIENCE, || {
        drill.stdout.text().contains("somebody else has set the server's state")
    });
    assert_eq!(admin(&lb, drilled), "maint");
}

/// Two nodes of a pair with one address and the same configuration; `a` owns it.
fn pair_with_address(link: &Link) -> (Node<'_>, Node<'_>) {
    let folder = Scratch::new("drill");
    let secret = folder.file("pair.secret");
    process::run(Command::new(binary()).args(["pair", "init", "--out"]).arg(&secret));
    let secret = fs::read_to_string(&secret).expect("just written");
    let files = [("pair.secret", secret.as_str())];
    let a = link.node_with("a", &with_address(1), &files);
    a.await_state("main", "active");
    let b = link.node_with("b", &with_address(2), &files);
    b.await_state("main", "backup");
    wait_until("they hear each other", PATIENCE * 2, || pair(&a, "up") == true);
    (a, b)
}

/// What a node says of the link.
fn pair(node: &Node<'_>, key: &str) -> Value {
    let status = node.api("GET", "/api/v1/status", "").unwrap_or_default();
    let status: Value = serde_json::from_str(&status).unwrap_or_default();
    status["pair"][key].clone()
}

fn with_address(number: u8) -> String {
    let (other, priority) = (3 - number, [150, 100][usize::from(number - 1)]);
    format!(
        "[[listener.front.route]]\npath = \"/slow\"\npool = \"app\"\n\
         [pool.app]\nservers = [\"192.0.2.3:8000\"]\n\
         [pair]\nbind = \"192.0.2.{number}:7071\"\npeer = \"192.0.2.{other}:7071\"\n\
         secret_file = \"pair.secret\"\n[vip.main]\naddress = \"192.0.2.10/24\"\n\
         interface = \"eth0\"\nrouter_id = 51\npriority = {priority}\nadvertise = \"fast\"\n\
         drain = \"30s\"\n"
    )
}

fn drill_vip(link: &Link, more: &[&str]) -> Command {
    let program = binary();
    let mut command = link.command("a", program.to_str().expect("paths here are UTF-8"));
    command.args(arguments(&["vip", "main"], more));
    command
}

#[test]
fn an_address_is_drilled_there_and_back() {
    let link = skip_unless!(Link::with(&["a", "b", "client"]), NO_LINK);
    let server = "192.0.2.3:8000".parse().expect("an address");
    let server = link.enter("client", || Origin::start("slow", server));
    let (a, b) = pair_with_address(&link);
    // Each redirects to another name.
    let refused = drill_vip(&link, &["--away", "1s"]).output().expect("it starts");
    let said = stderr(&refused);
    assert!(refused.status.code() == Some(1) && said.contains("another configuration"), "{said}");
    a.api("POST", "/api/v1/reload", "{}").expect("a runs");
    let alike = "they know that they are configured alike";
    wait_until(alike, PATIENCE, || pair(&a, "same_configuration") == true);
    let client = link.watch("client", "192.0.2.10");
    let (report, answer) = thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let address = "192.0.2.10:8080".parse().expect("an address");
            // Longer than clients have to hear that they should leave.
            link.enter("client", || get(address, "/slow?wait=2500"))
        });
        wait_until("it is under way", PATIENCE, || !server.seen().is_empty());
        (wait_for_success(&link), slow.join().expect("it is answered"))
    });
    let seen = client.end();
    eprintln!("drilled: {seen}");
    assert_eq!((answer.status, answer.server()), (200, "slow"));
    assert!(answer.is_intact() && !a.log().contains("vip-cut"), "{}", a.log());
    let owners = report["owners"].as_array().expect("a list").iter();
    let owners: Vec<&str> = owners.filter_map(|it| it["owner"].as_str()).collect();
    assert_eq!(owners, ["192.0.2.1", "192.0.2.2", "192.0.2.1"], "{report}");
    wait_until("both are as they were", PATIENCE, || {
        let stands = |node: &Node<'_>| {
            (node.vip("main")["state"].clone(), node.vip("main")["moved"].clone())
        };
        stands(&a) == ("active".into(), false.into())
            && stands(&b) == ("backup".into(), false.into())
    });
    assert!(seen.answered > 0);
    wait_until("it is told", PATIENCE, || a.log().contains("drill-passed"));
    let passed = a.metric("evenkeel_drill_last_success_timestamp_seconds", "kind=\"vip\"");
    assert!(passed > 1e9, "{passed}");
}

#[test]
fn an_address_comes_back_though_its_drill_was_killed() {
    let link = skip_unless!(Link::with(&["a", "b"]), NO_LINK);
    let (a, b) = pair_with_address(&link);
    a.api("POST", "/api/v1/reload", "{}").expect("a runs");
    let mut drill = drill_until_away(&link, &b, &["--away", "1m", "--lease", "2"]);
    drill.signal(Signal::KILL);
    a.await_state("main", "active");
    wait_until("it is told", PATIENCE, || a.log().contains("nothing was heard of who drills"));
}

#[test]
fn a_node_that_is_killed_in_its_own_drill_comes_back_to_a_pair_in_order() {
    let link = skip_unless!(Link::with(&["a", "b"]), NO_LINK);
    let (mut a, b) = pair_with_address(&link);
    a.api("POST", "/api/v1/reload", "{}").expect("a runs");
    let mut drill = drill_until_away(&link, &b, &["--away", "1m"]);
    a.kill();
    a.start(&with_address(1));
    assert_eq!(drill.wait(PATIENCE * 3).code(), Some(1));
    wait_until("it says why", PATIENCE, || {
        let said = drill.stdout.text();
        said.contains("ABORTED") && said.contains("the node was restarted")
    });
    // As after any other failure: it stays where it was taken.
    wait_until("a hears b", PATIENCE, || a.vip("main")["owner"] == "192.0.2.2");
    let stands = |node: &Node<'_>| {
        let vip = node.vip("main");
        (vip["state"].clone(), vip["moved"].clone())
    };
    assert_eq!(stands(&a), ("backup".into(), false.into()));
    assert_eq!(stands(&b), ("active".into(), false.into()));
    let drills = a.api("GET", "/api/v1/drills", "").expect("a runs");
    assert!(!drills.contains("under_way\":{"), "{drills}");
}

#[test]
fn an_address_whose_holder_is_killed_in_a_drill_is_back_at_once() {
    let link = skip_unless!(Link::with(&["a", "b"]), NO_LINK);
    let (a, mut b) = pair_with_address(&link);
    a.api("POST", "/api/v1/reload", "{}").expect("a runs");
    let mut drill = drill_until_away(&link, &b, &["--away", "1m"]);
    b.kill();
    a.await_state("main", "active");
    assert_eq!(drill.wait(PATIENCE * 3).code(), Some(1));
    wait_until("it says why", PATIENCE, || {
        drill.stdout.text().contains("it came back before its time")
    });
    assert_eq!(a.vip("main")["moved"], false);
}

/// A drill under way that has moved the address to `b`.
fn drill_until_away(link: &Link, b: &Node<'_>, more: &[&str]) -> Process {
    let mut drill = None;
    wait_until("b has it", PATIENCE * 3, || {
        let running = drill.as_mut().is_some_and(Process::is_running);
        if !running && b.vip("main")["state"] == "backup" {
            // Refused until they know that they are configured alike.
            drill = Some(Process::start("drill", drill_vip(link, more)));
        }
        b.vip("main")["state"] == "active"
    });
    drill.expect("it was started")
}

/// A drill that begins once both nodes know that they are configured alike.
fn wait_for_success(link: &Link) -> Value {
    let mut done = None;
    wait_until("the drill begins", PATIENCE, || {
        let output = drill_vip(link, &["--away", "500ms", "--json"]).output().expect("it starts");
        let begun = !stderr(&output).contains("another configuration");
        done = begun.then_some(output);
        begun
    });
    let done = done.expect("it was waited for");
    assert!(done.status.success(), "{}\n{}", String::from_utf8_lossy(&done.stdout), stderr(&done));
    serde_json::from_slice(&done.stdout).expect("it speaks JSON")
}
