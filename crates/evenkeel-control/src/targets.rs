//! Files with servers, in the JSON that Prometheus reads as `file_sd`: a list of
//! `{"targets": ["HOST:PORT", …], "labels": {…}}`. Labels are taken and not used.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::SystemTime;

use evenkeel_core::config::Pool;
use serde::Deserialize;

use crate::compile;
use crate::membership::Listed;

/// The largest pool fits with room for its labels.
const MOST_BYTES: u64 = 16 << 20;

/// Changes with every replacement of a file, and with most changes in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: SystemTime,
    length: u64,
    inode: u64,
}

/// One look at a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// `None`: it is not there.
    pub(crate) stamp: Option<Stamp>,
    pub(crate) content: Result<Vec<Listed>, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    targets: Vec<String>,
    /// Any values: they mean something to others.
    #[serde(default, rename = "labels")]
    _labels: BTreeMap<String, serde_json::Value>,
}

/// What `path` holds, if it is not as it was at `before`.
pub(crate) fn look(path: &Path, before: Option<&Look>) -> Option<Look> {
    let metadata = fs::metadata(path).and_then(|found| {
        let modified = found.modified()?;
        Ok(Stamp { modified, length: found.len(), inode: found.ino() })
    });
    let stamp = metadata.as_ref().ok().copied();
    if before.is_some_and(|before| before.stamp == stamp) {
        return None;
    }
    let content =
        metadata.and_then(|_| read(path)).map_err(|error| format!("cannot be read: {error}"));
    Some(Look { stamp, content: content.and_then(|bytes| parse(&bytes)) })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MOST_BYTES) {
        return Err(io::Error::other(format!("it has more than {} MiB", MOST_BYTES >> 20)));
    }
    Ok(bytes)
}

/// The servers in the text of a file; all of them or none.
fn parse(bytes: &[u8]) -> Result<Vec<Listed>, String> {
    let groups: Vec<Group> = serde_json::from_slice(bytes)
        .map_err(|error| format!("is not a list of targets: {error}"))?;
    let targets = groups.into_iter().flat_map(|group| group.targets);
    let servers: Result<Vec<Listed>, String> =
        targets.map(|target| compile::listed(&target)).collect();
    let servers = servers?;
    if servers.len() > Pool::MOST_SERVERS {
        return Err(format!("lists more than {} servers", Pool::MOST_SERVERS));
    }
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_every_group_are_servers() {
        let text = r#"[{"targets": ["10.0.0.1:80", "app.internal:81"], "labels": {"job": "app"}},
                       {"targets": ["_http._tcp.app.internal"]}, {"targets": []}]"#;
        let names: Vec<String> = parse(text.as_bytes())
            .unwrap()
            .iter()
            .filter_map(|listed| listed.server().map(|server| server.name.to_string()))
            .collect();
        assert_eq!(names, ["10.0.0.1:80", "app.internal:81", "_http._tcp.app.internal"]);
        assert_eq!(parse(b"[]"), Ok(Vec::new()));
    }

    #[test]
    fn a_file_with_one_bad_target_is_no_good() {
        for text in
            ["", "{}", "[1]", r#"[{"targets": ["10.0.0.1"]}]"#, r#"[{"target": ["10.0.0.1:80"]}]"#]
        {
            parse(text.as_bytes()).expect_err(text);
        }
    }

    #[test]
    fn a_file_is_read_when_it_changes() {
        let name = format!("evenkeel-targets-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let missing = look(&path, None).expect("it was never looked at");
        assert!(missing.content.is_err() && look(&path, Some(&missing)).is_none());
        fs::write(&path, r#"[{"targets": ["10.0.0.1:80"]}]"#).unwrap();
        let first = look(&path, Some(&missing)).expect("it came");
        assert_eq!(first.content.as_ref().map(Vec::len), Ok(1));
        assert_eq!(look(&path, Some(&first)), None);
        fs::write(&path, "[").unwrap();
        let second = look(&path, Some(&first)).expect("it changed");
        second.content.expect_err("it is no list");
        fs::remove_file(path).unwrap();
    }
}
