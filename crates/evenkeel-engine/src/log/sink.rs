//! Where lines end up: a file, or somebody who listens.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use evenkeel_core::config::LogTarget;

use super::syslog::Syslog;

/// Takes lines, as long as that may take: nobody waits but the log's own thread.
pub(super) trait Sink: Send {
    /// Takes whole lines. How many bytes of them went out, and why not more.
    fn put(&mut self, text: &[u8]) -> (usize, io::Result<()>);

    /// What was opened by its name is opened again: it may be another file by now. On an error the
    /// one before is kept.
    fn reopen(&mut self) -> io::Result<()>;
}

/// What lines are appended to.
pub(super) struct Appended<W> {
    pub(super) to: W,
    /// `None`: it has no name to be opened by.
    again: Option<Box<dyn Fn() -> io::Result<W> + Send>>,
    /// A write failed within a line: the next one begins a new line.
    torn: bool,
}

/// Opens the target.
pub(super) fn open(to: &LogTarget) -> io::Result<Box<dyn Sink>> {
    Ok(match to {
        LogTarget::Stdout => {
            let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
            Box::new(Appended::new(stdout, None))
        }
        LogTarget::File(path) => {
            let (file, path) = (append_to(path)?, path.clone());
            Box::new(Appended::new(file, Some(Box::new(move || append_to(&path)))))
        }
        LogTarget::Syslog(receiver) => Box::new(Syslog::new(receiver)),
    })
}

/// Also opened for reading: then a named pipe that nobody reads opens at once, fills up and loses
/// lines like a slow disk, in place of holding up the reload, and takes up again with any reader.
fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).open(path)
}

impl<W: Write> Appended<W> {
    pub(super) fn new(to: W, again: Option<Box<dyn Fn() -> io::Result<W> + Send>>) -> Self {
        Self { to, again, torn: false }
    }

    fn write(&mut self, text: &[u8]) -> (usize, io::Result<()>) {
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

impl<W: Write + Send> Sink for Appended<W> {
    fn put(&mut self, text: &[u8]) -> (usize, io::Result<()>) {
        let (written, result) = self.write(text);
        self.torn |= written > 0 && text[written - 1] != b'\n';
        (written, result)
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Some(again) = &self.again {
            (self.to, self.torn) = (again()?, false);
        }
        Ok(())
    }
}

impl Sink for Box<dyn Sink> {
    fn put(&mut self, text: &[u8]) -> (usize, io::Result<()>) {
        (**self).put(text)
    }

    fn reopen(&mut self) -> io::Result<()> {
        (**self).reopen()
    }
}
