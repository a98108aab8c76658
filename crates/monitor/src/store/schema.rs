//! The tables of a shard, and how they came to be.

use super::sql::{Dialect, Fault, Session, Value, transaction};

/// Each step once and for good: a step that was released is never changed, a later one mends it.
/// `{…}` are words in which the databases differ.
const STEPS: &[&[&str]] = &[
    &[
        // Every shard has all devices; `shard` says where one's readings are.
        "CREATE TABLE devices (
        number BIGINT NOT NULL PRIMARY KEY,
        name {name} NOT NULL UNIQUE,
        shard INTEGER NOT NULL,
        digest {digest} NOT NULL,
        registered BIGINT NOT NULL
    ){table}",
        "CREATE TABLE records (
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
        "CREATE TABLE users (
        name {name} NOT NULL PRIMARY KEY,
        password {text} NOT NULL,
        changed BIGINT NOT NULL
    ){table}",
        "CREATE TABLE sessions (
        digest {digest} NOT NULL PRIMARY KEY,
        user_name {name} NOT NULL,
        csrf {digest} NOT NULL,
        expires BIGINT NOT NULL
    ){table}",
        // `judged` is the sequence up to which a rule has looked at readings.
        "CREATE TABLE rules (
        number {serial},
        device BIGINT NOT NULL,
        kind {name} NOT NULL,
        field {name} NOT NULL,
        bound DOUBLE NOT NULL,
        judged BIGINT NOT NULL,
        turn BIGINT NOT NULL DEFAULT 0,
        created BIGINT NOT NULL
    ){table}",
        "CREATE INDEX rules_of_device ON rules (device)",
        // `is_open` is 1 or null: a rule has one open alarm at most.
        "CREATE TABLE alarms (
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
        transaction(session, |session| take_steps(session, dialect, index))?;
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
    for statement in STEPS[taken..].iter().copied().flatten() {
        session.execute(&words(statement, dialect), &[])?;
    }
    let steps = [Value::from(STEPS.len())];
    session.execute("UPDATE meta SET value = ? WHERE name = 'schema'", &steps)?;
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
    };
    words.iter().fold(statement.to_owned(), |text, (from, to)| text.replace(from, to))
}
