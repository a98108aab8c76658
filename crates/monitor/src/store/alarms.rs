//! Rules and alarms: on the shard of their device.

use std::sync::Arc;

use super::Shard;
use super::records::reading_of;
use super::sql::{Dialect, Fault, Row, Session, Value, transaction};
use crate::alarm::{Change, Watch};

/// Rules of one device.
const MOST_RULES: usize = 32;
/// Rules of a shard that are judged in one round.
const MOST_JUDGED: usize = 20_000;
/// Records of one device that a rule looks at in one round; the rest is for the next.
const MOST_RECORDS: usize = 2000;
/// Alarms shown at once.
pub(crate) const MOST_SHOWN: usize = 200;

/// What is watched of a device.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) number: u64,
    pub(crate) watch: Watch,
}

/// An alarm, open or over.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Alarm {
    pub(crate) shard: usize,
    pub(crate) number: u64,
    pub(crate) device: String,
    /// What was watched, in words.
    pub(crate) watch: String,
    pub(crate) value: f64,
    pub(crate) opened_ms: u64,
    pub(crate) closed_ms: Option<u64>,
    pub(crate) acknowledged_ms: Option<u64>,
    pub(crate) acknowledged_by: Option<String>,
}

/// What came of adding a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    Added,
    TooMany,
}

impl Shard {
    /// The rules of device `number`.
    pub(crate) async fn rules(self: &Arc<Self>, number: u64) -> Result<Vec<Rule>, Fault> {
        let sql = "SELECT number, kind, field, bound FROM rules WHERE device = ? ORDER BY number";
        let rows = self.with(move |session| session.query(sql, &[number.into()])).await?;
        Ok(rows.iter().filter_map(rule).collect())
    }

    /// Watches device `number` from its next reading on.
    pub(crate) async fn add_rule(
        self: &Arc<Self>,
        number: u64,
        watch: Watch,
    ) -> Result<Added, Fault> {
        self.with(move |session| transaction(session, |session| add_rule(session, number, &watch)))
            .await
    }

    /// Removes a rule of device `number`, and ends its alarm.
    pub(crate) async fn remove_rule(
        self: &Arc<Self>,
        number: u64,
        rule: u64,
        now_ms: u64,
    ) -> Result<(), Fault> {
        self.with(move |session| {
            transaction(session, |session| {
                let removed = session.execute(
                    "DELETE FROM rules WHERE number = ? AND device = ?",
                    &[rule.into(), number.into()],
                )?;
                if removed > 0 { end_alarm(session, rule, now_ms) } else { Ok(()) }
            })
        })
        .await
    }

    /// Alarms of this shard, those that are open first, then the newest.
    pub(crate) async fn alarms(self: &Arc<Self>) -> Result<Vec<Alarm>, Fault> {
        let sql = "SELECT a.number, d.name, a.watch, a.value, a.opened, a.closed, \
                   a.acknowledged, a.acknowledged_by \
                   FROM alarms a JOIN devices d ON d.number = a.device \
                   ORDER BY a.is_open IS NULL, a.opened DESC, a.number DESC LIMIT ?";
        let shard = self.index();
        let rows = self.with(move |session| session.query(sql, &[MOST_SHOWN.into()])).await?;
        Ok(rows.iter().map(|row| alarm(row, shard)).collect())
    }

    /// Alarms that are open, and how many of them nobody has acknowledged.
    pub(crate) async fn open_alarms(self: &Arc<Self>) -> Result<(u64, u64), Fault> {
        let sql = "SELECT COUNT(*), COUNT(*) - COUNT(acknowledged) FROM alarms WHERE is_open = 1";
        let rows = self.with(move |session| session.query(sql, &[])).await?;
        Ok(rows.first().map_or((0, 0), |row| (row.number(0), row.number(1))))
    }

    /// Somebody has seen the alarm; the first one counts. Whether there is such an alarm.
    pub(crate) async fn acknowledge(
        self: &Arc<Self>,
        alarm: u64,
        user: &str,
        now_ms: u64,
    ) -> Result<bool, Fault> {
        let values: [Value; 3] = [now_ms.into(), user.into(), alarm.into()];
        self.with(move |session| {
            let sql = "UPDATE alarms SET acknowledged = ?, acknowledged_by = ? \
                       WHERE number = ? AND acknowledged IS NULL";
            session.execute(sql, &values)?;
            let sql = "SELECT number FROM alarms WHERE number = ?";
            Ok(!session.query(sql, &values[2..])?.is_empty())
        })
        .await
    }

    /// Judges what has come since the last round, whichever process that was in.
    pub(crate) async fn judge(self: &Arc<Self>, now_ms: u64) -> Result<(), Fault> {
        let dialect = self.dialect();
        self.with(move |session| {
            let sql = "SELECT r.number, r.kind, r.field, r.bound, r.device, r.judged, r.created, \
                       (SELECT COUNT(*) FROM alarms a WHERE a.rule = r.number AND a.is_open = 1) \
                       FROM rules r ORDER BY r.number LIMIT ?";
            for row in session.query(sql, &[MOST_JUDGED.into()])? {
                judge(session, dialect, &row, now_ms)?;
            }
            Ok(())
        })
        .await
    }
}

fn add_rule(session: &mut dyn Session, number: u64, watch: &Watch) -> Result<Added, Fault> {
    let device = [number.into()];
    let there = session.query("SELECT COUNT(*) FROM rules WHERE device = ?", &device)?;
    if there.first().is_some_and(|row| row.number(0) >= MOST_RULES as u64) {
        return Ok(Added::TooMany);
    }
    let highest = session.query("SELECT MAX(sequence) FROM records WHERE device = ?", &device)?;
    let judged = highest.first().map_or(0, |row| row.number(0));
    let (kind, field, bound) = watch.parts();
    let created = crate::clock::now_ms();
    let bound = Value::Real(bound);
    let values = [number.into(), kind.into(), field.into(), bound, judged.into(), created.into()];
    let sql = "INSERT INTO rules (device, kind, field, bound, judged, created) \
               VALUES (?, ?, ?, ?, ?, ?)";
    session.execute(sql, &values)?;
    Ok(Added::Added)
}

fn end_alarm(session: &mut dyn Session, rule: u64, at_ms: u64) -> Result<(), Fault> {
    let sql = "UPDATE alarms SET closed = ?, is_open = NULL WHERE rule = ? AND is_open = 1";
    session.execute(sql, &[at_ms.into(), rule.into()]).map(|_| ())
}

/// Judges one rule. Where it has come to moves together with its alarms, and only if nobody else
/// has moved it meanwhile.
fn judge(session: &mut dyn Session, dialect: Dialect, row: &Row, now_ms: u64) -> Result<(), Fault> {
    let Some(Rule { number, watch }) = rule(row) else { return Ok(()) };
    let (device, judged, created, is_raised) =
        (row.number(4), row.number(5), row.number(6), row.number(7) > 0);
    let sql = "SELECT sequence, time, received, body FROM records \
               WHERE device = ? AND sequence > ? ORDER BY sequence LIMIT ?";
    let rows = session.query(sql, &[device.into(), judged.into(), MOST_RECORDS.into()])?;
    let readings: Vec<_> = rows.iter().map(reading_of).collect();
    let last_ms = match readings.last() {
        Some(last) => last.received_ms,
        None => last_received(session, device, judged)?.unwrap_or(created),
    };
    let reached = readings.last().map_or(judged, |last| last.sequence);
    let heard: Vec<_> =
        readings.into_iter().map(|reading| (reading.received_ms, reading.fields)).collect();
    let changes = watch.changes(is_raised, &heard, last_ms, now_ms);
    if reached == judged && changes.is_empty() {
        return Ok(());
    }
    transaction(session, |session| {
        let sql = "UPDATE rules SET judged = ?, turn = turn + 1 WHERE number = ? AND judged = ?";
        let moved = session.execute(sql, &[reached.into(), number.into(), judged.into()])?;
        if moved == 0 {
            return Ok(());
        }
        for change in changes {
            match change {
                Change::Raise(at_ms, value) => {
                    let sql = format!(
                        "{} INTO alarms (device, rule, watch, value, opened, is_open) \
                         VALUES (?, ?, ?, ?, ?, 1)",
                        dialect.insert_unless_there()
                    );
                    let watch = watch.to_string();
                    let (watch, value) = (watch.as_str().into(), Value::Real(value));
                    let values = [device.into(), number.into(), watch, value, at_ms.into()];
                    session.execute(&sql, &values)?;
                }
                Change::End(at_ms) => end_alarm(session, number, at_ms)?,
            }
        }
        Ok(())
    })
}

fn last_received(
    session: &mut dyn Session,
    device: u64,
    sequence: u64,
) -> Result<Option<u64>, Fault> {
    let sql = "SELECT received FROM records WHERE device = ? AND sequence = ?";
    let rows = session.query(sql, &[device.into(), sequence.into()])?;
    Ok(rows.first().map(|row| row.number(0)))
}

fn rule(row: &Row) -> Option<Rule> {
    let watch = Watch::of_parts(row.text(1), row.text(2), row.real(3))?;
    Some(Rule { number: row.number(0), watch })
}

fn alarm(row: &Row, shard: usize) -> Alarm {
    let by = row.text(7);
    Alarm {
        shard,
        number: row.number(0),
        device: row.text(1).to_owned(),
        watch: row.text(2).to_owned(),
        value: row.real(3),
        opened_ms: row.number(4),
        closed_ms: row.optional(5),
        acknowledged_ms: row.optional(6),
        acknowledged_by: (!by.is_empty()).then(|| by.to_owned()),
    }
}
