//! The API description that is checked in is the one the types give.

/// Checked in.
pub(super) const FILE: &str = "crates/evenkeel-api/openapi.json";

/// Prints it anew.
pub(super) const COMMAND: &str = "cargo run -q -p evenkeel-api --example openapi";

/// Where the two part, if they do.
pub(super) fn check(committed: &str, printed: &str) -> Option<String> {
    if committed == printed {
        return None;
    }
    let same = committed.lines().zip(printed.lines()).take_while(|(old, new)| old == new).count();
    Some(format!("{FILE}:{}: stale; `{COMMAND} > {FILE}` renews it", same + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_is_fresh() {
        assert_eq!(check("{\n}\n", "{\n}\n"), None);
    }

    #[test]
    fn the_first_line_that_differs_is_named() {
        for (committed, line) in [("{\n1\n}\n", 2), ("", 1), ("{\n", 2)] {
            let finding = check(committed, "{\n2\n}\n").expect("they differ");
            assert!(finding.starts_with(&format!("{FILE}:{line}: ")), "{finding}");
        }
    }
}
