//! One configuration, compiled: what a request needs to know, ready to be looked up.

use crate::config::{Config, Protocol};
use crate::route::{HttpRouter, TlsRouter};

/// A configuration and its routers. Immutable: a request sees one snapshot from beginning to end,
/// a reload makes another.
#[derive(Debug)]
pub struct Snapshot {
    config: Config,
    /// One for each listener; those of other protocols stay empty.
    http: Vec<HttpRouter>,
    tls: Vec<TlsRouter>,
}

impl Snapshot {
    /// Builds the routers of every listener.
    pub fn compile(config: Config) -> Self {
        let http = config.listeners.iter().map(|listener| {
            let http = listener.protocol.http();
            http.map_or_else(HttpRouter::default, |http| HttpRouter::build(&http.routes))
        });
        let tls = config.listeners.iter().map(|listener| match &listener.protocol {
            Protocol::Tls(tls) => TlsRouter::build(tls),
            Protocol::Tcp { .. } | Protocol::Http(_) | Protocol::Https(_) => TlsRouter::default(),
        });
        Self { http: http.collect(), tls: tls.collect(), config }
    }

    /// What was compiled.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The router of the listener at this place of [`Config::listeners`]; without a route unless
    /// the listener speaks HTTP.
    pub fn http_router(&self, listener: usize) -> &HttpRouter {
        &self.http[listener]
    }

    /// The router of the listener at this place of [`Config::listeners`]; without a pool unless
    /// the listener passes TLS through.
    pub fn tls_router(&self, listener: usize) -> &TlsRouter {
        &self.tls[listener]
    }
}

#[cfg(test)]
mod tests {
    use super::Snapshot;
    use crate::config::{ClientTimeouts, Config, Listener, PoolId, Protocol, Tls};
    use crate::route::Question;

    #[test]
    fn each_listener_has_its_own_routers() {
        let listener = |protocol| Listener {
            name: "any".into(),
            bind: Vec::new(),
            protocol,
            max_connections: 1,
            timeouts: ClientTimeouts::default(),
            proxy_protocol: None,
            guard: crate::config::Guard::default(),
            connections_per_source: None,
        };
        let tls = |pool| Protocol::Tls(Tls { default: Some(PoolId(pool)), rules: Vec::new() });
        let snapshot = Snapshot::compile(Config {
            listeners: vec![listener(tls(1)), listener(Protocol::Tcp { pool: PoolId(2) })],
            ..Config::default()
        });
        let question =
            Question { host: "h", path: "/", method: "GET", header: &|_| None, cookie: &|_| None };
        for (place, pool) in [Some(PoolId(1)), None].into_iter().enumerate() {
            assert_eq!(snapshot.tls_router(place).route(None, |_| false), pool);
            assert_eq!(snapshot.http_router(place).route(&question), None);
        }
        assert_eq!(snapshot.config().listeners.len(), 2);
    }

    #[test]
    fn threads_share_it() {
        fn shared<T: Send + Sync>() {}
        shared::<Snapshot>();
        shared::<crate::pool::Roster>();
    }
}
