//! What this node would do with a request, asked of the functions that would do it, without doing
//! anything: nothing is sent, no turn is taken, no limit is charged.

mod arrival;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::config::Protocol;
use evenkeel_core::fault::Fault;
use evenkeel_core::pick::Candidate;

use self::arrival::Arrival;
use crate::clock;
use crate::plan::{LiveListener, Plan};
use crate::status::PoolMode;
use crate::worker::Shared;

/// A request that nobody has made.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `None`: the one that speaks `scheme`, and of several the one on `port`.
    pub listener: Option<String>,
    /// `http` or `https`.
    pub scheme: String,
    /// Host with its port, as `Host` has it.
    pub authority: String,
    pub host: String,
    pub port: u16,
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Without `Host`, unless it is to be another one.
    pub headers: Vec<(String, String)>,
    pub from: IpAddr,
}

impl Asked {
    /// What a client would ask for in TLS: an address is no name (RFC 6066 §3).
    fn server_name(&self) -> Option<&str> {
        let is_address = self.host.starts_with('[') || self.host.parse::<IpAddr>().is_ok();
        (!is_address).then_some(&*self.host)
    }
}

/// Why nothing can be said of it.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    #[error("there is no listener `{name}`; there are: {}", .others.join(", "))]
    NoSuchListener { name: String, others: Vec<String> },
    #[error("no listener takes {scheme}; there are: {}", .others.join(", "))]
    NoListener { scheme: String, others: Vec<String> },
    #[error("several listeners take {scheme}, none of them on port {port}: say which one of {}", .names.join(", "))]
    Several { scheme: String, port: u16, names: Vec<String> },
}

/// What would be done.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub listener: Arc<str>,
    pub protocol: &'static str,
    /// It listens on the port that was asked for.
    pub on_port: bool,
    /// Where TLS ends here.
    pub certificate: Option<ShownCertificate>,
    /// `None`: the listener's default, or there are no routes.
    pub route: Option<Arc<str>>,
    /// Routes that were near, with what speaks against each; the nearest first.
    pub passed_over: Vec<(Arc<str>, String)>,
    /// What it would have to pass, in this order.
    pub passes: Vec<String>,
    pub outcome: Outcome,
}

/// A certificate that a client would be shown which understands its signatures.
#[derive(Clone, Debug)]
pub struct ShownCertificate {
    pub file: PathBuf,
    pub names: Vec<Arc<str>>,
}

/// Where it would go.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Nowhere. `status` is `None` when the connection would be closed without an answer.
    Refused {
        status: Option<u16>,
        why: String,
    },
    /// Nowhere, though nothing is wrong: this node answers it.
    Answered {
        status: u16,
        why: String,
    },
    Redirected {
        status: u16,
        location: String,
    },
    /// A file of this machine, which is there.
    File {
        status: u16,
        folder: PathBuf,
        path: String,
    },
    Pool(Box<Choosing>),
}

/// How a pool chooses.
#[derive(Clone, Debug)]
pub struct Choosing {
    pub pool: Arc<str>,
    /// With other pools it shares the traffic by chance, and it fell on this one.
    pub by_split: bool,
    pub balance: &'static str,
    pub mode: PoolMode,
    /// The path that was asked for, and the one the server would see.
    pub path: (String, String),
    /// What is hashed, if the pool hashes and the request has it.
    pub key: Option<String>,
    /// The client's cookie means a server that takes it.
    pub keeps_home: bool,
    /// Who is first is left to chance: next time it may be another one.
    pub by_chance: bool,
    pub servers: Vec<Standing>,
    pub tries: Tries,
}

/// A server, in the order of the file.
#[derive(Clone, Debug)]
pub struct Standing {
    pub name: Arc<str>,
    pub address: String,
    /// With what its agent and its slow start make of it.
    pub weight: u16,
    pub ramp_percent: u8,
    pub in_flight: u32,
    pub candidate: Candidate,
    /// What the judge says of it.
    pub reason: Arc<str>,
}

/// What follows when the first server fails.
#[derive(Clone, Debug)]
pub struct Tries {
    /// Further ones the file allows.
    pub most: u8,
    pub on: Vec<String>,
    /// Doing it twice does no harm, or the file says that it may be done.
    pub repeatable: bool,
    pub budget_percent: u8,
    pub budget_floor: u16,
    pub connect: Duration,
    pub first_byte: Duration,
}

impl Plan {
    /// `chance`: any number, for what is left to chance.
    pub(crate) fn explain(
        &self,
        asked: &Asked,
        shared: &Shared,
        chance: u64,
    ) -> Result<Explanation, ExplainError> {
        clock::refresh();
        let index = self.listener(asked)?;
        let (live, config) = (&self.listeners[index], &self.snapshot.config().listeners[index]);
        let mut explanation = Explanation {
            listener: Arc::clone(&live.name),
            protocol: config.protocol.as_str(),
            on_port: on_port(live, asked),
            certificate: None,
            route: None,
            passed_over: Vec::new(),
            passes: Vec::new(),
            outcome: refused(Fault::NoRoute),
        };
        if let Some(front) = &live.front {
            let Some(place) = front.showing().chosen(asked.server_name()) else {
                explanation.outcome =
                    closed("no certificate is for this name, and no other is shown".to_owned());
                return Ok(explanation);
            };
            let certificate = front.certificates().into_iter().nth(place);
            explanation.certificate =
                certificate.map(|it| ShownCertificate { file: it.source, names: it.names });
        }
        let arrival = Arrival { plan: self, shared, asked, index, chance };
        match config.protocol.http() {
            Some(http) => arrival.understand(http, &mut explanation),
            None => explanation.outcome = arrival.connect(&mut explanation.passes),
        }
        Ok(explanation)
    }

    /// The listener that would take it.
    fn listener(&self, asked: &Asked) -> Result<usize, ExplainError> {
        let names = |all: &[usize]| -> Vec<String> {
            all.iter().map(|&place| self.listeners[place].name.to_string()).collect()
        };
        let all: Vec<usize> = (0..self.listeners.len()).collect();
        if let Some(name) = &asked.listener {
            let found = self.listeners.iter().position(|listener| *listener.name == **name);
            let others = || names(&all);
            return found.ok_or_else(|| ExplainError::NoSuchListener {
                name: name.clone(),
                others: others(),
            });
        }
        let speaks = |&place: &usize| {
            let protocol = &self.snapshot.config().listeners[place].protocol;
            match protocol {
                Protocol::Http(_) => asked.scheme == "http",
                Protocol::Https(_) | Protocol::Tls(_) => asked.scheme == "https",
                Protocol::Tcp { .. } => false,
            }
        };
        let speaking: Vec<usize> = all.iter().copied().filter(speaks).collect();
        let scheme = asked.scheme.clone();
        let here = speaking.iter().find(|&&place| on_port(&self.listeners[place], asked));
        match (here, &speaking[..]) {
            (Some(here), _) | (None, [here]) => Ok(*here),
            (None, []) => Err(ExplainError::NoListener { scheme, others: names(&all) }),
            (None, several) => {
                Err(ExplainError::Several { scheme, port: asked.port, names: names(several) })
            }
        }
    }
}

fn on_port(listener: &LiveListener, asked: &Asked) -> bool {
    listener.bound.iter().any(|bound| bound.actual().port() == asked.port)
}

fn refused(fault: Fault) -> Outcome {
    Outcome::Refused { status: fault.verdict().status, why: fault.to_string() }
}

/// The connection ends without an answer.
fn closed(why: String) -> Outcome {
    Outcome::Refused { status: None, why }
}
