//! `evenkeel run`: starts a node and stays until it is told to stop.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use evenkeel_control::compile::{DEFAULT_ADMIN, Override, Surroundings};
use evenkeel_control::origin::Origin;
use evenkeel_control::{Heritage, LoadError, Loaded, Node, Signals, StartError, is_root};

use crate::args::{self, LogFormat, NodeFlags};
use crate::cli::{check, out, summary};

pub(crate) fn run(args: &args::Run) -> Result<ExitCode> {
    let args::Run { config, node } = args;
    start(Origin::File(config.clone()), node, IfTaken::Refuse)
}

/// What to do when the admin address is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfTaken {
    Refuse,
    /// Nobody asked for that very port: any will do.
    AnyPort,
}

/// Starts a node from `origin` and returns once it has stopped.
pub(crate) fn start(origin: Origin, flags: &NodeFlags, if_taken: IfTaken) -> Result<ExitCode> {
    log_to_stderr(flags.log_format);
    let mut heritage = Heritage::receive()?;
    let surroundings = Surroundings::of_this_machine(origin.base(), overrides(flags));
    let loaded = match Loaded::from(&origin, &surroundings) {
        Ok(loaded) => loaded,
        Err(LoadError::Faults(findings)) => {
            let name = origin.name();
            heritage.failed(&format!("{name} has faults: `evenkeel check -c {name}` shows them"));
            return Ok(check::refuse(&name, &findings));
        }
        Err(error) => {
            heritage.failed(&error.to_string());
            return Err(error.into());
        }
    };
    check::show(&loaded.compiled.warnings);
    if is_root() {
        tracing::info!("running as root; an ordinary user with CAP_NET_BIND_SERVICE is enough");
    }
    // The engine has threads of its own; what is left to do here fits on this one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let signals = Signals::catch().context("cannot catch signals")?;
        let bind = loaded.compiled.admin.bind;
        let node = async {
            let admin = match heritage.take_admin(bind) {
                Some(admin) => admin,
                None => bind_admin(bind, if_taken)?,
            };
            let address = admin.local_addr()?;
            let estate = heritage.take_estate();
            let node = Node::start(origin, surroundings, loaded, address, estate).await;
            anyhow::Ok((Arc::new(node.map_err(explain)?), admin, address))
        };
        let (node, admin, address) = match node.await {
            Ok(started) => started,
            Err(error) => {
                heritage.failed(&format!("{error:#}"));
                return Err(error);
            }
        };
        summary::show(&node.status(), address, flags.log_format);
        let served = evenkeel_control::run(node, admin, signals, heritage).await;
        served.context("cannot serve the admin address")
    });
    // A file being read from a slow disk must not hold up the end.
    runtime.shutdown_background();
    done.map(|()| ExitCode::SUCCESS)
}

/// Flags as the keys they stand for.
fn overrides(flags: &NodeFlags) -> Vec<Override> {
    let NodeFlags { admin_bind, workers, log_format: _ } = flags;
    let admin = admin_bind.map(|address| {
        Override::from_flag("--admin-bind", &["admin", "bind"], &address.to_string())
    });
    let workers = workers.map(|workers| {
        Override::from_flag("--workers", &["node", "workers"], &workers.to_string())
    });
    admin.into_iter().chain(workers).collect()
}

fn bind_admin(address: SocketAddr, if_taken: IfTaken) -> Result<TcpListener> {
    let failed =
        || format!("admin: cannot listen on {address}; give another address with --admin-bind");
    let may_move = if_taken == IfTaken::AnyPort && address == DEFAULT_ADMIN;
    match TcpListener::bind(address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && may_move => {
            tracing::info!("{address} is taken: the admin address gets a free port");
            TcpListener::bind(SocketAddr::new(address.ip(), 0)).with_context(failed)
        }
        bound => bound.with_context(failed),
    }
}

/// Adds what to do about the usual reasons.
fn explain(error: StartError) -> anyhow::Error {
    let error = anyhow::Error::from(error);
    let cause = error.root_cause().downcast_ref::<io::Error>().map(io::Error::kind);
    let hint = match cause {
        Some(io::ErrorKind::PermissionDenied) => {
            "ports below 1024 need CAP_NET_BIND_SERVICE; see docs/running.md"
        }
        Some(io::ErrorKind::AddrInUse) => "another program listens there: `ss -ltnp` names it",
        Some(io::ErrorKind::AddrNotAvailable) => "this machine does not have that address",
        _ => return error,
    };
    anyhow::anyhow!("{error:#} ({hint})")
}

fn log_to_stderr(format: LogFormat) {
    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(out::stderr_is_coloured());
    match format {
        LogFormat::Human => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).with_ansi(false).init(),
    }
}
