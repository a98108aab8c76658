//! What the two nodes of a pair know together: what is said on one of them holds on both, whichever
//! way it gets there, however often, and in whatever order.
//!
//! - [`clock`] gives each word a stamp, so that both nodes agree on which was said last.
//! - [`ledger`] keeps the last word on each thing, and takes in what the other node keeps.
//!
//! Both nodes dial each other; [`stays`] says which of two connections they keep. Where one of them
//! has to do something for both, [`leads`] says which.

pub mod clock;
pub mod ledger;

/// Which run of a node this is: a number taken by chance at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// Of two nodes that hear each other: whether `own` does what only one of them should do.
pub fn leads(own: NodeId, other: NodeId) -> bool {
    own < other
}

/// Whether a connection stays when there are two of them. Both nodes say the same of the same one:
/// that stays which the leading node has dialed.
pub fn stays(own: NodeId, other: NodeId, is_dialed_here: bool) -> bool {
    leads(own, other) == is_dialed_here
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_nodes_keep_the_same_connection() {
        let (a, b) = (NodeId(3), NodeId(9));
        assert!(leads(a, b) && !leads(b, a));
        // Dialed by a, then dialed by b: as a sees it, as b sees it.
        assert_eq!((stays(a, b, true), stays(b, a, false)), (true, true));
        assert_eq!((stays(a, b, false), stays(b, a, true)), (false, false));
    }
}
