//! `[acme]`: from whom certificates are ordered, and `certificates = "acme"`, which orders them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_core::acme::{Challenge, MOST_NAMES};
use evenkeel_core::config::{CertificateFiles, HostPattern};

use super::listener::routes;
use super::table::{Reader, Wrong, wrong};
use super::value::{Choice, boolean, text};
use super::{Bench, trust, word};
use crate::document::Value;
use crate::finding::Place;

/// Who is asked when nobody is named: an authority that everybody trusts and that asks for no money.
const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// In the state directory.
const FOLDER: &str = "acme";

const CHALLENGE: Choice<Challenge> = Choice {
    words: &[("http-01", Challenge::Http01), ("tls-alpn-01", Challenge::TlsAlpn01)],
    later: &["dns-01"],
};

/// `[acme]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeSettings {
    /// URL of the authority's directory (RFC 8555 §7.1.1).
    pub directory: String,
    /// Addresses of mail to which the authority writes.
    pub contact: Vec<String>,
    pub challenge: Challenge,
    /// The certificate (PEM) of who signs the authority's own. `None`: whom the system trusts.
    pub ca: Option<PathBuf>,
    /// Where account and certificates of this authority are kept.
    pub folder: PathBuf,
}

pub(super) fn acme(
    root: &mut Reader<'_>,
    state_dir: &Path,
    bench: Bench<'_>,
) -> Option<AcmeSettings> {
    let mut reader = root.table("acme")?;
    let help = "read the authority's terms of service, then write `agree_to_terms = true`";
    let agrees = reader.need("agree_to_terms", help, boolean);
    if agrees == Some(false) {
        let place = reader.entry("agree_to_terms").map_or(reader.place, |it| it.value.place);
        reader.fault(place, wrong("no authority gives certificates without that").help(help));
    }
    let directory = reader.read("directory", url);
    let contact = reader.list("contact", mail).unwrap_or_default();
    let ca = reader.read("ca", |value| {
        let path = bench.surroundings.base.join(text(value)?);
        trust::trusted(&path, "ca", bench).map(|_| path)
    });
    let challenge = reader.read("challenge", |value| CHALLENGE.read(value));
    reader.finish();
    let directory = directory.unwrap_or_else(|| DIRECTORY.to_owned());
    Some(AcmeSettings {
        folder: state_dir.join(FOLDER).join(folder_of(&directory)),
        directory,
        contact: contact.into_iter().map(|(_, mail)| mail).collect(),
        challenge: challenge.unwrap_or(Challenge::Http01),
        ca,
    })
}

fn url(value: &Value) -> Result<String, Wrong> {
    let written = text(value)?;
    let host = written.strip_prefix("https://").and_then(|rest| rest.split('/').next());
    if host.is_some_and(|host| !host.is_empty()) && written.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(written.to_owned());
    }
    Err(wrong(format!("\"{written}\" is not the directory of an authority"))
        .help(format!("such as \"{DIRECTORY}\"")))
}

fn mail(value: &Value) -> Result<String, Wrong> {
    let written = text(value)?;
    let parts = written.split_once('@').filter(|(user, host)| !user.is_empty() && !host.is_empty());
    if parts.is_some() && written.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
        return Ok(written.to_owned());
    }
    Err(wrong(format!("\"{written}\" is not an address of mail"))
        .help("such as \"ops@shop.example\""))
}

/// Another authority, also one for trying out, has files of its own.
fn folder_of(directory: &str) -> String {
    let host = directory.trim_start_matches("https://").split('/').next().unwrap_or_default();
    host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }).collect()
}

/// Whether `certificates` is `"acme"` instead of a list.
pub(super) fn is_short(value: &Value) -> bool {
    text(value).is_ok_and(|word| word == "acme")
}

/// The hosts of the listener's routes, each for a certificate of its own.
pub(super) fn hosts(listener: &mut Reader<'_>, place: Place) -> Vec<Arc<str>> {
    let mut names = BTreeSet::new();
    for mut route in routes(listener) {
        let Some(entry) = route.entry("host") else { continue };
        match word::host_pattern(&entry.value) {
            Ok(HostPattern::Suffix(_)) => route.fault(entry.value.place, no_wildcard()),
            Ok(HostPattern::Exact(name)) if is_address(&name) => {
                route.fault(entry.value.place, no_address());
            }
            Ok(HostPattern::Exact(name)) => drop(names.insert(name)),
            Err(_) => {} // told with the route
        }
    }
    if names.is_empty() {
        let help =
            "give routes a `host`, or name them: `certificates = [{ acme = [\"shop.example\"] }]`";
        listener.fault(place, wrong("no route has a host to order a certificate for").help(help));
    }
    names.into_iter().collect()
}

/// `{ acme = ["shop.example", "www.shop.example"] }`: one certificate for all of them.
pub(super) fn names(one: &mut Reader<'_>) -> Option<Vec<Arc<str>>> {
    let listed =
        one.filled(
            "acme",
            "such as `acme = [\"shop.example\"]`",
            |value| match word::host_pattern(value)? {
                HostPattern::Exact(name) if is_address(&name) => Err(no_address()),
                HostPattern::Exact(name) => Ok(name),
                HostPattern::Suffix(_) => Err(no_wildcard()),
            },
        )?;
    if let Some((place, _)) = listed.get(MOST_NAMES) {
        one.fault(*place, wrong(format!("at most {MOST_NAMES} names in a certificate")));
    }
    Some(listed.into_iter().map(|(_, name)| name).collect())
}

fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

fn no_address() -> Wrong {
    wrong("certificates are ordered for names, not for addresses")
}

fn no_wildcard() -> Wrong {
    wrong("a name with a star is proved by DNS, which is not supported")
        .help("write each name, or name the certificate's files")
}

/// Chain and key are in one file: they are replaced together or not at all.
pub(super) fn files(folder: &Path, first: &str) -> CertificateFiles {
    let path = folder.join(format!("{first}.pem"));
    CertificateFiles { chain: path.clone(), key: path, ocsp: None }
}
