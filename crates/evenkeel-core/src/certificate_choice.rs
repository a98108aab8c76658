//! Which certificate a client is shown, by the name it asks for and the signatures it understands.

use foldhash::fast::FixedState;

use crate::certificate::{Facts, KeyKind};

/// A table with names of certificates as keys. Clients can only ask, not insert, so a hasher with a
/// known seed gives nothing away.
#[expect(clippy::disallowed_types, reason = "the hasher has a fixed seed")]
type Table = std::collections::HashMap<Box<str>, Places, FixedState>;

/// Places in the list the index was built from, the one to prefer first. Never empty.
type Places = Vec<usize>;

/// Longest host name that is looked up (RFC 1035 §2.3.4).
const LONGEST_NAME: usize = 253;

/// The certificates of a listener by the names they are for. Immutable: other certificates make
/// another index.
#[derive(Clone, Debug, Default)]
pub struct Index {
    exact: Table,
    /// By the part behind `*.`
    wildcards: Table,
    /// For who asks for no name, or for one that nothing covers.
    default: Places,
    strict: bool,
}

/// There is no certificate for the name, and none is shown in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownName;

impl Index {
    /// Of certificates in the order of the file. The default is what covers `default`; if nothing
    /// does, the first one and those that are for the same name. `strict`: the default is never shown.
    pub fn build(certificates: &[&Facts], default: Option<&str>, strict: bool) -> Self {
        let mut order: Vec<usize> = (0..certificates.len()).collect();
        // An ECDSA signature costs this node a tenth of an RSA one, and few clients lack it.
        order.sort_by_key(|&at| certificates[at].key == KeyKind::Rsa);
        let (mut exact, mut wildcards) = (Table::default(), Table::default());
        for &at in &order {
            for name in &certificates[at].names {
                let (table, key) = match name.strip_prefix("*.") {
                    Some(rest) => (&mut wildcards, rest),
                    None => (&mut exact, &**name),
                };
                let places = table.entry(key.into()).or_default();
                if !places.contains(&at) {
                    places.push(at);
                }
            }
        }
        let mut index = Self { exact, wildcards, default: Vec::new(), strict };
        let named = default.and_then(|name| index.candidates(name)).cloned();
        index.default = named.unwrap_or_else(|| {
            let first = certificates.first().and_then(|first| first.names.first());
            let is_like_first = |at: &usize| {
                *at == 0 || first.is_some_and(|name| certificates[*at].names.contains(name))
            };
            order.into_iter().filter(is_like_first).collect()
        });
        index
    }

    /// The certificate for a client that asks for `name` and understands the signatures of those
    /// that it `accepts`. A client that understands none of them is shown the first, and ends the
    /// handshake itself.
    pub fn choose(
        &self,
        name: Option<&str>,
        accepts: impl Fn(usize) -> bool,
    ) -> Result<usize, UnknownName> {
        let mut buffer = [0; LONGEST_NAME];
        let name = name.and_then(|name| folded(name, &mut buffer));
        let exact = name.and_then(|name| self.exact.get(name));
        let wildcard = name.and_then(|name| self.wildcard(name));
        let default = Some(&self.default).filter(|_| !self.strict);
        let in_turn = || [exact, wildcard, default].into_iter().flatten().flatten().copied();
        in_turn().find(|at| accepts(*at)).or_else(|| in_turn().next()).ok_or(UnknownName)
    }

    /// Whether a connection that was made for `name` may carry a request for `host` (without its
    /// port): both lead to the same certificate, or one of the same ones. Else the answer is 421
    /// (RFC 9110 §15.5.20). A connection that was made for no name may carry any.
    pub fn is_at_home(&self, name: Option<&str>, host: &str) -> bool {
        let Some(name) = name else { return true };
        if name.eq_ignore_ascii_case(host) {
            return true;
        }
        let shown = self.leading(name);
        self.leading(host).iter().any(|at| shown.contains(at))
    }

    /// Whether some certificate is for `name`.
    pub fn covers(&self, name: &str) -> bool {
        self.candidates(name).is_some()
    }

    fn leading(&self, name: &str) -> &[usize] {
        self.candidates(name).unwrap_or(&self.default)
    }

    fn candidates(&self, name: &str) -> Option<&Places> {
        let mut buffer = [0; LONGEST_NAME];
        let name = folded(name, &mut buffer)?;
        self.exact.get(name).or_else(|| self.wildcard(name))
    }

    /// A star stands for one label (RFC 6125 §6.4.3).
    fn wildcard(&self, name: &str) -> Option<&Places> {
        let (label, rest) = name.split_once('.')?;
        if label.is_empty() { None } else { self.wildcards.get(rest) }
    }
}

/// `name` in lower case, without a trailing dot. `None`: it is too long for a name.
fn folded<'b>(name: &str, buffer: &'b mut [u8; LONGEST_NAME]) -> Option<&'b str> {
    let name = name.strip_suffix('.').unwrap_or(name).as_bytes();
    let lower = buffer.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).ok()
}

#[cfg(test)]
mod tests;
