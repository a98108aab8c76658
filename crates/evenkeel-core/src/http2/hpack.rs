//! HPACK: the header fields of HTTP/2, made small (RFC 7541).
//!
//! A field is sent as its number in a table, or spelt out. One table is the same everywhere
//! ([`STATIC`]), the other holds what this connection has sent before, and both ends change it in
//! step ([`Table`]). That is why a block is always decoded to its end, and why a block that cannot
//! be decoded ends the connection.
//!
//! What a peer can make this side hold: [`Decoder::new`] says how much of a table, and beside it
//! one string as long as the block that it came in. What it can make this side do: a few
//! instructions for each byte it sends. A small block can still mean many large fields, the same
//! entry over and over; who takes the fields counts their bytes.

mod decoder;
mod encoder;
mod huffman;
mod integer;
mod table;

use std::fmt;

pub use self::decoder::Decoder;
pub use self::encoder::Encoder;
pub(crate) use self::encoder::is_sensitive;

/// Bytes of a table before `SETTINGS_HEADER_TABLE_SIZE` was heard of (RFC 9113 §6.5.2).
const DEFAULT_TABLE_BYTES: u32 = 4096;

/// Why a block cannot be decoded. Both ends disagree about the table from there on: a connection
/// error of type `COMPRESSION_ERROR` (RFC 9113 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// The block ends within a field.
    Cut,
    /// A number of more than four bytes after its first (RFC 7541 §5.1): larger than anything
    /// that it could count.
    NumberTooLarge,
    /// Entry 0, or one beyond the end of the table (§2.3.3).
    NoSuchEntry,
    /// A Huffman string with the code for the end of a string in it (§5.2).
    EndInString,
    /// A Huffman string that is filled up with more than seven bits, or with other bits than
    /// those of the code for its end (§5.2).
    Padding,
    /// A table is to be larger than this side has allowed (§6.3).
    TableTooLarge,
    /// A change of the table's size behind a field, or the third in a block (§4.2).
    TableSizeMisplaced,
}

impl Malformed {
    /// A short word for a counter.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Cut => "hpack-cut",
            Self::NumberTooLarge => "hpack-number-too-large",
            Self::NoSuchEntry => "hpack-no-such-entry",
            Self::EndInString => "hpack-end-in-string",
            Self::Padding => "hpack-padding",
            Self::TableTooLarge => "hpack-table-too-large",
            Self::TableSizeMisplaced => "hpack-table-size-misplaced",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut => "a block of header fields ends within a field",
            Self::NumberTooLarge => "a number in a block of header fields is too large",
            Self::NoSuchEntry => "a header field is one of the table that the table does not have",
            Self::EndInString => "a Huffman string has the code for its end in its midst",
            Self::Padding => "a Huffman string is not filled up as it must be",
            Self::TableTooLarge => "the table of header fields is to be larger than was allowed",
            Self::TableSizeMisplaced => "the table of header fields is resized at a wrong place",
        })
    }
}

impl std::error::Error for Malformed {}

/// The static table (RFC 7541, Appendix A). Its first entry is number 1.
static STATIC: [(&[u8], &[u8]); 61] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];

/// The number of the newest entry of the dynamic table (RFC 7541 §2.3.3).
const FIRST_DYNAMIC: usize = STATIC.len() + 1;

#[cfg(test)]
mod tests;
