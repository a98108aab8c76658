//! Reading back what is stored.

use std::sync::Arc;

use super::Shard;
use super::sql::Fault;

/// What a shard holds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Kept {
    pub(crate) device: String,
    pub(crate) records: u64,
    pub(crate) lowest: u64,
    pub(crate) highest: u64,
}

impl Shard {
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
