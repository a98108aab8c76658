//! HTTP messages: what the bytes of a peer mean, and which bytes the other peer is sent instead.
//!
//! One byte stream has one meaning. What two implementations could read in two ways is refused here,
//! and nothing a peer sent about framing is passed on: heads and chunks are written anew from their
//! meaning (RFC 9112 §6 and §11).

pub mod chunked;
pub mod forward;
mod framing;
pub mod header;
pub mod own;
mod reason;
pub mod request;
pub mod response;

pub use reason::{Reason, Refusal};

/// Protocol version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Http10,
    Http11,
    Http2,
}
