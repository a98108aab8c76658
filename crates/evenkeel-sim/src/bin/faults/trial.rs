//! A fault that is tried on a ground of its own, and what came of it.

use crate::Options;

/// What was measured, and every promise that was not kept; or why it could not be tried.
pub(crate) type Tried = Result<(String, Vec<String>), String>;

/// A fault that brings everything it happens to.
pub(crate) struct Trial {
    pub(crate) name: &'static str,
    /// Also in the run of each change, which has little time.
    pub(crate) in_short: bool,
    pub(crate) fault: &'static str,
    pub(crate) promise: &'static str,
    pub(crate) run: fn(&Options) -> Tried,
}
