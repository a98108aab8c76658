//! Reading back what is stored.

use std::sync::Arc;

use super::Shard;
use super::sql::{Fault, Row};
use crate::reading::Fields;

/// What a shard holds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Kept {
    pub(crate) device: String,
    pub(crate) records: u64,
    pub(crate) lowest: u64,
    pub(crate) highest: u64,
}

/// A reading as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) sequence: u64,
    pub(crate) time_ms: u64,
    pub(crate) received_ms: u64,
    pub(crate) fields: Fields,
}

impl Stored {
    /// As a cache keeps it.
    pub(crate) fn to_text(&self) -> String {
        let Self { sequence, time_ms, received_ms, fields } = self;
        format!("{sequence} {time_ms} {received_ms} {}", fields.to_json())
    }

    /// What [`Stored::to_text`] wrote; `None` for anything else.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        let mut words = text.splitn(4, ' ');
        let mut number = || words.next()?.parse().ok();
        let (sequence, time_ms, received_ms) = (number()?, number()?, number()?);
        let fields = Fields::parse(words.next()?.as_bytes()).ok()?;
        Some(Self { sequence, time_ms, received_ms, fields })
    }
}

/// A reading from the columns `sequence`, `time`, `received` and `body`.
pub(super) fn reading_of(row: &Row) -> Stored {
    // What is no body could not be stored; somebody else's hand shows as no fields.
    let fields = Fields::parse(row.text(3).as_bytes()).unwrap_or_default();
    Stored { sequence: row.number(0), time_ms: row.number(1), received_ms: row.number(2), fields }
}

impl Shard {
    /// Readings of device `number` with sequences over `after`: the newest `most`, oldest first.
    pub(crate) async fn latest(
        self: &Arc<Self>,
        number: u64,
        after: u64,
        most: usize,
    ) -> Result<Vec<Stored>, Fault> {
        let sql = "SELECT sequence, time, received, body FROM records \
                   WHERE device = ? AND sequence > ? ORDER BY sequence DESC LIMIT ?";
        let values = [number.into(), after.into(), most.into()];
        let rows = self.read(move |session| session.query(sql, &values)).await?;
        Ok(rows.iter().rev().map(reading_of).collect())
    }

    /// The newest reading of each of the devices `numbers` that has one, by number.
    pub(crate) async fn newest(
        self: &Arc<Self>,
        numbers: Vec<u64>,
    ) -> Result<Vec<(u64, Stored)>, Fault> {
        let sql = "SELECT sequence, time, received, body FROM records \
                   WHERE device = ? ORDER BY sequence DESC LIMIT 1";
        self.read(move |session| {
            let mut newest = Vec::with_capacity(numbers.len());
            for number in numbers {
                let rows = session.query(sql, &[number.into()])?;
                newest.extend(rows.first().map(|row| (number, reading_of(row))));
            }
            Ok(newest)
        })
        .await
    }

    /// The highest sequence of device `number`, 0 for none.
    pub(crate) async fn highest(self: &Arc<Self>, number: u64) -> Result<u64, Fault> {
        let sql = "SELECT MAX(sequence) FROM records WHERE device = ?";
        let rows = self.with(move |session| session.query(sql, &[number.into()])).await?;
        Ok(rows.first().map_or(0, |row| row.number(0)))
    }

    /// What is stored of each device of this shard, by name. Counts every record.
    pub(crate) async fn kept(self: &Arc<Self>) -> Result<Vec<Kept>, Fault> {
        let sql = "SELECT d.name, COUNT(r.sequence), MIN(r.sequence), MAX(r.sequence) \
                   FROM devices d LEFT JOIN records r ON r.device = d.number \
                   WHERE d.shard = ? GROUP BY d.name ORDER BY d.name";
        let index = self.index();
        let rows = self.with(move |session| session.query(sql, &[index.into()])).await?;
        let kept = rows.iter().map(|row| Kept {
            device: row.text(0).to_owned(),
            records: row.number(1),
            lowest: row.number(2),
            highest: row.number(3),
        });
        Ok(kept.collect())
    }
}
