//! What a file is, by the end of its name.

use crate::config::Files;

/// A file of a kind nobody knows: a browser saves it and guesses nothing.
const UNKNOWN: &str = "application/octet-stream";

/// Longer extensions are no extensions; they are compared in lower case on the stack.
const MOST_EXTENSION_BYTES: usize = 16;

/// The extension of a name of `bytes`, in lower case, in `space`.
pub(super) fn extension<'s>(
    bytes: &[u8],
    space: &'s mut [u8; MOST_EXTENSION_BYTES],
) -> Option<&'s str> {
    let dot = bytes.iter().rposition(|byte| matches!(byte, b'.' | b'/'))?;
    let extension = &bytes[dot + 1..];
    let space = space.get_mut(..extension.len()).filter(|_| bytes[dot] == b'.')?;
    space.copy_from_slice(extension);
    space.make_ascii_lowercase();
    std::str::from_utf8(space).ok()
}

impl Files {
    /// `Content-Type` of the file with this name.
    pub fn content_type(&self, name: &[u8]) -> &str {
        let mut space = [0; MOST_EXTENSION_BYTES];
        let Some(extension) = extension(name, &mut space) else { return UNKNOWN };
        match self.types.get(extension) {
            Some(given) => given,
            None => content_type(extension),
        }
    }
}

/// `Content-Type` of files with this extension in lower case. Text is UTF-8, as nearly all of it is.
pub fn content_type(extension: &str) -> &'static str {
    let place = TYPES.binary_search_by_key(&extension, |(known, _)| known);
    place.map_or(UNKNOWN, |place| TYPES[place].1)
}

/// In the order of the extensions. The names of IANA's registry.
static TYPES: [(&str, &str); 75] = [
    ("7z", "application/x-7z-compressed"),
    ("aac", "audio/aac"),
    ("apng", "image/apng"),
    ("atom", "application/atom+xml"),
    ("avi", "video/x-msvideo"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("br", "application/x-brotli"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("eot", "application/vnd.ms-fontobject"),
    ("epub", "application/epub+zip"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/x-icon"),
    ("ics", "text/calendar; charset=utf-8"),
    ("jar", "application/java-archive"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("jsonld", "application/ld+json"),
    ("jxl", "image/jxl"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("map", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("mid", "audio/midi"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("mkv", "video/matroska"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("mpd", "application/dash+xml"),
    ("mpeg", "video/mpeg"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/ogg"),
    ("otf", "font/otf"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("ps", "application/postscript"),
    ("rss", "application/rss+xml"),
    ("rtf", "application/rtf"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("ts", "video/mp2t"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain; charset=utf-8"),
    ("vtt", "text/vtt; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("weba", "audio/webm"),
    ("webm", "video/webm"),
    ("webmanifest", "application/manifest+json"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xhtml", "application/xhtml+xml"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        assert!(TYPES.is_sorted_by(|one, next| one.0 < next.0));
        assert_eq!(content_type("html"), "text/html; charset=utf-8");
        assert_eq!(content_type("nothing"), UNKNOWN);
    }

    #[test]
    fn an_extension_is_what_follows_the_last_dot() {
        for (name, wanted) in [
            ("a.css", Some("css")),
            ("a/b.min.JS", Some("js")),
            ("a.b/c", None),
            ("readme", None),
            ("a.", Some("")),
            ("a.averyveryverylong", None),
            ("a.\u{e9}", Some("\u{e9}")),
        ] {
            assert_eq!(extension(name.as_bytes(), &mut [0; _]), wanted, "{name}");
        }
    }
}
