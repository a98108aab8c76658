//! `[prometheus]`: the file that tells a Prometheus what to scrape.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use evenkeel_core::config::Pool;

use super::Surroundings;
use super::pool::Directory;
use super::table::{Reader, Wrong, wrong};
use super::value::{integer, text};
use crate::document::Value;

/// `[prometheus]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrometheusSettings {
    /// What is written.
    pub file: PathBuf,
    /// Where this node is scraped, host and port.
    pub address: String,
    /// The port at which the servers of a pool are scraped, by its name.
    pub ports: BTreeMap<Arc<str>, u16>,
}

/// `admin`: where the admin server listens.
pub(super) fn prometheus(
    root: &mut Reader<'_>,
    surroundings: &Surroundings,
    (pools, directory): (&[Pool], &Directory),
    admin: SocketAddr,
) -> Option<PrometheusSettings> {
    let mut reader = root.table("prometheus")?;
    let help = "such as `targets_file = \"/var/lib/prometheus/evenkeel.json\"`";
    let file = reader.need("targets_file", help, text);
    let is_anywhere = admin.ip().is_unspecified();
    let address = if is_anywhere {
        let help = "such as `address = \"10.0.0.5:7070\"`: the admin address is every one there is";
        reader.need("address", help, address)
    } else {
        Some(reader.read("address", address).unwrap_or_else(|| admin.to_string()))
    };
    let ports = reader.table("ports").map(|ports| {
        let one = |entry: &crate::document::Entry| {
            let pool = directory.named(&entry.key);
            let pool = pool.map_err(|wrong| ports.fault(entry.key_place, wrong));
            let port = integer(1..=u16::MAX)(&entry.value);
            let port = port.map_err(|wrong| ports.fault(entry.value.place, wrong));
            Some((Arc::clone(&pools[usize::from(pool.ok()?.0)].name), port.ok()?))
        };
        ports.entries().iter().filter_map(one).collect()
    });
    reader.finish();
    let file = surroundings.base.join(file?);
    Some(PrometheusSettings { file, address: address?, ports: ports.unwrap_or_default() })
}

/// `"10.0.0.5:7070"`, `"lb0.internal:7070"`
fn address(value: &Value) -> Result<String, Wrong> {
    let written = text(value)?;
    let is_host = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
    };
    let fits = written.rsplit_once(':').is_some_and(|(host, port)| {
        is_host(host) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if fits {
        return Ok(written.to_owned());
    }
    let reason = format!("\"{written}\" is not a host with a port");
    Err(wrong(reason).help("such as \"10.0.0.5:7070\""))
}
