//! What is drilled: what speaks against it, how it is taken out and put back.

use std::collections::BTreeSet;

use evenkeel_api as api;
use evenkeel_core::config;
use evenkeel_core::drill::{Standing, objection, vip_objection};
use evenkeel_core::pool::{Admin, Member};
use evenkeel_engine::{AdminState, EngineStatus, Health, PoolStatus, ServerStatus};

use super::{DrillError, Errand, UnderWay};
use crate::node::{Node, ServerError};

/// What is drilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Server { pool: String, server: String },
    Vip(String),
}

/// Requests that real clients, and who drills, have made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) requests: u64,
    pub(super) errors: u64,
}

impl Object {
    pub(super) fn of(start: &api::DrillStart) -> Result<Self, DrillError> {
        match start.kind {
            api::DrillKind::Vip => Ok(Self::Vip(start.object.clone())),
            api::DrillKind::Server => {
                let (pool, server) = start.object.split_once('/').ok_or_else(|| {
                    DrillError::Invalid(format!("`{}`: write POOL/SERVER", start.object))
                })?;
                Ok(Self::Server { pool: pool.to_owned(), server: server.to_owned() })
            }
        }
    }

    pub(super) fn kind(&self) -> api::DrillKind {
        match self {
            Self::Server { .. } => api::DrillKind::Server,
            Self::Vip(_) => api::DrillKind::Vip,
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Server { pool, server } => format!("{pool}/{server}"),
            Self::Vip(name) => name.clone(),
        }
    }

    pub(super) fn counted(&self, status: &EngineStatus) -> Counted {
        match self {
            Self::Server { pool, .. } => {
                let pool = status.pools.iter().find(|it| *it.name == **pool);
                pool.map_or_else(Counted::default, |pool| Counted {
                    requests: pool.flow.requests_total,
                    errors: pool.flow.endings.errors,
                })
            }
            Self::Vip(_) => status.listeners.iter().fold(Counted::default(), |sum, it| {
                let is_http = it.protocol.starts_with("http");
                let more = if is_http { it.requests_total } else { it.connections_total };
                let errors = sum.errors + it.endings.errors;
                Counted { requests: sum.requests + more, errors }
            }),
        }
    }
}

impl Node {
    /// Nothing speaks against taking a server out of its pool.
    pub(super) fn may_take_out(&self, pool: &str, server: &str) -> Result<(), DrillError> {
        let status = self.engine.status();
        let gone = |what: String| DrillError::Server(ServerError::NotThere(what));
        let names = status.pools.iter().map(|it| &*it.name).collect::<Vec<_>>().join(", ");
        let found = status.pools.iter().find(|it| *it.name == *pool);
        let found =
            found.ok_or_else(|| gone(format!("there is no pool `{pool}`; there are: {names}")))?;
        let which = found.servers.iter().position(|it| *it.name == *server);
        let names = found.servers.iter().map(|it| &*it.name).collect::<Vec<_>>().join(", ");
        let no_server = || gone(format!("pool `{pool}` has no server `{server}`; it has: {names}"));
        let which = which.ok_or_else(no_server)?;
        if status.draining {
            return Err(DrillError::Refused("the node is about to stop".to_owned()));
        }
        match objection(&self.standings(found), which) {
            None => Ok(()),
            Some(why) => Err(DrillError::Refused(format!("{pool}/{server} stays: {why}"))),
        }
    }

    /// How the servers of a pool stand.
    fn standings(&self, pool: &PoolStatus) -> Vec<Standing> {
        let servers = self.servers();
        let configured = servers.applied.pools.iter().find(|it| it.name == pool.name);
        let standing = |server: &ServerStatus| {
            let mut all = configured.into_iter().flat_map(|it| &it.servers);
            let known = all.find(|it| it.name == server.name);
            Standing { member: member(server, known), in_flight: server.in_flight }
        };
        pool.servers.iter().map(standing).collect()
    }

    /// The other node can have an address, and can be asked to give it back.
    pub(super) fn may_move(&self, name: &str) -> Result<(), DrillError> {
        let refused = |why: String| DrillError::Refused(format!("{name} stays: {why}"));
        let status = self.engine.status();
        let Some(vip) = status.vips.iter().find(|vip| *vip.name == *name) else {
            let names: BTreeSet<_> = status.vips.iter().map(|vip| &*vip.name).collect();
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            let detail = format!("there is no virtual address `{name}`; there are: {names}");
            return Err(DrillError::Server(ServerError::NotThere(detail)));
        };
        let Some(pair) = self.pair_status() else {
            let why = "this node is not one of a [pair], so it knows nothing of another node and could not \
                       ask it to give the address back";
            return Err(refused(why.to_owned()));
        };
        if let Some(reason) = pair.reason {
            return Err(refused(format!("the other node of the pair is not heard: {reason}")));
        }
        if pair.same_configuration == Some(false) {
            let why =
                "the other node has another configuration; `evenkeel reload` offers it this one";
            return Err(refused(why.to_owned()));
        }
        match vip_objection(vip.state, self.pair.said_of_vip(name)) {
            None => Ok(()),
            Some(why) => Err(refused(why.to_string())),
        }
    }

    pub(super) async fn take_out(&self, drill: &UnderWay) -> Result<(), DrillError> {
        match &drill.object {
            Object::Server { pool, server } => {
                // Something may have happened since it began.
                self.may_take_out(pool, server)?;
                let expires = (drill.away + drill.lease).as_secs();
                let change = set(drill, drill.state, Some(expires));
                Ok(self.change_server(pool, server, &change).await?)
            }
            Object::Vip(name) => {
                self.may_move(name)?;
                let (name, change) = (name.clone(), move_away(drill));
                if !self.drills.run_errand(Errand::MoveAway { name, change }) {
                    let detail = "too many addresses are being moved: ask again";
                    return Err(DrillError::Refused(detail.to_owned()));
                }
                Ok(())
            }
        }
    }

    /// Nobody has said anything else of it since.
    pub(super) fn is_still_away(&self, drill: &UnderWay) -> Result<(), DrillError> {
        match &drill.object {
            Object::Server { pool, server } if !self.is_said_for(drill, pool, server) => {
                let detail = "somebody else has set the server's state since: the drill is over";
                Err(DrillError::Refused(detail.to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn is_said_for(&self, drill: &UnderWay, pool: &str, server: &str) -> bool {
        let servers = self.servers();
        let over = servers.overrides.of(pool, server).and_then(|over| over.state.as_ref());
        over.is_some_and(|over| over.said.reason.starts_with(&drill.mark()))
    }

    /// As it was, unless somebody has said something else since.
    pub(super) async fn put_back(&self, drill: &UnderWay) {
        match &drill.object {
            Object::Server { pool, server } => {
                if !self.is_said_for(drill, pool, server) {
                    return;
                }
                let change = set(drill, api::AdminState::Ready, None);
                if let Err(error) = self.change_server(pool, server, &change).await {
                    let seconds = (drill.away + drill.lease).as_secs();
                    tracing::warn!(
                        "{pool}/{server} is ready again in {seconds} s at most: {error}"
                    );
                }
            }
            Object::Vip(name) => self.want_vip_back(name),
        }
    }
}

fn set(drill: &UnderWay, state: api::AdminState, expires: Option<u64>) -> api::ServerChange {
    api::ServerChange {
        state: Some(state),
        weight: None,
        author: drill.author.clone(),
        reason: drill.why(),
        expires_in_seconds: expires,
    }
}

fn move_away(drill: &UnderWay) -> api::VipChange {
    api::VipChange { moved: true, author: drill.author.clone(), reason: drill.why() }
}

fn member(server: &ServerStatus, configured: Option<&config::Server>) -> Member {
    Member {
        weight: server.weight,
        backup: server.backup,
        priority: configured.map_or(0, |it| it.priority),
        limit: configured.and_then(|it| it.max_connections).unwrap_or(Member::NO_LIMIT),
        admin: match server.admin.state {
            AdminState::Ready => Admin::Ready,
            AdminState::Drain => Admin::Drain,
            AdminState::Maint => Admin::Maint,
        },
        usable: server.verdict.health == Health::Up,
        ..Member::READY
    }
}
