//! The thread that writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::sink::Sink;

/// What a log's thread is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Whole lines.
    Write(Vec<u8>),
    /// To look whether it has to open its file again.
    Look,
    /// Everything before this has been seen to.
    Tell(oneshot::Sender<()>),
}

/// What a log's thread shares with those who write.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Lines that could not be written and that no worker has counted yet.
    pub(super) lost: AtomicU64,
    /// The file was moved away: another one has to be opened by its name.
    pub(super) is_moved: AtomicBool,
}

/// A log as its thread holds it.
pub(super) struct Writer<S> {
    to: S,
    /// For the operator.
    name: String,
    standing: Arc<Standing>,
    /// The last write failed: that has been said.
    failing: bool,
}

impl<S: Sink> Writer<S> {
    pub(super) fn new(to: S, name: String, standing: Arc<Standing>) -> Self {
        Self { to, name, standing, failing: false }
    }

    /// Writes until nobody can give it anything any more.
    pub(super) fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        while let Some(order) = inbox.blocking_recv() {
            if self.standing.is_moved.swap(false, Ordering::Relaxed) {
                self.reopen();
            }
            match order {
                Order::Write(text) => self.write(&text),
                Order::Look => {}
                Order::Tell(done) => {
                    // Who asked has stopped waiting.
                    let _ = done.send(());
                }
            }
        }
    }

    fn reopen(&mut self) {
        match self.to.reopen() {
            Ok(()) => tracing::info!(log = self.name, "access log opened again"),
            Err(error) => tracing::warn!(
                log = self.name, %error,
                "cannot open the access log again: lines go where they went before"
            ),
        }
    }

    pub(super) fn write(&mut self, text: &[u8]) {
        let (written, result) = self.to.put(text);
        let Err(error) = result else {
            if self.failing {
                self.failing = false;
                tracing::warn!(log = self.name, "access log is written again");
            }
            return;
        };
        self.standing.lost.fetch_add(lines(&text[written..]), Ordering::Relaxed);
        if !self.failing {
            self.failing = true;
            tracing::warn!(
                log = self.name, %error,
                "cannot write to the access log: lines are dropped, and counted, until it can be \
                 written to again"
            );
        }
    }
}

/// Lines that end in `text`.
pub(super) fn lines(text: &[u8]) -> u64 {
    text.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use super::super::sink::Appended;
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

    fn writer(room: usize) -> Writer<Appended<Disk>> {
        let disk = Disk { text: Vec::new(), room };
        Writer::new(Appended::new(disk, None), "test".into(), Arc::default())
    }

    #[test]
    fn a_full_disk_loses_the_lines_it_has_no_room_for_and_no_later_ones() {
        let mut writer = writer(7);
        let lost = Arc::clone(&writer.standing);
        let lost = || lost.lost.load(Ordering::Relaxed);
        writer.write(b"one\ntwo\nthree\n");
        assert_eq!(lost(), 2);
        writer.write(b"four\n");
        assert_eq!(lost(), 3);
        writer.to.to.room = 100;
        writer.write(b"five\n");
        writer.write(b"six\n");
        assert_eq!(lost(), 3);
        assert_eq!(writer.to.to.text, b"one\ntwo\nfive\nsix\n");
    }

    #[test]
    fn a_disk_that_fills_up_between_lines_leaves_no_empty_one() {
        let mut writer = writer(4);
        writer.write(b"one\ntwo\n");
        writer.to.to.room = 100;
        writer.write(b"three\n");
        assert_eq!(writer.to.to.text, b"one\nthree\n");
    }
}
