//! How many files this process may have open: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files beside the connections: sessions of sixteen shards, sockets, what is read and written.
const BESIDE: u64 = 512;

/// Takes as many files as the system lets this process have; how many connections that allows.
pub(crate) fn connections() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let allowed = if raised.is_ok() { maximum } else { current };
    room(allowed.unwrap_or(u64::MAX))
}

/// Of few files, half: with none left a shard could not be reached either.
fn room(files: u64) -> usize {
    let room = files.saturating_sub(BESIDE).max(files / 2);
    usize::try_from(room).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_left_for_everything_else() {
        for (files, expected) in [(0, 0), (1, 0), (256, 128), (1_024, 512), (20_000, 19_488)] {
            assert_eq!(room(files), expected, "{files}");
        }
        assert!(room(u64::MAX) > 1 << 30);
    }

    #[test]
    fn what_the_system_allows_is_taken() {
        let most = connections();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
        assert_eq!(most, room(current.unwrap_or(u64::MAX)));
    }
}
