//! Files with servers, as Prometheus reads them for `file_sd`: a list of
//! `{"targets": ["HOST:PORT", …], "labels": {…}}` in JSON or YAML. Labels that are called like a
//! key of a server mean the same; all others mean something to others.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::io::{self, Read as _};
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use evenkeel_core::config::{Pool, Server};
use serde::Deserialize;
use serde::de::IgnoredAny;

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
    #[serde(default)]
    labels: Option<BTreeMap<String, Label>>,
}

/// Prometheus knows only text, but takes what stands without quotes for it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Label {
    Text(String),
    Number(serde_json::Number),
    Boolean(bool),
    Other(IgnoredAny),
}

impl Label {
    /// Empty when it is none, which no setting is.
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Boolean(boolean) => boolean.to_string(),
            Self::Other(_) => String::new(),
        }
    }
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    Json,
    Yaml,
}

impl Syntax {
    /// As Prometheus tells them apart: by the name.
    fn of(path: &Path) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yml" | "yaml")) { Self::Yaml } else { Self::Json }
    }
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
    let syntax = Syntax::of(path);
    Some(Look { stamp, content: content.and_then(|bytes| parse(&bytes, syntax)) })
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
fn parse(bytes: &[u8], syntax: Syntax) -> Result<Vec<Listed>, String> {
    let broken = |error: &dyn Display| format!("is not a list of targets: {error}");
    let groups: Vec<Group> = match syntax {
        Syntax::Json => serde_json::from_slice(bytes).map_err(|error| broken(&error))?,
        // A file of comments alone is one that somebody has not finished writing.
        Syntax::Yaml => serde_saphyr::from_slice::<Option<_>>(bytes)
            .map_err(|error| broken(error.without_snippet()))?
            .ok_or("is empty; write [] if there are no servers")?,
    };
    let mut servers = Vec::new();
    for Group { targets, labels } in groups {
        let settings = Settings::read(labels.unwrap_or_default(), &targets)?;
        for target in targets {
            let listed = compile::listed(&target);
            let listed = listed.map_err(|reason| format!("has a wrong target: {reason}"))?;
            servers.push(listed.map(|server| settings.put_on(server)));
        }
    }
    if servers.len() > Pool::MOST_SERVERS {
        return Err(format!("lists more than {} servers", Pool::MOST_SERVERS));
    }
    Ok(servers)
}

/// What labels say of the servers of their group.
#[derive(Default)]
struct Settings {
    name: Option<Arc<str>>,
    weight: Option<u16>,
    backup: Option<bool>,
    priority: Option<u8>,
    zone: Option<Arc<str>>,
    max_connections: Option<u32>,
}

impl Settings {
    fn read(labels: BTreeMap<String, Label>, targets: &[String]) -> Result<Self, String> {
        let mut settings = Self::default();
        for (label, value) in labels {
            let value = value.text();
            let wrong = |reason: String| {
                let first = targets.first().map_or("", String::as_str);
                format!("has a group ({first} …) with a wrong label `{label}`: {reason}")
            };
            match label.as_str() {
                // Of several it is not the name of one, but a word of the file's owner.
                "name" if targets.len() == 1 => {
                    settings.name = Some(compile::server_name(&value).map_err(wrong)?);
                }
                "weight" => settings.weight = Some(within(0..=256, &value).map_err(wrong)?),
                "backup" => settings.backup = Some(boolean(&value).map_err(wrong)?),
                "priority" => settings.priority = Some(within(0..=255, &value).map_err(wrong)?),
                "zone" => {
                    settings.zone = Some(compile::zone_name(&value).map_err(wrong)?.into());
                }
                "max_connections" => {
                    let most = within(1..=1_000_000, &value).map_err(wrong)?;
                    settings.max_connections = Some(most);
                }
                _ => {}
            }
        }
        Ok(settings)
    }

    fn put_on(&self, server: Server) -> Server {
        Server {
            name: self.name.clone().unwrap_or(server.name),
            weight: self.weight.unwrap_or(server.weight),
            backup: self.backup.unwrap_or(server.backup),
            priority: self.priority.unwrap_or(server.priority),
            zone: self.zone.clone().or(server.zone),
            max_connections: self.max_connections.or(server.max_connections),
            ..server
        }
    }
}

fn within<T: FromStr + PartialOrd + Display>(
    range: RangeInclusive<T>,
    written: &str,
) -> Result<T, String> {
    let number = written.parse().ok().filter(|number| range.contains(number));
    let (least, most) = (range.start(), range.end());
    number.ok_or_else(|| format!("\"{written}\" is not a whole number from {least} to {most}"))
}

fn boolean(written: &str) -> Result<bool, String> {
    written.parse().ok().ok_or_else(|| format!("\"{written}\" is not true or false"))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn targets_of_every_group_are_servers() {
        let text = r#"[{"targets": ["10.0.0.1:80", "app.internal:81"], "labels": {"job": "app"}},
                       {"targets": ["_http._tcp.app.internal"]}, {"targets": []}]"#;
        let names: Vec<String> = parse(text.as_bytes(), Syntax::Json)
            .unwrap()
            .iter()
            .filter_map(|listed| listed.server().map(|server| server.name.to_string()))
            .collect();
        assert_eq!(names, ["10.0.0.1:80", "app.internal:81", "_http._tcp.app.internal"]);
        assert_eq!(parse(b"[]", Syntax::Json), Ok(Vec::new()));
    }

    #[test]
    fn both_syntaxes_say_the_same_and_labels_are_settings() {
        let json = r#"[{"targets": ["10.0.0.1:80"],
                        "labels": {"name": "one", "weight": "3", "zone": "b", "job": "app"}},
                       {"targets": ["10.0.0.2:80", "app.internal:80"], "labels":
                        {"name": "two", "backup": true, "max_connections": 9, "odd": [1]}},
                       {"targets": ["10.0.0.3:80"], "labels": null}]"#;
        let yaml = "# by hand\n\
            - targets: ['10.0.0.1:80']\n  labels: {name: one, weight: 3, zone: b, job: app}\n\
            - targets:\n  - 10.0.0.2:80\n  - app.internal:80\n  labels:\n    name: two\n    \
              backup: true\n    max_connections: '9'\n    odd: [1]\n\
            - targets:\n  - 10.0.0.3:80\n  labels:\n";
        let servers = parse(json.as_bytes(), Syntax::Json).unwrap();
        assert_eq!(parse(yaml.as_bytes(), Syntax::Yaml), Ok(servers.clone()));
        let told: Vec<_> = servers
            .iter()
            .filter_map(Listed::server)
            .map(|it| (&*it.name, it.weight, it.backup, it.zone.as_deref(), it.max_connections))
            .collect();
        assert_eq!(
            told,
            [
                ("one", 3, false, Some("b"), None),
                ("10.0.0.2:80", 1, true, None, Some(9)),
                ("app.internal:80", 1, true, None, Some(9)),
                ("10.0.0.3:80", 1, false, None, None),
            ]
        );
    }

    #[test]
    fn a_name_tells_the_syntax() {
        for (name, syntax) in [
            ("a.json", Syntax::Json),
            ("a.yml", Syntax::Yaml),
            ("a.yaml", Syntax::Yaml),
            ("yaml", Syntax::Json),
        ] {
            assert_eq!(Syntax::of(Path::new(name)), syntax, "{name}");
        }
    }

    #[test]
    fn a_wrong_label_is_named() {
        let why = |label: &str| {
            let text = format!("[{{targets: ['10.0.0.1:80'], labels: {{{label}}}}}]");
            parse(text.as_bytes(), Syntax::Yaml).expect_err(label)
        };
        let first = "has a group (10.0.0.1:80 …) with a wrong label";
        let expected = format!("{first} `weight`: \"257\" is not a whole number from 0 to 256");
        assert_eq!(why("weight: 257"), expected);
        assert_eq!(why("backup: 'yes'"), format!("{first} `backup`: \"yes\" is not true or false"));
        for label in [
            "weight: -1",
            "weight: 1.5",
            "weight: [1]",
            "zone: ",
            "max_connections: 0",
            "priority: 256",
            "zone: ''",
            "name: a/b",
        ] {
            assert!(why(label).starts_with(first), "{label}: {}", why(label));
        }
    }

    #[test]
    fn yaml_cannot_grow_without_bound() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for depth in 1..12 {
            let inner = format!("*a{}, ", depth - 1).repeat(9);
            writeln!(bomb, "a{depth}: &a{depth} [{inner}]").unwrap();
        }
        let text = format!("- targets: []\n  labels:\n    {}", bomb.replace('\n', "\n    "));
        parse(text.as_bytes(), Syntax::Yaml).expect_err("a billion labels");
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        parse(deep.as_bytes(), Syntax::Yaml).expect_err("too deep");
    }

    #[test]
    fn a_file_with_one_bad_target_is_no_good() {
        for text in
            ["", "{}", "[1]", r#"[{"targets": ["10.0.0.1"]}]"#, r#"[{"target": ["10.0.0.1:80"]}]"#]
        {
            for syntax in [Syntax::Json, Syntax::Yaml] {
                let why = parse(text.as_bytes(), syntax).expect_err(text);
                // It is the end of an event's line.
                assert!(!why.contains('\n'), "{why}");
            }
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
