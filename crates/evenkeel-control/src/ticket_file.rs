//! The keys of session tickets in `state_dir`, for this user's eyes only.

use std::path::Path;

use evenkeel_core::ticket_key::TicketKey;
use serde::{Deserialize, Serialize};

use crate::hexadecimal;
use crate::state_file::{self, StateError};

/// Its name in `state_dir`.
pub(crate) const TICKETS_FILE: &str = "tickets.json";

/// A key as it is kept, and as it goes to the other node of a pair: its bytes in hexadecimal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptKey {
    name: String,
    secret: String,
    made: u64,
}

/// The keys at `path`; none when there is no file yet. Those that cannot be read are left out.
pub(crate) fn load(path: &Path) -> Result<Vec<TicketKey>, StateError> {
    let kept: Vec<KeptKey> = state_file::load(path)?.unwrap_or_default();
    Ok(kept.iter().filter_map(KeptKey::key).collect())
}

/// Writes the keys, readable by nobody else.
pub(crate) fn save(path: &Path, keys: &[TicketKey]) -> Result<(), StateError> {
    state_file::save_secret(path, &keys.iter().map(KeptKey::new).collect::<Vec<KeptKey>>())
}

impl KeptKey {
    pub(crate) fn new(key: &TicketKey) -> Self {
        let (name, secret) = (hexadecimal::text(&key.name), hexadecimal::text(&key.secret));
        Self { name, secret, made: key.made }
    }

    /// The key; `None` if it was cut or changed.
    pub(crate) fn key(&self) -> Option<TicketKey> {
        let (name, secret) = (hexadecimal::bytes(&self.name)?, hexadecimal::bytes(&self.secret)?);
        Some(TicketKey { name, secret, made: self.made })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn keys_come_back_and_nobody_else_reads_them() {
        let directory = std::env::temp_dir().join(format!("evenkeel-keys-{}", std::process::id()));
        let path = directory.join(TICKETS_FILE);
        assert_eq!(load(&path).unwrap(), []);
        let key = |byte, made| TicketKey { name: [byte; 16], secret: [0xf0 | byte; 32], made };
        let keys = [key(1, 9), key(2, 1)];
        save(&path, &keys).unwrap();
        assert_eq!(load(&path).unwrap(), keys);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // A key cut short is not a key.
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace(&"f1".repeat(32), "f1f1")).unwrap();
        assert_eq!(load(&path).unwrap(), keys[1..]);
        fs::remove_dir_all(directory).unwrap();
    }
}
