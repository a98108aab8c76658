//! The file with the secret that two nodes share.

use std::fmt;

use evenkeel_engine::LINK_SECRET_BYTES;

use crate::hexadecimal;

/// What the line with the secret begins with.
const MARK: &str = "evenkeel-pair-1";

/// What is said in a file for whoever finds it.
const PREFACE: &str = "\
# The secret that two Evenkeel nodes share, made by `evenkeel pair init`.
# Both have this file, named by `secret_file` in [pair], readable by nobody but them.
# Who has it can be the other node. If anybody has seen it, make another one.
";

/// The secret that two nodes share; not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct PairSecret(pub(crate) [u8; LINK_SECRET_BYTES]);

impl fmt::Debug for PairSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairSecret(…)")
    }
}

impl PairSecret {
    /// A new one. `None`: the system has no random numbers.
    pub fn fresh() -> Option<Self> {
        evenkeel_engine::fresh_link_secret().map(Self)
    }

    /// The content of its file.
    pub fn to_text(&self) -> String {
        format!("{PREFACE}{MARK} {}\n", hexadecimal::text(&self.0))
    }

    /// Reads such a file; `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let lines = text.lines().map(str::trim);
        let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let digits = lines.next()?.strip_prefix(MARK)?.trim();
        let secret = hexadecimal::bytes(digits).map(Self);
        secret.filter(|_| lines.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_back_from_its_file() {
        let secret = PairSecret::fresh().unwrap();
        let text = secret.to_text();
        assert_eq!(PairSecret::parse(&text), Some(secret.clone()));
        assert_ne!(PairSecret::fresh().unwrap(), secret);
        assert_eq!(format!("{secret:?}"), "PairSecret(…)");
        let line = text.lines().last().unwrap();
        for broken in
            ["", "# nothing", &line[..line.len() - 1], &line[8..], &format!("{line}\n{line}")]
        {
            assert_eq!(PairSecret::parse(broken), None, "{broken}");
        }
    }
}
