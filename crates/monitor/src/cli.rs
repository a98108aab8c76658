//! The command line.

mod args;
mod backup;
mod clone;
mod init;
mod out;
mod register;
mod shards;
mod user;

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use self::args::{Args, Verb};
use crate::settings::Settings;
use crate::{comm, device, web};

/// Runs what the arguments ask for: 0 done, 1 refused, 2 usage.
pub fn run() -> ExitCode {
    let Args { verb } = Args::parse();
    let is_coloured = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(is_coloured);
    log.with_target(false).init();
    let done = match verb {
        Verb::Comm(args) => run_comm(&args),
        Verb::Web(args) => run_web(&args),
        Verb::Device(args) => run_device(&args),
        Verb::Init(args) => init::init(&args),
        Verb::User(args) => user::user(&args),
        Verb::Register(args) => register::register(&args),
        Verb::Shards(args) => shards::shards(&args),
        Verb::Backup(args) => backup::backup(&args),
        Verb::Restore(args) => backup::restore(&args),
        Verb::Clone(args) => clone::clone(&args),
    };
    done.unwrap_or_else(|error| {
        out::complain(&format!("monitor: {error:#}"));
        ExitCode::FAILURE
    })
}

fn run_comm(args: &args::Comm) -> Result<ExitCode> {
    let mut settings = read(&args.file.settings)?;
    settings.comm.bind = args.bind.unwrap_or(settings.comm.bind);
    settings.comm.admin = args.admin.unwrap_or(settings.comm.admin);
    runtime()?.block_on(async {
        let stop = stop()?;
        let started = |bind, admin| tracing::info!("comm listens on {bind}, admin on {admin}");
        comm::run(&settings, stop, started).await
    })?;
    Ok(ExitCode::SUCCESS)
}

fn run_web(args: &args::Web) -> Result<ExitCode> {
    let mut settings = read(&args.file.settings)?;
    settings.web.bind = args.bind.unwrap_or(settings.web.bind);
    settings.web.admin = args.admin.unwrap_or(settings.web.admin);
    if let Some(name) = &args.name {
        settings.web.name.clone_from(name);
    }
    runtime()?.block_on(async {
        let stop = stop()?;
        let started = |bind, admin| tracing::info!("web listens on {bind}, admin on {admin}");
        web::run(&settings, stop, started).await
    })?;
    Ok(ExitCode::SUCCESS)
}

fn run_device(args: &args::Device) -> Result<ExitCode> {
    let devices = device::read_devices(&args.devices)?;
    let plan = device::Plan {
        to: args.to.clone(),
        interval: args.interval,
        burst: args.burst,
        records: args.records,
        duration: args.duration,
        patience: args.patience,
        progress: args.progress.map(|interval| (interval, out::say as device::Say)),
    };
    let report = runtime()?.block_on(async {
        let stop = stop()?;
        anyhow::Ok(device::run(plan, devices, stop).await)
    })?;
    if let Some(file) = &args.report {
        let text = serde_json::to_string_pretty(&report).context("a report is JSON")?;
        std::fs::write(file, text)
            .with_context(|| format!("cannot write the report {}", file.display()))?;
    }
    let device::Report { counts, seconds, devices } = report;
    out::say(&format!(
        "{} devices, {seconds:.1} s: {} sent, {} acknowledged, {} refused, {} unanswered; \
         {} lines on {} connections, {} times later, {} skipped",
        devices.len(),
        counts.sent,
        counts.acknowledged,
        counts.refused,
        counts.unanswered,
        counts.transmissions,
        counts.connections,
        counts.retries,
        counts.skipped,
    ));
    let is_whole = counts.unanswered == 0 && counts.connections > 0;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(settings: &Path) -> Result<Settings> {
    Settings::read(settings)
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// Done when the process is asked to end.
fn stop() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
