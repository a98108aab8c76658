//! Which server a cookie means.

use super::{Admin, Member};
use crate::hash::Seed;
use crate::sticky::Token;

/// The cookies of a pool.
#[derive(Debug)]
pub(super) struct Homes {
    /// Of every member, in their order.
    tokens: Box<[Token]>,
    /// Of those who take the clients that stick to them, sorted.
    open: Box<[(Token, Home)]>,
}

/// A server that takes the clients that stick to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Home {
    /// Its place among the members.
    pub(crate) member: u16,
    pub(crate) limit: u32,
    /// False only while its pool panics.
    pub(crate) usable: bool,
}

impl Homes {
    /// A server that is drained or without weight keeps its own clients; one in maintenance, or
    /// down while its pool does not panic, loses them.
    pub(super) fn build(seed: Seed, members: &[Member], uses: impl Fn(usize) -> bool) -> Self {
        let tokens: Box<[Token]> =
            members.iter().map(|member| Token::new(seed, member.identity)).collect();
        let mut open: Box<[(Token, Home)]> = (0..)
            .zip(members)
            .filter(|(_, member)| member.admin != Admin::Maint)
            .filter(|&(place, member)| member.usable || uses(usize::from(place)))
            .map(|(place, &Member { limit, usable, .. })| {
                (tokens[usize::from(place)], Home { member: place, limit, usable })
            })
            .collect();
        open.sort_unstable();
        Self { tokens, open }
    }

    /// The server that takes clients with this cookie.
    pub(super) fn find(&self, token: Token) -> Option<Home> {
        let at = self.open.binary_search_by_key(&token, |&(token, _)| token).ok()?;
        Some(self.open[at].1)
    }

    pub(super) fn token(&self, member: usize) -> Option<Token> {
        self.tokens.get(member).copied()
    }
}
