//! People on the site: log in once, then click.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::wire::{Request, ask_tls};

/// Who sees nothing for so long tries again.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who is logged in; each click is a connection of its own.
#[derive(Debug)]
pub(super) struct Visitor {
    site: SocketAddr,
    cookie: String,
}

impl Visitor {
    pub(super) async fn log_in(
        tls: &TlsConnector,
        site: SocketAddr,
        (name, password): (&str, &str),
    ) -> Result<Self> {
        let body = serde_json::json!({ "name": name, "password": password }).to_string();
        let request = Request {
            line: "POST /api/login",
            headers: "Content-Type: application/json\r\n",
            body: &body,
        };
        let answer = ask_tls(tls, site, request).await?;
        if answer.code != 200 {
            bail!("the login was answered with {}", answer.code);
        }
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        let cookie = cookie.context("the login gave no cookie")?.to_owned();
        Ok(Self { site, cookie })
    }

    /// Whether a page came, whole and as somebody who is logged in.
    pub(super) async fn click(&self, tls: &TlsConnector, path: &str) -> Result<()> {
        let (line, headers) = (format!("GET {path}"), format!("Cookie: {}\r\n", self.cookie));
        let answer = ask_tls(tls, self.site, Request { line: &line, headers: &headers, body: "" });
        match timeout(PATIENCE, answer).await.context("no page came")??.code {
            200 => Ok(()),
            code => bail!("{path} was answered with {code}"),
        }
    }
}
