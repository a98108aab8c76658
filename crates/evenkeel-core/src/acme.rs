//! When a certificate is ordered from an authority by ACME (RFC 8555), and what the authority looks
//! for meanwhile.

use std::sync::Arc;
use std::time::Duration;

use crate::certificate::Facts;

/// Below it an authority looks for the answer to `http-01` (RFC 8555 §8.3).
pub const CHALLENGE_PATH: &str = "/.well-known/acme-challenge/";
/// The protocol in which an authority asks for `tls-alpn-01` (RFC 8737 §3).
pub const ALPN: &[u8] = b"acme-tls/1";

/// Most names of one certificate: what the largest public authority allows.
pub const MOST_NAMES: usize = 100;

/// After the first failure. With those that follow that makes four tries in the first hour: public
/// authorities allow five failures of one name in an hour.
const FIRST_WAIT: Duration = Duration::from_mins(5);
/// Each further failure doubles the wait, up to this.
const LONGEST_WAIT: Duration = Duration::from_hours(12);

/// How a proof is given that a name is this node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// The authority asks in the clear, on port 80.
    Http01,
    /// The authority shakes hands on port 443.
    TlsAlpn01,
}

/// How orders of one certificate went since it last came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// In a row.
    pub failures: u32,
    /// When the last one failed, in seconds since 1970.
    pub last: i64,
}

/// When a certificate for `names` is to be ordered, in seconds since 1970; the past means now.
/// `held` is the one there is, `chance` any number that stays the same for it.
pub fn due(held: Option<&Facts>, names: &[Arc<str>], attempts: Attempts, chance: u64) -> i64 {
    let wanted = held.filter(|held| serves(held, names)).map_or(0, |held| renewal(held, chance));
    if attempts.failures == 0 {
        return wanted;
    }
    wanted.max(attempts.last.saturating_add(seconds(wait(attempts.failures, chance))))
}

/// Whether a certificate came from an authority and is for all of `names`. Whether it is still valid
/// follows from when it is to be renewed.
pub fn serves(held: &Facts, names: &[Arc<str>]) -> bool {
    !held.is_self_issued() && names.iter().all(|name| held.covers(name))
}

/// After two thirds of the life time, and up to a thirtieth of it later: certificates that came
/// together are not renewed together.
pub fn renewal(held: &Facts, chance: u64) -> i64 {
    let life = held.not_after.saturating_sub(held.not_before).max(0);
    let spread = u64::try_from(life / 30).unwrap_or_default() + 1;
    let later = i64::try_from(chance % spread).unwrap_or_default();
    held.not_before.saturating_add(life / 3 * 2).saturating_add(later)
}

/// How long to wait after so many failures in a row, up to a quarter longer by `chance`.
fn wait(failures: u32, chance: u64) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    let wait = FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT);
    wait + wait / 400 * u32::try_from(chance % 100).unwrap_or_default()
}

fn seconds(wait: Duration) -> i64 {
    i64::try_from(wait.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::KeyKind;

    const DAY: i64 = 24 * 60 * 60;

    fn held(names: &[&str], days: i64) -> Facts {
        Facts {
            names: names.iter().map(|name| Arc::from(*name)).collect(),
            addresses: Vec::new(),
            not_before: 1_000,
            not_after: 1_000 + days * DAY,
            key: KeyKind::Ecdsa,
            subject: Box::from(&b"site"[..]),
            issuer: Box::from(&b"authority"[..]),
            serial: Box::default(),
        }
    }

    fn names(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    #[test]
    fn what_is_still_valid_is_not_ordered() {
        let wanted = names(&["a.example", "b.example"]);
        let none = Attempts::default();
        let two_thirds = 1_000 + 60 * DAY;
        let latest = two_thirds + 3 * DAY;
        for chance in [0, 1, 77_777, u64::MAX] {
            let held = held(&["a.example", "b.example", "c.example"], 90);
            let due = due(Some(&held), &wanted, none, chance);
            assert!((two_thirds..=latest).contains(&due), "{due}");
        }
        assert_eq!(due(None, &wanted, none, 5), 0, "there is none");
        let other = held(&["a.example"], 90);
        assert_eq!(due(Some(&other), &wanted, none, 5), 0, "it is for less");
        let mut own = held(&["a.example", "b.example"], 90);
        own.issuer = own.subject.clone();
        assert_eq!(due(Some(&own), &wanted, none, 5), 0, "it is self-made");
        // A life time that makes no sense is over.
        let backwards = held(&["a.example", "b.example"], -90);
        assert_eq!(due(Some(&backwards), &wanted, none, 0), 1_000);
    }

    #[test]
    fn failures_are_waited_for_longer_and_longer() {
        let after = |failures, chance| {
            due(None, &names(&["a.example"]), Attempts { failures, last: 100 }, chance) - 100
        };
        let waits: Vec<i64> = (0..12).map(|failures| after(failures, 0) / 60).collect();
        assert_eq!(waits, [-1, 5, 10, 20, 40, 80, 160, 320, 640, 720, 720, 720]);
        assert_eq!(after(u32::MAX, 0), 12 * 60 * 60);
        assert!((300..=375).contains(&after(1, 99)), "{}", after(1, 99));
        // What is held is not ordered the sooner for a failure.
        let held = held(&["a.example"], 90);
        let failed = Attempts { failures: 1, last: 100 };
        assert_eq!(due(Some(&held), &names(&["a.example"]), failed, 0), 1_000 + 60 * DAY);
    }
}
