//! Connections held by each source.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evenkeel_core::rate::Shares;

/// A source's key (see [`Shares::of`]).
type Key = [u8; 17];

/// How many connections of a listener each source holds, over all workers. Asked once a connection,
/// so one lock will do; there is an entry only for who holds one, and a listener has a bound.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(Arc<Mutex<HashMap<Key, u32>>>);

/// One connection of a source, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    sources: Sources,
    key: Key,
}

impl Sources {
    /// Counts a connection. `None`: the source holds `most` already.
    pub(crate) fn enter(&self, source: IpAddr, most: u32) -> Option<Share> {
        let key = Shares::default().of(source);
        let mut held = self.lock();
        let count = held.entry(key).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Share { sources: self.clone(), key })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, u32>> {
        // A count is valid after each step: a panic elsewhere harms nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.sources.lock();
        match held.get_mut(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(held.remove(&self.key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_holds_so_many_and_who_is_gone_leaves_nothing_behind() {
        let sources = Sources::default();
        let enter = |text: &str| sources.enter(text.parse().unwrap(), 2);
        let held = [enter("2001:db8::1"), enter("2001:db8::2"), enter("10.0.0.1")];
        assert!(held.iter().all(Option::is_some));
        assert!(enter("2001:db8::3").is_none(), "the same network");
        assert!(enter("2001:db8:0:1::1").is_some(), "another one");
        drop(held);
        assert!(sources.lock().is_empty());
    }
}
