//! How often somebody may try a password.

use std::collections::HashMap;

/// Wrong passwords of one name before it has to wait.
const FREE: u32 = 5;
/// What each further one waits, in milliseconds.
const WAIT_MS: u64 = 30_000;
/// Names that are remembered; with more, the ones that waited longest are forgotten.
const MOST_NAMES: usize = 1024;

/// Wrong passwords by name.
#[derive(Debug, Default)]
pub struct Attempts(HashMap<String, Failures>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last_ms: u64,
}

impl Attempts {
    /// Whether `name` may try now; else how many milliseconds are left.
    pub fn may_try(&self, name: &str, now_ms: u64) -> Result<(), u64> {
        match self.0.get(name) {
            Some(Failures { count, last_ms }) if *count >= FREE => {
                match last_ms.saturating_add(WAIT_MS).saturating_sub(now_ms) {
                    0 => Ok(()),
                    left => Err(left),
                }
            }
            _ => Ok(()),
        }
    }

    /// The password was wrong.
    pub fn failed(&mut self, name: &str, now_ms: u64) {
        if self.0.len() >= MOST_NAMES && !self.0.contains_key(name) {
            let oldest = self.0.iter().min_by_key(|(_, failures)| failures.last_ms);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.0.remove(&oldest);
            }
        }
        let failures = self.0.entry(name.to_owned()).or_insert(Failures { count: 0, last_ms: 0 });
        failures.count = failures.count.saturating_add(1);
        failures.last_ms = now_ms;
    }

    /// It was right.
    pub fn succeeded(&mut self, name: &str) {
        self.0.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_are_free_and_the_sixth_waits() {
        let mut attempts = Attempts::default();
        for _ in 0..FREE {
            assert_eq!(attempts.may_try("ann", 1000), Ok(()));
            attempts.failed("ann", 1000);
        }
        assert_eq!(attempts.may_try("ann", 1000), Err(WAIT_MS));
        assert_eq!(attempts.may_try("bob", 1000), Ok(()));
        assert_eq!(attempts.may_try("ann", 1000 + WAIT_MS), Ok(()));
        attempts.failed("ann", 40_000);
        assert_eq!(attempts.may_try("ann", 40_001), Err(WAIT_MS - 1));
        attempts.succeeded("ann");
        assert_eq!(attempts.may_try("ann", 40_001), Ok(()));
    }

    #[test]
    fn many_names_are_forgotten_oldest_first() {
        let mut attempts = Attempts::default();
        for number in 0..=MOST_NAMES as u64 {
            for _ in 0..FREE {
                attempts.failed(&number.to_string(), number);
            }
        }
        assert_eq!(attempts.0.len(), MOST_NAMES);
        assert_eq!(attempts.may_try("0", 0), Ok(()));
        assert!(attempts.may_try("1", 0).is_err());
    }
}
