//! HTTP/2 beyond the meaning of messages: how fields are written in few bytes, which peers are no
//! longer served.

pub mod flood;
pub mod hpack;
