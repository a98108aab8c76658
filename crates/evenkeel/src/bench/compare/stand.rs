//! What is compared: servers, with a balancer before them.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use evenkeel_api::{AdminState, Client, ServerChange};
use serde_json::Value;

use super::super::args::Compare;
use super::tied::{Tied, heard};
use crate::cli;

/// The pool of `evenkeel serve`.
const POOL: &str = "servers";

/// What real servers get to finish what they were asked for in vain, at most.
const LONGEST_REST: Duration = Duration::from_secs(3);

/// Where one and two servers answer, and how one of two is lost.
pub(super) struct Stand {
    one: String,
    two: String,
    what: What,
    #[expect(dead_code, reason = "held, because they end when they are dropped")]
    balancers: Vec<Tied>,
}

enum What {
    /// Two small servers of this program; the second is killed.
    Small(Vec<Tied>),
    /// Real ones behind a balancer of this program, which takes the second out.
    Behind { client: Client, server: String },
    /// Real ones behind whatever balancer; this one is taken out through it, and put back.
    Real(Option<TakenOut>),
}

/// A server of a balancer that is not ours, which is to be put back as it was.
struct TakenOut {
    client: Client,
    pool: String,
    server: String,
    is_out: bool,
}

impl Stand {
    /// Starts what has to be started.
    pub(super) fn build(args: &Compare) -> Result<Self> {
        match (&args.to, &args.one, &args.two) {
            (Some(servers), ..) => Self::behind(servers, &args.path),
            (None, Some(one), Some(two)) => {
                let taken_out = args
                    .maint
                    .as_ref()
                    .map(|(pool, server)| TakenOut::new(cli::client(&args.target)?, pool, server));
                let what = What::Real(taken_out.transpose()?);
                Ok(Self { one: one.clone(), two: two.clone(), what, balancers: Vec::new() })
            }
            _ => Self::small(),
        }
    }

    fn small() -> Result<Self> {
        let mut servers = Vec::new();
        let mut addresses = Vec::new();
        for _ in 0..2 {
            let mut server = Tied::start(["bench", "server"], Stdio::piped(), Stdio::null())?;
            let stdout = server.child().stdout.take().context("it is piped")?;
            addresses.push(heard(stdout, |line| Some(line.to_owned()))?);
            servers.push(server);
        }
        let (one, first) = balancer(&addresses[..1])?;
        let (two, second) = balancer(&addresses)?;
        Ok(Self {
            one: one.url("/")?,
            two: two.url("/")?,
            what: What::Small(servers),
            balancers: vec![first, second],
        })
    }

    fn behind(servers: &[String], path: &str) -> Result<Self> {
        let [_, second] = servers else { bail!("--to: two servers, with a comma between them") };
        let (one, first_process) = balancer(&servers[..1])?;
        let (two, second_process) = balancer(servers)?;
        Ok(Self {
            one: one.url(path)?,
            two: two.url(path)?,
            what: What::Behind { client: two.client, server: second.clone() },
            balancers: vec![first_process, second_process],
        })
    }

    /// Lets what is left of one test end before the next: requests nobody waits for any more.
    pub(super) fn rest(&mut self, patience: Duration) -> Result<()> {
        match &self.what {
            What::Small(_) => *self = Self::small()?,
            What::Behind { .. } | What::Real(_) => thread::sleep(patience.min(LONGEST_REST)),
        }
        Ok(())
    }

    pub(super) fn one(&self) -> &str {
        &self.one
    }

    pub(super) fn two(&self) -> &str {
        &self.two
    }

    /// What is about to be done, for who waits.
    pub(super) fn words(&self) -> String {
        let how = self
            .how_one_is_lost()
            .map_or_else(String::new, |how| format!(", then two of which one is {how} half-way"));
        match &self.what {
            What::Small(_) => format!(
                "one small server behind a balancer, two of them{how}, all started here and ended \
                 afterwards"
            ),
            What::Behind { .. } => {
                format!("one server behind a balancer of this program, two{how}")
            }
            What::Real(_) => format!("one server at {}, two at {}{how}", self.one, self.two),
        }
    }

    /// In a word; `None`: nobody said how.
    pub(super) fn how_one_is_lost(&self) -> Option<&'static str> {
        match &self.what {
            What::Small(_) => Some("killed"),
            What::Behind { .. } | What::Real(Some(_)) => Some("taken out"),
            What::Real(None) => None,
        }
    }

    pub(super) fn lose_one(&mut self) -> Result<()> {
        match &mut self.what {
            What::Small(servers) => {
                let last = servers.last_mut().context("there are two")?;
                last.kill().context("cannot kill a server that was started here")
            }
            What::Behind { client, server } => set(client, POOL, server, AdminState::Maint),
            What::Real(Some(taken_out)) => taken_out.take_out(),
            What::Real(None) => Ok(()),
        }
    }

    /// Puts back what is not ours.
    pub(super) fn restore(&mut self) -> Result<()> {
        match &mut self.what {
            What::Real(Some(taken_out)) => taken_out.put_back(),
            _ => Ok(()),
        }
    }
}

impl TakenOut {
    /// Refuses to touch a server that somebody has taken out already.
    fn new(client: Client, pool: &str, server: &str) -> Result<Self> {
        let state = client.server(pool, server)?.admin.state;
        if state != AdminState::Ready {
            bail!("{pool}/{server} is not ready: somebody is at work on it");
        }
        Ok(Self { client, pool: pool.to_owned(), server: server.to_owned(), is_out: false })
    }

    fn take_out(&mut self) -> Result<()> {
        self.is_out = true;
        set(&self.client, &self.pool, &self.server, AdminState::Maint)
    }

    fn put_back(&mut self) -> Result<()> {
        if std::mem::take(&mut self.is_out) {
            set(&self.client, &self.pool, &self.server, AdminState::Ready).with_context(|| {
                let Self { pool, server, .. } = self;
                format!(
                    "{pool}/{server} is still in maintenance: `evenkeel server ready` ends that"
                )
            })?;
        }
        Ok(())
    }
}

impl Drop for TakenOut {
    fn drop(&mut self) {
        if let Err(error) = self.put_back() {
            cli::out::complain(&format!("evenkeel: {error:#}"));
        }
    }
}

fn set(client: &Client, pool: &str, server: &str, state: AdminState) -> Result<()> {
    let change = ServerChange {
        state: Some(state),
        author: "bench compare".to_owned(),
        reason: "one of two is lost".to_owned(),
        ..ServerChange::default()
    };
    client.set_server(pool, server, &change).map(drop).map_err(Into::into)
}

/// A node of this program.
struct Node {
    client: Client,
}

impl Node {
    /// Where its listener is.
    fn url(&self, path: &str) -> Result<String> {
        let status = self.client.status()?;
        let address = status.listeners.first().and_then(|listener| listener.addresses.first());
        let address = address.context("the balancer does not listen")?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(format!("http://{address}{slash}{path}"))
    }
}

/// `evenkeel serve` before these servers.
fn balancer(servers: &[String]) -> Result<(Node, Tied)> {
    let to = servers.join(",");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--to", &to];
    let more = ["--admin-bind", "127.0.0.1:0", "--log-format", "json"];
    let mut node = Tied::start(arguments.iter().chain(&more), Stdio::null(), Stdio::piped())?;
    let stderr = node.child().stderr.take().context("it is piped")?;
    let admin = heard(stderr, |line| {
        let event: Value = serde_json::from_str(line).ok()?;
        event.get("admin")?.as_str().map(str::to_owned)
    })?;
    Ok((Node { client: Client::new(&admin, None)? }, node))
}
