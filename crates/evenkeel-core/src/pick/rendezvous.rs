//! Rendezvous hashing: every server bids for a key, the highest bid has it. A bid depends on key and
//! server alone, so one that leaves or comes moves nobody else's keys.

use std::f64::consts::{LN_2, SQRT_2};

use crate::hash::mix;
use crate::pool::Used;

/// The open server that bids most for `key`: by weight, over many keys.
pub(super) fn pick(used: &[Used], key: u64, open: impl Fn(&Used) -> bool) -> Option<&Used> {
    used.iter()
        .filter(|used| open(used))
        .map(|used| (score(used, key), used))
        .reduce(|best, next| if next.0 < best.0 { next } else { best })
        .map(|(_, used)| used)
}

/// What a server bids: the lowest has the key.
pub(super) fn score(used: &Used, key: u64) -> f64 {
    wait(mix(key, used.identity)) / f64::from(used.weight)
}

/// A hash as the time to an event that comes once in one unit of time: of several such events, one
/// that is twice as frequent comes first twice as often.
fn wait(hash: u64) -> f64 {
    -ln(unit(hash))
}

/// A number above 0 and below 1.
fn unit(hash: u64) -> f64 {
    const HALF_STEP: f64 = f64::EPSILON / 2.0;
    f64::from_bits(1_f64.to_bits() | hash >> 12) - 1.0 + HALF_STEP
}

/// The natural logarithm of a normal number. The system's may differ in its last digit from one
/// system to the other, and with it a key's server.
fn ln(x: f64) -> f64 {
    const EXPONENT_BIAS: i32 = 1023;
    let bits = x.to_bits();
    let exponent = i32::try_from(bits >> 52).expect("x is positive") - EXPONENT_BIAS;
    let mantissa = f64::from_bits(bits & (u64::MAX >> 12) | 1_f64.to_bits());
    // Around 1, where the series is short.
    let (mantissa, exponent) =
        if mantissa > SQRT_2 { (mantissa / 2.0, exponent + 1) } else { (mantissa, exponent) };
    // ln m = 2 · artanh s
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = [15, 13, 11, 9, 7, 5, 3, 1]
        .into_iter()
        .fold(0.0, |sum, odd| sum * square + 1.0 / f64::from(odd));
    f64::from(exponent) * LN_2 + 2.0 * s * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_one() {
        for x in [f64::EPSILON / 2.0, 1e-9, 0.1, 0.5, 0.7, std::f64::consts::FRAC_1_SQRT_2, 0.999] {
            assert!((ln(x) - x.ln()).abs() < 1e-13, "{x}: {} is not {}", ln(x), x.ln());
        }
    }

    #[test]
    fn every_hash_has_a_wait() {
        for hash in [0, 1, u64::MAX / 2, u64::MAX] {
            let wait = wait(hash);
            assert!(wait.is_finite() && wait > 0.0, "{hash}: {wait}");
        }
    }
}
