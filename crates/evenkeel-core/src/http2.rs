//! HTTP/2 (RFC 9113) without a socket: bytes in, events and bytes out.
//!
//! [`Connection`] is one side of a connection, the server's or the client's. Heads are packed and
//! unpacked in [`hpack`], and what clients may not do to excess is counted in [`flood`].

mod connection;
pub mod flood;
pub mod frame;
mod head;
pub mod hpack;
mod silence;
mod stream;
mod streams;

pub use connection::{Connection, Event, Failure, Limits};
pub use frame::Code;
pub use head::{Head, Pseudo};
pub use silence::{Act, Silence};
pub use stream::Received;
pub use streams::Slot;
