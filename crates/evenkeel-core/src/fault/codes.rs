//! Termination codes in a row, to be counted by their places.

use super::{Blame, Fault};

impl Fault {
    /// Every termination code there is but `--`.
    pub const CODES: [&'static str; 24] = [
        "CR", "CC", "CH", "CD", "cR", "cC", "cH", "cD", "PR", "PQ", "PC", "PH", "PD", "RQ", "RC",
        "SC", "SH", "SD", "sQ", "sC", "sH", "sD", "KD", "I-",
    ];

    /// The place of this fault's code among [`Self::CODES`].
    pub fn code_place(self) -> usize {
        let code = self.verdict().code;
        Self::CODES.iter().position(|known| *known == code).unwrap_or(Self::CODES.len() - 1)
    }

    /// Whether it counts as an error of the service: the client is not to blame, and what it got,
    /// if anything, was not an answer that refuses it by rule (401, 403, 404, 429).
    pub fn is_error(self) -> bool {
        let verdict = self.verdict();
        verdict.blame != Blame::Client && verdict.status.is_none_or(|status| status >= 500)
    }
}
