//! A file is a sitting, a function a screenful.

use super::source::Source;

/// Lines of a file before its tests.
const FILE_LINES: usize = 600;

/// Lines of code of a function's body, as clippy counts them; here no attribute buys an exception.
const FUNCTION_LINES: usize = 70;

/// Every file and every function that is too long. Files of tests only may be of any length.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        let before_tests = source.text.lines().count().min(source.tests_start() - 1);
        if before_tests > FILE_LINES {
            let limit = format!("{before_tests} lines before its tests, at most {FILE_LINES}");
            findings.push(format!("{}: {limit}", source.path));
        }
        for function in functions(&source.code) {
            if function.lines > FUNCTION_LINES {
                let limit = format!("{} lines, at most {FUNCTION_LINES}", function.lines);
                let Function { name, line, lines: _ } = function;
                findings.push(format!("{}:{line}: fn {name}: {limit}", source.path));
            }
        }
    }
    findings
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
struct Function<'a> {
    name: &'a str,
    /// Where it starts.
    line: usize,
    /// How many lines of code its body has.
    lines: usize,
}

fn functions(code: &str) -> Vec<Function<'_>> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].ends_with(is_name) {
            continue;
        }
        let rest = code[at + 3..].trim_start();
        let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        if let Some(body) = body(rest)
            && !name.is_empty()
        {
            let lines = body.lines().filter(|line| !line.trim().is_empty()).count();
            let line = code[..at].matches('\n').count() + 1;
            found.push(Function { name, line, lines });
        }
    }
    found
}

/// What stands between a signature's braces; none for a declaration.
fn body(signature: &str) -> Option<&str> {
    let mut depth = 0_i32;
    let mut start = None;
    for (at, c) in signature.char_indices() {
        match (c, start) {
            (';', None) if depth == 0 => return None,
            ('{', None) => start = (depth == 0).then_some(at + 1),
            ('(' | '[', None) | ('{', Some(_)) => depth += 1,
            ('}', Some(start)) if depth == 0 => return Some(&signature[start..at]),
            (')' | ']', None) | ('}', Some(_)) => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured() {
        let code = "trait T { fn a(x: [u8; 2]); }\n\nfn b<F: Fn(u8)>(f: F)\nwhere\n    F: Send,\n{\n  {\n\n  }\n}\n";
        assert_eq!(functions(code), [Function { name: "b", line: 3, lines: 2 }]);
    }

    #[test]
    fn a_function_pointer_is_not_one() {
        assert_eq!(functions("type F = fn (u8);\nstruct often { x: u8 }"), []);
    }

    #[test]
    fn the_limits_hold() {
        let function = |lines| format!("fn f() {{\n{}}}\n", "x();\n".repeat(lines));
        let check = |path, text: String| check(&[Source::new(path, &text)]);
        assert!(check("crates/a/src/b.rs", function(70)).is_empty());
        assert_eq!(check("crates/a/src/b.rs", function(71)).len(), 1);
        assert!(check("crates/a/src/b.rs", "//\n".repeat(600)).is_empty());
        assert_eq!(check("crates/a/src/b.rs", "//\n".repeat(601)).len(), 1);
        assert!(check("crates/a/tests/b.rs", "//\n".repeat(601)).is_empty());
        let tests = format!("//\n#[cfg(test)]\nmod tests {{\n{}}}", "//\n".repeat(601));
        assert!(check("crates/a/src/b.rs", tests).is_empty());
    }
}
