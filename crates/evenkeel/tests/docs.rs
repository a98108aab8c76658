//! The documents say what is true of the program: every configuration in them is valid, everything
//! they point to is there.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files that configurations in the documents name.
const NAMED_FILES: [(&str, &str); 9] = [
    ("pair.secret", include_str!("check/pair.secret")),
    ("vip.key", "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"),
    ("admin.token", "a-token-of-more-than-sixteen-letters"),
    ("sorry.html", "<h1>Sorry</h1>"),
    ("site.pem", include_str!("check/tls/site.pem")),
    ("site.key", include_str!("check/tls/site.key")),
    ("site-rsa.pem", include_str!("check/tls/site-rsa.pem")),
    ("site-rsa.key", include_str!("check/tls/site-rsa.key")),
    ("ca.pem", include_str!("check/tls/ca.pem")),
];

/// A document with its path from the root.
struct Document {
    path: PathBuf,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/evenkeel in the root")
}

fn documents() -> Vec<Document> {
    let mut folders = vec![PathBuf::new(), "docs".into()];
    let mut documents = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("the root and docs can be read") {
            let path = folder.join(entry.expect("so can what is in them").file_name());
            let here = root().join(&path);
            if here.is_dir() && path.starts_with("docs") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(here).expect("documents are UTF-8");
                documents.push(Document { path, text });
            }
        }
    }
    assert!(documents.len() > 10, "{} documents", documents.len());
    documents
}

/// The blocks fenced as `language`, each with the number of its first line.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        if let Some(found) = line.strip_prefix("```") {
            let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            let block = inside.collect::<Vec<&'a str>>().join("\n") + "\n";
            blocks.extend((found == language).then_some((number + 1, block)));
        }
    }
    blocks
}

/// What stands between backticks outside of blocks.
fn quoted(text: &str) -> Vec<&str> {
    let mut in_block = false;
    let outside = text.lines().filter(|line| {
        in_block ^= line.starts_with("```");
        !in_block
    });
    outside.flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// `core/src/pick.rs` is `crates/evenkeel-core/src/pick.rs`; other paths start at the root.
fn place(written: &str) -> PathBuf {
    let (first, rest) = written.split_once('/').unwrap_or((written, ""));
    let crates = root().join("crates");
    let own = [format!("evenkeel-{first}"), first.to_owned()].map(|name| crates.join(name));
    own.into_iter()
        .find(|folder| folder.is_dir())
        .map_or_else(|| root().join(written), |it| it.join(rest))
}

#[test]
fn every_configuration_is_valid() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs");
    fs::create_dir_all(&folder).unwrap();
    for (name, content) in NAMED_FILES {
        fs::write(folder.join(name), content).unwrap();
        // Some are secrets.
        fs::set_permissions(folder.join(name), Permissions::from_mode(0o600)).unwrap();
    }
    let (mut checked, mut faults) = (0, Vec::new());
    for Document { path, text } in documents() {
        for (line, block) in blocks(&text, "toml") {
            if !block.contains("[listener") && !block.contains("[pool") {
                continue;
            }
            if block.contains("\nendpoint = ") && !cfg!(feature = "otel") {
                continue; // such a program is told to refuse it
            }
            checked += 1;
            let name = format!("{}.toml", path.display()).replace('/', "-");
            fs::write(folder.join(&name), block).unwrap();
            let mut program = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
            program.env_clear().current_dir(&folder).args(["check", "-c", &name]);
            let output = program.output().expect("the program starts");
            // A warning would puzzle the reader as well.
            if !output.status.success() || !output.stderr.is_empty() {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                faults.push(format!("{}:{line}: {said}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{} of {checked}:\n{}", faults.len(), faults.join("\n"));
    assert!(checked > 5, "only {checked} configurations");
}

/// Files, and functions in them written as `sim/tests/tcp.rs: bytes_pass_both_ways`.
#[test]
fn every_file_and_test_that_is_named_is_there() {
    let corpus = root().join("crates/evenkeel-sim/corpus/http1");
    let mut missing = Vec::new();
    for Document { path, text } in documents() {
        for written in quoted(&text) {
            let (file, function) = written.split_once(": ").unwrap_or((written, ""));
            let kind = Path::new(file).extension().and_then(|extension| extension.to_str());
            let named = match kind {
                Some("case") if !file.contains('/') => corpus.join(file),
                Some("rs") if file.contains('/') => place(file),
                _ => continue,
            };
            let there = fs::read_to_string(&named).is_ok_and(|source| {
                function.is_empty() || source.contains(&format!("fn {function}("))
            });
            if !there {
                missing.push(format!("{}: `{written}`", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "not there:\n{}", missing.join("\n"));
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for Document { path, text } in documents() {
        let folder = root().join(&path).parent().expect("a file is in a folder").to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !link.contains("://") && !target.is_empty() && !folder.join(target).exists() {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "lead nowhere:\n{}", broken.join("\n"));
}
