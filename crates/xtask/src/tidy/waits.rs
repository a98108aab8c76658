//! Tests wait for a state, and all of them run.

use super::source::Source;

/// A sleep that is right says why in a comment that starts like this.
const REASON: &str = "// wait:";

/// Every ignored test, and every sleep in a test without a reason beside it.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        let lines: Vec<&str> = source.text.lines().collect();
        let tests_start = source.tests_start();
        for (number, code) in source.code_lines() {
            if code.contains("#[ignore") {
                let message = "ignored tests rot; skip with `SKIPPED: why`";
                findings.push(format!("{}:{number}: {message}", source.path));
            }
            if number >= tests_start && sleeps(code) {
                let reasoned = lines[number.saturating_sub(2)..number].iter().any(|&line| {
                    let reason = line.split_once(REASON).map_or("", |(_, reason)| reason);
                    !reason.trim().is_empty()
                });
                if !reasoned {
                    let message = format!("sleeps without `{REASON} reason`; wait for a state");
                    findings.push(format!("{}:{number}: {message}", source.path));
                }
            }
        }
    }
    findings
}

/// Whether this code calls a function named `sleep`.
fn sleeps(code: &str) -> bool {
    code.match_indices("sleep(").any(|(at, _)| {
        let before = code[..at].trim_end();
        let longer_name = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        !longer_name && !before.ends_with(" fn") && before != "fn"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&[Source::new(path, text)])
    }

    #[test]
    fn a_sleep_in_a_test_wants_a_reason() {
        let path = "crates/evenkeel/tests/reload.rs";
        for call in ["thread::sleep(MS);", "time::sleep(MS).await;", "x(); sleep(MS);"] {
            assert_eq!(findings(path, call).len(), 1, "{call}");
            assert_eq!(findings(path, &format!("{call} // wait:")).len(), 1, "no reason given");
            assert!(findings(path, &format!("{call} // wait: the kernel's own pace")).is_empty());
            assert!(findings(path, &format!("// wait: for the tick\n{call}")).is_empty());
        }
    }

    #[test]
    fn no_sleep_is_none() {
        for text in ["fn sleep(ms: u64) {}", "oversleep(1);", "// thread::sleep(MS)"] {
            assert!(findings("crates/evenkeel/tests/reload.rs", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_sleep_before_the_tests_is_the_authors_business() {
        let text = "fn f() { sleep(MS) }\n#[cfg(test)]\nmod tests {\n fn g() { sleep(MS) }\n}";
        let findings = findings("crates/evenkeel/src/run.rs", text);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].contains("run.rs:4:"), "{findings:?}");
    }

    #[test]
    fn ignored_tests_are_found() {
        assert_eq!(findings("crates/a/src/b.rs", "#[ignore = \"slow\"]\nfn f() {}").len(), 1);
    }
}
