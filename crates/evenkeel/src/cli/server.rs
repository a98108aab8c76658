//! `evenkeel server`

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use evenkeel_api::{AdminState, Client, Server, ServerAddition, ServerChange, ServerRemoval};
use serde::Serialize;

use super::{client, out, say_json};
use crate::args::{self, Deed, Why};
use crate::clock;

/// Short for a person, long for a node.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(crate) fn server(args: &args::Server) -> Result<ExitCode> {
    match &args.deed {
        Deed::Ready(args) => set_state(AdminState::Ready, args)?,
        Deed::Drain(args) => set_state(AdminState::Drain, args)?,
        Deed::Maint(args) => set_state(AdminState::Maint, args)?,
        Deed::Add(args) => add(args)?,
        Deed::Remove(args) => remove(args)?,
        Deed::Weight(args) => set_weight(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn set_state(state: AdminState, args: &args::SetState) -> Result<()> {
    let client = client(&args.why.target)?;
    let (pool, name) = &args.which;
    let change = ServerChange { state: Some(state), ..change(&args.why) };
    let mut server = client.set_server(pool, name, &change)?;
    if args.wait && !is_so(&server) {
        server = wait(&client, args)?;
    }
    tell(&args.why, &server, || format!("{pool}/{name} is {}", in_words(&server)))
}

fn set_weight(args: &args::SetWeight) -> Result<()> {
    let (pool, name) = &args.which;
    let change = ServerChange { weight: Some(args.weight), ..change(&args.why) };
    let server = client(&args.why.target)?.set_server(pool, name, &change)?;
    tell(&args.why, &server, || format!("{pool}/{name} has a weight of {}", server.weight))
}

fn add(args: &args::AddServer) -> Result<()> {
    let args::AddServer { pool, address, weight, name, backup, zone, why } = args;
    let addition = ServerAddition {
        address: address.clone(),
        name: name.clone(),
        weight: *weight,
        backup: *backup,
        zone: zone.clone(),
        author: why.author.clone(),
        reason: why.reason.clone(),
        expires_in_seconds: why.expires,
    };
    let document = client(&why.target)?.add_server(pool, &addition)?;
    let name = name.as_ref().unwrap_or(address);
    tell(why, &document, || format!("{pool}/{name} is in the pool"))
}

fn remove(args: &args::RemoveServer) -> Result<()> {
    let args::RemoveServer { which: (pool, name), why } = args;
    let removal = ServerRemoval {
        author: why.author.clone(),
        reason: why.reason.clone(),
        expires_in_seconds: why.expires,
    };
    let document = client(&why.target)?.remove_server(pool, name, &removal)?;
    tell(why, &document, || format!("{pool}/{name} is out of the pool; what runs on it finishes"))
}

fn change(why: &Why) -> ServerChange {
    ServerChange {
        state: None,
        weight: None,
        author: why.author.clone(),
        reason: why.reason.clone(),
        expires_in_seconds: why.expires,
    }
}

fn tell(why: &Why, document: &impl Serialize, words: impl FnOnce() -> String) -> Result<()> {
    if why.json {
        return say_json(document);
    }
    out::say(&words());
    Ok(())
}

fn wait(client: &Client, args: &args::SetState) -> Result<Server> {
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
