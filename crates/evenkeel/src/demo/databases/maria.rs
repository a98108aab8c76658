//! `MariaDB`: an empty database, servers on copies of it, and what they are asked.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::demo::program::of_system;
use crate::demo::scene::{Actor, Ground};
use crate::demo::service::{last_words, prepared};
use crate::demo::stores::ACCOUNT;

/// Who asks for the programs, and what brings them.
const OPTION: &str = "--db mariadb";
const PACKAGE: &str = "mariadb-server";
/// Where the tables are described that a server needs for itself, by the program's age.
const SHARES: [&str; 2] = ["/usr/share/mysql", "/usr/share/mariadb"];
const PREFIXES: [&str; 2] = ["mysql", "mariadb"];
const TABLES: [&str; 2] = ["system_tables.sql", "system_tables_data.sql"];
/// A statement takes milliseconds; one that waits for a copy is told to wait less.
const ANSWER: Duration = Duration::from_secs(40);
/// The account with which one server follows the other.
pub(super) const FOLLOWER: &str = "follower";
/// Folder and log of the empty database.
const SEED: &str = "seed";
/// For the empty database and those who run on copies of it: little memory, small files.
const LEAN: [&str; 4] = [
    "--innodb-log-file-size=16M",
    "--innodb-buffer-pool-size=32M",
    "--performance-schema=0",
    "--lc-messages=en_US",
];

/// What a server is started as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It has everything: what a crash left half done is finished.
    Primary,
    /// Another one has everything: what a crash left half done is forgotten, and fetched from there.
    Copy,
}

/// The programs.
#[derive(Clone, Debug)]
pub(in crate::demo) struct Programs {
    server: PathBuf,
    client: PathBuf,
    tables: Vec<PathBuf>,
}

/// The programs and where the data is.
#[derive(Debug)]
pub(super) struct Maria {
    programs: Programs,
    home: PathBuf,
    secret: String,
}

impl Programs {
    /// Finds them on this machine.
    pub(in crate::demo) fn find() -> Result<Self> {
        let server = of_system("mariadbd", OPTION, PACKAGE)?;
        let client = of_system("mariadb", OPTION, PACKAGE)?;
        let tables = TABLES.iter().map(|name| description(name)).collect::<Result<_>>()?;
        Ok(Self { server, client, tables })
    }
}

fn description(name: &str) -> Result<PathBuf> {
    let names = PREFIXES.iter().map(|prefix| format!("{prefix}_{name}"));
    let mut files = names.flat_map(|name| SHARES.map(|share| Path::new(share).join(&name)));
    files.find(|file| file.is_file()).with_context(|| {
        let (share, other) = (SHARES[0], SHARES[1]);
        format!(
            "`{OPTION}` needs mysql_{name} of MariaDB, which is neither in {share} nor in {other}: \
             install it (apt-get install {PACKAGE})"
        )
    })
}

impl Maria {
    pub(super) fn new(programs: Programs, home: &Path, secret: &str) -> Self {
        Self { programs, home: home.to_owned(), secret: secret.to_owned() }
    }

    /// Makes an empty database with the accounts of the demo. Nothing of it outlasts a crash, which
    /// would end the demo too.
    pub(super) async fn make_seed(&self) -> Result<PathBuf> {
        let folder = self.home.join(SEED);
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let script = self.home.join("seed.sql");
        fs::write(&script, self.script()?)
            .with_context(|| format!("cannot write {}", script.display()))?;
        let mut command = self.command(SEED, &folder)?;
        command.args(["--bootstrap", "--silent-startup", "--log-warnings=0"]);
        command.args(["--enforce-storage-engine=", "--max-allowed-packet=8M"]);
        command.args(["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"]);
        command.stdin(File::open(&script).context("cannot read what was just written")?);
        let mut command = tokio::process::Command::from(command);
        let status = command.kill_on_drop(true).status().await;
        if !status.context("cannot start mariadbd")?.success() {
            bail!("no empty database was made: {}", last_words(&self.home, SEED));
        }
        Ok(folder)
    }

    /// The tables of the system, then who may do what. Nobody has a password that is known: root
    /// comes in by way of a socket in a folder that is the user's own.
    fn script(&self) -> Result<Vec<u8>> {
        let mut script =
            b"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n".to_vec();
        for file in &self.programs.tables {
            let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            script.extend(text);
        }
        let secret = &self.secret;
        script.extend(
            format!(
                "\nDELETE FROM mysql.global_priv WHERE Host <> 'localhost';\nFLUSH PRIVILEGES;\n\
                 CREATE DATABASE {ACCOUNT};\n\
                 CREATE USER {ACCOUNT}@'%' IDENTIFIED BY '{secret}';\n\
                 GRANT ALL ON {ACCOUNT}.* TO {ACCOUNT}@'%';\n\
                 GRANT REPLICA MONITOR ON *.* TO {ACCOUNT}@'%';\n\
                 CREATE USER {FOLLOWER}@'%' IDENTIFIED BY '{secret}';\n\
                 GRANT REPLICATION SLAVE ON *.* TO {FOLLOWER}@'%';\n"
            )
            .into_bytes(),
        );
        Ok(script)
    }

    /// A server on the data of `actor`. It takes nothing from the machine's own settings.
    pub(super) fn server(&self, ground: Ground, actor: Actor, part: Part) -> Result<Command> {
        let mut command = self.command(&actor.to_string(), &self.data(actor))?;
        command.arg(format!("--socket={}", self.socket(actor).display()));
        command.args(arguments(ground, actor, part).split(' '));
        Ok(command)
    }

    fn command(&self, log: &str, data: &Path) -> Result<Command> {
        let mut command = prepared(&self.programs.server, &self.home, log)?;
        command.arg("--no-defaults").arg(format!("--datadir={}", data.display())).args(LEAN);
        if rustix::process::geteuid().is_root() {
            // It wants to be told that this is meant. In a network of an ordinary user's it is root
            // of nothing but that.
            command.arg("--user=root");
        }
        Ok(command)
    }

    pub(super) fn data(&self, actor: Actor) -> PathBuf {
        self.home.join(actor.to_string())
    }

    pub(super) fn socket(&self, actor: Actor) -> PathBuf {
        self.home.join(format!("{actor}.sock"))
    }

    /// What `actor` said before it ended.
    pub(super) fn last_words(&self, actor: Actor) -> String {
        last_words(&self.home, &actor.to_string())
    }

    /// How a copy is told to follow the server at `primary`, from where its own data ends.
    pub(super) fn following(&self, primary: std::net::SocketAddr) -> String {
        let (host, port) = (primary.ip(), primary.port());
        format!(
            "STOP SLAVE; SET GLOBAL gtid_slave_pos = @@global.gtid_binlog_pos; \
             CHANGE MASTER TO MASTER_HOST = '{host}', MASTER_PORT = {port}, \
             MASTER_USER = '{FOLLOWER}', MASTER_PASSWORD = '{}', MASTER_CONNECT_RETRY = 1, \
             MASTER_USE_GTID = slave_pos; START SLAVE",
            self.secret
        )
    }

    /// The value that the one of these statements answers which has an answer; empty without one.
    pub(super) async fn ask(&self, actor: Actor, statements: &str) -> Result<String> {
        let text = self.tell(actor, statements).await?;
        Ok(text.lines().nth(1).unwrap_or_default().to_owned())
    }

    /// What `actor` says to these statements: names of columns, then rows.
    pub(super) async fn tell(&self, actor: Actor, statements: &str) -> Result<String> {
        let mut command = Command::new(&self.programs.client);
        command.args(["--no-defaults", "--host=localhost", "--protocol=socket", "--user=root"]);
        command.arg("--batch").arg(format!("--socket={}", self.socket(actor).display()));
        command.current_dir(&self.home).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut command = tokio::process::Command::from(command);
        let mut child = command.kill_on_drop(true).spawn().context("cannot start mariadb")?;
        let mut input = child.stdin.take().context("its stdin is piped")?;
        let talk = async {
            // Not as an argument: a password is in it.
            input.write_all(statements.as_bytes()).await?;
            drop(input);
            child.wait_with_output().await
        };
        let late = |_| anyhow!("{actor} did not answer within {} s", ANSWER.as_secs());
        let output = timeout(ANSWER, talk).await.map_err(late)?;
        let output = output.with_context(|| format!("cannot ask {actor}"))?;
        if !output.status.success() {
            bail!("{actor} refused: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// What a server is told beside where its data is. Everybody starts read-only; the demo says who
/// may be written to. What is acknowledged is on the disk, in the log that copies are sent.
fn arguments(ground: Ground, actor: Actor, part: Part) -> String {
    let (host, port) = (ground.host(actor), ground.work(actor).port());
    let [.., id] = host.octets();
    // Until 10.11.9 the one, since then the other says whether a crash is forgotten.
    let part = match part {
        Part::Primary => "--rpl-semi-sync-slave-enabled=0 --loose-init-rpl-role=MASTER",
        Part::Copy => "--rpl-semi-sync-slave-enabled=1 --loose-init-rpl-role=SLAVE",
    };
    format!(
        "--bind-address={host} --port={port} --server-id={id} --pid-file={actor}.pid \
         --log-warnings=1 --skip-name-resolve --skip-slave-start --read-only=1 --log-bin=bin --log-slave-updates \
         --gtid-strict-mode=1 --sync-binlog=1 --innodb-flush-log-at-trx-commit=1 \
         --rpl-semi-sync-master-wait-point=AFTER_SYNC --rpl-semi-sync-master-timeout=3600000 \
         --relay-log=relay {part}"
    )
}

/// Copies a folder, one file after the other: nothing of it goes on once this has returned.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The value of a column of `SHOW SLAVE STATUS\G`; empty for none.
pub(super) fn column<'a>(status: &'a str, name: &str) -> &'a str {
    let mut columns = status.lines().filter_map(|line| line.split_once(':'));
    columns.find(|(found, _)| found.trim() == name).map_or("", |(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_of_a_status_is_found_by_its_whole_name() {
        let status = "*** 1. row ***\n  Slave_IO_State: \n Slave_IO_Running: Yes\n\
                      Last_IO_Error: error 'a: b'\nGtid_IO_Pos: 0-1-7\n";
        assert_eq!(column(status, "Slave_IO_Running"), "Yes");
        assert_eq!(column(status, "Slave_IO_State"), "");
        assert_eq!(column(status, "Last_IO_Error"), "error 'a: b'");
        assert_eq!(column(status, "Gtid_IO_Pos"), "0-1-7");
        assert_eq!(column(status, "Running"), "");
    }

    #[test]
    fn servers_differ_in_place_number_and_part() {
        let first = arguments(Ground::Link, Actor::Shard(2), Part::Primary);
        assert!(first.contains("--bind-address=192.0.2.42 --port=3306 --server-id=42 "), "{first}");
        assert!(first.ends_with("--loose-init-rpl-role=MASTER"), "{first}");
        let second = arguments(Ground::Link, Actor::Replica(2), Part::Copy);
        assert!(second.contains("--bind-address=192.0.2.52 "), "{second}");
        assert!(second.contains("--server-id=52 ") && second.ends_with("SLAVE"), "{second}");
    }
}
