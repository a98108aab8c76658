//! A shard in a file of this machine: `SQLite`, with a write-ahead log so that reading and writing do
//! not wait for each other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql, params_from_iter};

use super::sql::{Fault, Record, Row, Session, Value};

/// How long a writer waits for another process's transaction. Batches take milliseconds.
const BUSY: Duration = Duration::from_secs(5);
/// Statements kept prepared in a session: there are about two dozen different ones.
const STATEMENTS: usize = 48;

/// A session with a database file.
pub(super) struct File {
    connection: Connection,
    /// While this is there, the shard is off.
    offline: PathBuf,
}

impl File {
    /// Opens `path`, and makes an empty database where none is.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let offline = offline(path);
        check(&offline)?;
        let connection = Connection::open(path).map_err(|error| {
            Fault::Down(format!("cannot open the database file {}: {error}", path.display()))
        })?;
        connection.busy_timeout(BUSY).map_err(fault)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let journal = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
        connection.query_row("PRAGMA journal_mode = WAL", [], journal).map_err(fault)?;
        // A commit is on the disk before it is acknowledged.
        connection.execute_batch("PRAGMA synchronous = FULL").map_err(fault)?;
        Ok(Self { connection, offline })
    }
}

/// The file that switches the shard `path` off while it is there.
pub(crate) fn offline(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".offline");
    name.into()
}

fn check(offline: &Path) -> Result<(), Fault> {
    if offline.exists() {
        return Err(Fault::Down(format!("it is switched off by the file {}", offline.display())));
    }
    Ok(())
}

impl Session for File {
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, Fault> {
        check(&self.offline)?;
        let mut statement = self.connection.prepare_cached(sql).map_err(fault)?;
        let changed = statement.execute(params_from_iter(values)).map_err(fault)?;
        Ok(changed as u64)
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        check(&self.offline)?;
        let mut statement = self.connection.prepare_cached(sql).map_err(fault)?;
        let columns = statement.column_count();
        let read = |row: &rusqlite::Row<'_>| {
            let values = (0..columns).map(|column| row.get_ref(column).map(value));
            Ok(Row(values.collect::<Result<_, _>>()?))
        };
        let rows = statement.query_map(params_from_iter(values), read).map_err(fault)?;
        rows.collect::<Result<_, _>>().map_err(fault)
    }

    fn begin(&mut self) -> Result<(), Fault> {
        self.execute("BEGIN IMMEDIATE", &[]).map(|_| ())
    }

    fn begin_snapshot(&mut self) -> Result<(), Fault> {
        self.execute("BEGIN", &[]).map(|_| ())
    }

    fn commit(&mut self) -> Result<(), Fault> {
        self.execute("COMMIT", &[]).map(|_| ())
    }

    fn rollback(&mut self) {
        if !self.connection.is_autocommit() {
            // A session that cannot undo is thrown away by whoever holds it, which undoes.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    fn append(&mut self, records: &[Record]) -> Result<u64, Fault> {
        let sql = "INSERT INTO records (device, sequence, time, received, body) \
                   VALUES (?, ?, ?, ?, ?) ON CONFLICT (device, sequence) DO NOTHING";
        check(&self.offline)?;
        let mut statement = self.connection.prepare_cached(sql).map_err(fault)?;
        let mut added = 0;
        for Record { device, sequence, time_ms, received_ms, body } in records {
            let numbers = [device, sequence, time_ms, received_ms].map(|n| Value::from(*n));
            let [device, sequence, time, received] = numbers;
            let row = (device, sequence, time, received, body.as_str());
            added += statement.execute(row).map_err(fault)? as u64;
        }
        Ok(added)
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

fn value(found: ValueRef<'_>) -> Value {
    match found {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        // No column of ours is a blob.
        ValueRef::Text(text) | ValueRef::Blob(text) => {
            Value::Text(String::from_utf8_lossy(text).into_owned())
        }
    }
}

/// What the database says, told apart by whether another try may help.
#[expect(clippy::needless_pass_by_value, reason = "it is an argument of map_err")]
fn fault(error: rusqlite::Error) -> Fault {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch
            | ErrorCode::ParameterOutOfRange
            | ErrorCode::Unknown
            | ErrorCode::TooBig,
        )
        | None => Fault::Refused(error.to_string()),
        Some(_) => Fault::Down(error.to_string()),
    }
}
