//! One request on a connection of its own, as HTTP/1.1, in the clear or in TLS.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// An answer has a page, or the figures of a server.
const LONGEST: u64 = 4 << 20;
/// Longer than any answer of the demo that is still of use.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    /// All of an answer, or `None` if it was cut.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let code = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let answer = Self { code, head: head.to_owned(), body: body.to_owned() };
        let length = answer.header("content-length");
        let whole = length.is_none_or(|length| length.parse() == Ok(body.len()));
        whole.then_some(answer)
    }

    /// The first header of this name, in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut of_name = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        of_name.next().map(|(_, value)| value.trim())
    }
}

/// A request: the first line without its version, more headers, a body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Request<'a> {
    pub(super) line: &'a str,
    pub(super) headers: &'a str,
    pub(super) body: &'a str,
}

/// Asks on `stream`, which is in no network of another's.
pub(super) async fn ask(stream: TcpStream, request: Request<'_>) -> Result<Answer> {
    within(exchange(stream, request)).await
}

/// The same in TLS.
pub(super) async fn ask_tls(
    tls: &TlsConnector,
    to: SocketAddr,
    request: Request<'_>,
) -> Result<Answer> {
    let talk = async {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(to.ip());
        exchange(tls.connect(name, stream).await?, request).await
    };
    within(talk).await
}

async fn within(talk: impl Future<Output = Result<Answer>>) -> Result<Answer> {
    timeout(PATIENCE, talk).await.map_err(|_late| anyhow!("no answer within {PATIENCE:?}"))?
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    Request { line, headers, body }: Request<'_>,
) -> Result<Answer> {
    let text = format!(
        "{line} HTTP/1.1\r\nHost: demo\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await?;
    let mut bytes = Vec::new();
    match stream.take(LONGEST).read_to_end(&mut bytes).await {
        // The length of the body says whether it is whole.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        read => drop(read?),
    }
    match Answer::parse(&bytes) {
        Some(answer) => Ok(answer),
        None => bail!("the answer was cut after {} bytes", bytes.len()),
    }
}

/// TLS that trusts the certificate in this file and no other.
pub(super) fn trusting(file: &Path) -> Result<TlsConnector> {
    let cannot = || format!("cannot read {}", file.display());
    let certificate = CertificateDer::from_pem_file(file).with_context(cannot)?;
    let mut trusted = rustls::RootCertStore::empty();
    trusted.add(certificate).with_context(cannot)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("the TLS library has no versions")?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    // Each connection is somebody new: no session is resumed.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_answer_is_none() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=1\r\n\r\nok";
        let answer = Answer::parse(whole).unwrap();
        assert_eq!((answer.code, answer.body.as_str()), (200, "ok"));
        assert_eq!(answer.header("set-cookie"), Some("a=1"));
        for end in 0..whole.len() {
            assert_eq!(Answer::parse(&whole[..end]), None, "cut at {end}");
        }
    }
}
