//! Which server a cookie means.

use super::{Admin, Member};
use crate::hash::Seed;
use crate::sticky::Token;

/// The cookies of a pool.
#[derive(Debug)]
pub(super) struct Homes {
    /// Of every member, in their order.
    tokens: Box<[Token]>,
    /// Of those who take the clients that stick to them, sorted: with place and limit.
    open: Box<[(Token, u16, u32)]>,
}

impl Homes {
    /// A server that is drained or without weight keeps its own clients; one in maintenance, or
    /// down while its pool does not panic, loses them.
    pub(super) fn build(seed: Seed, members: &[Member], uses: impl Fn(usize) -> bool) -> Self {
        let tokens: Box<[Token]> =
            members.iter().map(|member| Token::new(seed, member.identity)).collect();
        let mut open: Box<[(Token, u16, u32)]> = (0..)
            .zip(members)
            .filter(|(_, member)| member.admin != Admin::Maint)
            .filter(|&(place, member)| member.usable || uses(usize::from(place)))
            .map(|(place, member)| (tokens[usize::from(place)], place, member.limit))
            .collect();
        open.sort_unstable();
        Self { tokens, open }
    }

    /// The server that takes clients with this cookie, and its limit.
    pub(super) fn find(&self, token: Token) -> Option<(usize, u32)> {
        let at = self.open.binary_search_by_key(&token, |&(token, ..)| token).ok()?;
        let (_, place, limit) = self.open[at];
        Some((place.into(), limit))
    }

    pub(super) fn token(&self, member: usize) -> Option<Token> {
        self.tokens.get(member).copied()
    }
}
