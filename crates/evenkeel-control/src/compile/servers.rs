//! `servers` of a pool

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use evenkeel_core::config::{Pool, Server};

use super::table::{Reader, Wrong, note, wrong};
use super::value::{boolean, expected, integer, text};
use super::word::{self, HostPort};
use super::{Bench, Surroundings};
use crate::document::{Kind, Table, Value};
use crate::finding::{Finding, Place};

pub(super) fn servers(pool: &mut Reader<'_>, bench: Bench<'_>) -> Vec<Server> {
    let help = "such as `servers = [\"10.0.0.21:8000\", \"10.0.0.22:8000\"]`";
    pool.need("servers", help, |_| Ok(()));
    let path = format!("{}.servers", pool.path);
    let Some(listed) = pool.list("servers", |value| one(value, &path, bench)) else {
        return Vec::new();
    };
    if listed.is_empty() {
        let reason = format!("`{}` has no servers: it can answer nothing", pool.path);
        bench.notes.add(Finding::warning(pool.place, reason));
    }
    if let Some((place, _)) = listed.get(Pool::MOST_SERVERS) {
        pool.fault(*place, wrong(format!("at most {} servers in a pool", Pool::MOST_SERVERS)));
    }
    let mut names: BTreeMap<Arc<str>, Place> = BTreeMap::new();
    let mut addresses: BTreeMap<SocketAddr, Place> = BTreeMap::new();
    let mut servers = Vec::new();
    for (place, server) in listed {
        let Some(server) = server else { continue };
        let same_name = names.insert(Arc::clone(&server.name), place);
        let same_address = addresses.insert(server.address, place);
        if let Some(first) = same_address {
            let reason = format!("{} is in this pool already", server.address);
            let finding = Finding::fault(place, reason).also(first, "first here");
            bench.notes.add(finding.help("for more of the traffic, give it a `weight`"));
        } else if let Some(first) = same_name {
            let reason = format!("two servers named `{}`", server.name);
            let finding = Finding::fault(place, reason).also(first, "first here");
            bench.notes.add(finding.help("give one of them another `name`"));
        }
        servers.push(server);
    }
    servers
}

/// A string or a table; `None` when its parts were refused and noted.
fn one(value: &Value, path: &str, bench: Bench<'_>) -> Result<Option<Server>, Wrong> {
    match &value.kind {
        Kind::Text(_) => {
            let address = word::host_port(value)?;
            let resolved = resolve(&address, bench.surroundings)?;
            let name = address.written.into();
            Ok(Some(Server::new(name, resolved)))
        }
        Kind::Table(table) => Ok(from_table(table, value.place, path, bench)),
        _ => Err(expected("a server", value)
            .help("such as \"10.0.0.21:8000\" or `{ address = \"10.0.0.21:8000\", weight = 2 }`")),
    }
}

fn from_table(table: &Table, place: Place, path: &str, bench: Bench<'_>) -> Option<Server> {
    let mut reader = Reader::new(table, place, path, bench.notes);
    let address = reader.need("address", "such as `address = \"10.0.0.21:8000\"`", |value| {
        word::host_port(value).map(|address| (value.place, address))
    });
    let name = reader.read("name", |value| word::name(text(value)?));
    let weight = reader.read("weight", integer(0..=256_u16)).unwrap_or(1);
    let backup = reader.read("backup", boolean).unwrap_or(false);
    let priority = reader.read("priority", integer(0..=255_u8)).unwrap_or(0);
    let max_connections = reader.read("max_connections", integer(1..=1_000_000_u32));
    reader.later(&["zone"]);
    reader.finish();
    let (place, address) = address?;
    let resolved = note(bench.notes, place, resolve(&address, bench.surroundings))?;
    let name = name.unwrap_or_else(|| address.written.into());
    Some(Server { weight, backup, priority, max_connections, ..Server::new(name, resolved) })
}

/// The first address of a name, in the resolver's order.
fn resolve(address: &HostPort<'_>, surroundings: &Surroundings) -> Result<SocketAddr, Wrong> {
    let HostPort { written: _, host, port } = *address;
    if let Ok(ip) = host.parse() {
        return Ok(SocketAddr::new(ip, port));
    }
    let help = "check the name, or write the address; names are looked up when the \
                configuration is loaded";
    let found = (surroundings.look_up)(host)
        .map_err(|error| wrong(format!("cannot look up `{host}`: {error}")).help(help))?;
    let first = found.first();
    let ip = first.ok_or_else(|| wrong(format!("`{host}` has no address")).help(help))?;
    Ok(SocketAddr::new(*ip, port))
}
