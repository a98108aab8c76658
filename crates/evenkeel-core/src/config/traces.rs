//! What is done about traces on all listeners that look at them.

use crate::share::Share;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traces {
    /// Of the traces that begin here, those that are sampled. Default all.
    pub sample: Share,
    /// A receiver is told of this node's spans, in traces that are sampled. Default nobody is.
    pub are_exported: bool,
}

impl Default for Traces {
    fn default() -> Self {
        Self { sample: Share::ALL, are_exported: false }
    }
}
