//! Two nodes that know the same: what is said on one of them, when they hear each other and when
//! they do not.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use evenkeel_sim::authority::{Authority, Secured};
use evenkeel_sim::balancer::binary;
use evenkeel_sim::fake_clock::FakeClock;
use evenkeel_sim::link::{Link, NO_LINK, Node};
use evenkeel_sim::prelude::*;
use evenkeel_sim::process::{self, Signal, find};
use evenkeel_sim::scratch::Scratch;
use rustls::version::TLS13;
use serde_json::Value;

/// A secret as operators make it.
fn secret(folder: &Scratch, name: &str) -> PathBuf {
    let path = folder.file(name);
    let made = process::run(Command::new(binary()).args(["pair", "init", "--out"]).arg(&path));
    assert!(made.contains("[pair]"), "{made}");
    assert_eq!(fs::metadata(&path).expect("just written").permissions().mode() & 0o777, 0o600);
    path
}

fn pair(own: SocketAddr, other: SocketAddr, secret: &Path) -> String {
    let secret = secret.display();
    format!("[pair]\nbind = \"{own}\"\npeer = \"{other}\"\nsecret_file = \"{secret}\"\n")
}

fn is_up(node: &Balancer) -> bool {
    node.status()["pair"]["up"] == true
}

/// Two configurations that differ in nothing but where the nodes are.
fn two(origins: &[&Origin], secret: &Path) -> ([String; 2], [SocketAddr; 2]) {
    let (links, listen) = ([free_address(), free_address()], [free_address(), free_address()]);
    let config = |at: usize| {
        let pair = pair(links[at], links[1 - at], secret);
        format!("[node]\nname = \"{}\"\n{pair}{}", ["a", "b"][at], http(listen[at], origins))
    };
    ([config(0), config(1)], listen)
}

#[test]
fn what_is_said_on_one_node_holds_on_both() {
    let folder = Scratch::new("pair");
    let [one, two, three] = origins();
    let ([on_a, on_b], [_, at_b]) = self::two(&[&one, &two], &secret(&folder, "pair.secret"));
    let a = balancer(&on_a);
    let b = balancer(&on_b);
    wait_until("they hear each other", PATIENCE, || is_up(&a) && is_up(&b));
    assert_eq!(
        (&a.status()["pair"]["node"], &b.status()["pair"]["node"]),
        (&"b".into(), &"a".into())
    );
    let (drained, added) = (one.address().to_string(), three.address().to_string());
    let which = format!("app/{drained}");
    a.cli(&["server", "drain", &which, "--author", "ann", "--reason", "disk"]);
    a.cli(&["server", "add", "app", &added]);
    let admin = |node: &Balancer| node.server("app", &drained)["admin"].clone();
    wait_until("b knows of the drain", PATIENCE, || admin(&b)["state"] == "drain");
    assert_eq!((&admin(&b)["author"], &admin(&b)["reason"]), (&"ann".into(), &"disk".into()));
    wait_until("b uses what was added on a", PATIENCE, || get(at_b, "/").server() == three.name());
    wait_until("a shows how b judges", PATIENCE, || {
        a.server("app", &drained)["peer"]["health"] == "up"
    });
    // Whatever b had is lost: it gets all of it from a.
    drop(b);
    wait_until("a notices", PATIENCE, || !is_up(&a));
    assert!(a.log().contains("pair-down"), "{}", a.log());
    let b = balancer(&on_b);
    wait_until("b knows it again", PATIENCE, || {
        let all = b.status()["pools"][0]["servers"].clone();
        let has = |server: &Value| server["override"]["added"].is_object();
        admin(&b)["state"] == "drain" && all.as_array().is_some_and(|all| all.iter().any(has))
    });
    // And back: a takes as given what is taken back on b.
    b.cli(&["server", "ready", &which]);
    b.cli(&["server", "remove", &format!("app/{added}")]);
    wait_until("a knows of both", PATIENCE, || {
        admin(&a)["state"] == "ready"
            && a.status()["pools"][0]["servers"].as_array().unwrap().len() == 2
    });
    assert!(
        a.metric("evenkeel_pair_up", "") > 0.0 && a.metric("evenkeel_pair_links_total", "") > 1.0
    );
}

#[test]
fn each_node_shows_where_the_other_sees_something_else() {
    let folder = Scratch::new("pair");
    let one = origin("0");
    let ([on_a, on_b], _) = two(&[&one], &secret(&folder, "pair.secret"));
    let a = balancer(&on_a);
    // What a server never answers: it is down for b alone.
    let b = balancer(&on_b.replace("kind = \"tcp\"", "kind = \"http\"\nexpect = \"599\""));
    let server = one.address().to_string();
    let peer = |node: &Balancer| node.server("app", &server)["peer"]["health"].clone();
    wait_until("each knows how the other judges", PATIENCE, || {
        peer(&a) == "down" && peer(&b) == "up"
    });
    let said =
        |node: &Balancer| String::from_utf8_lossy(&node.cli(&["status"]).stdout).into_owned();
    assert!(said(&a).contains("there down: "), "{}", said(&a));
    assert!(said(&a).contains(&format!("b judges otherwise: app/{server}")), "{}", said(&a));
    assert!(said(&b).contains("there up: "), "{}", said(&b));
    assert!((a.metric("evenkeel_pair_servers_judged_otherwise", "") - 1.0).abs() < f64::EPSILON);
    wait_until("each knows what the other does", PATIENCE, || {
        a.status()["pair"]["figures"]["rate"].is_number()
    });
    drop(b);
    wait_until("what is not heard is not shown", PATIENCE, || {
        peer(&a).is_null() && a.status()["pair"]["figures"].is_null()
    });
}

#[test]
fn who_has_another_secret_is_not_the_other_node() {
    let folder = Scratch::new("pair");
    let (right, wrong) = (secret(&folder, "pair.secret"), secret(&folder, "other.secret"));
    let one = origin("0");
    let ([on_a, on_b], _) = two(&[&one], &right);
    let a = balancer(&on_a);
    let wrong = wrong.to_str().expect("paths here are UTF-8");
    let b = balancer(&on_b.replace(right.to_str().expect("so is this one"), wrong));
    wait_until("both refuse", PATIENCE, || {
        let refused = |node: &Balancer| node.metric("evenkeel_pair_refusals_total", "secret");
        refused(&a) > 0.0 && refused(&b) > 0.0
    });
    assert!(!is_up(&a) && !is_up(&b));
    assert!(a.log().contains("pair-refused") && b.log().contains("pair-refused"));
    b.reload(&on_b);
    wait_until("with the same one they meet", PATIENCE, || is_up(&a) && is_up(&b));
}

#[test]
fn a_secret_is_replaced_and_only_the_link_is_down_meanwhile() {
    let folder = Scratch::new("pair");
    let [one, two] = origins();
    let (on_a, next) = (secret(&folder, "pair.secret"), secret(&folder, "next.secret"));
    let on_b = folder.file("copy.secret");
    let copy = |from: &Path, to: &Path| fs::copy(from, to).expect("both are in this folder");
    copy(&on_a, &on_b);
    let ([for_a, for_b], listen) = self::two(&[&one, &two], &on_a);
    let [path_a, path_b] = [&on_a, &on_b].map(|path| path.to_str().expect("it is UTF-8"));
    let for_b = for_b.replace(path_a, path_b);
    let (a, b) = (balancer(&for_a), balancer(&for_b));
    wait_until("they hear each other", PATIENCE, || is_up(&a) && is_up(&b));
    copy(&next, &on_a);
    a.reload(&for_a);
    let refused = |node: &Balancer| node.metric("evenkeel_pair_refusals_total", "secret");
    wait_until("who has the one refuses who has the other", PATIENCE * 2, || {
        !is_up(&a) && !is_up(&b) && refused(&a) > 0.0 && refused(&b) > 0.0
    });
    for address in listen {
        assert_eq!(get(address, "/").status, 200);
    }
    let which = format!("app/{}", one.address());
    a.cli(&["server", "drain", &which]);
    copy(&next, &on_b);
    b.reload(&for_b);
    wait_until("with the same one they meet", PATIENCE * 2, || is_up(&a) && is_up(&b));
    wait_until("what was said meanwhile holds on both", PATIENCE, || {
        b.server("app", &one.address().to_string())["admin"]["state"] == "drain"
    });
}

#[test]
fn what_a_clock_that_was_ahead_has_dated_holds_once_it_is_set() {
    let clock = skip_unless!(FakeClock::new(), "libfaketime is not installed");
    let folder = Scratch::new("pair");
    let [one, two] = origins();
    let ([on_a, on_b], _) = self::two(&[&one, &two], &secret(&folder, "pair.secret"));
    clock.set("+2d");
    let a = balancer(&on_a);
    let b = clock.show(Start::with(&on_b)).start();
    let told = |word: &str| [&a, &b].iter().all(|node| node.log().contains(word));
    wait_until("both say so", PATIENCE * 2, || told("pair-clock") && told("s are the limit"));
    assert!(a.status()["pair"]["clock_apart_seconds"].as_f64() > Some(86_400.0));
    let state = |node: &Balancer, server: &Origin| {
        node.server("app", &server.address().to_string())["admin"]["state"].clone()
    };
    let which = |server: &Origin| format!("app/{}", server.address());
    b.cli(&["server", "drain", &which(&one)]);
    b.cli(&["server", "drain", &which(&two)]);
    // Said later, though b thinks that it was two days ago.
    a.cli(&["server", "maint", &which(&two)]);
    wait_until("b has heard of it", PATIENCE, || {
        b.metric("evenkeel_pair_words", "") > 1.0 && a.metric("evenkeel_pair_words", "") > 0.0
    });
    assert_eq!((state(&a, &one), state(&b, &two)), ("ready".into(), "drain".into()));
    clock.set("+0");
    wait_until("both say that it is right again", PATIENCE, || told("the same again"));
    for node in [&a, &b] {
        wait_until("the last word holds", PATIENCE, || {
            (state(node, &one), state(node, &two)) == ("drain".into(), "maint".into())
        });
    }
    // And so does what is said from now on.
    b.cli(&["server", "ready", &which(&one)]);
    wait_until("a knows of it", PATIENCE, || state(&a, &one) == "ready");
}

#[test]
fn a_session_of_one_node_is_resumed_on_the_other() {
    let folder = Scratch::new("pair");
    let authority = Authority::new();
    let certificate = authority.issue("site", &["site.example"]).toml();
    let secret = secret(&folder, "pair.secret");
    let (links, listen) = ([free_address(), free_address()], [free_address(), free_address()]);
    let server = origin("0");
    let [a, b] = [0, 1].map(|at: usize| {
        let (pair, server) = (pair(links[at], links[1 - at], &secret), server.address());
        balancer(&format!(
            "{pair}[listener.front]\nbind = [\"{}\"]\nprotocol = \"https\"\npool = \"app\"\n\
             certificates = [{certificate}]\n[pool.app]\nservers = [\"{server}\"]\n",
            listen[at]
        ))
    });
    wait_until("they hear each other", PATIENCE, || is_up(&a) && is_up(&b));
    let clients = authority.clients(&[&TLS13], None);
    let is_resumed = |at: usize| {
        let secured = Secured::connect(listen[at], "site.example", &clients).expect("a handshake");
        let is_resumed = secured.is_resumed();
        secured.ask("site.example", "").expect("an answer");
        is_resumed
    };
    // Which of both keys a seals with depends on whether it has heard of b's.
    is_resumed(0);
    wait_until("b opens what a has sealed", PATIENCE, || is_resumed(0) && is_resumed(1));
    is_resumed(0);
    drop(a);
    assert!(is_resumed(1), "though a is gone");
}

/// The same two on a link of their own, which can be cut.
fn on_link(number: u8) -> String {
    let other = 3 - number;
    format!(
        "[pair]\nbind = \"192.0.2.{number}:7071\"\npeer = \"192.0.2.{other}:7071\"\n\
         secret_file = \"pair.secret\"\ntimeout = \"1s\"\n\
         [pool.app]\nservers = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n"
    )
}

fn nodes<'l>(link: &'l Link, more: &dyn Fn(u8) -> String) -> (Node<'l>, Node<'l>) {
    let folder = Scratch::new("pair");
    let secret = fs::read_to_string(secret(&folder, "pair.secret")).expect("just written");
    let files = [("pair.secret", secret.as_str())];
    let a = link.node_with("a", &(on_link(1) + &more(1)), &files);
    let b = link.node_with("b", &(on_link(2) + &more(2)), &files);
    wait_until("they hear each other", PATIENCE, || hears(&a) && hears(&b));
    (a, b)
}

fn status(node: &Node<'_>) -> Value {
    serde_json::from_str(&node.api("GET", "/api/v1/status", "").unwrap_or_default())
        .unwrap_or_default()
}

fn hears(node: &Node<'_>) -> bool {
    status(node)["pair"]["up"] == true
}

#[test]
fn a_link_that_was_cut_heals_and_the_last_word_holds() {
    let link = skip_unless!(Link::with(&["a", "b"]), NO_LINK);
    let (a, b) = nodes(&link, &|_| String::new());
    let set = |node: &Node<'_>, server: u8, state: &str| {
        let path = format!("/api/v1/pools/app/servers/127.0.0.1:{server}");
        let body = format!("{{\"state\": \"{state}\", \"author\": \"ann\"}}");
        let answer = node.api("PUT", &path, &body).expect("it runs");
        assert!(answer.contains(state), "{answer}");
    };
    let state = |node: &Node<'_>, server: usize| {
        status(node)["pools"][0]["servers"][server - 1]["admin"]["state"].clone()
    };
    link.plug("b", false);
    wait_until("both say that it is cut", PATIENCE, || !hears(&a) && !hears(&b));
    assert!(a.log().contains("pair-down") && b.log().contains("pair-down"));
    // Both go on, and know better: of the first server b has the last word, of the other one a.
    set(&a, 1, "drain");
    set(&b, 1, "maint");
    set(&b, 2, "maint");
    set(&a, 2, "drain");
    link.plug("b", true);
    for node in [&a, &b] {
        wait_until("the last word holds", PATIENCE, || {
            (state(node, 1), state(node, 2)) == ("maint".into(), "drain".into())
        });
    }
}

#[test]
fn a_file_that_is_reloaded_on_one_node_is_in_force_on_both() {
    let link = skip_unless!(Link::with(&["a", "b"]), NO_LINK);
    let (a, b) = nodes(&link, &|_| String::new());
    let reload = |more: &str, way: &str| -> Value {
        a.write(&(on_link(1) + more));
        let answer = a.api("POST", &format!("/api/v1/reload{way}"), "{}").expect("it runs");
        serde_json::from_str(&answer).expect("it speaks JSON")
    };
    let in_force = |node: &Node<'_>| node.api("GET", "/api/v1/config", "").expect("it runs");
    let same = |wanted: bool| {
        [&a, &b].iter().all(|node| status(node)["pair"]["same_configuration"] == wanted)
    };
    wait_until("both say that each redirects to another name", PATIENCE, || same(false));
    let applied = reload("[pool.more]\nservers = [\"127.0.0.1:3\"]\n", "");
    assert_eq!(
        (&applied["peer"]["node"], &applied["peer"]["applied"]),
        (&"b".into(), &true.into())
    );
    let text = in_force(&b);
    for part in ["[pool.more]", "name = \"b\"", "peer = \"192.0.2.1:7071\""] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(b.read("evenkeel.toml"), text, "a restart would find it");
    wait_until("both have the same", PATIENCE, || same(true));
    assert_eq!(status(&b)["pools"].as_array().map(Vec::len), Some(2));
    // What does not fit there is in force here, and both results are told.
    let vip = "[vip.far]\naddress = \"192.0.2.99/24\"\ninterface = \"eth7\"\nrouter_id = 9\n";
    let applied = reload(vip, "");
    let reason = applied["peer"]["reason"].as_str().expect("it says why");
    assert!(applied["peer"]["applied"] == false && reason.contains("eth7"), "{applied}");
    assert!(in_force(&a).contains("[vip.far]") && in_force(&b) == text);
    wait_until("both say that they differ", PATIENCE, || same(false));
    // Unless it is to be on both or on neither.
    let before = in_force(&a);
    let refused = reload(&vip.replace("far", "farther"), "?both=true");
    assert_eq!(refused["status"], 409, "{refused}");
    assert_eq!(in_force(&a), before);
}

#[test]
fn a_weaker_owner_finishes_what_is_under_way_before_it_is_preempted() {
    let link = skip_unless!(Link::with(&["a", "b", "client"]), NO_LINK);
    let address = "192.0.2.3:8000".parse().expect("an address");
    let server = link.enter("client", || Origin::start("slow", address));
    let vip = |number: u8| {
        let priority = [150, 100][usize::from(number - 1)];
        format!(
            "[pool.slow]\nservers = [\"{address}\"]\n[listener.slow]\nbind = [\"0.0.0.0:8081\"]\n\
             protocol = \"http\"\npool = \"slow\"\n[vip.main]\naddress = \"192.0.2.10/24\"\n\
             interface = \"eth0\"\nrouter_id = 51\npriority = {priority}\nadvertise = \"fast\"\n\
             preempt = true\ndrain = \"30s\"\n"
        )
    };
    let (mut a, b) = nodes(&link, &vip);
    a.await_state("main", "active");
    a.kill();
    b.await_state("main", "active");
    let answer = thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let address = "192.0.2.10:8081".parse().expect("an address");
            link.enter("client", || get(address, "/?wait=2500"))
        });
        wait_until("it is under way", PATIENCE, || !server.seen().is_empty());
        a.start(&(on_link(1) + &vip(1)));
        slow.join().expect("it is answered")
    });
    assert!(answer.status == 200 && answer.is_intact(), "{answer:?}");
    a.await_state("main", "active");
    wait_until("b has given it", PATIENCE, || {
        b.log().contains("it wants the address") && b.vip("main")["moved"] == false
    });
    assert!(!b.log().contains("vip-cut"), "{}", b.log());
}

#[test]
fn what_a_signal_or_apply_brings_to_one_node_is_in_force_on_both() {
    let link = skip_unless!(Link::with(&["a", "b"]), NO_LINK);
    let (mut a, b) = nodes(&link, &|_| String::new());
    let more = |name: &str| format!("[pool.{name}]\nservers = [\"127.0.0.1:3\"]\n");
    let in_force = |node: &Node<'_>| node.api("GET", "/api/v1/config", "").unwrap_or_default();
    a.write(&(on_link(1) + &more("hung")));
    a.process().signal(Signal::HUP);
    wait_until("b has what a was told to read", PATIENCE, || in_force(&b).contains("[pool.hung]"));
    wait_until("b would find it after a restart", PATIENCE, || {
        b.read("evenkeel.toml").contains("[pool.hung]")
    });
    wait_until("a says what became of it", PATIENCE, || a.log().contains("pair-offer-taken"));
    let file = a.read("evenkeel.toml") + &more("applied");
    let scratch = Scratch::new("apply");
    let file = scratch.write("applied.toml", file);
    let program = binary();
    let program = program.to_str().expect("paths here are UTF-8");
    let mut apply = link.command("a", program);
    apply.args(["apply", "--json", "-c"]).arg(&file);
    let applied: Value = serde_json::from_str(&process::run(&mut apply)).expect("it is JSON");
    assert_eq!(applied["peer"]["applied"], true, "{applied}");
    for node in [&a, &b] {
        assert!(in_force(node).contains("[pool.applied]"));
        assert!(!node.read("evenkeel.toml").contains("[pool.applied]"), "it is written nowhere");
    }
}

#[test]
fn adverts_that_are_filtered_one_way_do_not_make_two_owners() {
    let link = skip_unless!(Link::with(&["a", "b"]), NO_LINK);
    let nft = skip_unless!(find("nft"), "`nft` is not there");
    let vip = |number: u8| {
        let priority = [150, 100][usize::from(number - 1)];
        format!(
            "[vip.main]\naddress = \"192.0.2.10/24\"\ninterface = \"eth0\"\nrouter_id = 51\n\
             priority = {priority}\nadvertise = \"500ms\"\npreempt = true\n"
        )
    };
    let (mut a, b) = nodes(&link, &vip);
    a.await_state("main", "active");
    b.await_state("main", "backup");
    let rules = "table inet deaf {\nchain input {\ntype filter hook input priority 0;\n\
                 ip protocol 112 drop\n}\n}\n";
    let nft = nft.to_str().expect("paths here are UTF-8");
    process::run(link.command("b", nft).arg(rules));
    wait_until("b hears of the owner by the other path", PATIENCE, || {
        b.vip("main")["obstacle"].as_str().is_some_and(|why| why.contains("a peer says"))
    });
    // Longer than an owner may be silent.
    let sent = || a.metric("evenkeel_vip_adverts_total", "way=\"sent\"");
    let before = sent();
    wait_until("a goes on", PATIENCE, || sent() > before + 6.0);
    assert_eq!(b.vip("main")["claims_total"], 0);
    assert_eq!(b.vip("main")["peer"]["owns"], true);
    assert_eq!(a.vip("main")["peer"]["claim"], 100);
    assert!(link.has("a", "192.0.2.10") && !link.has("b", "192.0.2.10"));
    a.kill();
    b.await_state("main", "active");
}
