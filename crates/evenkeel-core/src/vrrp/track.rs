//! What a node's claim to an address depends on: its interface, its listeners, its pools, a
//! gateway, a command.

use super::policy::ADDRESS_OWNER;

/// What it means that something tracked has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The node cannot do the work: it has no claim.
    All,
    /// It can, but another node does it better: so much less priority.
    Less(u8),
}

/// The priority of a node whose `failed` things have these weights; `None`: no claim. Never below
/// 1, which would say that it leaves. Weights do not touch an address owner's (RFC 9568 §5.2.4
/// gives it 255 and nothing else).
pub fn claim(priority: u8, failed: impl IntoIterator<Item = Weight>) -> Option<u8> {
    failed.into_iter().try_fold(priority, |priority, weight| match weight {
        Weight::All => None,
        Weight::Less(_) if priority == ADDRESS_OWNER => Some(priority),
        Weight::Less(less) => Some(priority.saturating_sub(less).max(1)),
    })
}

#[cfg(test)]
mod tests {
    use super::Weight::{All, Less};
    use super::*;

    #[test]
    fn failures_add_up() {
        for (priority, failed, expected) in [
            (100, &[][..], Some(100)),
            (100, &[Less(20)], Some(80)),
            (100, &[Less(20), Less(30)], Some(50)),
            (100, &[Less(60), Less(60)], Some(1)),
            (100, &[Less(20), All, Less(20)], None),
            (255, &[Less(200)], Some(255)),
            (255, &[All], None),
        ] {
            assert_eq!(claim(priority, failed.iter().copied()), expected, "{failed:?}");
        }
    }
}
