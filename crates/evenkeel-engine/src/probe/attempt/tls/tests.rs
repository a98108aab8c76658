use rcgen::{CertificateParams, CertifiedKey, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::super::connect;
use super::*;

/// How long a test waits for what should come at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate for `app.internal`, valid until the first day of this year.
fn certified(year: i32) -> CertifiedKey<KeyPair> {
    let mut params = CertificateParams::new(vec!["app.internal".into()]).unwrap();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(year, 1, 1);
    let signing_key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&signing_key).unwrap();
    CertifiedKey { cert, signing_key }
}

/// What a check makes of a server with this certificate.
fn check(certified: &CertifiedKey<KeyPair>, check: &TlsCheck) -> Result<Found, CheckFailure> {
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(tls::provider());
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
    let client = Client::new(check).unwrap();
    let test = async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let accepted = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
            if let Ok(mut stream) = accepted {
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            }
        };
        let ask = async { client.check(connect(address).await.unwrap(), address).await };
        tokio::join!(ask, serve).0.map(|(_, found)| found)
    };
    let runtime = Builder::new_current_thread().enable_io().enable_time().build().unwrap();
    runtime.block_on(async { timeout(PATIENCE, test).await.expect("in time") })
}

fn verified(certified: &CertifiedKey<KeyPair>, name: &str) -> TlsCheck {
    let trusted = Some(certified.cert.pem().into_bytes().into());
    TlsCheck { server_name: Some(name.into()), trusted, ..TlsCheck::default() }
}

#[test]
fn anybody_is_trusted_until_somebody_is_named() {
    let (ours, other) = (certified(4000), certified(4000));
    assert_eq!(check(&ours, &TlsCheck::default()), Ok(Found::Fine));
    assert_eq!(check(&ours, &verified(&ours, "app.internal")), Ok(Found::Fine));
    for refused in [verified(&ours, "else.internal"), verified(&other, "app.internal")] {
        let found = check(&ours, &refused);
        assert!(matches!(found, Err(CheckFailure::Handshake(_))), "{found:?}");
    }
}

#[test]
fn a_certificate_that_has_ended_is_a_failure_and_one_about_to_end_a_warning() {
    let found = check(&certified(2010), &TlsCheck::default());
    assert!(matches!(found, Ok(Found::Fault(CheckFailure::Expired { days: 5000.. }))), "{found:?}");
    let soon =
        TlsCheck { expiry_warning: Duration::from_hours(24 * 365 * 3000), ..TlsCheck::default() };
    let found = check(&certified(4000), &soon);
    assert!(matches!(found, Ok(Found::Expiring { days: 365_000.. })), "{found:?}");
}

#[test]
fn what_is_not_tls_fails_the_handshake() {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build().unwrap();
    let found = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            stream
        };
        let client = Client::new(&TlsCheck::default()).unwrap();
        let ask = async { client.check(connect(address).await.unwrap(), address).await };
        tokio::join!(ask, serve).0.map(|(_, found)| found)
    });
    assert!(matches!(found, Err(CheckFailure::Handshake(_))), "{found:?}");
}
