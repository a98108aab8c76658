//! What a node says once it serves.

use std::net::SocketAddr;

use evenkeel_api::{Listener, Pool, Status};

use super::out;
use crate::args::LogFormat;

/// Servers of a pool that are named; a line is not longer than a person reads.
const MOST_SERVERS: usize = 8;

/// Shows what listens where and which servers it leads to.
pub(crate) fn show(status: &Status, admin: SocketAddr, format: LogFormat) {
    if format == LogFormat::Json {
        let version = status.config.version.as_str();
        let admin = format!("http://{admin}");
        tracing::info!(kind = "started", subject = status.node, version, admin, "serving");
        return;
    }
    out::complain(&in_words(status, admin));
}

fn in_words(status: &Status, admin: SocketAddr) -> String {
    let mut lines = vec![format!("evenkeel {} serves as {}", status.version, status.node)];
    for Listener { name, protocol, addresses, .. } in &status.listeners {
        lines.push(format!("  listener {name}: {protocol} on {}", addresses.join(", ")));
    }
    for Pool { name, balance, servers, .. } in &status.pools {
        let shown = servers.iter().take(MOST_SERVERS).map(|server| server.name.as_str());
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = match servers.len().saturating_sub(MOST_SERVERS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        lines.push(format!("  pool {name}: {balance} over {shown}{more}"));
    }
    lines.push(format!("  admin: http://{admin}"));
    lines.join("\n")
}
