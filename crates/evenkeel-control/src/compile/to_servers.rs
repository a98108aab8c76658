//! `upstream` and `[pool.NAME.tls]`

use std::sync::Arc;

use evenkeel_core::config::{CertificateFiles, UpstreamTls};

use super::table::{Reader, wrong};
use super::value::{Choice, boolean, text};
use super::{Bench, front, trust, word};

/// Whether TLS is spoken.
const UPSTREAM: Choice<bool> =
    Choice { words: &[("http", false), ("https", true)], later: &["h2", "h2c"] };

/// How servers are spoken to in TLS; `None`: in the clear.
pub(super) fn tls(pool: &mut Reader<'_>, bench: Bench<'_>) -> Option<Arc<UpstreamTls>> {
    let place = pool.entry("upstream").map_or(pool.place, |entry| entry.value.place);
    let speaks = pool.read("upstream", |value| UPSTREAM.read(value)).unwrap_or(false);
    if !speaks {
        pool.misplaced(&["tls"], "means something only with `upstream = \"https\"`");
        return None;
    }
    let mut given = pool.table("tls");
    let verify = given.as_mut().and_then(|tls| tls.read("verify", boolean)).unwrap_or(true);
    let ca = given.as_mut().and_then(|tls| {
        let entry = tls.entry("ca")?;
        if !verify {
            let reason = "whose signature is believed makes no difference when nothing is verified";
            tls.fault(entry.key_place, wrong(reason).help("remove `ca` or `verify = false`"));
        }
        tls.read("ca", |value| {
            trust::trusted(&bench.surroundings.base.join(text(value)?), "ca", bench)
        })
    });
    let named = given.as_ref().is_some_and(|tls| tls.entries().iter().any(|it| it.key == "ca"));
    let trusted = match ca {
        _ if !verify => None,
        Some(ca) => Some(ca),
        None if named => None,
        None => trust::system(bench).map_err(|wrong| pool.fault(place, wrong)).ok(),
    };
    let mut tls = UpstreamTls { trusted, name: None, certificate: None };
    if let Some(mut reader) = given {
        tls.name = reader.read("name", word::tls_name);
        tls.certificate = certificate(&mut reader, bench);
        reader.finish();
    }
    Some(Arc::new(tls))
}

fn certificate(tls: &mut Reader<'_>, bench: Bench<'_>) -> Option<CertificateFiles> {
    let mut reader = tls.table("certificate")?;
    let read = front::files(&mut reader, bench);
    reader.finish();
    read.map(|(files, _)| files)
}
