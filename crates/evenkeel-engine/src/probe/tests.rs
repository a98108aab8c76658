//! The driver over real sockets; what follows from what is tested in core.

use std::cell::RefCell;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use evenkeel_core::config::{
    Agent, AgentCheck, Check, CheckKind, ClientTimeouts, Config, Guard, HttpCheck, InitialState,
    Listener, Outlier, Pool, PoolId, Protocol, Server as ServerConfig, Talk,
};
use evenkeel_core::health::{CheckFailure, Outcome};
use evenkeel_core::verdict::{Component, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::broadcast::Receiver;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::timeout;

use super::*;
use crate::engine::{Engine, Options};
use crate::status::{AdminChange, AdminState, Event, Health, PoolMode, ServerStatus};

/// How long a state is waited for before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);
const OFTEN: Duration = Duration::from_millis(10);

fn run(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// A server that accepts and lets go, or does not: its address stays its own either way.
struct Origin {
    address: SocketAddr,
    _bound: TcpSocket,
    task: Option<JoinHandle<()>>,
}

impl Origin {
    fn dead() -> Self {
        Self::dead_at([127, 0, 0, 1])
    }

    fn dead_at(ip: [u8; 4]) -> Self {
        let bound = bound(SocketAddr::from((ip, 0)));
        Self { address: bound.local_addr().unwrap(), _bound: bound, task: None }
    }

    fn alive() -> Self {
        let mut origin = Self::dead();
        origin.revive();
        origin
    }

    fn revive(&mut self) {
        let listener = bound(self.address).listen(1_024).unwrap();
        self.task = Some(spawn_local(async move {
            while let Ok((client, _)) = listener.accept().await {
                drop(client);
            }
        }));
    }

    async fn kill(&mut self) {
        let task = self.task.take().expect("it is alive");
        task.abort();
        // Once cancelled, it has closed its socket.
        let _ = task.await;
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

fn config(servers: &[(&str, SocketAddr)], check: Option<Check>) -> Config {
    let server = |&(name, address): &(&str, _)| ServerConfig::new(name.into(), address);
    let pool = Pool {
        servers: servers.iter().map(server).collect(),
        check,
        idle_connections: 1,
        ..Pool::new("web".into())
    };
    Config { pools: vec![pool], ..Config::default() }
}

/// Hurried, but patient with a busy machine.
fn often() -> Check {
    let (interval, fast, down) = (OFTEN, OFTEN, OFTEN);
    Check { interval, fast, down, timeout: PATIENCE, rise: 2, fall: 2, ..Check::default() }
}

/// A listener that passes streams to the pool.
fn listener() -> Listener {
    Listener {
        name: "in".into(),
        bind: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        protocol: Protocol::Tcp { pool: PoolId(0) },
        max_connections: 100,
        timeouts: ClientTimeouts::default(),
        proxy_protocol: None,
        guard: Guard::default(),
        connections_per_source: None,
    }
}

async fn start(config: Config) -> (Engine, Receiver<Event>) {
    let engine = Engine::start(&Options { workers: 1, boot: 1 }).unwrap();
    let events = engine.events();
    engine.apply(config).await.unwrap();
    (engine, events)
}

/// The next event of this kind about `subject`, in words.
async fn event(events: &mut Receiver<Event>, kind: &str, subject: &str) -> String {
    let found = async {
        loop {
            let event = events.recv().await.expect("the engine runs");
            if event.kind == kind && event.subject == subject {
                return event.message;
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no {kind} of {subject}"))
}

fn server(engine: &Engine, name: &str) -> ServerStatus {
    let servers = engine.status().pools.remove(0).servers;
    servers.into_iter().find(|server| &*server.name == name).expect("there is one of this name")
}

/// Waits until `name` has been checked `more` times.
async fn checks(engine: &Engine, name: &str, more: u64) {
    let goal = server(engine, name).checks_total + more;
    let reached = async {
        while server(engine, name).checks_total < goal {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, reached).await.expect("checks go on");
}

fn set(engine: &Engine, name: &str, state: AdminState) {
    let change = AdminChange { state, author: "test".into(), reason: "".into() };
    assert!(engine.set_admin_state("web", name, change));
}

#[test]
fn a_server_that_dies_goes_down_and_comes_back_and_every_step_has_its_reason() {
    run(async {
        let (mut a, mut b) = (Origin::alive(), Origin::alive());
        let servers = [("a", a.address), ("b", b.address)];
        let (engine, mut events) = start(config(&servers, Some(often()))).await;
        checks(&engine, "a", 1).await;
        checks(&engine, "b", 1).await;
        assert_eq!(server(&engine, "a").verdict.health, Health::Up);

        a.kill().await;
        let said = event(&mut events, "server-down", "web/a").await;
        assert_eq!(said, "down: 2 of 2 checks failed: connection refused");
        let status = server(&engine, "a");
        assert_eq!(status.verdict.health, Health::Down);
        assert_eq!(&*status.verdict.reason, "2 of 2 checks failed: connection refused");
        assert!(!status.in_use && status.check_failures_total >= 2);
        let last = status.evidence.last_check.expect("it was checked");
        assert_eq!(last.outcome, Outcome::Failed(CheckFailure::Refused));
        let story: Vec<_> = status.time_line.iter().map(|it| (it.health, it.usable)).collect();
        let [.., (Health::Up, true), (Health::Checking, true), (Health::Down, false)] = *story
        else {
            panic!("{story:?}");
        };
        assert_eq!(status.verdict.since, status.time_line.last().expect("as above").at);
        assert!(server(&engine, "b").in_use);

        b.kill().await;
        let said = event(&mut events, "pool-mode", "web").await;
        assert!(said.starts_with("fewer than half of the servers are up"), "{said}");
        assert_eq!(engine.status().pools[0].mode, PoolMode::Panic);

        a.revive();
        let said = event(&mut events, "server-up", "web/a").await;
        assert_eq!(said, "up: 2 of 2 checks passed");
        let said = event(&mut events, "pool-mode", "web").await;
        assert_eq!(said, "enough servers are up again: only those are used");
        assert!(server(&engine, "a").in_use && !server(&engine, "b").in_use);
        engine.drain(Duration::ZERO).await;
    });
}

#[test]
fn a_server_in_maintenance_is_left_alone_and_checked_at_once_when_it_is_back() {
    run(async {
        let (mut a, b) = (Origin::alive(), Origin::alive());
        let servers = [("a", a.address), ("b", b.address)];
        let (engine, mut events) = start(config(&servers, Some(often()))).await;
        checks(&engine, "a", 1).await;

        set(&engine, "a", AdminState::Maint);
        a.kill().await;
        // Time for what was under way to end, then for what should not happen.
        checks(&engine, "b", 5).await;
        let before = server(&engine, "a").checks_total;
        checks(&engine, "b", 20).await;
        assert_eq!(server(&engine, "a").checks_total, before, "checked in maintenance");

        set(&engine, "a", AdminState::Ready);
        event(&mut events, "server-down", "web/a").await;
        engine.drain(Duration::ZERO).await;
    });
}

#[test]
fn verdicts_survive_a_reload_and_new_rules_are_followed() {
    run(async {
        let (a, b) = (Origin::dead(), Origin::alive());
        let servers = [("a", a.address), ("b", b.address)];
        let (engine, mut events) = start(config(&servers, Some(often()))).await;
        event(&mut events, "server-down", "web/a").await;

        let servers = [("b", b.address), ("a", a.address), ("c", b.address)];
        // Only the old verdict can be the one that is seen.
        let seldom = Check { down: Duration::from_hours(1), ..often() };
        engine.apply(config(&servers, Some(seldom))).await.unwrap();
        checks(&engine, "c", 1).await;
        assert_eq!(server(&engine, "a").verdict.health, Health::Down);
        assert!(!server(&engine, "a").in_use);

        // Without a check it is held for a while, then gets another chance.
        let ejection = Duration::from_millis(1);
        let mut unchecked = config(&servers, None);
        unchecked.pools[0].outlier = Outlier { ejection, ..Outlier::default() };
        engine.apply(unchecked).await.unwrap();
        let said = event(&mut events, "server-up", "web/a").await;
        assert!(said.starts_with("up: another chance after"), "{said}");
        engine.drain(Duration::ZERO).await;
    });
}

#[test]
fn a_server_that_fails_its_traffic_is_out_for_a_while() {
    run(async {
        let (a, b) = (Origin::dead(), Origin::alive());
        let mut config = config(&[("a", a.address), ("b", b.address)], None);
        let ejection = Duration::from_millis(50);
        config.pools[0].outlier =
            Outlier { consecutive_failures: Some(2), ejection, ..Outlier::default() };
        config.listeners = vec![listener()];
        let (engine, mut events) = start(config).await;
        let address = engine.status().listeners[0].addresses[0];
        // Every other stream meets the dead server first.
        for _ in 0..4 {
            let mut client = TcpStream::connect(address).await.unwrap();
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        }
        let said = event(&mut events, "server-down", "web/a").await;
        assert_eq!(said, "down: 2 requests in a row failed: connection refused; out for 50 ms");
        let said = event(&mut events, "server-up", "web/a").await;
        assert!(said.starts_with("up: another chance after"), "{said}");
        engine.drain(Duration::ZERO).await;
    });
}

#[test]
fn a_server_that_starts_down_is_used_after_its_first_check() {
    run(async {
        let a = Origin::alive();
        let check = Check { initial: Some(InitialState::Down), ..often() };
        let (engine, mut events) = start(config(&[("a", a.address)], Some(check))).await;
        let said = event(&mut events, "server-up", "web/a").await;
        assert_eq!(said, "up: 1 of 1 checks passed");
        assert!(server(&engine, "a").in_use);
        engine.drain(Duration::ZERO).await;
    });
}

#[test]
fn more_servers_than_checks_at_once_are_all_checked() {
    run(async {
        // Nobody accepts, and nothing is said: every check takes as long as it may.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let a = listener.local_addr().unwrap();
        let names: Vec<_> = (0..MOST_CHECKS + 76).map(|number| format!("s{number}")).collect();
        let servers: Vec<_> = names.iter().map(|name| (name.as_str(), a)).collect();
        let kind = CheckKind::Talk(Talk { send: None, expect: Some("hello".into()) });
        let hasty = Duration::from_millis(50);
        let check = Check { kind, timeout: hasty, interval: hasty, ..Check::default() };
        let (engine, _events) = start(config(&servers, Some(check))).await;
        let all_checked = async {
            while engine.status().pools[0].servers.iter().any(|server| server.checks_total == 0) {
                // wait: between two looks, so that looking does not keep the checks from running
                tokio::time::sleep(OFTEN).await;
            }
        };
        timeout(PATIENCE, all_checked).await.expect("all are checked");
        engine.drain(Duration::ZERO).await;
    });
}

#[test]
fn a_reason_says_what_took_a_server_down_and_what_is_wrong_now() {
    run(async {
        let words = Rc::new(RefCell::new("HTTP/1.1 503 x\r\n\r\n".to_owned()));
        let a = says(Rc::clone(&words)).await;
        let check = Check { kind: CheckKind::Http(HttpCheck::default()), ..often() };
        let (engine, mut events) = start(config(&[("a", a)], Some(check))).await;
        event(&mut events, "server-down", "web/a").await;
        words.replace("HTTP/1.1 500 x\r\n\r\n".to_owned());
        checks(&engine, "a", 2).await;
        let reason = server(&engine, "a").verdict.reason;
        let expected = "1 of 1 checks failed: answered with status 503; \
                        now: answered with status 500";
        assert_eq!(&*reason, expected);
        engine.drain(Duration::ZERO).await;
    });
}

#[test]
fn two_thousand_servers_on_one_thread_all_have_their_turn() {
    run(async {
        // One socket for all of 127.0.0.0/8: as many servers as addresses.
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        spawn_local(async move {
            while let Ok((client, _)) = listener.accept().await {
                drop(client);
            }
        });
        let address = |number: u32| SocketAddr::from((std::net::Ipv4Addr::from(number), port));
        let first = u32::from_be_bytes([127, 1, 0, 1]);
        let names: Vec<_> = (0..2_000_u32).map(|number| format!("s{number}")).collect();
        let servers: Vec<_> =
            names.iter().map(String::as_str).zip((first..).map(address)).collect();
        let check = Check { timeout: PATIENCE, fast: PATIENCE, ..Check::default() };
        let (engine, _events) = start(config(&servers, Some(check))).await;
        let counts = || {
            let servers = engine.status().pools.remove(0).servers;
            servers.iter().map(|server| server.checks_total).collect::<Vec<_>>()
        };
        let all_checked = async {
            while counts().iter().any(|count| *count < 2) {
                // wait: a look at two thousand servers takes the time in which they are accepted
                tokio::time::sleep(OFTEN).await;
            }
        };
        timeout(PATIENCE * 3, all_checked).await.expect("all are checked again");
        let most = counts().into_iter().max();
        assert!(most <= Some(5), "{most:?} checks of one before the second of another");
        engine.drain(Duration::ZERO).await;
    });
}

/// A server that answers every connection with these words, whatever they are at the moment.
async fn says(words: Rc<RefCell<String>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn_local(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let words = words.borrow().clone();
            spawn_local(async move {
                let mut request = vec![0; 4096];
                if words.starts_with("HTTP") {
                    let _ = client.read(&mut request).await;
                }
                let _ = client.write_all(words.as_bytes()).await;
            });
        }
    });
    address
}

#[test]
fn an_agent_adds_to_what_the_operator_says_and_replaces_none_of_it() {
    run(async {
        let words = Rc::new(RefCell::new("50% up\n".to_owned()));
        let agent = says(Rc::clone(&words)).await;
        let kind = CheckKind::Agent(AgentCheck::default());
        let check = Check { kind, port: Some(agent.port()), ..often() };
        let (a, b) = (Origin::alive(), Origin::alive());
        let mut config = config(&[("a", a.address), ("b", b.address)], Some(check));
        config.pools[0].servers[1].backup = true;
        let (engine, mut events) = start(config).await;
        let said = event(&mut events, "agent", "web/a").await;
        assert_eq!(said, "agent: weight 50 %");

        words.replace("drain\n".to_owned());
        let said = event(&mut events, "agent", "web/a").await;
        assert_eq!(said, "agent: weight 50 %, drain");
        let status = server(&engine, "a");
        assert_eq!(status.admin.state, AdminState::Ready, "the operator's word stands");
        assert!(!status.in_use && status.verdict.health == Health::Up);
        assert!(status.verdict.reason.ends_with("; agent: weight 50 %, drain"));

        words.replace("ready down#no disk\n".to_owned());
        let said = event(&mut events, "server-down", "web/a").await;
        assert_eq!(said, "down: 2 of 2 checks failed: \"no disk\"");
        words.replace("up 100%\n".to_owned());
        event(&mut events, "server-up", "web/a").await;
        set(&engine, "a", AdminState::Drain);
        checks(&engine, "a", 2).await;
        assert!(!server(&engine, "a").in_use, "an agent cannot end what the operator began");
        engine.drain(Duration::ZERO).await;
    });
}

#[test]
fn an_agent_beside_the_check_counts_when_it_speaks_and_not_when_it_does_not() {
    run(async {
        let words = Rc::new(RefCell::new("50%\n".to_owned()));
        let agent = says(Rc::clone(&words)).await;
        let a = Origin::alive();
        // This one has no agent: nothing listens at its address and that port.
        let mut b = Origin::dead_at([127, 0, 0, 2]);
        b.revive();
        let mut config = config(&[("a", a.address), ("b", b.address)], Some(often()));
        let beside = Agent { interval: OFTEN, timeout: PATIENCE, ..Agent::new(agent.port()) };
        config.pools[0].agent = Some(beside.clone());
        let (engine, mut events) = start(config.clone()).await;
        assert_eq!(event(&mut events, "agent", "web/a").await, "agent: weight 50 %");

        words.replace("maint down#no disk\n".to_owned());
        let said = event(&mut events, "server-down", "web/a").await;
        assert_eq!(said, "down: its agent says that it is down: \"no disk\"");
        let status = server(&engine, "a");
        assert!(!status.in_use && status.verdict.health == Health::Down);
        let word = status.evidence.agent.expect("it was asked").said.expect("it has spoken").1;
        assert_eq!(word.as_str(), "maint down#no disk");
        words.replace("ready up\n".to_owned());
        event(&mut events, "server-up", "web/a").await;
        assert!(server(&engine, "a").in_use);

        // Nobody is at the other port: what was said holds, and nobody is blamed.
        let gone = Origin::dead();
        words.replace("down\n".to_owned());
        event(&mut events, "server-down", "web/a").await;
        let port = gone.address.port();
        config.pools[0].agent = Some(Agent { port, ..beside });
        engine.apply(config.clone()).await.unwrap();
        let silent = async {
            while server(&engine, "a").evidence.agent.is_none_or(|it| it.silent.is_none()) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, silent).await.expect("it is asked");
        assert!(!server(&engine, "a").in_use && server(&engine, "b").in_use);

        config.pools[0].agent = None;
        engine.apply(config).await.unwrap();
        event(&mut events, "server-up", "web/a").await;
        assert!(server(&engine, "a").in_use && server(&engine, "a").evidence.agent.is_none());
        engine.drain(Duration::ZERO).await;
    });
}

#[test]
fn who_lacks_what_others_have_leaves_and_what_all_lack_takes_nobody_out() {
    let health = |db: &str| {
        format!(
            "HTTP/1.1 200 OK\r\n\r\n{{\"status\": \"{db}\", \"components\": \
             [{{\"name\": \"db\", \"status\": \"{db}\", \"critical\": true}}]}}"
        )
    };
    run(async {
        let words: Vec<_> = (0..5).map(|_| Rc::new(RefCell::new(health("up")))).collect();
        let mut servers = Vec::new();
        for (name, words) in ["a", "b", "c", "d", "e"].into_iter().zip(&words) {
            servers.push((name, says(Rc::clone(words)).await));
        }
        let kind = CheckKind::Deep(HttpCheck::default());
        // Answers must not grow old while a busy machine gathers the others.
        let check = Check { kind, ..often() };
        let (engine, mut events) = start(config(&servers, Some(check))).await;
        for (name, _) in &servers {
            checks(&engine, name, 1).await;
        }

        words[0].replace(health("down"));
        let said = event(&mut events, "server-down", "web/a").await;
        assert!(said.ends_with("`db` is down for this server alone"), "{said}");
        let named = |it: &Component| (it.name.to_string(), it.status);
        let evidence: Vec<_> = server(&engine, "a").evidence.components.iter().map(named).collect();
        assert_eq!(evidence, [("db".to_owned(), Status::Down)]);

        for words in &words {
            words.replace(health("down"));
        }
        let said = event(&mut events, "pool-degraded", "web").await;
        assert!(said.contains("`db`"), "{said}");
        let lacks = || engine.status().pools.remove(0).degraded;
        assert_eq!(lacks()[0].dependency.as_str(), "db");
        event(&mut events, "server-up", "web/a").await;
        let others = engine.status().pools.remove(0).servers;
        assert!(others.iter().all(|server| server.in_use), "{others:?}");

        for words in &words {
            words.replace(health("up"));
        }
        event(&mut events, "pool-recovered", "web").await;
        assert_eq!(lacks(), []);
        engine.drain(Duration::ZERO).await;
    });
}
