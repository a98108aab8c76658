//! What is asked, and where.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use http::Uri;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use serde::Serialize;

use super::request::Request;
use super::talk;
use super::tls::{self, Trust};

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
pub(crate) enum Http {
    #[value(name = "1.1")]
    #[serde(rename = "1.1")]
    One,
    #[value(name = "2")]
    #[serde(rename = "2")]
    Two,
}

impl Http {
    /// As it is called in TLS (RFC 7301 §6).
    const fn protocol(self) -> &'static [u8] {
        match self {
            Self::One => b"http/1.1",
            Self::Two => b"h2",
        }
    }

    /// As people call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::One => "HTTP/1.1",
            Self::Two => "HTTP/2",
        }
    }
}

/// Who is asked, and what.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) method: String,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Secured>,
    pub(crate) request: Arc<Request>,
    /// What is spoken; `None`: [not known yet](Target::try_out).
    http: Option<Http>,
    /// Connections carry one request after the other.
    pub(crate) keep_alive: bool,
    /// Requests at once on a connection of HTTP/2, at most.
    pub(crate) streams: u32,
}

/// How a target is spoken to in TLS.
#[derive(Clone, Debug)]
pub(crate) struct Secured {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
}

/// What was typed.
#[derive(Clone, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) headers: &'a [String],
    /// Literally, or `@FILE`.
    pub(crate) body: Option<&'a str>,
    pub(crate) keep_alive: bool,
    /// This version and no other.
    pub(crate) http: Option<Http>,
    pub(crate) streams: u32,
    pub(crate) trust: Trust<'a>,
}

impl Target {
    /// Reads what was typed and looks up the host. Mistakes say what to write instead.
    pub(crate) fn new(url: &str, asked: &Asked<'_>) -> Result<Self> {
        let place = Place::of(url)?;
        let request = Arc::new(Request::new(&place, asked)?);
        let tls = if place.secure {
            let name = ServerName::try_from(place.host.clone())
                .with_context(|| format!("{} is no name a server can have", place.host))?;
            let config = tls::config(&asked.trust, &offered(asked.http))?;
            Some(Secured { config: Arc::new(config), name })
        } else {
            None
        };
        let found = (place.host.as_str(), place.port).to_socket_addrs();
        let found = found.with_context(|| format!("cannot look up {}", place.host))?.next();
        Ok(Self {
            url: url.to_owned(),
            method: asked.method.to_ascii_uppercase(),
            address: found.with_context(|| format!("{} has no address", place.host))?,
            http: if place.secure { asked.http } else { asked.http.or(Some(Http::One)) },
            tls,
            request,
            keep_alive: asked.keep_alive,
            streams: asked.streams,
        })
    }

    /// What is spoken on each connection.
    pub(crate) fn http(&self) -> Http {
        self.http.unwrap_or(Http::One)
    }

    /// Makes one connection: to say in full what is in the way, and to hear which version of HTTP
    /// the server prefers if it may choose. All others speak that one.
    pub(crate) fn try_out(&mut self, patience: Duration) -> Result<()> {
        let Self { url, address, .. } = self;
        let failed = format!("{url} cannot be reached at {address}");
        self.connect(patience).context(failed)
    }

    fn connect(&mut self, patience: Duration) -> Result<()> {
        let mut socket = TcpStream::connect_timeout(&self.address, patience)?;
        socket.set_read_timeout(Some(patience))?;
        let Some(Secured { config, name }) = &mut self.tls else {
            return if self.http == Some(Http::Two) { hear(socket) } else { Ok(()) };
        };
        let mut tls = ClientConnection::new(Arc::clone(config), name.clone())?;
        tls.complete_io(&mut socket)?;
        let is_two = tls.alpn_protocol() == Some(Http::Two.protocol());
        if is_two {
            hear(rustls::Stream::new(&mut tls, &mut socket))?;
        } else if self.http == Some(Http::Two) {
            bail!("it does not speak HTTP/2");
        }
        self.http = Some(if is_two { Http::Two } else { Http::One });
        Arc::make_mut(config).alpn_protocols = offered(self.http);
        Ok(())
    }
}

/// What a server may choose from, the best first.
fn offered(asked: Option<Http>) -> Vec<Vec<u8>> {
    let both = [Http::Two, Http::One];
    let offered = both.into_iter().filter(|it| asked.is_none_or(|asked| asked == *it));
    offered.map(|http| http.protocol().to_vec()).collect()
}

/// Hears what whoever speaks HTTP/2 says first (RFC 9113 §3.4).
fn hear(mut stream: impl Read + Write) -> Result<()> {
    let mut connection = talk::connection();
    stream.write_all(connection.unsent())?;
    stream.flush()?;
    let mut heard = Vec::new();
    loop {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof))
                .context("it ends connections that begin with HTTP/2");
        }
        heard.extend_from_slice(&piece[..count]);
        match talk::next(&mut connection, &heard) {
            Ok(None) => {} // longer than a frame can be it does not get
            Ok(Some(_)) => return Ok(()),
            Err(_) => bail!("it does not speak HTTP/2"),
        }
    }
}

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) secure: bool,
    /// Without brackets.
    host: String,
    port: u16,
    /// As it is written in `Host`.
    pub(super) authority: String,
    pub(super) path: String,
}

impl Place {
    pub(super) fn of(url: &str) -> Result<Self> {
        let wrong = || format!("{url} is no URL of a service: write http://HOST:PORT/PATH");
        let uri: Uri = url.parse().with_context(wrong)?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => bail!("{}", wrong()),
        };
        let authority = uri.authority().with_context(wrong)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            bail!("{}; a password is a header: -H 'Authorization: …'", wrong());
        }
        Ok(Self {
            secure,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.to_string(),
            path: uri.path_and_query().map_or("/", |it| it.as_str()).to_owned(),
        })
    }
}

/// Nothing but a URL was typed.
#[cfg(test)]
pub(super) const ASKED: Asked<'_> = Asked {
    method: "GET",
    headers: &[],
    body: None,
    keep_alive: true,
    http: None,
    streams: 16,
    trust: Trust { insecure: false, authority: None },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where() {
        for (url, secure, host, port, authority, path) in [
            ("http://a.example", false, "a.example", 80, "a.example", "/"),
            ("https://a.example/x?y=1", true, "a.example", 443, "a.example", "/x?y=1"),
            ("http://[::1]:8080/", false, "::1", 8080, "[::1]:8080", "/"),
        ] {
            let (host, authority, path) = (host.into(), authority.into(), path.into());
            let expected = Place { secure, host, port, authority, path };
            assert_eq!(Place::of(url).expect("it is one"), expected);
        }
        for url in
            ["a.example", "ftp://a.example/", "http://", "http://a:b@c.example/", "http:///x"]
        {
            Place::of(url).expect_err(url);
        }
    }
}
