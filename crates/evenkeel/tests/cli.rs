//! The program as it is called: what it prints, where, and how it exits.

#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/node.rs"]
mod node;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Output;

use rustix::process::Signal;

use crate::node::{Node, command};

/// Runs the program to its end.
fn evenkeel(directory: &Path, args: &[&str]) -> Output {
    command(directory).args(args).output().expect("the program starts")
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
    for verb in [
        "",
        "run",
        "serve",
        "demo",
        "check",
        "status",
        "top",
        "explain",
        "why",
        "server",
        "vip",
        "pair",
        "reload",
        "apply",
        "upgrade",
        "drill",
        "drill server",
        "drill vip",
        "bench",
        "bench compare",
        "completions",
        "man",
    ] {
        let args: Vec<&str> = verb.split_whitespace().chain(["--help"]).collect();
        let Output { status, stdout, .. } = evenkeel(&directory, &args);
        assert_eq!(status.code(), Some(0), "{verb}");
        let name = if verb.is_empty() { "evenkeel" } else { verb }.replace(' ', "-");
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

const CONFIG: &str = "[admin]\nbind = \"127.0.0.1:0\"\n\
    [listener.web]\nbind = [\"127.0.0.1:0\"]\nprotocol = \"http\"\npool = \"app\"\n\
    [pool.app]\nservers = [\"127.0.0.1:9\"]\ncheck = false\n";

#[test]
fn a_node_reloads_on_sighup_and_drains_on_sigterm() {
    let mut node = Node::start("signals", CONFIG, &["run"]);
    assert_eq!(node.notice(), "READY=1\n");
    assert!(node.notice().starts_with("STATUS=version "));
    let file = node.directory.join("evenkeel.toml");

    fs::write(&file, CONFIG.replace("127.0.0.1:9", "127.0.0.1:10")).unwrap();
    node.signal(Signal::HUP);
    node.line_with("is in force");
    assert!(node.notice().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert!(node.notice().starts_with("STATUS=version "));
    assert_eq!(node.notice(), "READY=1\n");
    let status = evenkeel(&node.directory, &["status", "--admin", &node.admin]);
    assert!(text(&status.stdout).contains("127.0.0.1:10"), "{}", text(&status.stderr));

    fs::write(&file, "[pol.app]\n").unwrap();
    node.signal(Signal::HUP);
    let refusal = node.line_with("everything stays as it was");
    assert!(refusal.contains("evenkeel.toml:1:2: unknown key `pol`"), "{refusal}");
    let reload = evenkeel(&node.directory, &["reload", "--admin", &node.admin]);
    assert_eq!(reload.status.code(), Some(1));
    assert!(text(&reload.stderr).contains("did you mean `pool`?"), "{}", text(&reload.stderr));

    node.signal(Signal::TERM);
    node.line_with("finishing what runs");
    assert_eq!(node.ended(), Some(0));
    let told: Vec<String> = (0..5).map(|_| node.notice()).collect();
    let standing = "STATUS=the last change was refused, everything stays as it was: ";
    assert!(told[1].starts_with(standing) && told[3].starts_with(standing), "{told:?}");
    assert_eq!(told[4], "STOPPING=1\n");
}

#[test]
fn a_stream_holds_up_the_end_until_the_second_signal() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let to = server.local_addr().expect("it is bound").to_string();
    let args = ["serve", "--mode", "tcp", "--listen", "127.0.0.1:0", "--to", &to];
    let args = [&args[..], &["--admin-bind", "127.0.0.1:0"]].concat();
    let mut node = Node::start("twice", "", &args);
    let status = text(&evenkeel(&node.directory, &["status", "--admin", &node.admin]).stdout);
    let address = status.split_whitespace().skip_while(|word| *word != "tcp").nth(1);
    let mut client = TcpStream::connect(address.expect("it listens")).expect("it accepts");
    // The checks connect too: the client is the one that says something.
    client.write_all(b"x").expect("it takes it");
    let _stream = server.incoming().map_while(Result::ok).find(|mut stream| {
        let mut byte = [0];
        stream.read_exact(&mut byte).is_ok()
    });

    assert!(node.readyz().starts_with("HTTP/1.1 200"), "it serves");
    node.signal(Signal::TERM);
    node.line_with("finishing what runs");
    let readyz = node.readyz();
    assert!(readyz.starts_with("HTTP/1.1 503") && readyz.contains("draining"), "{readyz}");
    node.signal(Signal::TERM);
    node.line_with("stopping at once");
    assert_eq!(node.ended(), Some(0));
}

#[test]
fn serve_needs_no_file() {
    let args = ["serve", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:9,127.0.0.1:10"];
    let args = [&args[..], &["--mode", "tcp", "--admin-bind", "127.0.0.1:0"]].concat();
    let mut node = Node::start("serve", "", &args);
    let verb = |args: &[&str]| {
        let args = [args, &["--admin", &node.admin]].concat();
        evenkeel(&node.directory, &args)
    };
    let status = text(&verb(&["status"]).stdout);
    assert!(status.contains("serve     tcp       127.0.0.1:"), "{status}");
    let server = "servers/127.0.0.1:10";
    let maint = verb(&["server", "maint", server, "--reason", "new disk", "--wait"]);
    assert_eq!(text(&maint.stdout), format!("{server} is in maintenance, 0 under way\n"));
    assert!(text(&verb(&["status"]).stdout).contains("new disk (by ann)"));
    let one = text(&verb(&["status", server]).stdout);
    assert!(one.starts_with(&format!("{server} maint for ")), "{one}");
    for part in ["new disk (by ann)", "TIME ", "not checked yet"] {
        assert!(one.contains(part), "{part} is not in {one}");
    }
    let pool = text(&verb(&["status", "servers"]).stdout);
    assert!(pool.starts_with("POOL servers  round-robin, "), "{pool}");
    let json = text(&verb(&["status", server, "--json"]).stdout);
    assert!(json.contains("\"time_line\": ["), "{json}");
    let nowhere = text(&verb(&["status", "nowhere"]).stderr);
    assert!(nowhere.contains("there is no pool `nowhere`; there are: servers"), "{nowhere}");
    assert!(text(&verb(&["status", "--json"]).stdout).contains("\"author\": \"ann\""));
    let wrong = verb(&["server", "ready", "servers/a"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("it has: 127.0.0.1:9, 127.0.0.1:10"));
    assert!(text(&verb(&["reload"]).stderr).contains("there is no file to read again"));
    node.signal(Signal::INT);
    assert_eq!(node.ended(), Some(0));
}

#[test]
fn an_address_that_is_taken_is_said_to_be_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let here = directory("check");
    let serve = |listen: &str, admin: &str| {
        let to = "127.0.0.1:9";
        let args = ["serve", "--listen", listen, "--to", to, "--admin-bind", admin];
        let Output { status, stderr, .. } = evenkeel(&here, &args);
        assert_eq!(status.code(), Some(1));
        text(&stderr)
    };
    let listener = serve(&address, "127.0.0.1:0");
    let expected = format!("listener serve: cannot listen on {address}");
    assert!(listener.contains(&expected) && listener.contains("ss -ltnp"), "{listener}");
    let admin = serve("127.0.0.1:0", &address);
    assert!(admin.contains(&format!("admin: cannot listen on {address}")), "{admin}");
}

#[test]
fn events_may_be_json() {
    let node = Node::start("json", CONFIG, &["run", "--log-format", "json"]);
    assert!(node.admin.starts_with("http://127.0.0.1:"), "{}", node.admin);
    node.signal(Signal::TERM);
    let line = node.line_with("draining");
    assert!(line.starts_with('{') && line.ends_with('}'), "{line}");
}
