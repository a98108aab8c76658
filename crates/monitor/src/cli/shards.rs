//! `monitor shards`.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::{args, out, read, runtime};
use crate::store::{Kept, Store};

#[derive(Debug, Serialize)]
struct ShardLine {
    shard: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    records: u64,
    devices: Vec<Kept>,
}

pub(super) fn shards(args: &args::Shards) -> Result<ExitCode> {
    let store = Store::new(&read(&args.file.settings)?);
    let lines = runtime()?.block_on(gather(&store));
    let is_whole = lines.iter().all(|line| line.fault.is_none());
    if args.json {
        out::say(&serde_json::to_string(&lines)?);
    } else {
        for ShardLine { shard, fault, records, devices } in &lines {
            let said = fault
                .clone()
                .unwrap_or_else(|| format!("{:>8} devices {records:>12} records", devices.len()));
            out::say(&format!("{shard:<8} {said}"));
        }
    }
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn gather(store: &Store) -> Vec<ShardLine> {
    let mut lines = Vec::new();
    for shard in store.shards() {
        let name = shard.name().to_owned();
        lines.push(match shard.kept().await {
            Ok(devices) => {
                let records = devices.iter().map(|device| device.records).sum();
                ShardLine { shard: name, fault: None, records, devices }
            }
            Err(fault) => {
                let fault = Some(fault.to_string());
                ShardLine { shard: name, fault, records: 0, devices: Vec::new() }
            }
        });
    }
    lines
}
