//! Frames (RFC 9113 §4, §6): their headers, types, flags and the codes of errors.

/// What a client says first (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes before each payload (RFC 9113 §4.1).
pub const HEADER_BYTES: usize = 9;
/// The largest payload that every peer takes (RFC 9113 §4.2), and the largest taken here.
pub const MOST_PAYLOAD: usize = 16_384;
/// The largest window there can be (RFC 9113 §6.9.1).
pub const MOST_WINDOW: u32 = (1 << 31) - 1;
/// The window before anybody has said otherwise (RFC 9113 §6.9.2).
pub const FIRST_WINDOW: u32 = 65_535;

/// Types (RFC 9113 §6).
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags; the first has two names.
pub mod flag {
    pub const END_STREAM: u8 = 0x1;
    pub const ACK: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
    pub const PRIORITY: u8 = 0x20;
}

/// Settings (RFC 9113 §6.5.2, RFC 8441 §3).
pub(super) mod setting {
    pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
    pub(crate) const ENABLE_PUSH: u16 = 2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 5;
    pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;
    pub(crate) const ENABLE_CONNECT_PROTOCOL: u16 = 8;
}

/// Why a stream or a connection ends (RFC 9113 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u32);

impl Code {
    pub const NO_ERROR: Self = Self(0);
    pub const PROTOCOL_ERROR: Self = Self(1);
    pub const INTERNAL_ERROR: Self = Self(2);
    pub const FLOW_CONTROL_ERROR: Self = Self(3);
    pub const STREAM_CLOSED: Self = Self(5);
    pub const FRAME_SIZE_ERROR: Self = Self(6);
    pub const REFUSED_STREAM: Self = Self(7);
    pub const CANCEL: Self = Self(8);
    pub const COMPRESSION_ERROR: Self = Self(9);
    pub const ENHANCE_YOUR_CALM: Self = Self(11);

    /// What a client is told of an answer that its server has given up with this code. The server
    /// may have meant the client: that it should not go on, may ask again (RFC 9113 §8.7), or asks too
    /// often; gRPC has a status for each. Everything else is about the server's own connection.
    #[must_use]
    pub const fn passed_on(self) -> Self {
        match self {
            Self::CANCEL | Self::REFUSED_STREAM | Self::ENHANCE_YOUR_CALM => self,
            _ => Self::INTERNAL_ERROR,
        }
    }
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the payload.
    pub length: u32,
    pub kind: u8,
    pub flags: u8,
    /// 0: the connection.
    pub stream: u32,
}

impl Header {
    /// Reads the header at the start of `bytes`. `None`: not all of it is there.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [high, middle, low, kind, flags, s0, s1, s2, s3] = *bytes.first_chunk()?;
        let length = u32::from_be_bytes([0, high, middle, low]);
        let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
        Some(Self { length, kind, flags, stream })
    }

    /// Whether `flag` is set.
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// As bytes.
    pub const fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        let [_, high, middle, low] = self.length.to_be_bytes();
        [high, middle, low, self.kind, self.flags, s0, s1, s2, s3]
    }
}

/// Appends a frame.
pub(super) fn write(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let header = Header { length: count(payload), kind, flags, stream };
    out.extend_from_slice(&header.to_bytes());
    out.extend_from_slice(payload);
}

/// How long something is that a window or a frame has room for.
pub(super) fn count(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The payload without its padding (RFC 9113 §6.1, §6.2). `None`: there is more padding than
/// payload.
pub(super) fn without_padding<'p>(header: &Header, payload: &'p [u8]) -> Option<&'p [u8]> {
    if !header.has(flag::PADDED) {
        return Some(payload);
    }
    let (&padding, rest) = payload.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(padding))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let header = Header { length: 0x0001_0203, kind: 9, flags: 0x25, stream: 0x7fff_ff01 };
        assert_eq!(Header::read(&header.to_bytes()), Some(header));
        assert_eq!(Header::read(&header.to_bytes()[..8]), None);
        let mut reserved = header.to_bytes();
        reserved[5] |= 0x80; // a bit without a meaning
        assert_eq!(Header::read(&reserved), Some(header));
    }

    #[test]
    fn padding_is_taken_off_or_found_too_long() {
        let padded = Header { length: 0, kind: kind::DATA, flags: flag::PADDED, stream: 1 };
        assert_eq!(without_padding(&padded, b"\x02ab\0\0"), Some(b"ab".as_slice()));
        assert_eq!(without_padding(&padded, b"\x02\0\0"), Some(b"".as_slice()));
        assert_eq!(without_padding(&padded, b"\x03\0\0"), None);
        assert_eq!(without_padding(&padded, b""), None);
        assert_eq!(
            without_padding(&Header { flags: 0, ..padded }, b"\x03"),
            Some(b"\x03".as_slice())
        );
    }
}
