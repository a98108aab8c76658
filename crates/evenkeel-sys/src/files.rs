//! Opening files below a folder and nowhere else, and sending them without reading them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat, openat2, sendfile,
};
use rustix::io::{Errno, pread};

/// How often a look-up is begun again that met a folder being moved (openat2(2), `EAGAIN`).
const MOST_RACES: usize = 4;

/// A folder below which files are opened.
#[derive(Debug)]
pub struct Folder {
    directory: OwnedFd,
    /// The kernel is too old for openat2, or forbids it: names are walked segment by segment.
    walks: bool,
}

/// What a name stands for.
#[derive(Debug)]
pub enum Found {
    File(OpenFile),
    Folder,
    /// Nothing, a device or the like, or something outside of the folder.
    Nothing,
    /// This process may not read it.
    Forbidden,
}

/// A regular file open for reading.
#[derive(Debug)]
pub struct OpenFile {
    pub file: File,
    /// In bytes.
    pub size: u64,
    /// Last change, in whole seconds since 1970; 0 if earlier.
    pub modified: u64,
}

impl Folder {
    /// Opens the folder at `path`, which may lead over symbolic links.
    pub fn open(path: &Path) -> io::Result<Self> {
        let directory = open(path, folder_flags(), Mode::empty())?;
        let probe = openat2(CWD, c"/", folder_flags(), Mode::empty(), ResolveFlags::empty());
        // Filters of system calls often answer EPERM to those they do not know.
        let walks = matches!(probe, Err(Errno::NOSYS | Errno::PERM));
        Ok(Self { directory, walks })
    }

    /// What `name` stands for: a path relative to the folder, without empty or dot segments; empty
    /// for the folder itself. A symbolic link is followed only with `follows`, and only while it
    /// stays below the folder; where openat2 is missing, never.
    ///
    /// An error is about this machine: descriptors, memory, the disk.
    pub fn look_up(&self, name: &[u8], follows: bool) -> io::Result<Found> {
        let opened = match name {
            _ if self.walks => self.walk(name),
            b"" => return Ok(Found::Folder),
            name => self.open_beneath(name, follows),
        };
        match opened {
            Ok(file) => Ok(found(file)?),
            // EXDEV: it leads out. ELOOP: links where none may be, or in circles. ENXIO: a socket,
            // or a device without its driver.
            Err(
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::XDEV
                | Errno::LOOP
                | Errno::NAMETOOLONG
                | Errno::NXIO
                | Errno::NODEV
                | Errno::INVAL
                | Errno::ILSEQ,
            ) => Ok(Found::Nothing),
            Err(Errno::ACCESS | Errno::PERM) => Ok(Found::Forbidden),
            Err(error) => Err(error.into()),
        }
    }

    fn open_beneath(&self, name: &[u8], follows: bool) -> rustix::io::Result<OwnedFd> {
        let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if !follows {
            resolve |= ResolveFlags::NO_SYMLINKS;
        }
        let mut races = 0;
        loop {
            match openat2(&self.directory, name, file_flags(), Mode::empty(), resolve) {
                Err(Errno::AGAIN) if races < MOST_RACES => races += 1,
                opened => return opened,
            }
        }
    }

    /// One segment after the other, over no link.
    fn walk(&self, name: &[u8]) -> rustix::io::Result<OwnedFd> {
        let mut segments = name.split(|byte| *byte == b'/').peekable();
        let mut within: Option<OwnedFd> = None;
        while let Some(segment) = segments.next() {
            let flags = match segments.peek() {
                Some(_) => folder_flags(),
                None => file_flags(),
            };
            let folder = within.as_ref().unwrap_or(&self.directory).as_fd();
            let segment = match segment {
                b"" if name.is_empty() => b".",
                b"" | b"." | b".." => return Err(Errno::NOENT),
                segment => segment,
            };
            within = Some(openat(folder, segment, flags | OFlags::NOFOLLOW, Mode::empty())?);
        }
        within.ok_or(Errno::NOENT)
    }
}

impl OpenFile {
    /// Appends at most `most` bytes from `offset` on to `out`; how many. 0: the file is not that
    /// long any more.
    pub fn read_behind(&self, out: &mut Vec<u8>, offset: u64, most: usize) -> io::Result<usize> {
        out.reserve(most);
        let (read, _) = pread(&self.file, &mut out.spare_capacity_mut()[..most], offset)?;
        let length = read.len();
        // SAFETY: the kernel has written so many bytes behind those that were there.
        unsafe { out.set_len(out.len() + length) };
        Ok(length)
    }

    /// Sends at most `most` bytes from `offset` on into `socket`; how many went. 0: the file is not
    /// that long any more.
    pub fn send(&self, socket: &impl AsFd, offset: u64, most: usize) -> io::Result<usize> {
        let mut offset = offset;
        Ok(sendfile(socket, &self.file, Some(&mut offset), most)?)
    }
}

fn found(file: OwnedFd) -> io::Result<Found> {
    let stat: Stat = fstat(&file)?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Found::File(OpenFile {
            file: file.into(),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: u64::try_from(stat.st_mtime).unwrap_or(0),
        }),
        FileType::Directory => Found::Folder,
        _ => Found::Nothing,
    })
}

fn folder_flags() -> OFlags {
    OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC
}

/// `NONBLOCK`: opening a FIFO would wait for a writer.
fn file_flags() -> OFlags {
    OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use rustix::fs::mkfifoat;

    use super::*;

    /// A folder of its own with `www` to serve and `secret` beside it.
    struct Tree(PathBuf);

    impl Drop for Tree {
        fn drop(&mut self) {
            // What stays is in a folder for temporary things.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn tree(name: &str) -> Tree {
        let base = std::env::temp_dir().join(format!("evenkeel-{name}-{}", std::process::id()));
        let www = base.join("www");
        fs::create_dir_all(www.join("sub")).unwrap();
        fs::write(base.join("secret"), "s").unwrap();
        fs::write(www.join("a.txt"), "hello").unwrap();
        fs::write(www.join("sub/b.txt"), "b").unwrap();
        symlink("sub/b.txt", www.join("inside")).unwrap();
        symlink("sub", www.join("folder")).unwrap();
        symlink("sub/../a.txt", www.join("dots-inside")).unwrap();
        symlink("../secret", www.join("outside")).unwrap();
        symlink(base.join("secret"), www.join("absolute")).unwrap();
        symlink(www.join("a.txt"), www.join("absolute-inside")).unwrap();
        symlink("circle", www.join("circle")).unwrap();
        symlink("/proc/self/root", www.join("magic")).unwrap();
        mkfifoat(CWD, www.join("fifo"), Mode::RUSR).unwrap();
        Tree(base)
    }

    fn look_up(folder: &Folder, name: &str, follows: bool) -> &'static str {
        match folder.look_up(name.as_bytes(), follows).unwrap() {
            Found::File(_) => "file",
            Found::Folder => "folder",
            Found::Nothing => "nothing",
            Found::Forbidden => "forbidden",
        }
    }

    #[test]
    fn nothing_is_opened_outside_of_the_folder() {
        let tree = tree("beneath");
        let folder = Folder::open(&tree.0.join("www")).unwrap();
        if folder.walks {
            eprintln!("SKIPPED: this kernel has no openat2");
            return;
        }
        let walking = Folder { directory: folder.directory.try_clone().unwrap(), walks: true };
        // Name; links followed; links refused, with and without openat2.
        for (name, following, refusing) in [
            ("", "folder", "folder"),
            ("a.txt", "file", "file"),
            ("sub", "folder", "folder"),
            ("sub/b.txt", "file", "file"),
            ("a.txt/x", "nothing", "nothing"),
            ("none", "nothing", "nothing"),
            ("inside", "file", "nothing"),
            ("folder/b.txt", "file", "nothing"),
            ("dots-inside", "file", "nothing"),
            ("outside", "nothing", "nothing"),
            ("absolute", "nothing", "nothing"),
            ("absolute-inside", "nothing", "nothing"),
            ("circle", "nothing", "nothing"),
            ("magic/etc/passwd", "nothing", "nothing"),
            ("fifo", "nothing", "nothing"),
            ("../secret", "nothing", "nothing"),
            ("sub/../../secret", "nothing", "nothing"),
            ("/etc/passwd", "nothing", "nothing"),
            ("a\0b", "nothing", "nothing"),
            (&"x".repeat(300), "nothing", "nothing"),
        ] {
            assert_eq!(look_up(&folder, name, true), following, "{name}");
            assert_eq!(look_up(&folder, name, false), refusing, "{name}");
            assert_eq!(look_up(&walking, name, true), refusing, "{name}, walking");
        }
    }

    #[test]
    fn facts_of_a_file() {
        let tree = tree("facts");
        let folder = Folder::open(&tree.0.join("www")).unwrap();
        let Found::File(file) = folder.look_up(b"a.txt", true).unwrap() else { panic!() };
        assert_eq!(file.size, 5);
        assert!(file.modified > 1_600_000_000);
        let mut read = b"> ".to_vec();
        assert_eq!(file.read_behind(&mut read, 1, 3).unwrap(), 3);
        assert_eq!(read, b"> ell");
        assert_eq!(file.read_behind(&mut read, 5, 3).unwrap(), 0);
        Folder::open(&tree.0.join("none")).unwrap_err();
        Folder::open(&tree.0.join("secret")).expect_err("a file is no folder");
    }
}
