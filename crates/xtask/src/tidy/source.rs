//! A Rust file with its code told apart from its comments and literals.

/// One file.
#[derive(Debug)]
pub(super) struct Source {
    /// From the root of the workspace.
    pub(super) path: String,
    /// As written.
    pub(super) text: String,
    /// The same lines, with comments, strings and characters blanked.
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: blank(text) }
    }

    /// The lines of code with their numbers, from 1.
    pub(super) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The number of the first line that is for tests only; past the end when there is none.
    pub(super) fn tests_start(&self) -> usize {
        if self.path.contains("/tests/") || self.path.ends_with("/tests.rs") {
            return 1;
        }
        let mut lines = self.code_lines();
        lines.find(|(_, line)| line.starts_with("#[cfg(test)]")).map_or(usize::MAX, |(at, _)| at)
    }
}

/// `text` with a space for every character that is not code; line ends stay.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = not_code(rest, code.chars().next_back());
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let (gone, after) = rest.split_at(length);
            code.extend(gone.chars().map(|c| if c == '\n' { c } else { ' ' }));
            rest = after;
        }
    }
    code
}

/// How many bytes of a comment or literal `rest` starts with.
fn not_code(rest: &str, before: Option<char>) -> usize {
    let in_a_name = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let prefix = rest.len() - rest.trim_start_matches(['b', 'c', 'r']).len();
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        block_comment(rest)
    } else if let Some(length) = character(rest) {
        length
    } else if in_a_name && prefix > 0 || prefix > 2 {
        0
    } else if rest[..prefix].ends_with('r') {
        raw_string(&rest[prefix..]).map_or(0, |length| prefix + length)
    } else {
        string(&rest[prefix..]).map_or(0, |length| prefix + length)
    }
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// A character literal; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    if first == '\\' {
        // The escaped character may itself be a quote.
        let end = inside.get(2..)?.find('\'')?;
        return Some(1 + 2 + end + 1);
    }
    let quote = 1 + first.len_utf8();
    rest[quote..].starts_with('\'').then_some(quote + 1)
}

fn string(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            '"' if !escaped => return Some(at + 2),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    Some(rest.len())
}

fn raw_string(rest: &str) -> Option<usize> {
    let inside = rest.trim_start_matches('#');
    let hashes = rest.len() - inside.len();
    let inside = inside.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = inside.find(&close).map_or(inside.len(), |at| at + close.len());
    Some(hashes + 1 + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, words: &[&str]) {
        let code = blank(text);
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), words, "{text}");
        assert_eq!(code.matches('\n').count(), text.matches('\n').count(), "{text}");
    }

    #[test]
    fn comments_are_blanked() {
        check("a // b \" c\nd", &["a", "d"]);
        check("a /* b /* c */ d\n */ e", &["a", "e"]);
        check("/// a\nb", &["b"]);
        check("a /*", &["a"]);
    }

    #[test]
    fn literals_are_blanked() {
        check(r#"a "b \" // c" d"#, &["a", "d"]);
        check("a r#\"b \" c\"# d", &["a", "d"]);
        check("a br\"b\\\" d", &["a", "d"]);
        check("a b\"b\" c\"c\" d", &["a", "d"]);
        check("a 'b' '\\'' '\\u{1F600}' '\"' 'é' d", &["a", "d"]);
    }

    #[test]
    fn lifetimes_and_names_stay() {
        check("fn f<'a>(x: &'a str)", &["fn", "f<'a>(x:", "&'a", "str)"]);
        check("r#type bar", &["r#type", "bar"]);
    }

    #[test]
    fn tests_start_where_they_are_declared() {
        let start = |path, text| Source::new(path, text).tests_start();
        assert_eq!(start("crates/a/src/b.rs", "x\n#[cfg(test)]\nmod tests;"), 2);
        assert_eq!(start("crates/a/src/b.rs", "x\n"), usize::MAX);
        assert_eq!(start("crates/a/src/b/tests.rs", "x\n"), 1);
    }
}
