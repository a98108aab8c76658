//! The program as it is called: what it prints, where, and how it exits.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program, in a directory and with nothing of ours in its environment.
fn evenkeel(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("EVENKEEL_") {
            command.env_remove(name);
        }
    }
    // Help is wrapped at the width of the terminal; tests have none.
    command.env("COLUMNS", "100").env("USER", "ann");
    command.current_dir(directory).args(args).output().expect("the program starts")
}

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program speaks UTF-8")
}

/// Holds `actual` against the file `path`, or writes it there when `BLESS` is set.
#[track_caller]
fn expect_file(path: &Path, actual: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, actual).expect("the expectation can be written");
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(actual, expected, "{} differs; BLESS=1 renews it", path.display());
}

#[test]
fn check_finds_every_fault() {
    let directory = directory("check");
    let mut files: Vec<PathBuf> =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(files.len() >= 10, "{}", files.len());
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let Output { status, stdout, stderr } = evenkeel(&directory, &["check", "-c", name]);
        let code = status.code().expect("it exits by itself");
        assert_eq!(code == 0, !text(&stdout).is_empty(), "only a valid file is called so");
        let actual = format!("{}{}exit code {code}\n", text(&stderr), text(&stdout));
        expect_file(&file.with_extension("expected"), &actual);
    }
}

#[test]
fn check_speaks_json_too() {
    let Output { status, stdout, stderr } =
        evenkeel(&directory("check"), &["check", "--json", "-c", "misspelt.toml"]);
    assert_eq!(status.code(), Some(1));
    assert_eq!(text(&stderr), "");
    let stdout = text(&stdout);
    for part in ["\"line\": 1", "\"severity\": \"fault\"", "\"help\": \"did you mean `node`?\""] {
        assert!(stdout.contains(part), "{part} is not in {stdout}");
    }
}

#[test]
fn help_reads_well() {
    let directory = directory("help");
    for verb in ["", "run", "serve", "check", "status", "server", "reload", "completions", "man"] {
        let args: Vec<&str> = [verb, "--help"].into_iter().filter(|arg| !arg.is_empty()).collect();
        let Output { status, stdout, .. } = evenkeel(&directory, &args);
        assert_eq!(status.code(), Some(0), "{verb}");
        let name = if verb.is_empty() { "evenkeel" } else { verb };
        expect_file(&directory.join(format!("{name}.expected")), &text(&stdout));
    }
}

#[test]
fn exit_codes_tell_refusal_from_usage() {
    let here = directory("check");
    for (args, code, part) in [
        (&["check", "-c", "everything.toml"][..], 0, ""),
        (&["check", "-c", "no-such-file.toml"], 1, "cannot read the configuration"),
        (&["run", "-c", "misspelt.toml"], 1, "misspelt.toml has 6 faults"),
        (&["run", "-c", "no-such-file.toml"], 1, "cannot read the configuration"),
        (&["serve", "--listen", "x", "--to", "127.0.0.1:9"], 1, "is not an address to listen on"),
        (&["serve", "--listen", "0", "--to", "nowhere"], 1, "say the port"),
        (&["status", "--admin", "http://127.0.0.1:1"], 1, "no node answers at"),
        (&["status", "--admin", "127.0.0.1:1"], 1, "is not the URL of a node"),
        (&["man", "no-such-verb"], 1, "there is no verb"),
        (&["server", "drain", "app"], 2, "write POOL/SERVER"),
        (&["serve", "--listen", "8080"], 2, "--to"),
        (&["no-such-verb"], 2, "unrecognized subcommand"),
        (&[], 2, "Usage"),
    ] {
        let Output { status, stderr, .. } = evenkeel(&here, args);
        let stderr = text(&stderr);
        assert_eq!(status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
    }
}

#[test]
fn documents_are_printed() {
    let here = directory("check");
    for (args, part) in [
        (&["completions", "bash"][..], "_evenkeel()"),
        (&["man"], ".TH evenkeel 1"),
        (&["man", "serve"], ".TH evenkeel-serve 1"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        let Output { status, stdout, .. } = evenkeel(&here, args);
        assert_eq!(status.code(), Some(0), "{args:?}");
        let stdout = text(&stdout);
        assert!(stdout.contains(part), "{args:?}: {stdout}");
    }
}
