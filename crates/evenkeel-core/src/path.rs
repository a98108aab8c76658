//! The one form of a path: what is routed on, matched, logged and sent to the server.
//!
//! Escapes of unreserved characters are undone, other escapes are written in upper case, empty and
//! dot segments are resolved (RFC 3986 §6.2.2). What a server might resolve in a second way is
//! refused.

use crate::message::Reason;

/// Normalises an absolute `path` without its query. A path that is normal already, as almost all
/// are, is returned as it is after one look; `scratch` holds the others. `*` is normal.
pub fn normalise<'a>(path: &'a str, scratch: &'a mut String) -> Result<&'a str, Reason> {
    if is_normal(path.as_bytes()) {
        return Ok(path);
    }
    scratch.clear();
    rewrite(path, scratch)?;
    Ok(scratch)
}

fn is_normal(path: &[u8]) -> bool {
    let mut previous = 0;
    for (at, byte) in path.iter().enumerate() {
        match CLASSES[usize::from(*byte)] {
            Class::Slash if previous == b'/' => return false,
            Class::Dot if previous == b'/' && starts_with_dots(&path[at..]) => return false,
            Class::Plain | Class::Slash | Class::Dot => {}
            Class::Odd => return false,
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
            if matches!(CLASSES[usize::from(byte)], Class::Odd) {
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

/// What a byte of a path needs.
#[derive(Clone, Copy)]
enum Class {
    /// Stands for itself.
    Plain,
    Slash,
    Dot,
    /// An escape, or refused.
    Odd,
}

static CLASSES: [Class; 256] = {
    let mut classes = [Class::Odd; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        classes[byte as usize] = match byte {
            b'/' => Class::Slash,
            b'.' => Class::Dot,
            b'%' | b'\\' | b'#' | b'?' => Class::Odd,
            _ => Class::Plain,
        };
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests;
