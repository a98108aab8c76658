//! The keys that seal session tickets: for how long one is used, and when a new one is due.
//!
//! ```text
//! made          + ROTATION             + KEPT × ROTATION
//!   |--- seals ----|------ opens only -------|  gone
//! ```
//! Whoever steals a key can read the sessions whose tickets it sealed, but for the secrets agreed
//! on anew in TLS 1.3: so keys are short-lived, and never leave the node's state directory.

use std::fmt;
use std::time::Duration;

/// For how long a key seals.
pub const ROTATION: Duration = Duration::from_hours(8);
/// How many keys there are: one that seals, the others for tickets that are out.
pub const KEPT: u32 = 3;
/// For how long any ticket can be opened at least, and what clients are told.
pub const LIFETIME: Duration = ROTATION.saturating_mul(KEPT - 1);

/// Bytes by which a ticket names its key.
pub const NAME_BYTES: usize = 16;
/// Bytes of the secret.
pub const SECRET_BYTES: usize = 32;

/// A key. Its secret is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketKey {
    pub name: [u8; NAME_BYTES],
    pub secret: [u8; SECRET_BYTES],
    /// When it was made, in seconds since 1970.
    pub made: u64,
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKey").field("made", &self.made).finish_non_exhaustive()
    }
}

/// Of these keys those to keep at `now`, the newest first. One from the future, as a clock that was
/// set back leaves it, would never end: it goes.
pub fn kept(mut keys: Vec<TicketKey>, now: u64) -> Vec<TicketKey> {
    let life = u64::from(KEPT) * ROTATION.as_secs();
    keys.retain(|key| key.made <= now && now - key.made < life);
    // Of the same second by their names: two nodes with the same keys seal with the same one.
    keys.sort_by_key(|key| (std::cmp::Reverse(key.made), key.name));
    keys.truncate(KEPT as usize);
    keys
}

/// Whether a new key is due, given what was [`kept`].
pub fn is_due(keys: &[TicketKey], now: u64) -> bool {
    keys.first().is_none_or(|newest| now.saturating_sub(newest.made) >= ROTATION.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    fn made_at(hours: &[u64]) -> Vec<TicketKey> {
        let key = |hour: &u64| TicketKey {
            name: [0; NAME_BYTES],
            secret: [7; SECRET_BYTES],
            made: hour * HOUR,
        };
        hours.iter().map(key).collect()
    }

    #[test]
    fn keys_come_and_go() {
        for (have, now, keep, due) in [
            (&[][..], 0, &[][..], true),
            (&[0], 7, &[0], false),
            (&[0], 8, &[0], true),
            (&[0, 8], 8, &[8, 0], false),
            (&[0, 8, 16], 23, &[16, 8, 0], false),
            (&[0, 8, 16], 24, &[16, 8], true),
            (&[0, 1, 2, 3], 4, &[3, 2, 1], false),
            (&[0], 1_000, &[], true),
            (&[30], 8, &[], true),
        ] {
            let left = kept(made_at(have), now * HOUR);
            assert_eq!(left, made_at(keep), "{have:?} at {now}");
            assert_eq!(is_due(&left, now * HOUR), due, "{have:?} at {now}");
        }
    }

    #[test]
    fn a_ticket_lives_as_long_as_was_said() {
        // Sealed in the last moment of its key, with one new key a rotation.
        let sealed = 8 * HOUR - 1;
        let opened = sealed + LIFETIME.as_secs();
        assert!(kept(made_at(&[0, 8, 16]), opened).contains(&made_at(&[0])[0]));
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert_eq!(format!("{:?}", made_at(&[1])[0]), "TicketKey { made: 3600, .. }");
    }
}
