//! What an OCSP response (RFC 6960 §4.2) says: as much as it takes to know whether to show it.

use super::der::{
    ENUMERATED, GENERALIZED_TIME, INTEGER, OCTET_STRING, SEQUENCE, each, element, expect, seconds,
};

const RESPONSE_BYTES: u8 = 0xa0;
const VERSION: u8 = 0xa0;
const NEXT_UPDATE: u8 = 0xa0;
const GOOD: u8 = 0x80;

/// A response about one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Serial number of the certificate it is about, as DER holds it.
    pub serial: Box<[u8]>,
    /// The certificate is not revoked.
    pub good: bool,
    /// Seconds since 1970 until which it may be shown. `None`: newer ones can be had at any time.
    pub next_update: Option<i64>,
}

impl Response {
    /// Reads the first answer of the response `der`. `None`: it is malformed, or an error.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (content, _) = expect(SEQUENCE, der)?;
        let (status, rest) = expect(ENUMERATED, content)?;
        if status != [0] {
            return None; // not successful
        }
        let (bytes, _) = expect(RESPONSE_BYTES, rest)?;
        let (typed, _) = expect(SEQUENCE, bytes)?;
        let (_, _, rest) = element(typed)?; // its type: there is one
        let (basic, _) = expect(OCTET_STRING, rest)?;
        let (signed, _) = expect(SEQUENCE, basic)?;
        let (mut data, _) = expect(SEQUENCE, signed)?;
        if let Some((VERSION, _, rest)) = element(data) {
            data = rest;
        }
        let (_, _, rest) = element(data)?; // who answers
        let (_, rest) = expect(GENERALIZED_TIME, rest)?; // when it was made
        let (answers, _) = expect(SEQUENCE, rest)?;
        let (answer, _) = expect(SEQUENCE, answers)?;
        let (identity, rest) = expect(SEQUENCE, answer)?;
        let (serial_tag, serial) = each(identity).nth(3)?;
        let (state, _, rest) = element(rest)?;
        let (_, rest) = expect(GENERALIZED_TIME, rest)?; // this update
        let next_update = match expect(NEXT_UPDATE, rest) {
            Some((wrapped, _)) => {
                let (tag, time, _) = element(wrapped)?;
                Some(seconds(tag, time)?)
            }
            None => None,
        };
        (serial_tag == INTEGER).then(|| Self {
            serial: serial.into(),
            good: state == GOOD,
            next_update,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Written by OpenSSL: one for a certificate that is good, one for a revoked one.
    const GOOD: &[u8] = include_bytes!("../../../evenkeel/tests/check/tls/site.ocsp");
    const REVOKED: &[u8] = include_bytes!("../../../evenkeel/tests/check/tls/again.ocsp");

    #[test]
    fn what_an_authority_says() {
        let (good, revoked) = (Response::read(GOOD).unwrap(), Response::read(REVOKED).unwrap());
        assert!(good.good && !revoked.good);
        assert_ne!(good.serial, revoked.serial);
        // Some hundred years from when they were made.
        assert!(good.next_update.is_some_and(|until| until > 4_000_000_000));
        for length in 0..GOOD.len() / 2 {
            assert_eq!(Response::read(&GOOD[..length]), None, "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Response::read(&bytes);
        }
    }
}
