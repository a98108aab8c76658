//! What is done about traces on all listeners that look at them.

use crate::share::Share;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traces {
    /// Of the traces that begin here, those that are sampled. Default all.
    pub sample: Share,
    /// Somebody is told of this node's spans: they stand between the client's and the server's.
    pub are_exported: bool,
}

impl Default for Traces {
    fn default() -> Self {
        Self { sample: Share::ALL, are_exported: false }
    }
}
