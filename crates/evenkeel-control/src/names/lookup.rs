//! Asking a resolver.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolverConfig, ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::sync::Semaphore;

use super::{Answer, Endpoint, Family, MOST_ENDPOINTS, is_usable};
use crate::compile::ResolverSettings;
use crate::membership::{Question, Records};

/// Names asked for at the same time; the others wait for their turn.
const MOST_AT_ONCE: usize = 32;

/// Targets followed from one service record.
const MOST_TARGETS: usize = 64;

/// Asks for names. Nothing is cached here: how long an answer is good for is for others to say.
#[derive(Debug)]
pub(crate) struct Asker {
    /// Why nobody can be asked, if so.
    resolver: Result<TokioResolver, String>,
    turns: Semaphore,
}

/// The addresses of one host.
#[derive(Debug)]
struct Addresses {
    ips: Vec<IpAddr>,
    ttl: Duration,
    unanswered: Option<Family>,
}

/// Why there is no answer.
#[derive(Debug)]
enum Failure {
    /// Somebody who knows says that there is nothing.
    Nothing(String),
    /// Nobody who knows could be asked.
    Silence(String),
}

impl Failure {
    fn into_reason(self) -> String {
        match self {
            Self::Nothing(reason) | Self::Silence(reason) => reason,
        }
    }
}

impl Asker {
    /// Cannot fail: where nobody can be asked, each question is told so.
    pub(crate) fn new(settings: &ResolverSettings) -> Self {
        let resolver = build(settings).map_err(|error| format!("no resolver: {error}"));
        Self { resolver, turns: Semaphore::new(MOST_AT_ONCE) }
    }

    /// An answer with at least one address, or why there is none.
    pub(crate) async fn ask(&self, question: &Question) -> Result<Answer, String> {
        let resolver = self.resolver.as_ref().map_err(String::clone)?;
        let _turn = self.turns.acquire().await.map_err(|error| error.to_string())?;
        let answer = match question.records {
            Records::Address => addresses(resolver, &question.host).await.map(Answer::from),
            Records::Service => service(resolver, &question.host).await,
        };
        let mut answer = answer.map_err(Failure::into_reason)?;
        answer.endpoints.retain(|endpoint| is_usable(endpoint.ip));
        answer.endpoints.truncate(MOST_ENDPOINTS);
        if answer.endpoints.is_empty() {
            return Err("the answer holds no address that a server can have".to_owned());
        }
        Ok(answer)
    }
}

impl From<Addresses> for Answer {
    fn from(Addresses { ips, ttl, unanswered }: Addresses) -> Self {
        let endpoint = |ip| Endpoint { priority: 0, ip, port: 0, weight: 0 };
        Self { endpoints: ips.into_iter().map(endpoint).collect(), ttl, unanswered }
    }
}

fn build(settings: &ResolverSettings) -> Result<TokioResolver, NetError> {
    let provider = TokioRuntimeProvider::default();
    let mut builder = if settings.servers.is_empty() {
        TokioResolver::builder(provider)?
    } else {
        let server = |address: &std::net::SocketAddr| {
            let [mut udp, mut tcp] = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            (udp.port, tcp.port) = (address.port(), address.port());
            // A server that says no may be wrong where the next one knows.
            NameServerConfig::new(address.ip(), false, vec![udp, tcp])
        };
        let servers = settings.servers.iter().map(server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        TokioResolver::builder_with_config(config, provider)
    };
    let options = builder.options_mut();
    options.timeout = settings.timeout;
    options.attempts = 2;
    options.cache_size = 0;
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    builder.build()
}

/// Both families at once.
async fn addresses(resolver: &TokioResolver, host: &str) -> Result<Addresses, Failure> {
    let (v4, v6) = tokio::join!(
        records(resolver, host, RecordType::A),
        records(resolver, host, RecordType::AAAA)
    );
    let unanswered = match (&v4, &v6) {
        (Err(Failure::Silence(_)), Ok(_)) => Some(Family::V4),
        (Ok(_), Err(Failure::Silence(_))) => Some(Family::V6),
        _ => None,
    };
    let (found, ttl) = match (v4, v6) {
        (Ok((mut v4, ttl)), Ok((v6, other))) => {
            v4.extend(v6);
            (v4, ttl.min(other))
        }
        (Ok(found), Err(_)) | (Err(_), Ok(found)) => found,
        (Err(silence @ Failure::Silence(_)), Err(_)) | (Err(_), Err(silence)) => {
            return Err(silence);
        }
    };
    let ip = |record| match record {
        RData::A(v4) => Some(IpAddr::V4(v4.0)),
        RData::AAAA(v6) => Some(IpAddr::V6(v6.0)),
        _ => None,
    };
    Ok(Addresses { ips: found.into_iter().filter_map(ip).collect(), ttl, unanswered })
}

/// A service, and the addresses of its targets.
async fn service(resolver: &TokioResolver, name: &str) -> Result<Answer, Failure> {
    let (found, mut ttl) = records(resolver, name, RecordType::SRV).await?;
    let services = found.into_iter().filter_map(|record| match record {
        RData::SRV(service) => Some(service),
        _ => None,
    });
    let mut endpoints = Vec::new();
    for SRV { priority, weight, port, target, .. } in services.take(MOST_TARGETS) {
        // The root as a target says that there is no such service (RFC 2782).
        if target.is_root() || port == 0 {
            continue;
        }
        match addresses(resolver, &target.to_ascii()).await {
            Ok(found) => {
                ttl = ttl.min(found.ttl);
                let endpoint = |ip| Endpoint { priority, ip, port, weight };
                endpoints.extend(found.ips.into_iter().map(endpoint));
            }
            Err(Failure::Nothing(_)) => {}
            // A part of the servers would be worse than those known from before.
            Err(silence) => return Err(silence),
        }
    }
    Ok(Answer { endpoints, ttl, unanswered: None })
}

/// The records of one kind, with the shortest time they are good for.
async fn records(
    resolver: &TokioResolver,
    name: &str,
    kind: RecordType,
) -> Result<(Vec<RData>, Duration), Failure> {
    // A name from a file is whole: a search list would only find other people's servers.
    let absolute = if name.ends_with('.') { name.to_owned() } else { format!("{name}.") };
    let found = resolver.lookup(absolute, kind).await.map_err(|error| failure(&error))?;
    let records = found.answers().iter().filter(|record| record.data.record_type() == kind);
    let ttl = found.answers().iter().map(|record| record.ttl).min().unwrap_or(0);
    let records: Vec<RData> = records.map(|record| record.data.clone()).collect();
    if records.is_empty() {
        return Err(Failure::Nothing(format!("the answer has no {kind} record")));
    }
    Ok((records, Duration::from_secs(ttl.into())))
}

fn failure(error: &NetError) -> Failure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(nothing)) => {
            let reason = if error.is_nx_domain() {
                "there is no such name".to_owned()
            } else {
                format!("no {} record", nothing.query.query_type())
            };
            Failure::Nothing(reason)
        }
        NetError::Dns(DnsError::ResponseCode(code)) => {
            Failure::Silence(format!("the resolver says: {code}"))
        }
        NetError::Timeout => Failure::Silence("no answer in time".to_owned()),
        other => Failure::Silence(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
