//! Why bytes are not a message this node accepts, and the one table from there to a status.

use std::fmt;

/// A request is refused: answer with `status`, then close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 400, 413, 414, 417, 426, 431, 501 or 505.
    pub status: u16,
    pub reason: Reason,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { status: reason.status(), reason }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

/// The rule that was broken. [`fmt::Display`] gives one line for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    RequestLine,
    Method,
    Connect,
    Version,
    VersionSyntax,
    BareLineFeed,
    FieldName,
    FieldValue,
    HeadTooLarge,
    TooManyFields,
    ConnectionOptions,
    Target,
    TargetTooLong,
    PathByte,
    PathEscape,
    PathControl,
    PathOverlong,
    PathAboveRoot,
    PathHiddenDots,
    PathTwoRoutes,
    HostMissing,
    HostRepeated,
    HostSyntax,
    LengthSyntax,
    LengthRepeated,
    LengthAndCoding,
    CodingRepeated,
    CodingSyntax,
    CodingUnknown,
    CodingInHttp10,
    BodyTooLarge,
    Expectation,
    WebSocket,
    WebSocketVersion,
    Hops,
    Pseudo,
    ChunkSize,
    ChunkExtension,
    ChunkEnd,
    TrailerSyntax,
    TrailerTooLarge,
    StatusLine,
    StatusRange,
    UpgradeUnasked,
    InterimFraming,
}

impl Reason {
    /// What a client is answered whose request broke this rule; 502 for rules of answers.
    pub const fn status(self) -> u16 {
        self.row().0
    }

    /// A short word for a counter.
    pub const fn label(self) -> &'static str {
        self.row().1
    }

    /// The table: status, label, text.
    #[rustfmt::skip]
    const fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::RequestLine => (400, "request-line", "the first line is not METHOD SP TARGET SP HTTP/1.1"),
            Self::Method => (501, "method", "the method is longer than any that is known"),
            Self::Connect => (501, "connect", "CONNECT is not served: this is no forward proxy"),
            Self::Version => (505, "version", "the protocol version is neither HTTP/1.0 nor HTTP/1.1"),
            Self::VersionSyntax => (400, "version-syntax", "the protocol version is not written as HTTP/1.1"),
            Self::BareLineFeed => (400, "bare-lf", "a line ends in LF without CR"),
            Self::FieldName => (400, "field-name", "a header line has no name, or one with forbidden bytes, a space or a fold before its colon"),
            Self::FieldValue => (400, "field-value", "a header value holds a control byte or a bare CR"),
            Self::HeadTooLarge => (431, "head-size", "the head is larger than the limit"),
            Self::TooManyFields => (431, "field-count", "there are more header lines than the limit"),
            Self::ConnectionOptions => (400, "connection-options", "Connection lists too many options"),
            Self::Target => (400, "target", "the request target has none of the forms of RFC 9112 §3.2, or holds a forbidden byte"),
            Self::TargetTooLong => (414, "target-size", "the request target is longer than the limit"),
            Self::PathByte => (400, "path-byte", "the path holds a backslash, a fragment, or a byte that must be escaped"),
            Self::PathEscape => (400, "path-escape", "a % in the path is not followed by two hexadecimal digits"),
            Self::PathControl => (400, "path-control", "the path holds an escaped control byte"),
            Self::PathOverlong => (400, "path-overlong", "the path holds overlong UTF-8"),
            Self::PathAboveRoot => (400, "path-above-root", "the path climbs above its root"),
            Self::PathHiddenDots => (400, "path-hidden-dots", "the path hides a dot segment behind an escaped slash or a parameter"),
            Self::PathTwoRoutes => (400, "path-two-routes", "a server may undo escapes of the path or drop its parameters, and then it belongs to another route"),
            Self::HostMissing => (400, "host-missing", "an HTTP/1.1 request has no Host"),
            Self::HostRepeated => (400, "host-repeated", "there is more than one Host"),
            Self::HostSyntax => (400, "host-syntax", "the host is not a name or address with an optional port"),
            Self::LengthSyntax => (400, "length-syntax", "Content-Length is not one decimal number"),
            Self::LengthRepeated => (400, "length-repeated", "there is more than one Content-Length"),
            Self::LengthAndCoding => (400, "length-and-coding", "there are both Content-Length and Transfer-Encoding"),
            Self::CodingRepeated => (400, "coding-repeated", "there is more than one Transfer-Encoding, or chunked twice"),
            Self::CodingSyntax => (400, "coding-syntax", "Transfer-Encoding is not a list of codings that ends in chunked"),
            Self::CodingUnknown => (501, "coding-unknown", "Transfer-Encoding names a coding other than chunked"),
            Self::CodingInHttp10 => (400, "coding-http10", "an HTTP/1.0 message has a Transfer-Encoding"),
            Self::BodyTooLarge => (413, "body-size", "the body is larger than the limit"),
            Self::Expectation => (417, "expectation", "Expect asks for something other than 100-continue"),
            Self::WebSocket => (400, "websocket", "the WebSocket handshake is not a GET with a key and a version"),
            Self::WebSocketVersion => (426, "websocket-version", "the WebSocket handshake is of a version other than 13"),
            Self::Hops => (400, "max-forwards", "Max-Forwards is not one decimal number"),
            Self::Pseudo => (400, "pseudo-field", "the method, scheme, path or protocol of an HTTP/2 request is missing or not one this node serves"),
            Self::ChunkSize => (400, "chunk-size", "a chunk size is not 1 to 16 hexadecimal digits ended by CRLF"),
            Self::ChunkExtension => (400, "chunk-extension", "a chunk extension holds a forbidden byte, or extensions are too long"),
            Self::ChunkEnd => (400, "chunk-end", "a chunk's data is not followed by CRLF"),
            Self::TrailerSyntax => (400, "trailer-syntax", "a trailer line is malformed"),
            Self::TrailerTooLarge => (431, "trailer-size", "the trailer section is larger than the limit"),
            Self::StatusLine => (502, "status-line", "the answer does not begin with a status line"),
            Self::StatusRange => (502, "status-range", "the status is not between 100 and 599"),
            Self::UpgradeUnasked => (502, "upgrade-unasked", "101 was answered to a request that asked for no upgrade, or names no protocol that was offered"),
            Self::InterimFraming => (502, "interim-framing", "an interim answer announces a body"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().2)
    }
}

impl std::error::Error for Reason {}
