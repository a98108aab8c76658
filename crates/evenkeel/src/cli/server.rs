//! `evenkeel server`

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use evenkeel_api::{AdminState, Client, Server, ServerChange};

use super::{client, out, say_json};
use crate::args::{self, State};
use crate::clock;

/// Short for a person, long for a node.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(crate) fn server(args: &args::Server) -> Result<ExitCode> {
    let client = client(&args.target)?;
    let (pool, name) = &args.which;
    let state = match args.state {
        State::Ready => AdminState::Ready,
        State::Drain => AdminState::Drain,
        State::Maint => AdminState::Maint,
    };
    let change = ServerChange { state, author: args.author.clone(), reason: args.reason.clone() };
    let mut server = client.set_server(pool, name, &change)?;
    if args.wait && !is_so(&server) {
        server = wait(&client, args)?;
    }
    if args.json {
        say_json(&server)?;
    } else {
        out::say(&format!("{pool}/{name} is {}", in_words(&server)));
    }
    Ok(ExitCode::SUCCESS)
}

fn wait(client: &Client, args: &args::Server) -> Result<Server> {
    let (pool, name) = &args.which;
    let started = clock::instant();
    let limit = Duration::from_secs(args.limit.get());
    loop {
        thread::sleep(LOOK_EVERY);
        let server = client.server(pool, name)?;
        if is_so(&server) {
            return Ok(server);
        }
        if started.elapsed() >= limit {
            bail!("{pool}/{name} is {} after {} s", in_words(&server), args.limit);
        }
    }
}

/// The state has taken effect.
fn is_so(server: &Server) -> bool {
    match server.admin.state {
        AdminState::Ready => server.in_use,
        AdminState::Drain | AdminState::Maint => server.in_flight == 0,
    }
}

fn in_words(server: &Server) -> String {
    let Server { in_flight, in_use, verdict, .. } = server;
    match (server.admin.state, in_use) {
        (AdminState::Ready, true) => "ready and in use".to_owned(),
        (AdminState::Ready, false) => format!("ready, but not in use: {}", verdict.reason),
        (AdminState::Drain, _) => format!("draining, {in_flight} under way"),
        (AdminState::Maint, _) => format!("in maintenance, {in_flight} under way"),
    }
}
