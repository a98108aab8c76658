//! The talk with an authority, and what has to be made for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_core::acme::Challenge;
use evenkeel_engine::ProofError;
use instant_acme::{
    Account, AccountBuilder, AccountCredentials, AuthorizationStatus, ChallengeType, Error,
    Identifier, KeyAuthorization, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair};
use serde::{Deserialize, Serialize};

use crate::compile::AcmeSettings;
use crate::node::Node;
use crate::pair::message::Proof;
use crate::state_file::{self, StateError};

/// Beside the certificates.
const ACCOUNT_FILE: &str = "account.json";

/// What an authority says that has forgotten the account, or never knew it.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    #[error("{doing}")]
    Failed { doing: &'static str, source: Error },
    #[error("the authority does not take {challenge} for {name}")]
    NoChallenge { challenge: &'static str, name: String },
    #[error("the authority does not believe it: {0}")]
    Refused(String),
    #[error("what the authority has sent {0}")]
    Useless(String),
    #[error("the proof for the authority cannot be made")]
    Proof(#[from] rcgen::Error),
    #[error("the proof for the authority cannot be shown")]
    Show(#[from] ProofError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the authority takes too long")]
    Late,
}

/// The account as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    directory: String,
    credentials: AccountCredentials,
}

/// Orders one certificate for `names`: its chain and its key (PEM), one behind the other.
pub(super) async fn order(
    node: &Node,
    settings: &AcmeSettings,
    names: &[Arc<str>],
) -> Result<String, OrderError> {
    let failed = |doing| move |source| OrderError::Failed { doing, source };
    let path = account_file(settings);
    let account = account(settings, &path).await?;
    let identifiers: Vec<Identifier> =
        names.iter().map(|name| Identifier::Dns(name.to_string())).collect();
    let mut order = match account.new_order(&NewOrder::new(&identifiers)).await {
        Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
            // The next try registers anew. If the file stays, so does this error.
            let _ = tokio::task::spawn_blocking(move || std::fs::remove_file(path)).await;
            return Err(failed("the authority does not know the account")(Error::Api(problem)));
        }
        ordered => ordered.map_err(failed("the authority does not take the order"))?,
    };
    prove(node, settings, &mut order).await?;
    let patience = RetryPolicy::default().timeout(super::PATIENCE);
    match order.poll_ready(&patience).await {
        Ok(OrderStatus::Invalid) | Err(Error::Api(_)) => {
            return Err(OrderError::Refused(reason(&mut order).await));
        }
        polled => polled.map_err(failed("the authority does not say what it found"))?,
    };
    let key = order.finalize().await.map_err(failed("the authority does not sign"))?;
    let chain = order.poll_certificate(&patience).await;
    let chain = chain.map_err(failed("the authority does not send the certificate"))?;
    Ok(format!("{}\n{key}", chain.trim_end()))
}

/// Puts up what the authority wants to see of each name, and tells it to look.
async fn prove(node: &Node, settings: &AcmeSettings, order: &mut Order) -> Result<(), OrderError> {
    let failed = |doing| move |source| OrderError::Failed { doing, source };
    let (kind, word) = match settings.challenge {
        Challenge::Http01 => (ChallengeType::Http01, "http-01"),
        Challenge::TlsAlpn01 => (ChallengeType::TlsAlpn01, "tls-alpn-01"),
    };
    let mut proofs = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(next) = authorizations.next().await {
        let mut name = next.map_err(failed("the authority does not say what it wants to see"))?;
        if name.status == AuthorizationStatus::Valid {
            continue; // from an order before
        }
        let of = name.identifier().to_string();
        let asked = name.challenge(kind.clone());
        let mut asked =
            asked.ok_or_else(|| OrderError::NoChallenge { challenge: word, name: of.clone() })?;
        let answer = asked.key_authorization();
        proofs.push(match settings.challenge {
            Challenge::Http01 => {
                Proof::Http { token: asked.token.clone(), answer: answer.as_str().to_owned() }
            }
            Challenge::TlsAlpn01 => in_tls(of, &answer)?,
        });
        node.show(proofs.clone()).await?;
        asked.set_ready().await.map_err(failed("the authority does not look"))?;
    }
    Ok(())
}

/// What the authority says it found in place of what it looked for.
async fn reason(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut name)) = authorizations.next().await {
        let of = name.identifier().to_string();
        let Ok(state) = name.refresh().await else { continue };
        let problem = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = problem {
            return format!("{of}: {problem}");
        }
    }
    "it does not say why".to_owned()
}

/// Where the account with this authority is kept.
pub(super) fn account_file(settings: &AcmeSettings) -> PathBuf {
    settings.folder.join(ACCOUNT_FILE)
}

/// Whether this is an account as it is kept.
pub(super) fn is_account(text: &str, directory: &str) -> bool {
    serde_json::from_str::<Kept>(text).is_ok_and(|kept| kept.directory == directory)
}

/// The account of this node, registered if there is none yet.
async fn account(settings: &AcmeSettings, path: &Path) -> Result<Account, OrderError> {
    let failed = |doing| move |source| OrderError::Failed { doing, source };
    let (kept, builder) = prepare(path.to_owned(), settings.ca.clone()).await?;
    if let Some(kept) = kept.filter(|kept| kept.directory == settings.directory) {
        let known = builder.from_credentials(kept.credentials).await;
        return known.map_err(failed("the authority cannot be reached"));
    }
    let contact: Vec<String> = settings.contact.iter().map(|it| format!("mailto:{it}")).collect();
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let directory = settings.directory.clone();
    let made = builder.create(&new, directory.clone(), None).await;
    let (account, credentials) = made.map_err(failed("the authority registers nobody"))?;
    let (path, kept) = (path.to_owned(), Kept { directory, credentials });
    let saved = tokio::task::spawn_blocking(move || state_file::save_secret(&path, &kept)).await;
    saved.map_err(|defect| OrderError::Useless(defect.to_string()))??;
    Ok(account)
}

/// Reads the account's file, and the certificates of who is trusted.
async fn prepare(
    path: PathBuf,
    ca: Option<PathBuf>,
) -> Result<(Option<Kept>, AccountBuilder), OrderError> {
    let reading = tokio::task::spawn_blocking(move || {
        let builder = ca.map_or_else(Account::builder, Account::builder_with_root);
        let doing = "the certificates of who is trusted cannot be used";
        let builder = builder.map_err(|source| OrderError::Failed { doing, source })?;
        Ok((state_file::load(&path)?, builder))
    });
    reading.await.unwrap_or_else(|defect| Err(OrderError::Useless(defect.to_string())))
}

/// RFC 8737 §3.
fn in_tls(name: String, answer: &KeyAuthorization) -> Result<Proof, OrderError> {
    let mut params = CertificateParams::new([name.clone()])?;
    let digest = answer.digest();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest.as_ref())];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?.der().to_vec();
    Ok(Proof::Tls { name, certificate, key: key.serialize_der() })
}

/// A certificate for `names` that nobody but this node has signed, with its key (PEM).
pub(super) fn self_made(names: &[Arc<str>]) -> Result<String, rcgen::Error> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "no certificate has arrived yet");
    let key = KeyPair::generate()?;
    Ok(params.self_signed(&key)?.pem() + &key.serialize_pem())
}
