//! Where readings and sessions are kept: in files, or in servers of their own. Values only.

use std::fmt::Write as _;

use super::scene::{Actor, Ground, SHARDS};

/// Nodes of Redis.
pub(super) const CACHES: u8 = 3;
/// The account of the service at its databases, and what it calls its own there.
pub(super) const ACCOUNT: &str = "monitor";

/// What keeps things in this demo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stores {
    /// Shards are in servers, each with a replica; otherwise in files.
    pub(super) in_mariadb: bool,
    /// Sessions are in nodes of Redis, each with a replica; otherwise in the shards.
    pub(super) in_redis: bool,
}

impl Stores {
    /// Everybody with a part from the beginning, in the order they are shown.
    pub(super) fn ensemble(self) -> impl Iterator<Item = Actor> {
        let replicas = (0..SHARDS).filter(move |_| self.in_mariadb).map(Actor::Replica);
        let nodes = (0..CACHES).map(Actor::Cache).chain((0..CACHES).map(Actor::CacheReplica));
        Actor::ensemble().chain(replicas).chain(nodes.filter(move |_| self.in_redis))
    }

    /// The nodes of Redis.
    pub(super) fn caches(self) -> impl Iterator<Item = Actor> {
        let nodes = |actor: &Actor| matches!(actor, Actor::Cache(_) | Actor::CacheReplica(_));
        self.ensemble().filter(nodes)
    }

    /// The settings of the service; `None` for those it has by itself.
    pub(super) fn settings(self, ground: Ground, secret: &str) -> Option<String> {
        if self == Self::default() {
            return None;
        }
        let shard = |number| {
            if !self.in_mariadb {
                return format!("sqlite:shard{number}.db");
            }
            let primary = ground.work(Actor::Shard(number));
            let replica = ground.work(Actor::Replica(number));
            format!("mysql://{ACCOUNT}:{secret}@{primary}/{ACCOUNT}?replica={replica}")
        };
        let node = |number| {
            let node = ground.work(Actor::Cache(number));
            format!("redis://{node}?replica={}", ground.work(Actor::CacheReplica(number)))
        };
        let mut text = format!(
            "[store]\nshards = {}\n\n[web]\ncertificate = \"site.pem\"\nkey = \"site.key\"\n",
            list((0..SHARDS).map(shard))
        );
        if self.in_redis {
            let nodes = list((0..CACHES).map(node));
            write!(text, "\n[cache]\nredis = {nodes}\n").expect("strings grow");
        }
        Some(text)
    }

    /// What is started, in words.
    pub(super) fn words(self) -> String {
        let shards = if self.in_mariadb {
            "three shards in MariaDB, each with a replica"
        } else {
            "three shards"
        };
        let nodes = if self.in_redis { ", three nodes of Redis, each with a replica" } else { "" };
        format!("{shards}{nodes}")
    }
}

fn list(entries: impl Iterator<Item = String>) -> String {
    let entries: Vec<String> = entries.map(|entry| format!("\n  \"{entry}\",")).collect();
    format!("[{}\n]", entries.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(actors: impl Iterator<Item = Actor>) -> String {
        actors.map(|actor| actor.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_store_adds_its_servers() {
        let files = Stores::default();
        assert_eq!(names(files.ensemble()), "lb0 lb1 cs0 cs1 ws0 ws1 db0 db1 db2");
        assert_eq!(names(files.caches()), "");
        let servers = Stores { in_mariadb: true, in_redis: true };
        let added = names(servers.ensemble().skip(9));
        assert_eq!(added, "db0r db1r db2r rd0 rd1 rd2 rd0r rd1r rd2r");
        assert_eq!(names(servers.caches()), "rd0 rd1 rd2 rd0r rd1r rd2r");
    }

    #[test]
    fn settings_name_every_server_and_its_replica() {
        assert_eq!(Stores::default().settings(Ground::Link, "s"), None);
        let text = Stores { in_mariadb: true, in_redis: true }.settings(Ground::Link, "s").unwrap();
        for part in [
            "\"mysql://monitor:s@192.0.2.42:3306/monitor?replica=192.0.2.52:3306\"",
            "\"redis://192.0.2.60:6379?replica=192.0.2.70:6379\"",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let text = Stores { in_redis: true, ..Stores::default() };
        let text = text.settings(Ground::Loopback, "").unwrap();
        assert!(text.contains("sqlite:shard2.db") && text.contains("127.77.0.62"), "{text}");
    }
}
