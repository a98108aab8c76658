//! A shard in a `MariaDB` server, which may have a replica.
//!
//! Which of the two servers is the primary is asked, not configured: it is the one that may be
//! written to. So a replica that was promoted is found by the next session.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error, Opts, OptsBuilder, Params};
use tokio::runtime::Handle;

use super::sql::{Fault, Record, Row, Session, Value};
use crate::clock;

/// Until a server has answered a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// Until a statement is answered; a batch takes milliseconds.
const ANSWER: Duration = Duration::from_secs(10);
/// How far a replica may be behind and still be read from, in seconds.
const MOST_LAG_S: u64 = 5;
/// How long an answer about its lag is believed.
const LAG_KEPT: Duration = Duration::from_secs(1);
/// Records of one statement. Few sizes, so that each is prepared once.
const CHUNKS: [usize; 4] = [512, 64, 8, 1];

/// Where a shard's servers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Servers {
    first: Opts,
    second: Option<Opts>,
}

/// What a server is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It may be written to.
    Primary,
    /// It follows a primary, so many seconds behind; `None` when it does not follow.
    Replica(Option<u64>),
}

/// How the copy of a shard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copy {
    /// So many seconds behind.
    Behind(u64),
    /// There is none that follows.
    Broken,
}

impl Servers {
    /// Reads `mysql://USER:PASSWORD@HOST:PORT/DATABASE?replica=HOST:PORT`, without the replica
    /// for a single server.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let (base, query) = url.split_once('?').map_or((url, None), |(b, q)| (b, Some(q)));
        let first = Opts::from_url(base).ok().filter(|opts| opts.db_name().is_some())?;
        let second = match query {
            None => None,
            Some(query) => {
                let (host, port) = query.strip_prefix("replica=")?.rsplit_once(':')?;
                let port = port.parse().ok()?;
                let builder = OptsBuilder::from_opts(first.clone());
                Some(Opts::from(builder.ip_or_hostname(host).tcp_port(port)))
            }
        };
        Some(Self { first, second })
    }

    /// A session with the server that may be written to.
    pub(super) fn open(&self) -> Result<Server, Fault> {
        let mut found = None;
        let mut last = Fault::Down("both servers are read-only: promote one".to_owned());
        for opts in self.all() {
            match Server::connect(opts) {
                Ok(server) if server.role == Role::Primary => {
                    if found.replace(server).is_some() {
                        return Err(Fault::Down(
                            "both servers may be written to: make the old primary read_only"
                                .to_owned(),
                        ));
                    }
                }
                Ok(_replica) => {}
                Err(fault) => last = fault,
            }
        }
        found.ok_or(last)
    }

    /// A session with the server that follows, if it is not too far behind.
    pub(super) fn open_replica(&self) -> Result<Server, Fault> {
        for opts in self.all() {
            if let Ok(server) = Server::connect(opts)
                && matches!(server.role, Role::Replica(Some(lag)) if lag <= MOST_LAG_S)
            {
                return Ok(server);
            }
        }
        Err(Fault::Down("no replica follows closely".to_owned()))
    }

    pub(super) fn has_replica(&self) -> bool {
        self.second.is_some()
    }

    /// How the copy is.
    pub(super) fn copy(&self) -> Copy {
        for opts in self.all() {
            if let Ok(Server { role: Role::Replica(Some(lag)), .. }) = Server::connect(opts) {
                return Copy::Behind(lag);
            }
        }
        Copy::Broken
    }

    fn all(&self) -> impl Iterator<Item = &Opts> {
        std::iter::once(&self.first).chain(&self.second)
    }
}

/// A session with one server.
pub(super) struct Server {
    connection: Conn,
    /// Where the connection lives; this side blocks.
    runtime: Handle,
    role: Role,
    role_asked: Instant,
}

impl Server {
    /// Connects and asks for the role. Only on a thread that may block and belongs to a runtime.
    fn connect(opts: &Opts) -> Result<Self, Fault> {
        let runtime = Handle::try_current().map_err(|_outside| {
            Fault::Down("it is asked from outside of the program".to_owned())
        })?;
        let builder = OptsBuilder::from_opts(opts.clone())
            .prefer_socket(false)
            .stmt_cache_size(64)
            .setup(vec!["SET SESSION sql_mode = 'STRICT_ALL_TABLES'".to_owned()]);
        let connect = tokio::time::timeout(CONNECT, Conn::new(builder));
        let place = format!("{}:{}", opts.ip_or_hostname(), opts.tcp_port());
        let connection = runtime
            .block_on(connect)
            .map_err(|_late| Fault::Down(format!("{place} does not answer within {CONNECT:?}")))?
            .map_err(|error| Fault::Down(format!("{place}: {error}")))?;
        let role_asked = clock::instant();
        let mut server = Self { connection, runtime, role: Role::Replica(None), role_asked };
        server.role = server.ask_role()?;
        Ok(server)
    }

    fn ask_role(&mut self) -> Result<Role, Fault> {
        let read_only = self.rows("SELECT @@global.read_only", &[])?;
        if read_only.first().is_some_and(|row| row.number(0) == 0) {
            return Ok(Role::Primary);
        }
        let work = self.connection.query_first::<mysql_async::Row, _>("SHOW SLAVE STATUS");
        let row = wait(&self.runtime, work)?;
        let lag = row.and_then(|row| row.get_opt::<Option<u64>, _>("Seconds_Behind_Master"));
        Ok(Role::Replica(lag.and_then(Result::ok).flatten()))
    }

    /// A replica that falls behind is not read from any more.
    fn check_lag(&mut self) -> Result<(), Fault> {
        if self.role == Role::Primary || self.role_asked.elapsed() < LAG_KEPT {
            return Ok(());
        }
        self.role = self.ask_role()?;
        self.role_asked = clock::instant();
        match self.role {
            Role::Primary => Ok(()),
            Role::Replica(Some(lag)) if lag <= MOST_LAG_S => Ok(()),
            Role::Replica(_) => Err(Fault::Down("the replica is too far behind".to_owned())),
        }
    }

    fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        let work = self.connection.exec::<mysql_async::Row, _, _>(sql, params(values));
        let rows = wait(&self.runtime, work)?;
        Ok(rows.into_iter().map(row).collect())
    }
}

impl Session for Server {
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, Fault> {
        let work = self.connection.exec_drop(sql, params(values));
        wait(&self.runtime, work)?;
        Ok(self.connection.affected_rows())
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        self.check_lag()?;
        self.rows(sql, values)
    }

    fn begin(&mut self) -> Result<(), Fault> {
        wait(&self.runtime, self.connection.query_drop("START TRANSACTION"))
    }

    fn begin_snapshot(&mut self) -> Result<(), Fault> {
        let sql = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
        wait(&self.runtime, self.connection.query_drop(sql))
    }

    fn commit(&mut self) -> Result<(), Fault> {
        wait(&self.runtime, self.connection.query_drop("COMMIT"))
    }

    fn rollback(&mut self) {
        // A session that cannot undo is thrown away by whoever holds it, which undoes.
        let _ = wait(&self.runtime, self.connection.query_drop("ROLLBACK"));
    }

    fn append(&mut self, records: &[Record]) -> Result<u64, Fault> {
        let mut added = 0;
        let mut rest = records;
        while !rest.is_empty() {
            let fits = |chunk: &&usize| **chunk <= rest.len();
            let (now, later) = rest.split_at(*CHUNKS.iter().find(fits).unwrap_or(&1));
            let mut sql = String::from(
                "INSERT INTO records (device, sequence, time, received, body) VALUES (?,?,?,?,?)",
            );
            sql.push_str(&",(?,?,?,?,?)".repeat(now.len() - 1));
            sql.push_str(" ON DUPLICATE KEY UPDATE sequence = records.sequence");
            let mut values = Vec::with_capacity(now.len() * 5);
            for Record { device, sequence, time_ms, received_ms, body } in now {
                values.extend([device, sequence, time_ms, received_ms].map(|n| Value::from(*n)));
                values.push(Value::from(body.as_str()));
            }
            added += self.execute(&sql, &values)?;
            rest = later;
        }
        Ok(added)
    }
}

fn wait<T>(runtime: &Handle, work: impl Future<Output = Result<T, Error>>) -> Result<T, Fault> {
    let limited = async { tokio::time::timeout(ANSWER, work).await };
    match runtime.block_on(limited) {
        Ok(done) => done.map_err(fault),
        Err(_late) => Err(Fault::Down(format!("no answer within {ANSWER:?}"))),
    }
}

/// What the server says, told apart by whether another try may help.
fn fault(error: Error) -> Fault {
    /// It became read-only, is going down, was asked to wait too long, or chose us to give way.
    const PASSING: [u16; 6] = [1290, 1836, 1053, 1205, 1213, 1927];
    match error {
        Error::Server(server) if !PASSING.contains(&server.code) => {
            Fault::Refused(server.to_string())
        }
        other => Fault::Down(other.to_string()),
    }
}

fn params(values: &[Value]) -> Params {
    if values.is_empty() {
        return Params::Empty;
    }
    let value = |value: &Value| match value {
        Value::Null => mysql_async::Value::NULL,
        Value::Integer(number) => mysql_async::Value::Int(*number),
        Value::Real(number) => mysql_async::Value::Double(*number),
        Value::Text(text) => mysql_async::Value::Bytes(text.as_bytes().to_vec()),
    };
    Params::Positional(values.iter().map(value).collect())
}

fn row(found: mysql_async::Row) -> Row {
    let value = |value: mysql_async::Value| match value {
        mysql_async::Value::Int(number) => Value::Integer(number),
        mysql_async::Value::UInt(number) => Value::from(number),
        mysql_async::Value::Float(number) => Value::Real(f64::from(number)),
        mysql_async::Value::Double(number) => Value::Real(number),
        mysql_async::Value::Bytes(text) => Value::Text(String::from_utf8_lossy(&text).into_owned()),
        // No column of ours is a date.
        mysql_async::Value::NULL | mysql_async::Value::Date(..) | mysql_async::Value::Time(..) => {
            Value::Null
        }
    };
    Row(found.unwrap().into_iter().map(value).collect())
}
