//! `upstream` and `[pool.NAME.tls]`

use std::sync::Arc;

use evenkeel_core::config::{CertificateFiles, UpstreamTls};

use super::table::{Reader, wrong};
use super::value::{Choice, boolean, text};
use super::{Bench, front, trust, word};

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Upstream {
    tls: bool,
    http2: bool,
}

const UPSTREAM: Choice<Upstream> = Choice {
    words: &[
        ("http", Upstream { tls: false, http2: false }),
        ("https", Upstream { tls: true, http2: false }),
        ("h2", Upstream { tls: true, http2: true }),
        ("h2c", Upstream { tls: false, http2: true }),
    ],
    later: &[],
};

/// How servers are spoken to: in TLS (`None`: in the clear), and whether in HTTP/2.
pub(super) fn upstream(
    pool: &mut Reader<'_>,
    bench: Bench<'_>,
) -> (Option<Arc<UpstreamTls>>, bool) {
    let read = pool.read("upstream", |value| UPSTREAM.read(value));
    let Upstream { tls, http2 } = read.unwrap_or(Upstream { tls: false, http2: false });
    if http2 {
        let why = "names one client at the start of a connection, which HTTP/2 shares between many";
        pool.misplaced(&["proxy_protocol"], why);
    }
    if tls {
        return (Some(secured(pool, bench)), http2);
    }
    pool.misplaced(&["tls"], "means something only with `upstream = \"https\"` or `\"h2\"`");
    (None, http2)
}

/// `[pool.NAME.tls]`
fn secured(pool: &mut Reader<'_>, bench: Bench<'_>) -> Arc<UpstreamTls> {
    let place = pool.entry("upstream").map_or(pool.place, |entry| entry.value.place);
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
    Arc::new(tls)
}

fn certificate(tls: &mut Reader<'_>, bench: Bench<'_>) -> Option<CertificateFiles> {
    let mut reader = tls.table("certificate")?;
    let read = front::files(&mut reader, bench);
    reader.finish();
    read.map(|(files, _)| files)
}
