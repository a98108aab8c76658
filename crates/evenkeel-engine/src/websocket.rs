//! The computations of the WebSocket handshake (RFC 6455 §4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// Bytes of `Sec-WebSocket-Accept`: a SHA-1 in base64.
pub(crate) const ACCEPT_BYTES: usize = 28;

/// Bytes of `Sec-WebSocket-Key`: sixteen in base64.
pub(crate) const KEY_BYTES: usize = 24;

/// A key for a handshake of our own, from a request's unique id.
pub(crate) fn key(request_id: &[u8; 32]) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    STANDARD.encode_slice(&request_id[16..], &mut key).expect("16 bytes make 24 digits");
    key
}

/// What a server that understood the handshake answers to this `Sec-WebSocket-Key`.
pub(crate) fn accept(key: &[u8]) -> [u8; ACCEPT_BYTES] {
    let digest = Sha1::new()
        .chain_update(key)
        .chain_update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    let mut accept = [0; ACCEPT_BYTES];
    STANDARD.encode_slice(digest, &mut accept).expect("20 bytes make 28 digits");
    accept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_6455() {
        assert_eq!(&accept(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
