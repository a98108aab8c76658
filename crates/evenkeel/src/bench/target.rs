//! What is asked, and where.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use anyhow::{Context as _, Result, bail};
use http::{HeaderName, HeaderValue, Method, Uri};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use super::tls::{self, Trust};

/// The request is held whole, and sent as often as the test asks.
const MOST_BODY_BYTES: u64 = 16 << 20;

/// One request, ready to be sent again and again.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) method: String,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Secured>,
    /// Head and body.
    pub(crate) request: Arc<[u8]>,
    /// Connections carry one request after the other.
    pub(crate) keep_alive: bool,
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
    pub(crate) trust: Trust<'a>,
}

impl Target {
    /// Reads what was typed and looks up the host. Mistakes say what to write instead.
    pub(crate) fn new(url: &str, asked: &Asked<'_>) -> Result<Self> {
        let place = Place::of(url)?;
        let body = asked.body.map(body).transpose()?;
        let request = request(&place, asked, body.as_deref())?;
        let tls = if place.secure {
            let name = ServerName::try_from(place.host.clone())
                .with_context(|| format!("{} is no name a server can have", place.host))?;
            Some(Secured { config: tls::config(&asked.trust)?, name })
        } else {
            None
        };
        let found = (place.host.as_str(), place.port).to_socket_addrs();
        let found = found.with_context(|| format!("cannot look up {}", place.host))?.next();
        Ok(Self {
            url: url.to_owned(),
            method: asked.method.to_ascii_uppercase(),
            address: found.with_context(|| format!("{} has no address", place.host))?,
            tls,
            request,
            keep_alive: asked.keep_alive,
        })
    }

    /// Makes one connection, to say in full what is in the way.
    pub(crate) fn try_out(&self, patience: Duration) -> Result<()> {
        let failed = || format!("{} cannot be reached at {}", self.url, self.address);
        let mut socket =
            TcpStream::connect_timeout(&self.address, patience).with_context(failed)?;
        if let Some(Secured { config, name }) = &self.tls {
            socket.set_read_timeout(Some(patience)).with_context(failed)?;
            let mut tls = ClientConnection::new(Arc::clone(config), name.clone())?;
            tls.complete_io(&mut socket).with_context(failed)?;
        }
        Ok(())
    }
}

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    secure: bool,
    /// Without brackets.
    host: String,
    port: u16,
    /// As it is written in `Host`.
    authority: String,
    path: String,
}

impl Place {
    fn of(url: &str) -> Result<Self> {
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

fn body(written: &str) -> Result<Vec<u8>> {
    let Some(path) = written.strip_prefix('@') else { return Ok(written.as_bytes().to_vec()) };
    let failed = || format!("cannot read the body from {path}");
    if fs::metadata(Path::new(path)).with_context(failed)?.len() > MOST_BODY_BYTES {
        let source = io::Error::from(io::ErrorKind::FileTooLarge);
        return Err(source).with_context(|| format!("{}: more than 16 MiB", failed()));
    }
    fs::read(path).with_context(failed)
}

/// The bytes that are sent.
fn request(place: &Place, asked: &Asked<'_>, body: Option<&[u8]>) -> Result<Arc<[u8]>> {
    let method = asked.method.to_ascii_uppercase();
    Method::from_bytes(method.as_bytes())
        .ok()
        .filter(|method| *method != Method::CONNECT)
        .with_context(|| format!("--method {}: not one that can be repeated", asked.method))?;
    let mut lines = vec![format!("{method} {} HTTP/1.1", place.path)];
    let mut given: Vec<HeaderName> = Vec::new();
    for header in asked.headers {
        let (name, value) = parse(header)?;
        if ["content-length", "transfer-encoding", "connection"].contains(&name.as_str()) {
            bail!("-H '{header}': what frames a request is written by this program; see --body");
        }
        lines.push(format!("{name}: {value}"));
        given.push(name);
    }
    for (name, value) in [
        ("host", place.authority.as_str()),
        ("user-agent", concat!("evenkeel-bench/", env!("CARGO_PKG_VERSION"))),
        ("accept", "*/*"),
    ] {
        if !given.iter().any(|given| given == name) {
            lines.push(format!("{name}: {value}"));
        }
    }
    if !asked.keep_alive {
        lines.push("connection: close".to_owned());
    }
    if let Some(body) = body {
        lines.push(format!("content-length: {}", body.len()));
    }
    let mut bytes = (lines.join("\r\n") + "\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body.unwrap_or_default());
    Ok(bytes.into())
}

fn parse(header: &str) -> Result<(HeaderName, String)> {
    let wrong = || format!("-H '{header}': write 'NAME: VALUE'");
    let (name, value) = header.split_once(':').with_context(wrong)?;
    let value = value.trim();
    HeaderValue::from_str(value).with_context(wrong)?;
    Ok((name.trim().parse().with_context(wrong)?, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'_> = Asked {
        method: "GET",
        headers: &[],
        body: None,
        keep_alive: true,
        trust: Trust { insecure: false, authority: None },
    };

    fn bytes(url: &str, asked: &Asked<'_>) -> Result<String> {
        let body = asked.body.map(body).transpose()?;
        let bytes = request(&Place::of(url)?, asked, body.as_deref())?;
        Ok(String::from_utf8(bytes.to_vec())?)
    }

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

    #[test]
    fn a_request_is_what_was_typed() {
        let get = bytes("http://a.example:81/x", &ASKED).expect("it is sound");
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "GET /x HTTP/1.1\r\nhost: a.example:81\r\nuser-agent: evenkeel-bench/{version}\r\n\
             accept: */*\r\n\r\n"
        );
        assert_eq!(get, expected);
        let headers = ["Host: b.example".to_owned(), "X-A:  1 ".to_owned()];
        let asked = Asked {
            method: "post",
            headers: &headers,
            body: Some("{}"),
            keep_alive: false,
            ..ASKED
        };
        let post = bytes("http://a.example/", &asked).expect("it is sound");
        assert!(post.starts_with("POST / HTTP/1.1\r\nhost: b.example\r\nx-a: 1\r\n"), "{post}");
        assert!(post.ends_with("connection: close\r\ncontent-length: 2\r\n\r\n{}"), "{post}");
    }

    #[test]
    fn what_would_break_the_framing_is_refused() {
        for header in ["Content-Length: 5", "transfer-encoding: chunked", "no colon", "a b: c"] {
            let headers = [header.to_owned()];
            bytes("http://a.example/", &Asked { headers: &headers, ..ASKED }).expect_err(header);
        }
        let newline = ["X: a\r\nY: b".to_owned()];
        bytes("http://a.example/", &Asked { headers: &newline, ..ASKED }).expect_err("a line end");
        bytes("http://a.example/", &Asked { method: "CONNECT", ..ASKED }).expect_err("CONNECT");
    }
}
