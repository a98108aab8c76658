//! A node as a child process.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Nothing a node does in these tests takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running node; ended when dropped.
pub(crate) struct Node {
    child: Child,
    lines: Receiver<String>,
    /// Where its service manager would listen.
    manager: UnixDatagram,
    pub(crate) directory: PathBuf,
    pub(crate) admin: String,
}

impl Node {
    /// Starts the program in a directory of its own, with `evenkeel.toml` in it, and waits until it
    /// serves.
    pub(crate) fn start(name: &str, config: &str, args: &[&str]) -> Self {
        let directory =
            std::env::temp_dir().join(format!("evenkeel-cli-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).expect("a temporary directory");
        fs::write(directory.join("evenkeel.toml"), config).expect("the file is written");
        let manager = UnixDatagram::bind(directory.join("notify")).expect("a new name");
        manager.set_read_timeout(Some(PATIENCE)).expect("it is above zero");
        let mut child = command(&directory)
            .args(args)
            .env("NOTIFY_SOCKET", directory.join("notify"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let (sender, lines) = sync_channel(1_000);
        thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut node = Self { child, lines, manager, directory, admin: String::new() };
        let line = node.line_with("http://");
        let start = line.find("http://").expect("it was asked for");
        node.admin.push_str(line[start..].trim_end_matches(['"', '}']));
        node
    }

    /// The next line on stderr that has `part` in it.
    #[track_caller]
    pub(crate) fn line_with(&self, part: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen.push(line),
                Err(why) => panic!("no line with {part:?} ({why}) in:\n{}", seen.join("\n")),
            }
        }
    }

    /// What the service manager is told next.
    pub(crate) fn notice(&self) -> String {
        let mut notice = [0; 256];
        let length = self.manager.recv(&mut notice).expect("the manager is told something");
        String::from_utf8_lossy(&notice[..length]).into_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the node runs");
    }

    /// What `/readyz` answers.
    pub(crate) fn readyz(&self) -> String {
        let address = self.admin.strip_prefix("http://").expect("it is a URL");
        let mut stream = TcpStream::connect(address).expect("the admin server is there");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is above zero");
        let request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    /// Waits for the end; the exit code. The last lines stay to be read.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().expect("it is our child").code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already, and what is left over is in a temporary place.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The program, in a directory and with nothing of ours in its environment.
pub(crate) fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    let ours = |name: &OsStr| name.to_string_lossy().starts_with("EVENKEEL_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    // Help is wrapped at the width of the terminal; tests have none.
    command.env("COLUMNS", "100").env("USER", "ann").current_dir(directory);
    command
}
