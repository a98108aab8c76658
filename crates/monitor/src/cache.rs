//! Redis nodes that all web servers share: sessions, and recent values for a second.
//!
//! A key belongs to one node of the ring. While that node does not answer, its keys go to the next
//! one, and what it held is read from its replica, where it has one; the other nodes' keys stay.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{Client, Connection, RedisError};

use crate::clock;
use crate::ring::Ring;

/// Until a node has answered a connection or a command; a cache that is slower is of no use.
const ANSWER: Duration = Duration::from_millis(500);
/// After a fault a node is left alone for so long, in milliseconds.
const PAUSE_MS: u64 = 1000;
/// Idle connections kept to a node. More are made when needed; as many requests as sessions of a
/// pool are under way.
const MOST_IDLE: usize = 8;

/// Where a node is: `redis://HOST:PORT?replica=HOST:PORT`, the replica if it has one.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    name: String,
    node: Client,
    replica: Option<Client>,
}

/// All nodes.
#[derive(Debug)]
pub(crate) struct Cache {
    nodes: Vec<Arc<Node>>,
    ring: Ring,
}

#[derive(Debug)]
struct Node {
    name: String,
    server: Server,
    replica: Option<Server>,
}

/// One Redis server.
struct Server {
    client: Client,
    idle: Mutex<Vec<Connection>>,
    /// Until then it is taken to be down, in milliseconds since 1970.
    down_until_ms: AtomicU64,
}

/// No node answered.
#[derive(Debug, thiserror::Error)]
#[error("no Redis node answers: {0}")]
pub(crate) struct Unavailable(String);

impl Address {
    /// Reads an address; `None` for what is none.
    pub(crate) fn parse(written: &str) -> Option<Self> {
        let (base, query) = written.split_once('?').map_or((written, None), |(b, q)| (b, Some(q)));
        let name = base.strip_prefix("redis://")?.trim_end_matches('/').to_owned();
        let node = Client::open(base).ok()?;
        let replica = match query {
            None => None,
            Some(query) => {
                let host = query.strip_prefix("replica=")?;
                Some(Client::open(format!("redis://{host}")).ok()?)
            }
        };
        Some(Self { name, node, replica })
    }
}

impl Cache {
    pub(crate) fn new(addresses: &[Address]) -> Self {
        let ring = Ring::new(addresses.iter().map(|address| address.name.as_str()));
        let node = |Address { name, node, replica }: Address| {
            let replica = replica.map(Server::new);
            Arc::new(Node { name, server: Server::new(node), replica })
        };
        Self { nodes: addresses.iter().cloned().map(node).collect(), ring }
    }

    /// Keeps `value` under `key` for `lasts`.
    pub(crate) async fn put(
        &self,
        key: String,
        value: String,
        lasts: Duration,
    ) -> Result<(), Unavailable> {
        let lasts_ms = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        let mut set = redis::cmd("SET");
        set.arg(&key).arg(value).arg("PX").arg(lasts_ms);
        self.on_first(&key, move |node| node.server.run(&set)).await
    }

    /// What is kept under `key`.
    pub(crate) async fn get(&self, key: String) -> Result<Option<String>, Unavailable> {
        let mut get = redis::cmd("GET");
        get.arg(&key);
        let mut last = None;
        for node in self.order(&key) {
            let get = get.clone();
            let asked = blocking(move || node.get(&get)).await;
            match asked {
                Ok(Some(found)) => return Ok(Some(found)),
                // Nodes after the first that answers hold nothing of this key.
                Ok(None) => return Ok(None),
                Err(error) => last = Some(error),
            }
        }
        Err(unavailable(last))
    }

    /// What is kept under each of `keys`, in one question to each node; what a node does not tell
    /// is as good as not kept.
    pub(crate) async fn get_many(&self, keys: &[String]) -> Vec<Option<String>> {
        let mut found = vec![None; keys.len()];
        for (node, places) in self.by_node(keys) {
            let mut get = redis::cmd("MGET");
            get.arg(places.iter().map(|place| &keys[*place]).collect::<Vec<_>>());
            let answer: Result<Vec<Option<String>>, _> =
                blocking(move || node.server.run(&get)).await;
            for (place, value) in places.into_iter().zip(answer.unwrap_or_default()) {
                found[place] = value;
            }
        }
        found
    }

    /// Keeps each pair of a key and a value for `lasts`, where a node answers.
    pub(crate) async fn put_many(&self, pairs: Vec<(String, String)>, lasts: Duration) {
        let lasts_ms = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        let keys: Vec<String> = pairs.iter().map(|(key, _)| key.clone()).collect();
        for (node, places) in self.by_node(&keys) {
            let commands = places.into_iter().map(|place| {
                let mut set = redis::cmd("SET");
                set.arg(&pairs[place].0).arg(&pairs[place].1).arg("PX").arg(lasts_ms);
                set
            });
            let commands: Vec<_> = commands.collect();
            let put = move || {
                for command in commands {
                    let () = node.server.run(&command)?;
                }
                Ok::<_, RedisError>(())
            };
            // What is not kept is asked for again.
            let _ = blocking(put).await;
        }
    }

    /// The places of `keys`, by the node that they belong to.
    fn by_node(&self, keys: &[String]) -> Vec<(Arc<Node>, Vec<usize>)> {
        let mut places = vec![Vec::new(); self.nodes.len()];
        for (place, key) in keys.iter().enumerate() {
            if let Some(node) = self.ring.order(key).first() {
                places[*node].push(place);
            }
        }
        let nodes = self.nodes.iter().map(Arc::clone).zip(places);
        nodes.filter(|(_, places)| !places.is_empty()).collect()
    }

    /// Forgets `key`, on whichever node it may be.
    pub(crate) async fn remove(&self, key: String) -> Result<(), Unavailable> {
        let mut delete = redis::cmd("DEL");
        delete.arg(&key);
        let mut outcome = Ok(());
        for node in self.order(&key) {
            let delete = delete.clone();
            let removed: Result<(), _> = blocking(move || node.server.run(&delete)).await;
            if let Err(error) = removed {
                outcome = Err(unavailable(Some(error)));
            }
        }
        outcome
    }

    /// How each node is: its name, and what is wrong.
    pub(crate) async fn ask(&self) -> Vec<(String, Option<String>, Duration)> {
        let mut answers = Vec::new();
        for node in &self.nodes {
            let began = clock::instant();
            let asked = Arc::clone(node);
            let ping: Result<String, _> =
                blocking(move || asked.server.try_run(&redis::cmd("PING"))).await;
            let fault = ping.err().map(|error| error.to_string());
            answers.push((node.name.clone(), fault, began.elapsed()));
        }
        answers
    }

    fn order(&self, key: &str) -> Vec<Arc<Node>> {
        let order = self.ring.order(key).into_iter();
        order.map(|node| Arc::clone(&self.nodes[node])).collect()
    }

    async fn on_first<T: Send + 'static>(
        &self,
        key: &str,
        work: impl Fn(&Node) -> Result<T, RedisError> + Clone + Send + 'static,
    ) -> Result<T, Unavailable> {
        let mut last = None;
        for node in self.order(key) {
            let work = work.clone();
            match blocking(move || work(&node)).await {
                Ok(done) => return Ok(done),
                Err(error) => last = Some(error),
            }
        }
        Err(unavailable(last))
    }
}

impl Node {
    /// From the node; from its replica while it does not answer.
    fn get(&self, get: &redis::Cmd) -> Result<Option<String>, RedisError> {
        match (self.server.run(get), &self.replica) {
            (Err(_), Some(replica)) => match replica.run(get) {
                Ok(Some(found)) => Ok(Some(found)),
                // It may have been put on the next node since.
                Ok(None) => Err(down()),
                Err(error) => Err(error),
            },
            (done, _) => done,
        }
    }
}

impl Server {
    fn new(client: Client) -> Self {
        Self { client, idle: Mutex::default(), down_until_ms: AtomicU64::new(0) }
    }

    /// Runs `command`, unless the server failed a moment ago.
    fn run<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, RedisError> {
        if clock::now_ms() < self.down_until_ms.load(Ordering::Relaxed) {
            return Err(down());
        }
        self.try_run(command)
    }

    fn try_run<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, RedisError> {
        let idle = self.lock().pop();
        let was_idle = idle.is_some();
        let done = idle.map_or_else(|| self.connect(), Ok).and_then(|mut connection| {
            let done = command.query(&mut connection)?;
            let mut idle = self.lock();
            if idle.len() < MOST_IDLE {
                idle.push(connection);
            }
            Ok(done)
        });
        match done {
            // The server may have closed it long ago, and be well.
            Err(_) if was_idle => {
                self.lock().clear();
                self.try_run(command)
            }
            Err(error) => {
                self.down_until_ms.store(clock::now_ms() + PAUSE_MS, Ordering::Relaxed);
                Err(error)
            }
            Ok(done) => Ok(done),
        }
    }

    fn connect(&self) -> Result<Connection, RedisError> {
        let connection = self.client.get_connection_with_timeout(ANSWER)?;
        connection.set_read_timeout(Some(ANSWER))?;
        connection.set_write_timeout(Some(ANSWER))?;
        Ok(connection)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // Nothing that can panic is done under this lock.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.client.fmt(f)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("a command does not panic")
}

fn down() -> RedisError {
    (redis::ErrorKind::Io, "it failed a moment ago").into()
}

fn unavailable(error: Option<RedisError>) -> Unavailable {
    Unavailable(error.map_or_else(|| "there is none".to_owned(), |error| error.to_string()))
}
