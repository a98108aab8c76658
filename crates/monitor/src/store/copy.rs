//! Copies of shards: every row of one moment, with counts and digests that show whether two shards
//! hold the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Shard;
use super::sql::{Fault, Row, Session, Value, transaction};

/// Rows read in one question and written in one transaction.
const PAGE: usize = 4000;

/// A table with its columns, the key first.
struct Table {
    name: &'static str,
    key: &'static [&'static str],
    columns: &'static [&'static str],
}

/// What is copied. Sessions are not: who has the copy must not be somebody.
const TABLES: [Table; 5] = [
    Table {
        name: "devices",
        key: &["number"],
        columns: &["number", "name", "shard", "digest", "registered"],
    },
    Table {
        name: "records",
        key: &["device", "sequence"],
        columns: &["device", "sequence", "time", "received", "body"],
    },
    Table { name: "users", key: &["name"], columns: &["name", "password", "changed"] },
    Table {
        name: "rules",
        key: &["number"],
        columns: &["number", "device", "kind", "field", "bound", "judged", "turn", "created"],
    },
    Table {
        name: "alarms",
        key: &["number"],
        columns: &[
            "number",
            "device",
            "rule",
            "watch",
            "value",
            "opened",
            "closed",
            "acknowledged",
            "acknowledged_by",
            "is_open",
        ],
    },
];

/// What a table holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(crate) rows: u64,
    /// SHA-256 over all rows in the order of their keys, in hexadecimal.
    pub(crate) digest: String,
}

/// What a shard holds, by table.
pub(crate) type Sums = BTreeMap<String, Sum>;

impl Shard {
    /// Copies this shard, as it is at one moment, into the new file `to`; from the replica where
    /// one follows. Blocks.
    pub(crate) fn copy_to(self: &Arc<Self>, to: &Path) -> Result<Sums, Fault> {
        let mut from = self.address().open_replica().or_else(|_none| self.open())?;
        let copy = Self::in_file(self.index(), to);
        from.begin_snapshot()?;
        let copied = copy.open().and_then(|mut into| fill(&mut *from, &mut *into));
        from.rollback();
        copied
    }

    /// Fills this shard, which has to be empty, with what is in the file `from`. Blocks.
    pub(crate) fn fill_from(self: &Arc<Self>, from: &Path) -> Result<Sums, Fault> {
        let copy = Self::in_file(self.index(), from);
        let mut into = self.open()?;
        for table in &TABLES {
            let sql = format!("SELECT 1 FROM {} LIMIT 1", table.name);
            if !into.query(&sql, &[])?.is_empty() {
                let held =
                    format!("{} holds {} already: it has to be empty", self.name(), table.name);
                return Err(Fault::Misplaced(held));
            }
        }
        fill(&mut *copy.open()?, &mut *into)
    }

    /// What this shard holds, for a file that nobody writes to. Blocks.
    pub(crate) fn sums(self: &Arc<Self>) -> Result<Sums, Fault> {
        let mut session = self.open()?;
        let mut sums = Sums::new();
        for table in &TABLES {
            let sum = each_page(&mut *session, table, |_| Ok(()))?;
            sums.insert(table.name.to_owned(), sum);
        }
        Ok(sums)
    }
}

fn fill(from: &mut dyn Session, into: &mut dyn Session) -> Result<Sums, Fault> {
    let mut sums = Sums::new();
    for table in &TABLES {
        let columns = table.columns.join(", ");
        let places = vec!["?"; table.columns.len()].join(", ");
        let sql = format!("INSERT INTO {} ({columns}) VALUES ({places})", table.name);
        let sum = each_page(from, table, |rows| {
            transaction(&mut *into, |into| {
                for row in rows {
                    into.execute(&sql, &row.0)?;
                }
                Ok(())
            })
        })?;
        sums.insert(table.name.to_owned(), sum);
    }
    Ok(sums)
}

/// Reads a table in the order of its key, a page at a time.
fn each_page(
    session: &mut dyn Session,
    table: &Table,
    mut take: impl FnMut(&[Row]) -> Result<(), Fault>,
) -> Result<Sum, Fault> {
    let Table { name, key, columns } = table;
    let order = key.join(", ");
    let columns = columns.join(", ");
    let after = match key {
        [one] => format!("{one} > ?"),
        [one, two] => format!("{one} > ? OR ({one} = ? AND {two} > ?)"),
        _ => unreachable!("keys have one or two columns"),
    };
    let mut digest = hmac_sha256::Hash::new();
    let mut count = 0;
    let mut last: Option<Vec<Value>> = None;
    loop {
        let filter = last.as_ref().map_or(String::new(), |_| format!("WHERE {after}"));
        let sql = format!("SELECT {columns} FROM {name} {filter} ORDER BY {order} LIMIT {PAGE}");
        let values = match last.as_deref() {
            None => Vec::new(),
            Some([one]) => vec![one.clone()],
            Some([one, two, ..]) => vec![one.clone(), one.clone(), two.clone()],
            Some([]) => unreachable!("keys have one or two columns"),
        };
        let rows = session.query(&sql, &values)?;
        for row in &rows {
            digest.update(line(row).as_bytes());
        }
        count += rows.len() as u64;
        take(&rows)?;
        match rows.last() {
            Some(row) if rows.len() == PAGE => last = Some(row.0[..key.len()].to_vec()),
            _ => break,
        }
    }
    let digest = digest.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    Ok(Sum { rows: count, digest })
}

/// A row as it is counted: every value with its kind and length, so that no two rows are alike.
fn line(row: &Row) -> String {
    let mut line = String::new();
    for value in &row.0 {
        // As above.
        let _ = match value {
            Value::Null => write!(line, "n;"),
            Value::Integer(number) => write!(line, "i{number};"),
            Value::Real(number) => write!(line, "r{:016x};", number.to_bits()),
            Value::Text(text) => write!(line, "t{}:{text};", text.len()),
        };
    }
    line.push('\n');
    line
}
