use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::path::PathBuf;
use std::process::{self, Command};
use std::sync::atomic::AtomicU32;
use std::time::UNIX_EPOCH;

use evenkeel_core::config::{LogField, LogFormat, LogPart};

use super::*;

/// How long a state is waited for before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

type Log = (AccessLog, Arc<LogFile>);

/// A directory that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("evenkeel-log-{}-{number}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is the system's to clean up.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(path: PathBuf) -> Log {
    let format = LogFormat::Template(vec![LogPart::Field(LogField::Listener)]);
    let log = AccessLog { format, to: LogTarget::File(path), sample: None };
    let file = LogFile::open(&log.to).unwrap();
    (log, Arc::new(file))
}

/// A line that says `text`.
fn write(lines: &mut LogLines, log: &Log, text: &str) {
    let line = Line {
        client: IpAddr::from([192, 0, 2, 1]),
        client_port: 1,
        started: UNIX_EPOCH,
        listener: text,
        route: "",
        pool: "",
        server: "",
        said: &Said::default(),
        version: "",
        status: None,
        bytes: 0,
        request: Duration::ZERO,
        wait: None,
        connect: None,
        response: None,
        active: Duration::ZERO,
        code: "--",
        retries: 0,
    };
    lines.write(log, &line);
}

fn settle(file: &LogFile) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(file.settle(PATIENCE));
}

#[test]
fn lines_are_appended_in_order() {
    let scratch = Scratch::new();
    let path = scratch.0.join("access.log");
    fs::write(&path, "before\n").unwrap();
    let log = open(path.clone());
    let mut lines = LogLines::default();
    write(&mut lines, &log, "one");
    write(&mut lines, &log, "two");
    assert_eq!(lines.flush(), 0);
    settle(&log.1);
    assert_eq!(fs::read_to_string(path).unwrap(), "before\none\ntwo\n");
}

#[test]
fn a_full_block_does_not_wait_for_the_sweep() {
    let scratch = Scratch::new();
    let path = scratch.0.join("access.log");
    let log = open(path.clone());
    let mut lines = LogLines::default();
    let text = "x".repeat(BLOCK_BYTES / 4 - 1);
    for _ in 0..4 {
        write(&mut lines, &log, &text);
    }
    settle(&log.1);
    assert_eq!(fs::read(path).unwrap().len(), BLOCK_BYTES);
}

#[test]
fn after_a_rotation_lines_go_to_the_new_file_and_the_old_one_is_let_go() {
    let scratch = Scratch::new();
    let path = scratch.0.join("access.log");
    let old = open(path.clone());
    let mut lines = LogLines::default();
    write(&mut lines, &old, "old");
    fs::rename(&path, scratch.0.join("access.log.1")).unwrap();
    let new = open(path.clone());
    write(&mut lines, &new, "new");
    settle(&old.1);
    assert_eq!(Arc::strong_count(&old.1), 1);
    assert_eq!(lines.flush(), 0);
    settle(&new.1);
    assert_eq!(Arc::strong_count(&new.1), 1);
    assert_eq!(fs::read_to_string(scratch.0.join("access.log.1")).unwrap(), "old\n");
    assert_eq!(fs::read_to_string(path).unwrap(), "new\n");
}

#[test]
fn what_was_handed_over_is_written_though_the_file_is_dropped() {
    let scratch = Scratch::new();
    let fifo = make_fifo(&scratch);
    let mut reader = OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let log = open(fifo);
    let mut lines = LogLines::default();
    write(&mut lines, &log, "last");
    lines.flush();
    drop(log);
    let mut text = [0; 5];
    reader.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"last\n");
}

#[test]
fn a_full_disk_costs_lines_that_are_counted() {
    let scratch = Scratch::new();
    let log = open("/dev/full".into());
    let mut lines = LogLines::default();
    write(&mut lines, &log, "one");
    write(&mut lines, &log, "two");
    let mut dropped = lines.flush();
    settle(&log.1);
    dropped += lines.flush();
    assert_eq!(dropped, 2);
    write(&mut lines, &log, "three");
    dropped += lines.flush();
    settle(&log.1);
    // Counted though the log has been replaced meanwhile.
    write(&mut lines, &open(scratch.0.join("access.log")), "elsewhere");
    dropped += lines.flush();
    assert_eq!(dropped, 3);
}

#[test]
fn a_slow_disk_costs_lines_that_are_counted_and_no_time() {
    let scratch = Scratch::new();
    let fifo = make_fifo(&scratch);
    let log = open(fifo.clone());
    let mut lines = LogLines::default();
    let text = "x".repeat(BLOCK_BYTES / 8 - 1);
    let (mut given, mut dropped) = (0, 0);
    // The queue, the pipe, the block being written, and twice as much again.
    for _ in 0..8 * 2 * (MOST_BLOCKS + 4) {
        write(&mut lines, &log, &text);
        given += 1;
    }
    dropped += lines.flush();
    assert!(dropped > 0, "the pipe has taken everything");
    assert_eq!(lines.flush(), 0, "counted twice");
    // Somebody reads: everything that was not dropped arrives whole.
    let mut reader = File::open(fifo).unwrap();
    let mut left = given - dropped;
    let mut read = vec![0; text.len() + 1];
    while left > 0 {
        reader.read_exact(&mut read).unwrap();
        assert!(read.ends_with(b"x\n"));
        left -= 1;
        // What the queue had no room for then, it may have now.
        lines.flush();
    }
}

fn make_fifo(scratch: &Scratch) -> PathBuf {
    let path = scratch.0.join("pipe");
    let status = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(status.success());
    path
}
