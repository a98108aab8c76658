//! Looking a path up: exact, then the longest prefix that ends on a segment bound.

use super::Candidate;
use super::host::Table;
use crate::config::PathPattern;

/// The routes of one host.
#[derive(Debug, Default)]
pub(super) struct Paths {
    exact: Table<Vec<Candidate>>,
    /// Without the trailing slash; the empty one covers every path.
    prefixes: Table<Vec<Candidate>>,
    /// No prefix is longer: a path of a thousand segments costs no more look-ups than one that is
    /// as long as this.
    longest_prefix: usize,
}

impl Paths {
    pub(super) fn insert(&mut self, pattern: &PathPattern, candidate: Candidate) {
        let candidates = match pattern {
            PathPattern::Exact(path) => self.exact.entry(path.as_bytes().into()).or_default(),
            PathPattern::Prefix(prefix) => {
                self.longest_prefix = self.longest_prefix.max(prefix.len());
                self.prefixes.entry(prefix.as_bytes().into()).or_default()
            }
        };
        let place = candidates.partition_point(|other| other.precedence() < candidate.precedence());
        candidates.insert(place, candidate);
    }

    /// The first route, the most specific first, that `admits` accepts.
    pub(super) fn find(&self, path: &str, admits: impl Fn(&Candidate) -> bool) -> Option<usize> {
        let path = path.as_bytes();
        let exact = self.exact.get(path).into_iter();
        let prefixes = self.bounds(path).filter_map(|bound| self.prefixes.get(&path[..bound]));
        exact.chain(prefixes).flatten().find(|one| admits(one)).map(|found| found.index)
    }

    /// Where a prefix of `path` may end, the longest first: at its end and before each slash. The
    /// first slash is such a place, which is how `/` comes to cover every path.
    fn bounds(&self, path: &[u8]) -> impl Iterator<Item = usize> {
        let longest = path.len().min(self.longest_prefix);
        (0..=longest).rev().filter(|&at| at == path.len() || at == 0 || path[at] == b'/')
    }
}
