//! The thread that writes.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};

/// What a log's thread is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Whole lines.
    Write(Vec<u8>),
    /// Everything before this has been seen to.
    Tell(oneshot::Sender<()>),
}

/// A log as its thread holds it.
#[derive(Debug)]
pub(super) struct Writer<W> {
    to: W,
    /// For the operator.
    name: String,
    lost: Arc<AtomicU64>,
    /// The last write failed: that has been said.
    failing: bool,
    /// A write failed within a line: the next one begins a new line.
    torn: bool,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(to: W, name: String, lost: Arc<AtomicU64>) -> Self {
        Self { to, name, lost, failing: false, torn: false }
    }

    /// Writes until nobody can give it anything any more.
    pub(super) fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        while let Some(order) = inbox.blocking_recv() {
            match order {
                Order::Write(text) => self.write(&text),
                Order::Tell(done) => {
                    // Who asked has stopped waiting.
                    let _ = done.send(());
                }
            }
        }
    }

    pub(super) fn write(&mut self, text: &[u8]) {
        let (written, result) = self.put(text);
        let Err(error) = result else {
            if self.failing {
                self.failing = false;
                tracing::warn!(log = self.name, "access log is written again");
            }
            return;
        };
        let rest = &text[written..];
        self.torn |= written > 0 && text[written - 1] != b'\n';
        self.lost.fetch_add(lines(rest), Ordering::Relaxed);
        if !self.failing {
            self.failing = true;
            tracing::warn!(
                log = self.name, %error,
                "cannot write to the access log: lines are dropped, and counted, until it can be \
                 written to again"
            );
        }
    }

    /// How many bytes of `text` were written, and why not more.
    fn put(&mut self, text: &[u8]) -> (usize, io::Result<()>) {
        if self.torn {
            if let Err(error) = self.to.write_all(b"\n") {
                return (0, Err(error));
            }
            self.torn = false;
        }
        let mut written = 0;
        while written < text.len() {
            match self.to.write(&text[written..]) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }
}

/// Lines that end in `text`.
pub(super) fn lines(text: &[u8]) -> u64 {
    text.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` bytes, then none.
    #[derive(Debug)]
    struct Disk {
        text: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let taken = text.len().min(self.room);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.text.extend_from_slice(&text[..taken]);
            self.room -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_loses_the_lines_it_has_no_room_for_and_no_later_ones() {
        let lost = Arc::<AtomicU64>::default();
        let disk = Disk { text: Vec::new(), room: 7 };
        let mut writer = Writer::new(disk, "test".into(), Arc::clone(&lost));
        writer.write(b"one\ntwo\nthree\n");
        assert_eq!(lost.load(Ordering::Relaxed), 2);
        writer.write(b"four\n");
        assert_eq!(lost.load(Ordering::Relaxed), 3);
        writer.to.room = 100;
        writer.write(b"five\n");
        writer.write(b"six\n");
        assert_eq!(lost.load(Ordering::Relaxed), 3);
        assert_eq!(writer.to.text, b"one\ntwo\nfive\nsix\n");
    }

    #[test]
    fn a_disk_that_fills_up_between_lines_leaves_no_empty_one() {
        let disk = Disk { text: Vec::new(), room: 4 };
        let mut writer = Writer::new(disk, "test".into(), Arc::default());
        writer.write(b"one\ntwo\n");
        writer.to.room = 100;
        writer.write(b"three\n");
        assert_eq!(writer.to.text, b"one\nthree\n");
    }
}
