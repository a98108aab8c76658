//! The shards in servers: each a primary and a copy that is in step with it, in folders of the demo.
//!
//! The demo is their director: it alone says which of two servers is written to. It promotes a copy
//! when its primary has gone, and has who comes back follow. The service is not told; it asks.

mod maria;
mod roles;

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::future::{join_all, try_join_all};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

pub(super) use self::maria::Programs;
use self::maria::{Maria, Part, column, copy};
use self::roles::{Loss, Roles};
use super::cast::Cast;
use super::scene::{Actor, Ground, SHARDS, Word};
use super::stage::Stage;

/// A server is up long before, also after a crash.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What a copy may take to apply what it has received, in seconds: what was written while it was
/// away, for a copy that comes back.
const MOST_BEHIND_S: u8 = 60;
/// A primary acknowledges what its copy has received, or nothing; and waits for none.
const WAIT_FOR_COPY: &str = "SET GLOBAL rpl_semi_sync_master_enabled = 1";
const WAIT_FOR_NOBODY: &str = "SET GLOBAL rpl_semi_sync_master_enabled = 0";

/// Bytes of a secret of the demo.
const SECRET: usize = 16;

/// A password that nobody has seen.
pub(super) fn secret() -> Result<String> {
    let mut bytes = [0; SECRET];
    let mut source = fs::File::open("/dev/urandom").context("cannot get a password")?;
    source.read_exact(&mut bytes).context("cannot get a password")?;
    let mut text = String::with_capacity(2 * SECRET);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("strings grow");
    }
    Ok(text)
}

/// The servers of all shards.
#[derive(Debug)]
pub(super) struct Databases {
    maria: Maria,
    ground: Ground,
    shards: Vec<Roles>,
}

impl Databases {
    /// Makes a database for each server and starts them all; when it returns, each shard has a
    /// primary that may be written to, and a copy that does not follow yet: [`Self::follow_all`].
    pub(super) async fn start(
        programs: Programs,
        (home, secret): (&Path, &str),
        cast: &mut Cast,
        stage: &Stage,
    ) -> Result<Self> {
        let maria = Maria::new(programs, home, secret);
        let shards: Vec<Roles> = (0..SHARDS).map(Roles::new).collect();
        let databases = Self { maria, ground: stage.ground, shards };
        let seed = databases.maria.make_seed().await?;
        let pairs = databases.shards.clone();
        for actor in pairs.iter().flat_map(|roles| [roles.primary, roles.copy()]) {
            let data = databases.maria.data(actor);
            copy(&seed, &data).with_context(|| format!("cannot make {}", data.display()))?;
            databases.raise(cast, stage, actor)?;
        }
        for roles in &pairs {
            databases.await_ready(cast, roles.primary).await?;
            databases.await_ready(cast, roles.copy()).await?;
        }
        try_join_all(pairs.iter().map(|roles| databases.open(roles.primary))).await?;
        Ok(databases)
    }

    /// Has each copy follow its primary until it is in step. What is written meanwhile it gets, too.
    pub(super) async fn follow_all(&mut self) -> Result<()> {
        let pairs = self.shards.clone();
        let joined = join_all(pairs.iter().map(|roles| self.join(*roles))).await;
        for (roles, joined) in pairs.into_iter().zip(joined) {
            self.note_joined(roles, joined).await?;
        }
        Ok(())
    }

    /// Does something to a server and what follows from it for its shard; says what is done.
    pub(super) async fn order(
        &mut self,
        (cast, stage): (&mut Cast, &Stage),
        word: Word,
        actor: Actor,
    ) -> Result<String> {
        let done = match word {
            Word::Kill => {
                cast.kill(actor).await?;
                format!("{actor} is killed; {}", self.lost(cast, actor).await?)
            }
            Word::Stop => format!("{actor} has stopped; {}", self.stop(cast, actor).await?),
            Word::Start if cast.runs(actor) => bail!("{actor} runs already"),
            Word::Start => return self.come_back(cast, stage, actor).await,
            Word::Load => bail!("{actor} has no load of its own: load a server, such as cs0"),
        };
        Ok(format!("{done}; `demo start {actor}` brings it back"))
    }

    /// Does what follows from the end of a server, however that came; says what that is.
    pub(super) async fn lost(&mut self, cast: &Cast, who: Actor) -> Result<String> {
        let roles = self.roles(who)?;
        match roles.lost(who, cast.runs(roles.primary)) {
            Loss::Promote(copy) => {
                self.promote(roles).await.with_context(|| format!("{copy} is not promoted"))?;
                Ok(format!("{copy} is the primary now"))
            }
            Loss::GoAlone(primary) => {
                self.set(Roles { in_step: false, ..roles });
                self.maria.tell(primary, WAIT_FOR_NOBODY).await?;
                Ok(format!("{primary} goes on alone"))
            }
            Loss::Down => {
                self.set(Roles { in_step: false, ..roles });
                Ok("its shard is down".to_owned())
            }
        }
    }

    /// A primary hands over before it ends, if there is somebody in step.
    async fn stop(&mut self, cast: &mut Cast, actor: Actor) -> Result<String> {
        let roles = self.roles(actor)?;
        if actor != roles.primary || !roles.in_step {
            cast.stop(actor).await?;
            return self.lost(cast, actor).await;
        }
        if let Err(error) = self.hand_over(roles).await {
            // It stays what it was, also where it cannot be told so any more.
            let _ = self.maria.tell(actor, "SET GLOBAL read_only = 0").await;
            return Err(error.context(format!("{actor} cannot hand over, and runs on")));
        }
        cast.stop(actor).await?;
        Ok(format!("{} is the primary now", roles.copy()))
    }

    async fn hand_over(&mut self, roles: Roles) -> Result<()> {
        // Returns once everything that was begun is acknowledged.
        let last = "SET GLOBAL read_only = 1; SELECT @@global.gtid_binlog_pos";
        let position = self.maria.ask(roles.primary, last).await?;
        self.await_applied(roles.copy(), &position).await?;
        self.promote(roles).await
    }

    async fn come_back(&mut self, cast: &mut Cast, stage: &Stage, actor: Actor) -> Result<String> {
        self.raise(cast, stage, actor)?;
        self.await_ready(cast, actor).await?;
        let roles = self.roles(actor)?;
        let (primary, copy) = (roles.primary, roles.copy());
        if actor == primary {
            self.open(primary).await?;
            if !cast.runs(copy) {
                return Ok(format!("{actor} is started and the primary"));
            }
            self.follow(roles).await?;
            return Ok(format!("{actor} is started and the primary; {copy} follows"));
        }
        if !cast.runs(primary) {
            return Ok(format!("{actor} is started and waits for {primary}, which has everything"));
        }
        self.follow(roles).await?;
        Ok(format!("{actor} is started and follows {primary}"))
    }

    fn raise(&self, cast: &mut Cast, stage: &Stage, actor: Actor) -> Result<()> {
        let roles = self.roles(actor)?;
        let part = if actor == roles.primary { Part::Primary } else { Part::Copy };
        cast.put(actor, self.maria.server(stage.ground, actor, part)?, stage)
    }

    async fn await_ready(&self, cast: &mut Cast, actor: Actor) -> Result<()> {
        let socket = self.maria.socket(actor);
        let waiting = async {
            while UnixStream::connect(&socket).await.is_err() {
                if !cast.lives(actor) {
                    bail!("{actor} has ended: {}", self.maria.last_words(actor));
                }
                sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        let late = || format!("{actor} is not up after {} s", PATIENCE.as_secs());
        timeout(PATIENCE, waiting).await.with_context(late)?
    }

    /// The last primary may be written to again, and waits for nobody.
    async fn open(&self, primary: Actor) -> Result<()> {
        let statements = format!("{WAIT_FOR_NOBODY}; SET GLOBAL read_only = 0");
        self.maria.tell(primary, &statements).await.map(drop)
    }

    /// Has the copy follow the primary until it is in step; the primary goes on alone if it does not.
    async fn follow(&mut self, roles: Roles) -> Result<()> {
        let joined = self.join(roles).await;
        self.note_joined(roles, joined).await
    }

    async fn note_joined(&mut self, roles: Roles, joined: Result<()>) -> Result<()> {
        let (primary, copy) = (roles.primary, roles.copy());
        if joined.is_err() {
            // What went wrong is told below.
            let _ = self.maria.tell(primary, WAIT_FOR_NOBODY).await;
        }
        self.set(Roles { in_step: joined.is_ok(), ..roles });
        joined.with_context(|| format!("{copy} does not follow {primary}"))
    }

    async fn join(&self, roles: Roles) -> Result<()> {
        let (primary, copy) = (roles.primary, roles.copy());
        let following = self.maria.following(self.ground.work(primary));
        self.maria.tell(copy, &following).await?;
        self.await_link(copy).await?;
        // From here on nothing is acknowledged that the copy has not received.
        let position = format!("{WAIT_FOR_COPY}; SELECT @@global.gtid_binlog_pos");
        let position = self.maria.ask(primary, &position).await?;
        self.await_applied(copy, &position).await?;
        let semi_sync = "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS \
                         WHERE VARIABLE_NAME = 'Rpl_semi_sync_slave_status'";
        match self.maria.ask(copy, semi_sync).await?.as_str() {
            "ON" => Ok(()),
            _ => bail!("{copy} does not say what it has received"),
        }
    }

    async fn await_link(&self, copy: Actor) -> Result<()> {
        let linking = async {
            while column(&self.status(copy).await?, "Slave_IO_Running") != "Yes" {
                sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        let late = || format!("it is not connected after {} s", PATIENCE.as_secs());
        timeout(PATIENCE, linking).await.with_context(late)?
    }

    /// Waits until the copy has done everything up to `position`.
    async fn await_applied(&self, copy: Actor, position: &str) -> Result<()> {
        let wait = format!("SELECT MASTER_GTID_WAIT('{position}', 1)");
        for _ in 0..MOST_BEHIND_S {
            if self.maria.ask(copy, &wait).await? == "0" {
                return Ok(());
            }
            self.status(copy).await?;
        }
        bail!("{copy} has not done everything after {MOST_BEHIND_S} s");
    }

    /// How a copy is; an error is why it does not follow.
    async fn status(&self, copy: Actor) -> Result<String> {
        let status = self.maria.tell(copy, "SHOW SLAVE STATUS\\G").await?;
        for error in ["Last_SQL_Error", "Last_IO_Error"] {
            let why = column(&status, error);
            // It tries again to connect, and nothing else.
            if !why.is_empty() && column(&status, "Slave_IO_Running") != "Connecting" {
                bail!("{why}");
            }
        }
        Ok(status)
    }

    /// The copy has all that was acknowledged: it does what it has received, and may be written to.
    async fn promote(&mut self, mut roles: Roles) -> Result<()> {
        let copy = roles.copy();
        let received = self.maria.tell(copy, "STOP SLAVE IO_THREAD; SHOW SLAVE STATUS\\G").await?;
        self.await_applied(copy, column(&received, "Gtid_IO_Pos")).await?;
        let statements =
            format!("STOP SLAVE; RESET SLAVE ALL; {WAIT_FOR_NOBODY}; SET GLOBAL read_only = 0");
        self.maria.tell(copy, &statements).await?;
        roles.promoted();
        self.set(roles);
        Ok(())
    }

    /// Who is what in a shard, for people.
    pub(super) fn words(&self, cast: &Cast, number: u8) -> String {
        let Some(roles) = self.shards.get(usize::from(number)) else { return String::new() };
        let (primary, copy) = (roles.primary, roles.copy());
        let first = if cast.runs(primary) { "is the primary" } else { "was the primary" };
        let second = match (cast.runs(copy), roles.in_step) {
            (false, _) => "is gone",
            (true, true) => "follows",
            (true, false) => "waits",
        };
        format!("{primary} {first}, {copy} {second}")
    }

    fn roles(&self, actor: Actor) -> Result<Roles> {
        let mut shards = self.shards.iter();
        let found = shards.find(|roles| roles.primary == actor || roles.copy() == actor);
        found.copied().with_context(|| format!("{actor} is no server of a shard"))
    }

    fn set(&mut self, roles: Roles) {
        if let Some(place) = self.shards.iter_mut().find(|it| it.number == roles.number) {
            *place = roles;
        }
    }
}
