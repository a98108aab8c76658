//! Passwords, kept as argon2id with its own salt.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

/// Letters of a password. What is longer would only be work for the digest.
pub(crate) const LONGEST: usize = 256;
/// Somebody has to be able to say no to `1234`.
pub(crate) const SHORTEST: usize = 8;

/// What is stored of `password`. Takes some 50 ms on purpose.
pub(crate) fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    let hash: PasswordHash = Argon2::default().hash_password(password.as_bytes())?;
    Ok(hash.to_string())
}

/// Whether `password` is the one of which `stored` was made. Takes as long without a `stored`, so
/// that the time does not tell which names exist.
pub(crate) fn is_right(password: &str, stored: Option<&str>) -> bool {
    /// Of no password.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                          AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let right = PasswordHash::new(stored.unwrap_or(NOBODY))
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
    right && stored.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_is_right() {
        let stored = hash("correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_ne!(stored, hash("correct horse").unwrap(), "each has its salt");
        assert!(is_right("correct horse", Some(&stored)));
        assert!(!is_right("correct hors", Some(&stored)));
        assert!(!is_right("correct horse", None));
        assert!(!is_right("", None));
        assert!(!is_right("x", Some("plain")));
    }
}
