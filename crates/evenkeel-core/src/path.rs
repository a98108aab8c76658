//! The one form of a path: what is routed on, matched, logged and sent to the server.
//!
//! Escapes of unreserved characters are undone, other escapes are written in upper case, empty and
//! dot segments are resolved (RFC 3986 §6.2.2). What a server might resolve in a second way is
//! refused where it hides a dot segment; where it may hide a slash, a path has other [`readings`].

use std::borrow::Cow;

use crate::message::Reason;

/// A path in its one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Normal<'a> {
    pub path: &'a str,
    /// A server may find another path in it: it has [`readings`].
    pub is_ambiguous: bool,
}

/// Normalises an absolute `path` without its query. A path that is normal already, as almost all
/// are, is returned as it is after one look; `scratch` holds the others. `*` is normal.
pub fn normalise<'a>(path: &'a str, scratch: &'a mut String) -> Result<Normal<'a>, Reason> {
    if is_normal(path.as_bytes()) {
        return Ok(Normal { path, is_ambiguous: false });
    }
    scratch.clear();
    rewrite(path, scratch)?;
    let is_ambiguous = has_parameters(scratch) || matches!(decoded(scratch), Cow::Owned(_));
    Ok(Normal { path: scratch, is_ambiguous })
}

/// The other paths that servers may find in a normal one, each in its form: with the escapes undone
/// of what may stand in a path as it is (RFC 3986 §3.3) and of `/` and `\`, which divides there;
/// with parameters (`;…` to the end of their segment) dropped; and with both, whichever is first.
/// Escapes are undone once: `%252F` is no slash.
pub fn readings(path: &str) -> Result<Vec<String>, Reason> {
    let (decoded, dropped) = (decoded(path), without_parameters(path));
    let both = without_parameters(&decoded);
    let readings = [&decoded, &dropped, &both, &self::decoded(&dropped)];
    let mut found = Vec::new();
    for reading in readings.into_iter().filter(|reading| **reading != path) {
        let mut form = String::new();
        rewrite(reading, &mut form)?;
        if form != path && !found.contains(&form) {
            found.push(form);
        }
    }
    Ok(found)
}

fn is_normal(path: &[u8]) -> bool {
    let mut previous = 0;
    for (at, byte) in path.iter().enumerate() {
        match CLASSES[usize::from(*byte)] {
            Class::Slash if previous == b'/' => return false,
            Class::Dot if previous == b'/' && starts_with_dots(&path[at..]) => return false,
            Class::Plain | Class::Slash | Class::Dot => {}
            Class::Special | Class::Forbidden => return false,
        }
        previous = *byte;
    }
    true
}

/// A segment that is, or may be taken for, a dot segment.
fn starts_with_dots(segment: &[u8]) -> bool {
    matches!(segment, [b'.'] | [b'.', b'.' | b'/' | b';', ..])
}

fn rewrite(path: &str, out: &mut String) -> Result<(), Reason> {
    let Some(rest) = path.strip_prefix('/') else { return Err(Reason::PathByte) };
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        let start = out.len();
        out.push('/');
        unescape(segment, out)?;
        match &out[start + 1..] {
            "" | "." => out.truncate(start),
            ".." => {
                let parent = out[..start].rfind('/').ok_or(Reason::PathAboveRoot)?;
                out.truncate(parent);
            }
            segment if hides_dots(segment) => return Err(Reason::PathHiddenDots),
            _ => continue,
        }
        if is_last {
            out.push('/');
        }
    }
    Ok(())
}

/// Appends `segment`, decoding what needs no escape.
fn unescape(segment: &str, out: &mut String) -> Result<(), Reason> {
    let bytes = segment.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'%' {
            if matches!(CLASSES[usize::from(byte)], Class::Forbidden) {
                return Err(Reason::PathByte);
            }
            out.push(char::from(byte));
            at += 1;
            continue;
        }
        let value = escaped(bytes, at).ok_or(Reason::PathEscape)?;
        at += 3;
        if value < b' ' || value == 0x7f {
            return Err(Reason::PathControl);
        }
        if is_overlong(value, escaped(bytes, at)) {
            return Err(Reason::PathOverlong);
        }
        if value.is_ascii_alphanumeric() || matches!(value, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(value));
        } else {
            out.push('%');
            out.push(hex_digit(value >> 4));
            out.push(hex_digit(value & 15));
        }
    }
    Ok(())
}

/// The byte escaped at `at`.
fn escaped(bytes: &[u8], at: usize) -> Option<u8> {
    let [b'%', high, low, ..] = *bytes.get(at..)? else { return None };
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high << 4 | low).ok()
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase()
}

/// Whether two bytes begin a UTF-8 form longer than needed, such as `c0 ae` for a dot. Bytes that
/// are no UTF-8 at all stay: old encodings are still in use, and hide nothing.
fn is_overlong(lead: u8, next: Option<u8>) -> bool {
    let Some(next) = next else { return false };
    match lead {
        0xc0 | 0xc1 => matches!(next, 0x80..=0xbf),
        0xe0 => matches!(next, 0x80..=0x9f),
        0xf0 => matches!(next, 0x80..=0x8f),
        _ => false,
    }
}

/// Whether a server that decodes escaped slashes, or drops `;parameters`, finds a dot segment here.
fn hides_dots(segment: &str) -> bool {
    let is_dots = |piece: &str| {
        let parameters = [piece.find(';'), piece.find("%3B")];
        let end = parameters.into_iter().flatten().min().unwrap_or(piece.len());
        matches!(&piece[..end], "." | "..")
    };
    segment.split("%2F").flat_map(|piece| piece.split("%5C")).any(is_dots)
}

fn has_parameters(path: &str) -> bool {
    path.contains(';') || path.contains("%3B")
}

/// With the escapes undone that hide what may stand in a path, and a backslash as a slash.
fn decoded(path: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = path;
    // What is copied so far reaches to the begin of `rest`.
    let mut from = 0;
    while let Some(at) = rest.find('%') {
        let start = path.len() - rest.len() + at;
        // In a normal path an escape is whole. What follows `%25` is no escape once that is undone.
        let end = path.len().min(start + 3);
        rest = &path[end..];
        let shown = match escaped(path.as_bytes(), start) {
            Some(b'/' | b'\\') => '/',
            Some(byte) if is_subject(byte) => char::from(byte),
            _ => continue,
        };
        out.push_str(&path[from..start]);
        out.push(shown);
        from = end;
    }
    if from == 0 {
        return Cow::Borrowed(path);
    }
    out.push_str(&path[from..]);
    Cow::Owned(out)
}

/// Bytes that mean the same in a path whether they are escaped or not, to most servers: all that may
/// stand in a segment besides unreserved bytes (RFC 3986 §3.3).
const fn is_subject(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&'..=b',' | b':' | b';' | b'=' | b'@')
}

fn without_parameters(path: &str) -> Cow<'_, str> {
    if !has_parameters(path) {
        return Cow::Borrowed(path);
    }
    let bare = path.split('/').map(|segment| {
        let ends = [segment.find(';'), segment.find("%3B")];
        &segment[..ends.into_iter().flatten().min().unwrap_or(segment.len())]
    });
    Cow::Owned(bare.collect::<Vec<_>>().join("/"))
}

/// What a byte of a path needs.
#[derive(Clone, Copy)]
enum Class {
    /// Stands for itself.
    Plain,
    Slash,
    Dot,
    /// An escape or the begin of parameters: may stand for something else.
    Special,
    /// Refused.
    Forbidden,
}

static CLASSES: [Class; 256] = {
    let mut classes = [Class::Forbidden; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        classes[byte as usize] = match byte {
            b'/' => Class::Slash,
            b'.' => Class::Dot,
            b'%' | b';' => Class::Special,
            b'\\' | b'#' | b'?' => Class::Forbidden,
            _ => Class::Plain,
        };
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests;
