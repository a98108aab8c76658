//! Other programs: started, watched, signalled by their own id, ended with the value that holds them.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
pub use rustix::process::Signal;
use rustix::process::{Pid, PidfdFlags, kill_process, pidfd_open, pidfd_send_signal};

use crate::clock;

/// What a program has written, line by line.
#[derive(Clone, Debug, Default)]
pub struct Output {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Output {
    /// Every line so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no holder panics").clone()
    }

    /// All of it so far.
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    fn collect(stream: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        let lines = Arc::clone(&output.lines);
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|size| size > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                lines.lock().expect("no holder panics").push(text);
                line.clear();
            }
        });
        output
    }
}

/// A running program; it is killed with this value.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    pub stdout: Output,
    pub stderr: Output,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts `command`; `name` is for people.
    pub fn start(name: &str, mut command: Command) -> Self {
        command.stdout(Stdio::piped());
        Self::start_as_is(name, command)
    }

    /// Starts `command` with the stdout it was given.
    pub fn start_as_is(name: &str, mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}: {command:?}"));
        let stdout = child.stdout.take().map(Output::collect).unwrap_or_default();
        let stderr = child.stderr.take().map(Output::collect).unwrap_or_default();
        let stdin = child.stdin.take();
        Self { name: name.to_owned(), child, stdin, stdout, stderr, ended: None }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, if the program still runs.
    pub fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
            let pid = pid.expect("a child has a process id");
            kill_process(pid, signal).expect("a child of ours that was not waited for");
        }
    }

    /// One line to its stdin; lost if it has ended.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is piped");
        // A program that has ended is found out about by what it was to do.
        let _ = writeln!(stdin, "{line}");
    }

    pub fn is_running(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("a child of ours");
        }
        self.ended.is_none()
    }

    /// Its end.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let name = self.name.clone();
        clock::wait_until(&format!("{name} ends"), limit, || !self.is_running());
        self.ended.expect("it has ended")
    }

    /// Resident memory of it and its children, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let of = |pid: u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        of(self.pid()) + self.children().into_iter().map(of).sum::<u64>()
    }

    /// Process ids of its children: of those that its first thread has made.
    pub fn children(&self) -> Vec<u32> {
        children_of(&format!("/proc/{pid}/task/{pid}", pid = self.pid()))
    }

    /// Those that any of its threads has made.
    pub fn children_of_threads(&self) -> Vec<u32> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten();
        let threads = threads.flatten().map(|thread| thread.path());
        threads.flat_map(|thread| children_of(&thread.display().to_string())).collect()
    }

    /// Open file descriptors.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }
}

fn children_of(thread: &str) -> Vec<u32> {
    let text = fs::read_to_string(format!("{thread}/children")).unwrap_or_default(); // it may have ended
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            // Children of a program that is merely killed live on: it gets a chance to end them.
            if !self.children().is_empty() {
                self.signal(Signal::CONT);
                self.signal(Signal::TERM);
                clock::comes_true(Duration::from_secs(1), || !self.is_running());
            }
            self.signal(Signal::KILL);
            // It was waited for elsewhere, or is now.
            let _ = self.child.wait();
        }
        if thread::panicking() {
            let text = format!("--- stderr of {}:\n{}\n", self.name, self.stderr.text());
            // A test that fails is told what it can be told.
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }
}

/// A program that another one has started; it is killed with this value.
#[derive(Debug)]
pub struct Stranger {
    pid: u32,
    handle: OwnedFd,
}

impl Stranger {
    /// `pid` runs.
    pub fn find(pid: u32) -> Self {
        let id = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
        let handle = pidfd_open(id, PidfdFlags::empty()).expect("it runs");
        Self { pid, handle }
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal, if the program still runs.
    pub fn signal(&self, signal: Signal) {
        // By handle: it cannot be another one of the same number.
        let _ = pidfd_send_signal(&self.handle, signal);
    }

    pub fn is_running(&self) -> bool {
        let mut ended = [PollFd::new(&self.handle, PollFlags::IN)];
        poll(&mut ended, Some(&Timespec::default())).expect("one descriptor") == 0
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// A command that ends with the thread that starts it, however that ends, where the system can.
pub fn bound(program: &PathBuf) -> Command {
    match find("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Where `program` is: on the path, or where Debian keeps daemons, which ordinary users' paths lack.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Runs to its end; its stdout. Panics with its stderr when it fails.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
