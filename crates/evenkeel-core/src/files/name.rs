//! From the path of a request to a name below the root.

/// A name below the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// Without a leading slash; empty for the root itself. May be no UTF-8: names of files are bytes.
    pub bytes: &'a [u8],
    /// The path ended in a slash: a folder is asked for.
    pub is_folder: bool,
}

/// What `path` means, which is normalised ([`crate::path::normalise`]) and starts with a slash;
/// `scratch` holds a name that had escapes. `None`: nothing that could be served.
///
/// Escapes that the normal form still has are undone, but an escaped slash or backslash names no
/// file: whoever wrote it wants two programs to see two paths. `hidden` allows names with a dot in
/// front; `.well-known` is one that everybody means to serve.
pub fn name<'a>(path: &'a str, scratch: &'a mut Vec<u8>, hidden: bool) -> Option<Name<'a>> {
    let written = path.strip_prefix('/')?;
    let bytes: &'a [u8] = if written.contains('%') {
        decode(written.as_bytes(), scratch)?;
        scratch
    } else {
        written.as_bytes()
    };
    let is_folder = bytes.is_empty() || bytes.ends_with(b"/");
    let bytes = bytes.strip_suffix(b"/").unwrap_or(bytes);
    let serves = |segment: &[u8]| match segment {
        // Of a normal path none is left: this holds whoever calls it.
        b"." | b".." | b"" => false,
        b".well-known" => true,
        [b'.', ..] => hidden,
        _ => !segment.contains(&0),
    };
    let is_root = bytes.is_empty();
    (is_root || bytes.split(|byte| *byte == b'/').all(serves)).then_some(Name { bytes, is_folder })
}

fn decode(written: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.clear();
    let mut rest = written;
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let [high, low, after @ ..] = rest else { return None };
        rest = after;
        let value = char::from(*high).to_digit(16)? << 4 | char::from(*low).to_digit(16)?;
        let value = u8::try_from(value).ok()?;
        if matches!(value, 0..=0x1f | b'/' | b'\\' | 0x7f) {
            return None;
        }
        out.push(value);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::normalise;

    /// The name, with a slash behind folders.
    fn read(path: &str, hidden: bool) -> Option<Vec<u8>> {
        let (mut normal, mut scratch) = (String::new(), Vec::new());
        let path = normalise(path, &mut normal).ok()?.path;
        let name = name(path, &mut scratch, hidden)?;
        let mut shown = name.bytes.to_vec();
        shown.extend_from_slice(if name.is_folder { b"/" } else { b"" });
        Some(shown)
    }

    #[test]
    fn a_path_names_one_file_or_none() {
        let cases: [(&str, Option<&[u8]>); 27] = [
            ("/", Some(b"/")),
            ("/a", Some(b"a")),
            ("/a/b.css", Some(b"a/b.css")),
            ("/a/", Some(b"a/")),
            ("//a//b", Some(b"a/b")),
            ("/a/../b", Some(b"b")),
            ("/a/./b/.", Some(b"a/b/")),
            ("/a%20b", Some(b"a b")),
            ("/%61", Some(b"a")),
            ("/a%25b", Some(b"a%b")),
            ("/a%252e", Some(b"a%2e")),
            ("/%C3%A9", Some("é".as_bytes())),
            ("/%E9", Some(b"\xe9")),
            ("/a;b", Some(b"a;b")),
            ("/a%3Bb", Some(b"a;b")),
            ("/a...b/..c", None),
            ("/.well-known/acme", Some(b".well-known/acme")),
            ("/.git/config", None),
            ("/a/%2egit", None),
            ("/..", None),
            ("/a/%2e%2e/%2E./b", None),
            ("/a%2fb", None),
            ("/a%2Fb", None),
            ("/a%5Cb", None),
            ("/..%2f..%2fetc/passwd", None),
            ("/a%00b", None),
            ("/a\\b", None),
        ];
        for (path, wanted) in cases {
            assert_eq!(read(path, false).as_deref(), wanted, "{path}");
        }
        assert_eq!(read("/.git/config", true).as_deref(), Some(&b".git/config"[..]));
        assert_eq!(read("*", false), None);
    }

    #[test]
    fn dots_are_refused_whoever_calls() {
        for path in ["/..", "/a/../b", "/.", "/a/./b", "/a//b", "/%2e%2e/a", "/a\0", "/%", "/%zz"] {
            assert_eq!(name(path, &mut Vec::new(), true), None, "{path}");
        }
    }
}
