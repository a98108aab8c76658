//! Passwords, checked against their hashes by a thread of their own.
//!
//! A hash is made to cost tens of milliseconds: no worker may spend them, and no request need pay
//! twice. So what was found good is remembered, as a keyed hash of its own.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use argon2::{Argon2, PasswordVerifier};
use aws_lc_rs::{hmac, rand};
use evenkeel_core::config::Users;
use evenkeel_core::fault::Fault;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// Passwords that wait to be checked; more are answered 503. At 50 ms each the last waits 3 s.
const MOST_WAITING: usize = 64;
/// Good passwords remembered; beyond it all are forgotten. 64 KiB.
const MOST_KNOWN: usize = 1024;

/// A password and the hash it is to have, as only this process can compute it.
type Digest = [u8; 32];

/// The passwords of all routes.
#[derive(Debug)]
pub(crate) struct Passwords {
    key: hmac::Key,
    known: Mutex<HashSet<Digest>>,
    /// Started with the first password, and anew should a defect end it.
    checker: Mutex<Option<mpsc::Sender<Job>>>,
}

#[derive(Debug)]
struct Job {
    password: String,
    hash: Arc<str>,
    answer: oneshot::Sender<bool>,
}

impl Passwords {
    pub(crate) fn new() -> io::Result<Self> {
        let mut secret = Digest::default();
        rand::fill(&mut secret).map_err(io::Error::other)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        Ok(Self { key, known: Mutex::default(), checker: Mutex::default() })
    }

    /// Whether this is the user's password. A user who is not known takes as long.
    pub(crate) async fn verify(
        &self,
        users: &Users,
        user: &str,
        password: &str,
    ) -> Result<bool, Fault> {
        let known = users.0.get(user);
        // The hash of somebody else, so that nobody learns which users there are.
        let hash = known.or_else(|| users.0.values().next()).ok_or(Fault::Unauthorized)?;
        let digest = self.digest(password, hash)?;
        if known.is_some() && self.known().contains(&digest) {
            return Ok(true);
        }
        let (answer, answered) = oneshot::channel();
        let job = Job { password: password.to_owned(), hash: Arc::clone(hash), answer };
        self.checker()?.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Fault::QueueFull,
            TrySendError::Closed(_) => Fault::Internal,
        })?;
        let is_good = answered.await.map_err(|_ended| Fault::Internal)? && known.is_some();
        if is_good {
            let mut known = self.known();
            if known.len() >= MOST_KNOWN {
                known.clear();
            }
            known.insert(digest);
        }
        Ok(is_good)
    }

    /// Of hash and password: a hash that is replaced is another one. Its length is no secret.
    fn digest(&self, password: &str, hash: &str) -> Result<Digest, Fault> {
        let mut mac = hmac::Context::with_key(&self.key);
        mac.update(hash.as_bytes());
        mac.update(&[0]);
        mac.update(password.as_bytes());
        mac.sign().as_ref().try_into().map_err(|_length| Fault::Internal)
    }

    /// The way to the thread. One that could not be started is started for the next password.
    fn checker(&self) -> Result<mpsc::Sender<Job>, Fault> {
        let mut checker = self.checker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = checker.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let (sender, jobs) = mpsc::channel(MOST_WAITING);
        let started = thread::Builder::new().name("passwords".into()).spawn(|| check(jobs));
        started.map_err(|error| {
            tracing::error!(%error, "cannot start the thread that checks passwords");
            Fault::Internal
        })?;
        *checker = Some(sender.clone());
        Ok(sender)
    }

    fn known(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread: however many try passwords, they take one core at most.
fn check(mut jobs: mpsc::Receiver<Job>) {
    while let Some(Job { password, hash, answer }) = jobs.blocking_recv() {
        // Who asked may be gone.
        if !answer.is_closed() {
            let _ = answer.send(is_password(&password, &hash));
        }
    }
}

fn is_password(password: &str, hash: &str) -> bool {
    if hash.starts_with("$2") {
        return bcrypt::verify(password, hash).unwrap_or(false);
    }
    Argon2::default().verify_password(password.as_bytes(), hash).is_ok()
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;

    // Made by libcrypt and by the argon2 of its authors.
    const BCRYPT: &str = "$2b$04$nojVitY6RxaY0tQcGy9kwuhI3w72p5LVPFEnJrjR6C8sAxlbw1WNK";
    const ARGON: &str =
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$TnDEl2tJgYtaYZt0/5f59Jf56vkIG4EtQACv6SLO2cI";

    fn users() -> Users {
        let users = [("ada", BCRYPT), ("bob", ARGON), ("eve", "$2y$broken")];
        Users(users.into_iter().map(|(user, hash)| (user.into(), hash.into())).collect())
    }

    #[test]
    fn passwords_are_checked_once_and_then_known() {
        let passwords = Passwords::new().unwrap();
        let run = Builder::new_current_thread().build().unwrap();
        let ask = |user, password| run.block_on(passwords.verify(&users(), user, password));
        for (user, password, is_good) in [
            ("ada", "secret", true),
            ("bob", "secret", true),
            ("ada", "Secret", false),
            ("bob", "", false),
            ("nobody", "secret", false),
            ("eve", "secret", false),
        ] {
            assert_eq!(ask(user, password), Ok(is_good), "{user}:{password}");
            assert_eq!(ask(user, password), Ok(is_good), "{user}:{password} again");
        }
        assert_eq!(passwords.known().len(), 2, "only what was good");
        assert_eq!(
            run.block_on(passwords.verify(&Users::default(), "a", "b")),
            Err(Fault::Unauthorized)
        );
    }

    #[test]
    fn a_thread_that_has_ended_is_started_anew() {
        let passwords = Passwords::new().unwrap();
        let (gone, _) = mpsc::channel(1);
        *passwords.checker.lock().unwrap() = Some(gone);
        let run = Builder::new_current_thread().build().unwrap();
        assert_eq!(run.block_on(passwords.verify(&users(), "ada", "secret")), Ok(true));
    }
}
