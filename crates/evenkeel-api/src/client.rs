//! A thin client: one method for each thing the command line asks of a node.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::documents::{
    Applied, Drill, DrillEnd, DrillStart, DrillWord, Drills, Explanation, Pool, Problem, Recorded,
    Server, ServerAddition, ServerChange, ServerRemoval, Status, Tick, Upgraded, Vip, VipChange,
};

/// Where a node is unless somebody says otherwise.
pub const DEFAULT_URL: &str = "http://127.0.0.1:7070";

/// A node that is there accepts at once.
const CONNECT: Duration = Duration::from_secs(3);

/// A reload reads files and opens listeners; nothing takes longer.
const WHOLE_CALL: Duration = Duration::from_mins(1);

/// The status of the largest pool fits, each server with a full time line.
const MOST_ANSWER_BYTES: u64 = 256 << 20;

/// Talks to the admin API of one node.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    url: String,
    token: Option<String>,
}

/// A request that a node is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub method: &'a str,
    pub url: &'a str,
    /// Each `Name: value`.
    pub headers: &'a [String],
    /// The client's address; `None`: this machine's.
    pub from: Option<IpAddr>,
    /// `None`: the one that the URL says.
    pub listener: Option<&'a str>,
}

/// Exchanges that a node is asked to remember; `None`: whichever.
#[derive(Clone, Copy, Debug)]
pub struct Remembered<'a> {
    pub status: Option<u16>,
    pub code: Option<&'a str>,
    pub pool: Option<&'a str>,
    /// Of `pool`.
    pub server: Option<&'a str>,
    pub slow: bool,
    pub last_seconds: u64,
}

impl Remembered<'_> {
    /// All of so many seconds.
    pub fn of_last(seconds: u64) -> Self {
        let (status, code, pool, server) = (None, None, None, None);
        Self { status, code, pool, server, slow: false, last_seconds: seconds }
    }
}

/// Exchanges asked for at once: all that are kept.
const MOST_EXCHANGES: &str = "10000";

/// Why a node did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{url} is not the URL of a node: write http://HOST:PORT")]
    Url { url: String },
    #[error(
        "no node answers at {url}: start one with `evenkeel run`, or say where it is with --admin URL"
    )]
    Unreachable { url: String, source: Box<ureq::Error> },
    #[error("{}", refusal(.0))]
    Refused(Box<Problem>),
    #[error("what answers at {url} is not an evenkeel node (status {status})")]
    Foreign { url: String, status: u16 },
}

fn refusal(problem: &Problem) -> String {
    let Problem { kind: _, title, status, detail, faults } = problem;
    let mut text = if detail.is_empty() { title.clone() } else { detail.clone() };
    for found in faults {
        let crate::documents::Found { severity: _, file, line, column, reason, help } = found;
        write!(text, "\n  {file}:{line}:{column}: {reason}").expect("a string takes all");
        if let Some(help) = help {
            write!(text, "; {help}").expect("a string takes all");
        }
    }
    if *status == 401 {
        text.push_str("; give its file with --token-file, or set $EVENKEEL_TOKEN");
    }
    text
}

impl Client {
    /// `url` is where the node's admin address is; `token` is asked for when that is not loopback.
    pub fn new(url: &str, token: Option<String>) -> Result<Self, ClientError> {
        let url = url.trim_end_matches('/').to_owned();
        if !url.starts_with("http://") || url.len() == "http://".len() {
            return Err(ClientError::Url { url });
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(WHOLE_CALL))
            .build();
        Ok(Self { agent: config.new_agent(), url, token })
    }

    /// Where the node is: host and port of its URL.
    pub fn authority(&self) -> &str {
        let rest = self.url.strip_prefix("http://").unwrap_or(&self.url);
        rest.split('/').next().unwrap_or(rest)
    }

    /// The node at a glance.
    pub fn status(&self) -> Result<Status, ClientError> {
        self.get("/api/v1/status")
    }

    /// A server of a pool.
    pub fn server(&self, pool: &str, server: &str) -> Result<Server, ClientError> {
        self.get(&server_path(pool, server))
    }

    /// Sets admin state or weight of a server; the answer is the server as it is then.
    pub fn set_server(
        &self,
        pool: &str,
        server: &str,
        change: &ServerChange,
    ) -> Result<Server, ClientError> {
        let request = self.agent.put(self.at(&server_path(pool, server)));
        self.read(self.authorised(request).send_json(change))
    }

    /// Adds a server to a pool; the answer is the pool as it is then.
    pub fn add_server(&self, pool: &str, addition: &ServerAddition) -> Result<Pool, ClientError> {
        let path = format!("/api/v1/pools/{}/servers", segment(pool));
        let request = self.agent.post(self.at(&path));
        self.read(self.authorised(request).send_json(addition))
    }

    /// Removes a server from a pool; the answer is the pool as it is then.
    pub fn remove_server(
        &self,
        pool: &str,
        server: &str,
        removal: &ServerRemoval,
    ) -> Result<Pool, ClientError> {
        let request = self.agent.delete(self.at(&server_path(pool, server))).force_send_body();
        self.read(self.authorised(request).send_json(removal))
    }

    /// A virtual address.
    pub fn vip(&self, name: &str) -> Result<Vip, ClientError> {
        self.get(&vip_path(name))
    }

    /// Has another node own a virtual address, or not; the answer is the address as it is then.
    pub fn set_vip(&self, name: &str, change: &VipChange) -> Result<Vip, ClientError> {
        let request = self.agent.put(self.at(&vip_path(name)));
        self.read(self.authorised(request).send_json(change))
    }

    /// Begins a drill. From then on the node wants to hear of it.
    pub fn begin_drill(&self, start: &DrillStart) -> Result<Drill, ClientError> {
        let request = self.agent.post(self.at("/api/v1/drills"));
        self.read(self.authorised(request).send_json(start))
    }

    /// Says that a drill goes on, and how far it is to be; the answer is the drill as it is then.
    pub fn continue_drill(&self, id: &str, word: &DrillWord) -> Result<Drill, ClientError> {
        let request = self.agent.put(self.at(&drill_path(id)));
        self.read(self.authorised(request).send_json(word))
    }

    /// Ends a drill; what is away is put back.
    pub fn end_drill(&self, id: &str, end: &DrillEnd) -> Result<Drills, ClientError> {
        let request = self.agent.delete(self.at(&drill_path(id))).force_send_body();
        self.read(self.authorised(request).send_json(end))
    }

    /// What the node would do with a request.
    pub fn explain(&self, question: &Question<'_>) -> Result<Explanation, ClientError> {
        let Question { method, url, headers, from, listener } = question;
        let from = from.map(|from| from.to_string());
        let mut parameters = vec![("method", *method), ("url", *url)];
        parameters.extend(headers.iter().map(|header| ("header", header.as_str())));
        parameters.extend(from.as_deref().map(|from| ("from", from)));
        parameters.extend(listener.map(|listener| ("listener", listener)));
        self.get(&format!("/api/v1/explain?{}", query(&parameters)))
    }

    /// Exchanges that failed or were slow.
    pub fn exchanges(&self, wanted: &Remembered<'_>) -> Result<Recorded, ClientError> {
        let Remembered { status, code, pool, server, slow, last_seconds } = wanted;
        let status = status.map(|status| status.to_string());
        let last = format!("{last_seconds}s");
        let mut parameters = vec![("last", last.as_str()), ("limit", MOST_EXCHANGES)];
        parameters.extend(status.as_deref().map(|status| ("status", status)));
        parameters.extend(code.map(|code| ("code", code)));
        let whole = pool.zip(*server).map(|(pool, server)| format!("{pool}/{server}"));
        match &whole {
            Some(whole) => parameters.push(("server", whole)),
            None => parameters.extend(pool.map(|pool| ("pool", pool))),
        }
        parameters.extend(slow.then_some(("slow", "true")));
        self.get(&format!("/api/v1/exchanges?{}", query(&parameters)))
    }

    /// Watches what the node does, each second, until `take` answers that it was enough, the node says no
    /// more, or a minute is over: a stream that hangs is not told from one that has nothing to say.
    pub fn watch(&self, mut take: impl FnMut(Tick) -> bool) -> Result<(), ClientError> {
        let answer = self.authorised(self.agent.get(self.at("/api/v1/live"))).call();
        let answer = self.welcome(answer)?;
        let lines =
            BufReader::new(answer.into_body().into_reader().take(MOST_ANSWER_BYTES)).lines();
        let ticks = lines.map_while(Result::ok);
        // What is no tick is a sign of life, or a kind of event that is not known yet.
        let mut ticks =
            ticks.filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok());
        ticks.any(|tick| !take(tick));
        Ok(())
    }

    /// Has the node read its file again; `both`: on both nodes of its pair or on neither.
    pub fn reload(&self, both: bool) -> Result<Applied, ClientError> {
        self.tell(if both { "/api/v1/reload?both=true" } else { "/api/v1/reload" })
    }

    /// Applies a configuration, in place of the version `replaces` if one is named; `both` as in
    /// [`Self::reload`].
    pub fn apply(
        &self,
        text: &str,
        replaces: Option<&str>,
        both: bool,
    ) -> Result<Applied, ClientError> {
        let path = if both { "/api/v1/config?both=true" } else { "/api/v1/config" };
        let request = self.agent.put(self.at(path)).header("content-type", "application/toml");
        let request = match replaces {
            Some(version) => request.header("if-match", format!("\"{version}\"")),
            None => request,
        };
        self.read(self.authorised(request).send(text))
    }

    /// Has the program started anew; returns once the new process serves.
    pub fn upgrade(&self) -> Result<Upgraded, ClientError> {
        self.tell("/api/v1/upgrade")
    }

    fn tell<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        /// Says that this is no form of a web page.
        #[derive(Serialize)]
        struct Nothing {}
        let request = self.agent.post(self.at(path));
        self.read(self.authorised(request).send_json(Nothing {}))
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.read(self.authorised(self.agent.get(self.at(path))).call())
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn authorised<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    fn read<T: DeserializeOwned>(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<T, ClientError> {
        let url = || self.url.clone();
        let unreachable =
            |source| ClientError::Unreachable { url: url(), source: Box::new(source) };
        let mut answer = self.welcome(answer)?;
        let status = answer.status();
        let body = answer.body_mut().with_config().limit(MOST_ANSWER_BYTES).read_to_vec();
        let body = body.map_err(unreachable)?;
        let foreign = |_| ClientError::Foreign { url: url(), status: status.as_u16() };
        serde_json::from_slice(&body).map_err(foreign)
    }

    /// An answer that says yes; every other one is an error.
    fn welcome(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, ClientError> {
        let url = || self.url.clone();
        let unreachable =
            |source| ClientError::Unreachable { url: url(), source: Box::new(source) };
        let mut answer = answer.map_err(unreachable)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer.body_mut().with_config().limit(MOST_ANSWER_BYTES).read_to_vec();
        let body = body.map_err(unreachable)?;
        Err(match serde_json::from_slice(&body) {
            Ok(problem) => ClientError::Refused(Box::new(problem)),
            Err(_) => ClientError::Foreign { url: url(), status: status.as_u16() },
        })
    }
}

fn server_path(pool: &str, server: &str) -> String {
    format!("/api/v1/pools/{}/servers/{}", segment(pool), segment(server))
}

fn vip_path(name: &str) -> String {
    format!("/api/v1/vips/{}", segment(name))
}

fn drill_path(id: &str) -> String {
    format!("/api/v1/drills/{}", segment(id))
}

/// A query (RFC 3986 §3.4).
fn query(parameters: &[(&str, &str)]) -> String {
    let pair = |(key, value): &(&str, &str)| format!("{key}={}", segment(value));
    parameters.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// One segment of a path (RFC 3986 §3.3).
fn segment(name: &str) -> String {
    let mut escaped = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("a string takes all");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_segments() {
        let path = server_path("app", "[fd00::1]:80");
        assert_eq!(path, "/api/v1/pools/app/servers/%5Bfd00::1%5D:80");
        assert_eq!(segment("a/b c"), "a%2Fb%20c");
    }

    #[test]
    fn only_plain_http_is_spoken() {
        for url in ["", "127.0.0.1:7070", "https://127.0.0.1:7070", "http://"] {
            assert!(matches!(Client::new(url, None), Err(ClientError::Url { .. })), "{url}");
        }
        Client::new("http://127.0.0.1:7070/", None).expect("a good URL");
    }

    #[test]
    fn a_node_that_is_not_there_is_said_to_be_so() {
        // Bound and closed again: nobody listens there.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = Client::new(&url, None).unwrap().status().expect_err("nobody is there");
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    }
}
