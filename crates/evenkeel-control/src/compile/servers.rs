//! `servers` and `servers_file` of a pool

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use evenkeel_core::config::{Pool, Server};

use super::address::{HostPort, host_port_of, is_service};
use super::table::{Reader, Wrong, wrong};
use super::value::{boolean, expected, integer, text};
use super::{Bench, word, zone};
use crate::document::{Kind, Table, Value};
use crate::finding::{Finding, Place};
use crate::membership::{Listed, Named, Question, Records, UNRESOLVED};

pub(super) fn servers(pool: &mut Reader<'_>, bench: Bench<'_>) -> Vec<Listed> {
    let file = pool.read("servers_file", |value| Ok(bench.surroundings.base.join(text(value)?)));
    let file = file.map(Listed::File);
    let help = "such as `servers = [\"10.0.0.21:8000\", \"10.0.0.22:8000\"]`";
    if file.is_none() {
        pool.need("servers", help, |_| Ok(()));
    }
    let path = format!("{}.servers", pool.path);
    let Some(listed) = pool.list("servers", |value| one(value, &path, bench)) else {
        return file.into_iter().collect();
    };
    if listed.is_empty() && file.is_none() {
        let reason = format!("`{}` has no servers: it can answer nothing", pool.path);
        bench.notes.add(Finding::warning(pool.place, reason));
    }
    if let Some((place, _)) = listed.get(Pool::MOST_SERVERS) {
        pool.fault(*place, wrong(format!("at most {} servers in a pool", Pool::MOST_SERVERS)));
    }
    let mut names: BTreeMap<Arc<str>, Place> = BTreeMap::new();
    let mut addresses: BTreeMap<SocketAddr, Place> = BTreeMap::new();
    let mut servers = Vec::new();
    for (place, listed) in listed {
        let Some(listed) = listed else { continue };
        let server = listed.server().expect("an entry of the list is no file");
        let same_name = names.insert(Arc::clone(&server.name), place);
        let known = server.address != UNRESOLVED;
        let same_address = known.then(|| addresses.insert(server.address, place)).flatten();
        if let Some(first) = same_address {
            let reason = format!("{} is in this pool already", server.address);
            let finding = Finding::fault(place, reason).also(first, "first here");
            bench.notes.add(finding.help("for more of the traffic, give it a `weight`"));
        } else if let Some(first) = same_name {
            let reason = format!("two servers named `{}`", server.name);
            let finding = Finding::fault(place, reason).also(first, "first here");
            bench.notes.add(finding.help("give one of them another `name`"));
        }
        servers.push(listed);
    }
    servers.extend(file);
    servers
}

/// What `written` means as a server: an address, a name with a port, or a service record.
pub(super) fn listed(written: &str) -> Result<Listed, Wrong> {
    let name: Arc<str> = written.into();
    let named = |records, host: &str, port| {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        // A service record names its servers itself.
        let own = (records == Records::Address).then(|| host.as_str().into());
        let question = Question { host, records };
        let template = Server { host: own, ..Server::new(Arc::clone(&name), UNRESOLVED) };
        Listed::Named(Named { question, port, expand: records == Records::Service, template })
    };
    if is_service(written) {
        return Ok(named(Records::Service, written, 0));
    }
    let HostPort { host, port } = host_port_of(written)?;
    Ok(match host.parse() {
        Ok(ip) => Listed::Fixed(Server::new(Arc::clone(&name), SocketAddr::new(ip, port))),
        Err(_) => named(Records::Address, host, port),
    })
}

/// A string or a table; `None` when its parts were refused and noted.
fn one(value: &Value, path: &str, bench: Bench<'_>) -> Result<Option<Listed>, Wrong> {
    match &value.kind {
        Kind::Text(written) => listed(written).map(Some),
        Kind::Table(table) => Ok(from_table(table, value.place, path, bench)),
        _ => Err(expected("a server", value)
            .help("such as \"10.0.0.21:8000\" or `{ address = \"10.0.0.21:8000\", weight = 2 }`")),
    }
}

fn from_table(table: &Table, place: Place, path: &str, bench: Bench<'_>) -> Option<Listed> {
    let mut reader = Reader::new(table, place, path, bench.notes);
    let help = "such as `address = \"10.0.0.21:8000\"`";
    let address = reader.need("address", help, |value| listed(text(value)?));
    let name = reader.read("name", |value| word::name(text(value)?));
    let weight = reader.read("weight", integer(0..=256_u16)).unwrap_or(1);
    let backup = reader.read("backup", boolean).unwrap_or(false);
    let priority = reader.read("priority", integer(0..=255_u8)).unwrap_or(0);
    let max_connections = reader.read("max_connections", integer(1..=1_000_000_u32));
    let zone = reader.read("zone", zone::zone);
    let expand = reader.entry("expand").map(|entry| entry.value.place);
    let wanted = reader.read("expand", boolean);
    let mut address = address.map(|listed| {
        listed.map(|server| {
            let name = name.unwrap_or_else(|| Arc::clone(&server.name));
            Server { name, weight, backup, priority, zone, max_connections, ..server }
        })
    });
    match (&mut address, expand, wanted) {
        (Some(Listed::Named(named)), _, Some(wanted)) => {
            if !wanted && named.question.records == Records::Service {
                let reason = "a service record lists servers: each of them is one";
                reader.fault(expand.unwrap_or(place), wrong(reason).help("remove `expand`"));
            }
            named.expand = wanted;
        }
        (Some(Listed::Fixed(_)), Some(place), _) => {
            let wrong = wrong("an address is one server: there is nothing to expand");
            reader.fault(place, wrong.help("write a host name, or remove `expand`"));
        }
        _ => {}
    }
    reader.finish();
    address
}
