//! Who a client says it is, and who vouches for it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{HeaderEdits, PoolId};

/// What a client has to show at a route before anything is done for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Auth {
    /// First: a name and a password of the file.
    pub basic: Option<BasicAuth>,
    /// Then: another server is asked.
    pub forward: Option<ForwardAuth>,
}

impl Auth {
    /// Nothing has to be shown.
    pub fn is_open(&self) -> bool {
        let Self { basic, forward } = self;
        basic.is_none() && forward.is_none()
    }
}

/// Passwords, as RFC 7617 has them sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicAuth {
    /// What the client is told it is asked for; visible ASCII without quotes.
    pub realm: Arc<str>,
    pub users: Arc<Users>,
    /// Lower-case name of the field in which the server learns the user; a client's own is removed.
    pub user_header: Arc<str>,
}

/// Hashes of passwords by user, in the forms of bcrypt (`$2b$…`) and argon2 (`$argon2id$…`).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Users(pub BTreeMap<Arc<str>, Arc<str>>);

/// Never prints the hashes.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A server that is asked whether a request may pass: it may with a status of 200 to 299. Any other
/// answer goes to the client instead, and no answer lets nobody pass.
#[derive(Clone, Debug, PartialEq)]
pub struct ForwardAuth {
    pub pool: PoolId,
    /// Asked for with `GET`.
    pub path: Arc<str>,
    /// The client's fields that it sees, lower case; `None`: all.
    pub request_headers: Option<Vec<Arc<str>>>,
    /// What it is told of the request besides.
    pub edits: HeaderEdits,
    /// Lower-case names of fields of its answer that the request takes with it; a client's own are
    /// removed.
    pub response_headers: Vec<Arc<str>>,
}
