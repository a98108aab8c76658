//! Looking a host up: exact name, then the longest wildcard, then any.

use foldhash::fast::FixedState;

use crate::config::HostPattern;

/// A table with the operator's words as keys. Clients can only ask, not insert, so a hasher with a
/// known seed gives nothing away, and every run is alike.
#[expect(clippy::disallowed_types, reason = "the hasher has a fixed seed")]
pub(super) type Table<T> = std::collections::HashMap<Box<[u8]>, T, FixedState>;

/// Longest host name that is looked up: RFC 1035 §2.3.4 allows 253 bytes as written. A longer one
/// cannot have been configured.
const LONGEST_NAME: usize = 253;

/// What is known about each host.
#[derive(Debug)]
pub(super) struct Hosts<T> {
    exact: Table<T>,
    /// By the part after the star, with its leading dot.
    suffixes: Table<T>,
    /// No wildcard is longer: what lies further left of a name need not be looked up.
    longest_suffix: usize,
    any: Option<T>,
}

impl<T> Default for Hosts<T> {
    fn default() -> Self {
        Self { exact: Table::default(), suffixes: Table::default(), longest_suffix: 0, any: None }
    }
}

impl<T: Default> Hosts<T> {
    /// The place of a pattern, made if need be.
    pub(super) fn entry(&mut self, pattern: Option<&HostPattern>) -> &mut T {
        match pattern {
            Some(HostPattern::Exact(name)) => self.exact.entry(name.as_bytes().into()).or_default(),
            Some(HostPattern::Suffix(suffix)) => {
                self.longest_suffix = self.longest_suffix.max(suffix.len());
                self.suffixes.entry(suffix.as_bytes().into()).or_default()
            }
            None => self.any.get_or_insert_default(),
        }
    }
}

impl<T> Hosts<T> {
    /// Asks `choose` about each pattern that matches, the most specific first, until it answers.
    pub(super) fn find<'a, R>(
        &'a self,
        name: Option<&str>,
        choose: impl Fn(&'a T) -> Option<R>,
    ) -> Option<R> {
        name.and_then(|name| self.find_named(name, &choose))
            .or_else(|| self.any.as_ref().and_then(choose))
    }

    fn find_named<'a, R>(&'a self, name: &str, choose: impl Fn(&'a T) -> Option<R>) -> Option<R> {
        if self.exact.is_empty() && self.suffixes.is_empty() {
            return None;
        }
        let name = name.strip_suffix('.').unwrap_or(name).as_bytes();
        let mut buffer = [0; LONGEST_NAME];
        let name = {
            let lower = buffer.get_mut(..name.len())?;
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
            &*lower
        };
        self.exact.get(name).and_then(&choose).or_else(|| self.wildcards(name).find_map(choose))
    }

    /// The wildcards that cover `name`, the longest first. The star stands for at least one byte.
    fn wildcards(&self, name: &[u8]) -> impl Iterator<Item = &T> {
        let nearest = name.len().saturating_sub(self.longest_suffix).max(1);
        (nearest..name.len())
            .filter(|&dot| name[dot] == b'.')
            .filter_map(|dot| self.suffixes.get(&name[dot..]))
    }
}
