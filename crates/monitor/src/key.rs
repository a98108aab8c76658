//! Secrets: made by chance, kept as digests, compared in constant time.

use std::fmt::Write as _;

/// Bytes of chance in a secret; nobody guesses 2^128.
const BYTES: usize = 16;

/// A new secret: 32 hexadecimal digits.
pub(crate) fn generate() -> Result<String, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(hexadecimal(&bytes))
}

/// What is stored of `secret`: its SHA-256 in hexadecimal. Secrets of ours are long and random, so
/// that a slow digest would only slow us.
pub(crate) fn digest(secret: &str) -> String {
    hexadecimal(&hmac_sha256::Hash::hash(secret.as_bytes()))
}

/// Whether `key` is the one whose digest was stored.
pub(crate) fn is_key_of(key: &str, stored: &str) -> bool {
    is_same(digest(key).as_bytes(), stored.as_bytes())
}

/// Compares without telling by its time where the difference is.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |sum, (one, other)| sum | (one ^ other));
    one.len() == other.len() && std::hint::black_box(differences) == 0
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_digest() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
        assert!(is_key_of(&one, &digest(&one)));
        assert!(!is_key_of(&other, &digest(&one)));
        assert!(!is_key_of(&one, ""));
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest("abc"), abc);
    }
}
