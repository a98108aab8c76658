//! Who may look: the same users on every shard.

use std::sync::Arc;

use super::sql::{Fault, Row, Session};
use super::{Shard, Store};
use crate::clock;

impl Store {
    /// Sets the password of user `name`, who is made if not there. Every shard has to answer, so
    /// that none keeps an old one.
    pub(crate) async fn set_user(&self, name: &str, hash: &str) -> Result<(), (String, Fault)> {
        let values = [name.into(), hash.into(), clock::now_ms().into()];
        self.everywhere(move |session| {
            session.execute("DELETE FROM users WHERE name = ?", &values[..1])?;
            let sql = "INSERT INTO users (name, password, changed) VALUES (?, ?, ?)";
            session.execute(sql, &values).map(|_| ())
        })
        .await
    }

    /// Removes user `name` with all sessions.
    pub(crate) async fn remove_user(&self, name: &str) -> Result<(), (String, Fault)> {
        let values = [name.into()];
        self.everywhere(move |session| {
            session.execute("DELETE FROM sessions WHERE user_name = ?", &values)?;
            session.execute("DELETE FROM users WHERE name = ?", &values).map(|_| ())
        })
        .await
    }

    /// What is stored of the password of user `name`, from the first shard that answers.
    pub(crate) async fn password_of(&self, name: &str) -> Result<Option<String>, Fault> {
        let rows = self.anywhere("SELECT password FROM users WHERE name = ?", name).await?;
        Ok(rows.first().map(|row| row.text(0).to_owned()))
    }

    async fn everywhere<W>(&self, work: W) -> Result<(), (String, Fault)>
    where
        W: Fn(&mut dyn Session) -> Result<(), Fault> + Clone + Send + 'static,
    {
        let named = |shard: &Arc<Shard>| {
            let name = shard.name().to_owned();
            move |fault| (name, fault)
        };
        // All are asked first, so that hardly anything is done when one is missing.
        for shard in self.shards() {
            shard.ask().await.map_err(named(shard))?;
        }
        for shard in self.shards() {
            shard.with(work.clone()).await.map_err(named(shard))?;
        }
        Ok(())
    }

    async fn anywhere(&self, sql: &'static str, value: &str) -> Result<Vec<Row>, Fault> {
        let mut last = Fault::Down("no shard is set".to_owned());
        for shard in self.shards().iter().filter(|shard| !shard.is_down()) {
            let values = [value.into()];
            match shard.with(move |session| session.query(sql, &values)).await {
                Ok(rows) => return Ok(rows),
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }
}
