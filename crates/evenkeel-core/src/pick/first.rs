//! First: the servers are filled one after the other, so that the last ones can be switched off.

use crate::pool::Used;

/// The first open server in the order of the file.
pub(super) fn pick(used: &[Used], open: impl Fn(&Used) -> bool) -> Option<&Used> {
    used.iter().find(|used| open(used))
}
