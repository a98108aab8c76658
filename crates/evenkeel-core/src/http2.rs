//! HTTP/2 beyond the meaning of messages: which peers are no longer served.

pub mod flood;
