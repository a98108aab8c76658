//! Unsafe code lives in one crate.

use super::source::Source;

/// The OS edge.
const ALLOWED: &str = "crates/evenkeel-sys/";

/// What every other crate's root says to the compiler.
const FORBID: &str = "#![forbid(unsafe_code)]";

/// Every `unsafe` outside the OS edge, and every crate that does not forbid it.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| !source.path.starts_with(ALLOWED)) {
        for (number, line) in source.code_lines() {
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            if words.any(|word| word == "unsafe") {
                findings.push(format!("{}:{number}: unsafe belongs in {ALLOWED}", source.path));
            }
        }
        let root = source.path.ends_with("/src/lib.rs") || source.path.ends_with("/src/main.rs");
        if root && !source.code.contains(FORBID) {
            findings.push(format!("{}: lacks {FORBID}", source.path));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&[Source::new(path, text)]).len()
    }

    #[test]
    fn unsafe_is_code_only_at_the_os_edge() {
        let text = "fn f() { unsafe { g() } }";
        assert_eq!(findings("crates/evenkeel-sys/src/splice.rs", text), 0);
        assert_eq!(findings("crates/evenkeel-core/src/pick.rs", text), 1);
    }

    #[test]
    fn talking_about_it_is_fine() {
        let text = "// unsafe\n#![deny(unsafe_code)]\nconst A: &str = \"unsafe\";";
        assert_eq!(findings("crates/evenkeel-core/src/pick.rs", text), 0);
    }

    #[test]
    fn a_root_forbids_it() {
        for root in ["crates/evenkeel-core/src/lib.rs", "crates/evenkeel/src/main.rs"] {
            assert_eq!(findings(root, "pub fn f() {}"), 1);
            assert_eq!(findings(root, "// #![forbid(unsafe_code)]"), 1);
            assert_eq!(findings(root, "#![forbid(unsafe_code)]"), 0);
        }
    }
}
