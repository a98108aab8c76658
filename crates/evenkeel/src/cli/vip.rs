//! `evenkeel vip`

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use evenkeel_api::{Client, Vip, VipChange, VipState};

use super::{client, out, say_json};
use crate::args::{self, MoveVip, VipDeed, VipWhy};
use crate::clock;

/// Short for a person, long for a node.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(crate) fn vip(args: &args::Vip) -> Result<ExitCode> {
    match &args.deed {
        VipDeed::Move(args) => move_away(args)?,
        VipDeed::Resume(args) => {
            let vip = client(&args.why.target)?.set_vip(&args.name, &change(&args.why, false))?;
            tell(&args.why, &vip, "may be owned by this node again")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn move_away(args: &MoveVip) -> Result<()> {
    let client = client(&args.why.target)?;
    let mut vip = client.set_vip(&args.name, &change(&args.why, true))?;
    if !args.wait {
        return tell(&args.why, &vip, "is being moved");
    }
    vip = wait(&client, args, &vip)?;
    let owner = vip.owner.as_deref().unwrap_or("another node");
    tell(&args.why, &vip, &format!("is owned by {owner}"))
}

fn change(why: &VipWhy, moved: bool) -> VipChange {
    VipChange { moved, author: why.author.clone(), reason: why.reason.clone() }
}

fn tell(why: &VipWhy, vip: &Vip, what: &str) -> Result<()> {
    if why.json {
        return say_json(vip);
    }
    out::say(&format!("{} {what}", vip.name));
    Ok(())
}

fn wait(client: &Client, args: &MoveVip, before: &Vip) -> Result<Vip> {
    let started = clock::instant();
    let limit = Duration::from_secs(args.limit.get());
    loop {
        thread::sleep(LOOK_EVERY);
        let vip = client.vip(&args.name)?;
        if vip.claims_total > before.claims_total || !vip.moved {
            bail!("{}: no other node took it, so this one keeps it", args.name);
        }
        if vip.state == VipState::Backup && vip.owner.is_some() {
            return Ok(vip);
        }
        if started.elapsed() >= limit {
            bail!("{} is not owned by another node after {} s", args.name, args.limit);
        }
    }
}
