//! Which of a shard's two servers is written to, and what follows when one goes or comes. Values only.

use crate::demo::scene::Actor;

/// The servers of a shard at a moment.
///
/// While the copy is in step, the primary acknowledges nothing that the copy has not received: then,
/// and only then, the copy may take its place without a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Roles {
    pub(super) number: u8,
    /// Who is written to, or was last.
    pub(super) primary: Actor,
    /// Whether the other one is in step.
    pub(super) in_step: bool,
}

/// What is to be done when a server has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The other one is in step: it is to be the primary.
    Promote(Actor),
    /// The primary is to wait for no copy any more.
    GoAlone(Actor),
    /// Nobody else has everything: the shard is down until its primary is back.
    Down,
}

impl Roles {
    /// Shard `number` as it begins.
    pub(super) const fn new(number: u8) -> Self {
        Self { number, primary: Actor::Shard(number), in_step: false }
    }

    /// The one that is not the primary.
    pub(super) fn copy(self) -> Actor {
        if self.primary == Actor::Shard(self.number) {
            Actor::Replica(self.number)
        } else {
            Actor::Shard(self.number)
        }
    }

    /// `who` has gone; the primary runs or does not.
    pub(super) fn lost(self, who: Actor, primary_runs: bool) -> Loss {
        match (who == self.primary, self.in_step) {
            (true, true) => Loss::Promote(self.copy()),
            (false, _) if primary_runs => Loss::GoAlone(self.primary),
            _ => Loss::Down,
        }
    }

    /// The copy is the primary now; who was it has to come back and follow.
    pub(super) fn promoted(&mut self) {
        self.primary = self.copy();
        self.in_step = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Actor = Actor::Shard(1);
    const SECOND: Actor = Actor::Replica(1);

    #[test]
    fn only_who_has_everything_takes_over() {
        let apart = Roles::new(1);
        let together = Roles { in_step: true, ..apart };
        for (roles, who, primary_runs, expected) in [
            (together, FIRST, false, Loss::Promote(SECOND)),
            (together, SECOND, true, Loss::GoAlone(FIRST)),
            (apart, FIRST, false, Loss::Down),
            (apart, SECOND, true, Loss::GoAlone(FIRST)),
            // Both have gone, and the primary was told of first.
            (apart, SECOND, false, Loss::Down),
            (together, SECOND, false, Loss::Down),
        ] {
            assert_eq!(roles.lost(who, primary_runs), expected, "{roles:?}: {who}");
        }
    }

    #[test]
    fn roles_change_and_change_back() {
        let mut roles = Roles { in_step: true, ..Roles::new(1) };
        roles.promoted();
        assert_eq!((roles.primary, roles.copy(), roles.in_step), (SECOND, FIRST, false));
        assert_eq!(roles.lost(SECOND, false), Loss::Down, "the other one is behind");
        roles.in_step = true;
        assert_eq!(roles.lost(SECOND, false), Loss::Promote(FIRST));
        roles.promoted();
        assert_eq!(roles, Roles::new(1));
    }
}
