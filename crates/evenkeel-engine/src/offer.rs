//! The protocol that a client offers to change to, and what of an answer changes to it.

use evenkeel_core::message::Version;
use evenkeel_core::message::request::{RequestHead, Upgrade};

use crate::websocket;

/// The protocol change a client offers.
#[derive(Debug)]
pub(crate) enum Offered {
    Nothing,
    /// With the `Sec-WebSocket-Accept` that a server must answer (RFC 6455 §4.2.2).
    WebSocket {
        accept: [u8; websocket::ACCEPT_BYTES],
    },
    /// The value of `Upgrade`.
    Other(Box<[u8]>),
}

impl Offered {
    /// `new_key`: of a WebSocket that came without one.
    pub(crate) fn of(head: &RequestHead<'_, '_>, new_key: Option<&[u8]>) -> Self {
        match head.upgrade {
            Upgrade::None => Self::Nothing,
            Upgrade::WebSocket => {
                let sent = || head.header("sec-websocket-key").unwrap_or_default();
                let key = new_key.unwrap_or_else(sent);
                Self::WebSocket { accept: websocket::accept(key) }
            }
            Upgrade::Other(protocols) => Self::Other(protocols.into()),
        }
    }

    /// The protocols, as in `Upgrade`.
    pub(crate) fn protocols(&self) -> Option<&[u8]> {
        match self {
            Self::Nothing => None,
            Self::WebSocket { .. } => Some(b"websocket"),
            Self::Other(protocols) => Some(protocols),
        }
    }
}

/// A WebSocket on a stream of HTTP/2: any 2xx tells its client that the tunnel is there (RFC 8441 §5).
pub(crate) fn opens(head: &RequestHead<'_, '_>) -> bool {
    head.version == Version::Http2 && head.upgrade == Upgrade::WebSocket
}
