//! A virtual address that an Evenkeel and Debian's keepalived own in turn: each takes it from the
//! other, in both versions, both families, and both ways of speaking. A capture of all that was
//! said is read by tcpdump without a complaint.

use std::time::Duration;

use evenkeel_sim::clock::{PATIENCE, comes_true, wait_until};
use evenkeel_sim::keepalived::NO_KEEPALIVED;
use evenkeel_sim::link::{Link, NO_LINK};
use evenkeel_sim::process::{self, Process, Signal};
use evenkeel_sim::skip_unless;

/// What the two have in common, and what each has to be told.
struct Case {
    address: &'static str,
    version: u8,
    unicast: bool,
}

impl Case {
    fn is_v6(&self) -> bool {
        self.address.contains(':')
    }

    fn addresses(&self) -> Vec<String> {
        let prefix = if self.is_v6() { 64 } else { 24 };
        let link_local = self.is_v6().then_some("fe80::10/64".to_owned());
        link_local.into_iter().chain([format!("{}/{prefix}", self.address)]).collect()
    }

    /// Of Evenkeel on `a`.
    fn ours(&self, priority: u8, peer: &str) -> String {
        let (version, addresses) = (self.version, self.addresses());
        let interval = if version == 2 { "1s" } else { "fast" };
        let peers = if self.unicast { format!("peers = [\"{peer}\"]\n") } else { String::new() };
        format!(
            "[vip.main]\naddress = {addresses:?}\ninterface = \"eth0\"\nrouter_id = 51\n\
             priority = {priority}\nversion = {version}\nadvertise = \"{interval}\"\n{peers}"
        )
    }

    /// Of keepalived on `b`.
    fn theirs(&self, own: &str, peer: &str) -> String {
        let (version, addresses) = (self.version, self.addresses().join("\n"));
        let interval = if version == 2 { "1" } else { "0.1" };
        let unicast = if self.unicast {
            // Over IPv6 it would send with the hop limit of the system, which is refused.
            format!("unicast_src_ip {own}\nunicast_ttl 255\nunicast_peer {{\n{peer}\n}}\n")
        } else {
            String::new()
        };
        format!(
            "virtual_router_id 51\npriority 120\nadvert_int {interval}\nversion {version}\n\
             nopreempt\n{unicast}virtual_ipaddress {{\n{addresses}\n}}"
        )
    }
}

fn both_roles(case: &Case) {
    let link = skip_unless!(Link::with(&["a", "b"]), NO_LINK);
    let capture = capture(&link);
    let (own, peer) = if case.is_v6() {
        (link.link_local("b"), link.link_local("a"))
    } else {
        ("192.0.2.2".to_owned(), "192.0.2.1".to_owned())
    };
    let mut a = link.node("a", &case.ours(150, &own));
    a.await_state("main", "active");
    let mut b = skip_unless!(link.keepalived("b", &case.theirs(&own, &peer)), NO_KEEPALIVED);
    // It listens for as long as an owner may be silent, and must hear one.
    let claims = || b.claims() > 0 || a.vip("main")["conflicts_total"] != 0;
    assert!(!comes_true(Duration::from_secs(5), claims), "{}\n{}", a.log(), b.log());
    a.process().signal(Signal::TERM);
    wait_until("keepalived takes it", PATIENCE, || link.has("b", case.address));
    assert!(a.process().wait(PATIENCE).success());
    assert!(!link.has("a", case.address));
    a.start(&case.ours(100, &own));
    wait_until("it is heard", PATIENCE, || a.vip("main")["owner"] == own.as_str());
    assert_eq!(b.claims(), 1, "{}", b.log());
    b.stop();
    a.await_state("main", "active");
    assert!(link.has("a", case.address));
    assert_eq!(a.vip("main")["conflicts_total"], 0);
    if let Some(capture) = capture {
        let said = capture.stdout.text();
        assert!(said.contains("Advertisement, vrid 51"), "{said}");
        for complaint in ["bad", "invalid", "malformed", "[|"] {
            assert!(!said.contains(complaint), "{complaint}: {said}");
        }
    }
}

/// Everything of VRRP on the link, read by tcpdump, if there is one.
fn capture(link: &Link) -> Option<Process> {
    let tcpdump = process::find("tcpdump")?;
    let mut command = link.command("switch", tcpdump.to_str().expect("paths are UTF-8"));
    command.args(["-l", "-n", "-vv", "-i", "br0", "ip proto 112 or ip6 proto 112"]);
    let mut process = Process::start("tcpdump", command);
    wait_until("tcpdump listens", PATIENCE, || {
        assert!(process.is_running(), "{}", process.stderr.text());
        process.stderr.text().contains("listening on")
    });
    Some(process)
}

#[test]
fn version_3_to_the_group() {
    both_roles(&Case { address: "192.0.2.10", version: 3, unicast: false });
}

#[test]
fn version_3_from_node_to_node() {
    both_roles(&Case { address: "192.0.2.10", version: 3, unicast: true });
}

#[test]
fn version_2_to_the_group() {
    both_roles(&Case { address: "192.0.2.10", version: 2, unicast: false });
}

#[test]
fn version_2_from_node_to_node() {
    both_roles(&Case { address: "192.0.2.10", version: 2, unicast: true });
}

#[test]
fn ipv6_to_the_group() {
    both_roles(&Case { address: "fd00::10", version: 3, unicast: false });
}

#[test]
fn ipv6_from_node_to_node() {
    both_roles(&Case { address: "fd00::10", version: 3, unicast: true });
}
