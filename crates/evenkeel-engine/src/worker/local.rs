//! A plan as one worker sees it: what it counts, its connections to servers, who is in use now.

use std::cell::{Ref, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use evenkeel_core::config::{HeaderEdits, Listener, PoolId, Route};
use evenkeel_core::message::chunked::Barred;
use evenkeel_core::pool::Roster;
use evenkeel_core::route::{HttpRouter, TlsRouter};

use crate::connect::LocalServer;
use crate::fleet::{LivePool, Server};
use crate::flow::LocalFlow;
use crate::hedge::Hedged;
use crate::plan::{LiveListener, Plan};
use crate::receive::{NO_EDITS, Request};

/// A plan with a listener's place in it. Indices of pools and routes mean something only together
/// with the plan they were found in.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) local: Rc<Local>,
    pub(crate) index: usize,
}

/// A plan as one worker sees it.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) plan: Arc<Plan>,
    pub(crate) pools: Vec<LocalPool>,
    pub(crate) hedged: Vec<Hedged>,
    /// Of each listener's routes.
    routes: Vec<Vec<Rc<LocalFlow>>>,
}

/// A pool as one worker sees it.
#[derive(Debug)]
pub(crate) struct LocalPool {
    pub(crate) live: Arc<LivePool>,
    pub(crate) flow: Rc<LocalFlow>,
    pub(crate) servers: Vec<Rc<LocalServer>>,
    roster: RefCell<(u64, Arc<Roster>)>,
}

impl Local {
    pub(super) fn empty() -> Self {
        let plan = Arc::new(Plan::empty());
        Self { plan, pools: Vec::new(), hedged: Vec::new(), routes: Vec::new() }
    }

    pub(super) fn new(plan: Arc<Plan>, before: &Self, worker: usize) -> Self {
        let known = |live: &LivePool| before.pools.iter().find(|old| old.live.name == live.name);
        let pools = plan
            .pools
            .iter()
            .map(|live| LocalPool::new(Arc::clone(live), known(live), worker))
            .collect();
        let hedged = Hedged::all(plan.snapshot.config(), &before.hedged);
        let flows = |it: &Arc<LiveListener>| {
            it.routes.iter().map(|flows| Rc::new(flows.of(worker))).collect()
        };
        let routes = plan.listeners.iter().map(flows).collect();
        Self { plan, pools, hedged, routes }
    }

    /// Closes the idle connections to servers that `after` no longer has.
    pub(super) fn prune(&self, after: &Self) {
        for old in &self.pools {
            let kept = after.pools.iter().find(|pool| pool.live.name == old.live.name);
            let kept: HashSet<*const LocalServer> =
                kept.iter().flat_map(|kept| &kept.servers).map(Rc::as_ptr).collect();
            let gone = old.servers.iter().filter(|server| !kept.contains(&Rc::as_ptr(server)));
            gone.for_each(|server| server.close_idle());
        }
    }
}

impl Place {
    pub(crate) fn listener(&self) -> &Listener {
        &self.local.plan.snapshot.config().listeners[self.index]
    }

    pub(crate) fn live_listener(&self) -> &LiveListener {
        &self.local.plan.listeners[self.index]
    }

    /// The route a request has taken; `None`: the listener's default.
    pub(crate) fn route(&self, request: &Request) -> Option<&Route> {
        let http = self.listener().protocol.http()?;
        request.route.map(|route| &http.routes[route])
    }

    /// What may not follow the body of a request on its way to a server.
    pub(crate) fn barred<'a>(&'a self, request: &'a Request) -> Barred<'a> {
        let http = self.listener().protocol.http();
        Barred {
            reserved: http.map_or(&[], |http| &http.reserved),
            edits: self.route(request).map_or(&NO_EDITS, |route| &route.request_headers),
            hop: request.hop.as_deref().unwrap_or_default(),
        }
    }

    /// The edits of its answer.
    pub(crate) fn answer_edits<'a>(&'a self, request: &'a Request) -> &'a HeaderEdits {
        let route = || self.route(request).map_or(&NO_EDITS, |route| &route.response_headers);
        request.answer_edits.as_deref().unwrap_or_else(route)
    }

    /// What is counted of the route a request has taken; `None`: the listener's default.
    pub(crate) fn flow(&self, request: &Request) -> Option<&Rc<LocalFlow>> {
        request.route.map(|route| &self.local.routes[self.index][route])
    }

    pub(crate) fn http_router(&self) -> &HttpRouter {
        self.local.plan.snapshot.http_router(self.index)
    }

    pub(crate) fn tls_router(&self) -> &TlsRouter {
        self.local.plan.snapshot.tls_router(self.index)
    }

    /// `id` is from this plan.
    pub(crate) fn pool(&self, id: PoolId) -> &LocalPool {
        &self.local.pools[usize::from(id.0)]
    }
}

impl LocalPool {
    fn new(live: Arc<LivePool>, before: Option<&Self>, worker: usize) -> Self {
        let old = before.iter().flat_map(|before| &before.servers);
        let old: HashMap<*const Server, &Rc<LocalServer>> =
            old.map(|old| (Arc::as_ptr(&old.server), old)).collect();
        let known = |server| old.get(&Arc::as_ptr(server)).map(|&old| Rc::clone(old));
        let config = &live.config;
        let servers = live
            .servers
            .iter()
            .map(|server| {
                known(server).unwrap_or_else(|| LocalServer::new(Arc::clone(server), worker))
            })
            .collect::<Vec<Rc<LocalServer>>>();
        // A connection that names its client is that client's alone.
        let kept = if config.proxy_protocol.is_some() { 0 } else { config.idle_connections };
        for (server, written) in servers.iter().zip(&config.servers) {
            let tls = live.tls.as_ref().map(|tls| tls.towards(written));
            server.configure(kept, config.timeouts.keep_alive, tls);
        }
        let roster = RefCell::new((live.edition(), live.roster()));
        let flow = Rc::new(live.flows.of(worker));
        Self { live, flow, servers, roster }
    }

    /// Who is in use at this moment.
    pub(crate) fn roster(&self) -> Ref<'_, Roster> {
        let edition = self.live.edition();
        if self.roster.borrow().0 != edition {
            self.roster.replace((edition, self.live.roster()));
        }
        Ref::map(self.roster.borrow(), |(_, roster)| &**roster)
    }
}
