//! `monitor register`.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};

use super::{args, out, read, runtime};
use crate::key;
use crate::protocol::is_device_name;
use crate::store::{MOST_AT_ONCE, Registered, Registration, Store};

pub(super) fn register(args: &args::Register) -> Result<ExitCode> {
    let settings = read(&args.file.settings)?;
    let names = names(args)?;
    let mut keys = Vec::with_capacity(names.len());
    for name in names {
        keys.push((name, key::generate().context("the system gives no chance")?));
    }
    let wanted = keys.iter();
    let wanted =
        wanted.map(|(name, key)| Registration { name: name.clone(), digest: key::digest(key) });
    let wanted = wanted.collect();
    let store = Store::new(&settings);
    let registered = runtime()?.block_on(store.register(wanted));
    let Registered { added, there, counts } = registered
        .map_err(|(shard, fault)| anyhow!(fault).context(format!("not registered: {shard}")))?;
    for (name, key) in keys.iter().filter(|(name, _)| added.contains(name)) {
        out::say(&format!("{name} {key}"));
    }
    let counts: Vec<String> = counts.values().map(usize::to_string).collect();
    out::complain(&format!(
        "{} registered, {} were there; devices of the shards: {}",
        added.len(),
        there.len(),
        counts.join(" / ")
    ));
    Ok(ExitCode::SUCCESS)
}

fn names(args: &args::Register) -> Result<Vec<String>> {
    let names = match args.count {
        Some(count) => (1..=count).map(|number| format!("{}{number:04}", args.prefix)).collect(),
        None => args.names.clone(),
    };
    if names.len() > MOST_AT_ONCE {
        bail!("{} devices at once; register at most {MOST_AT_ONCE}", names.len());
    }
    if let Some(name) = names.iter().find(|name| !is_device_name(name)) {
        bail!("`{name}` is no name of a device: write 1 to 64 letters, digits, `.`, `_` or `-`");
    }
    Ok(names)
}
