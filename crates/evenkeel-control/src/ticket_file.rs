//! The keys of session tickets in `state_dir`, for this user's eyes only.

use std::path::Path;

use evenkeel_core::ticket_key::TicketKey;
use serde::{Deserialize, Serialize};

use crate::state_file::{self, StateError};

/// Its name in `state_dir`.
pub(crate) const TICKETS_FILE: &str = "tickets.json";

/// A key as it is kept: its bytes in hexadecimal.
#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    secret: String,
    made: u64,
}

/// The keys at `path`; none when there is no file yet. Those that cannot be read are left out.
pub(crate) fn load(path: &Path) -> Result<Vec<TicketKey>, StateError> {
    let kept: Vec<Kept> = state_file::load(path)?.unwrap_or_default();
    let key = |Kept { name, secret, made }: Kept| {
        Some(TicketKey { name: bytes(&name)?, secret: bytes(&secret)?, made })
    };
    Ok(kept.into_iter().filter_map(key).collect())
}

/// Writes the keys, readable by nobody else.
pub(crate) fn save(path: &Path, keys: &[TicketKey]) -> Result<(), StateError> {
    let kept = |key: &TicketKey| Kept {
        name: hexadecimal(&key.name),
        secret: hexadecimal(&key.secret),
        made: key.made,
    };
    state_file::save_secret(path, &keys.iter().map(kept).collect::<Vec<Kept>>())
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
}

fn bytes<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    if text.len() != 2 * LENGTH {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
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
