//! `evenkeel top` in a real terminal: 80 columns, 24 rows, and no colours.

use std::path::PathBuf;
use std::process::Command;

use evenkeel_sim::balancer::binary;
use evenkeel_sim::prelude::*;
use evenkeel_sim::process::{Process, bound, find, run};
use evenkeel_sim::scratch::Scratch;

/// A terminal that can be read and typed into; it ends with this value.
struct Terminal {
    tmux: PathBuf,
    socket: PathBuf,
    server: Process,
    _scratch: Scratch,
}

impl Terminal {
    /// One in which this program runs. `None` where there is no tmux.
    fn start(arguments: &[&str], admin: &str) -> Option<Self> {
        let tmux = find("tmux")?;
        let scratch = Scratch::new("tmux");
        let socket = scratch.file("socket");
        let mut command = bound(&tmux);
        command.args(["-D", "-f", "/dev/null", "-S"]).arg(&socket);
        let server = Process::start("tmux", command);
        wait_until("tmux listens", PATIENCE, || socket.exists());
        let terminal = Self { tmux, socket, server, _scratch: scratch };
        let program = binary();
        let mut words = vec!["new-session", "-d", "-x", "80", "-y", "24"];
        words.extend(["-e", "NO_COLOR=1", "-e", admin]);
        words.extend(program.to_str());
        terminal.tells(&[&words[..], arguments].concat());
        Some(terminal)
    }

    fn tells(&self, words: &[&str]) -> String {
        let mut command = Command::new(&self.tmux);
        run(command.arg("-S").arg(&self.socket).args(words))
    }

    fn shown(&self) -> String {
        self.tells(&["capture-pane", "-p"])
    }

    fn press(&self, keys: &[&str]) {
        self.tells(&[&["send-keys"], keys].concat());
    }

    /// What is shown once all of these are to be read.
    #[track_caller]
    fn shows(&self, parts: &[&str]) -> String {
        let all_there = |shown: &str| parts.iter().all(|part| shown.contains(part));
        wait_until(&format!("{parts:?} is shown"), PATIENCE, || all_there(&self.shown()));
        self.shown()
    }
}

#[test]
fn a_fleet_is_watched_and_a_server_drained_in_a_small_terminal() {
    let [one, other] = &origins();
    let listen = free_address();
    let lb = balancer(&http(listen, &[one, other]));
    let admin = format!("EVENKEEL_ADMIN=http://{}", lb.admin());
    let terminal = Terminal::start(&["top"], &admin);
    let mut terminal = skip_unless!(terminal, "tmux is not installed");
    let (first, second) = (format!("app/{}", one.address()), format!("app/{}", other.address()));
    get(listen, "/");

    let shown = terminal.shows(&["[servers]", &first, &second, "q quit"]);
    assert!(shown.lines().count() <= 24, "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let raw = terminal.tells(&["capture-pane", "-p", "-e"]);
    let default = ["\u{1b}[39m", "\u{1b}[49m"].iter().fold(raw, |raw, it| raw.replace(it, ""));
    let colours = ["\u{1b}[3", "\u{1b}[4", "\u{1b}[9", "\u{1b}[10"];
    assert!(colours.iter().all(|it| !default.contains(it)), "{default:?}");

    terminal.press(&["Down", "d"]);
    terminal.shows(&[&format!("drain {second}? why:")]);
    terminal.press(&["disk", "Enter"]);
    terminal.shows(&["drain"]);
    let admin = || lb.server("app", &other.address().to_string())["admin"].clone();
    wait_until("it is drained", PATIENCE, || admin()["state"] == "drain");
    assert_eq!(admin()["reason"], "disk");
    terminal.press(&["r"]);
    terminal.shows(&[&format!("ready {second}? why:")]);
    terminal.press(&["Enter"]);
    wait_until("it is ready", PATIENCE, || admin()["state"] == "ready");

    one.kill();
    terminal.shows(&["down"]);
    terminal.press(&["/"]);
    terminal.press(&["refused", "Enter"]);
    let shown = terminal.shows(&["only \"refused\""]);
    assert!(shown.contains(&first) && !shown.contains(&second), "{shown}");
    terminal.press(&["Escape"]);
    for view in ["[pools]", "[listeners]"] {
        terminal.press(&["Tab"]);
        terminal.shows(&[view]);
    }
    terminal.press(&["q"]);
    let ended = || {
        let mut list = Command::new(&terminal.tmux);
        let list = list.arg("-S").arg(&terminal.socket).arg("list-sessions").output();
        list.is_ok_and(|output| !String::from_utf8_lossy(&output.stdout).contains("windows"))
    };
    wait_until("top has ended", PATIENCE, ended);
    assert!(terminal.server.is_running(), "the terminal is still there");
}
