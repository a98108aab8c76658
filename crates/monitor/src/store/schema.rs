//! The tables of a shard, and how they came to be.

use super::sql::{Dialect, Fault, Session, Value, transaction};

/// Each step once and for good: a step that was released is never changed, a later one mends it.
/// A step that was cut off is taken again.
/// `{…}` are words in which the databases differ.
const STEPS: &[&[&str]] = &[
    &[
        // Every shard has all devices; `shard` says where one's readings are.
        "CREATE TABLE IF NOT EXISTS devices (
        number BIGINT NOT NULL PRIMARY KEY,
        name {name} NOT NULL UNIQUE,
        shard INTEGER NOT NULL,
        digest {digest} NOT NULL,
        registered BIGINT NOT NULL
    ){table}",
        "CREATE TABLE IF NOT EXISTS records (
        device BIGINT NOT NULL,
        sequence BIGINT NOT NULL,
        time BIGINT NOT NULL,
        received BIGINT NOT NULL,
        body {body} NOT NULL,
        PRIMARY KEY (device, sequence)
    ){clustered}",
    ],
    &[
        // Who may look, on every shard.
        "CREATE TABLE IF NOT EXISTS users (
        name {name} NOT NULL PRIMARY KEY,
        password {text} NOT NULL,
        changed BIGINT NOT NULL
    ){table}",
        "CREATE TABLE IF NOT EXISTS sessions (
        digest {digest} NOT NULL PRIMARY KEY,
        user_name {name} NOT NULL,
        csrf {digest} NOT NULL,
        expires BIGINT NOT NULL
    ){table}",
        // `judged` is the sequence up to which a rule has looked at readings.
        "CREATE TABLE IF NOT EXISTS rules (
        number {serial},
        device BIGINT NOT NULL,
        kind {name} NOT NULL,
        field {name} NOT NULL,
        bound DOUBLE NOT NULL,
        judged BIGINT NOT NULL,
        turn BIGINT NOT NULL DEFAULT 0,
        created BIGINT NOT NULL
    ){table}",
        "CREATE INDEX IF NOT EXISTS rules_of_device ON rules (device)",
        // `is_open` is 1 or null: a rule has one open alarm at most.
        "CREATE TABLE IF NOT EXISTS alarms (
        number {serial},
        device BIGINT NOT NULL,
        rule BIGINT NOT NULL,
        watch {text} NOT NULL,
        value DOUBLE NOT NULL,
        opened BIGINT NOT NULL,
        closed BIGINT,
        acknowledged BIGINT,
        acknowledged_by {name},
        is_open INTEGER,
        UNIQUE (rule, is_open)
    ){table}",
    ],
];

/// What this table says of the shard itself: `schema`, the steps taken; `shard`, its place.
const META: &str = "CREATE TABLE IF NOT EXISTS meta (
    name {name} NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
){table}";

/// Brings the shard that is number `index` of its store up to date. A shard that was another
/// number before is refused: its devices would be looked for elsewhere.
pub(super) fn migrate(
    session: &mut dyn Session,
    dialect: Dialect,
    index: usize,
) -> Result<(), Fault> {
    let is_current = matches!(meta(session, "schema"), Ok(Some(steps)) if steps == STEPS.len());
    if !is_current {
        match dialect {
            Dialect::Sqlite => transaction(session, |session| take_steps(session, dialect, index))?,
            Dialect::Maria => alone(session, |session| take_steps(session, dialect, index))?,
        }
    }
    match meta(session, "shard")? {
        Some(found) if found == index => Ok(()),
        found => Err(Fault::Misplaced(format!(
            "the shard in place {index} of the settings was in place {}: keep the order of shards, \
             add new ones at the end",
            found.map_or_else(|| "none".to_owned(), |found| found.to_string()),
        ))),
    }
}

/// Where a change of tables ends a transaction, a lock of the server's keeps others out; it ends
/// with the session at the latest.
fn alone(
    session: &mut dyn Session,
    work: impl FnOnce(&mut dyn Session) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let got = session.query("SELECT GET_LOCK('monitor', 10)", &[])?;
    if got.first().is_none_or(|row| row.number(0) != 1) {
        return Err(Fault::Down("another process changes the tables".to_owned()));
    }
    work(session)?;
    session.query("SELECT RELEASE_LOCK('monitor')", &[]).map(|_| ())
}

fn take_steps(session: &mut dyn Session, dialect: Dialect, index: usize) -> Result<(), Fault> {
    session.execute(&words(META, dialect), &[])?;
    let taken = meta(session, "schema")?;
    if taken.is_none() {
        let sql = "INSERT INTO meta (name, value) VALUES ('schema', 0), ('shard', ?)";
        session.execute(sql, &[index.into()])?;
    }
    let taken = taken.unwrap_or(0);
    if taken > STEPS.len() {
        return Err(Fault::Misplaced(format!(
            "the shard has schema {taken}, this program knows {}: use the newer program",
            STEPS.len()
        )));
    }
    for (step, statements) in (1_usize..).zip(STEPS).skip(taken) {
        for statement in *statements {
            session.execute(&words(statement, dialect), &[])?;
        }
        let sql = "UPDATE meta SET value = ? WHERE name = 'schema'";
        session.execute(sql, &[Value::from(step)])?;
    }
    Ok(())
}

fn meta(session: &mut dyn Session, name: &str) -> Result<Option<usize>, Fault> {
    let rows = session.query("SELECT value FROM meta WHERE name = ?", &[name.into()])?;
    Ok(rows.first().map(|row| usize::try_from(row.number(0)).unwrap_or(usize::MAX)))
}

/// `statement` in the words of `dialect`.
fn words(statement: &str, dialect: Dialect) -> String {
    let words = match dialect {
        Dialect::Sqlite => [
            ("{name}", "TEXT"),
            ("{digest}", "TEXT"),
            ("{body}", "TEXT"),
            ("{text}", "TEXT"),
            ("{serial}", "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"),
            ("{table}", ""),
            ("{clustered}", " WITHOUT ROWID"),
        ],
        Dialect::Maria => [
            ("{name}", "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin"),
            ("{digest}", "CHAR(64) CHARACTER SET ascii COLLATE ascii_bin"),
            ("{body}", "VARCHAR(2048) CHARACTER SET ascii COLLATE ascii_bin"),
            ("{text}", "VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin"),
            ("{serial}", "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY"),
            ("{table}", " ENGINE=InnoDB"),
            ("{clustered}", " ENGINE=InnoDB"),
        ],
    };
    words.iter().fold(statement.to_owned(), |text, (from, to)| text.replace(from, to))
}
