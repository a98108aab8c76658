//! A DNS server of our own that can be slow, lie, and say nothing, name by name.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::address::free_address;
use crate::clock;

/// What lies lead to: nobody is there.
pub const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 66, 66, 66));

/// What is answered to a question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Say {
    #[default]
    Truth,
    Nothing,
    /// The truth, later.
    Late(Duration),
    /// [`NOWHERE`], to a question with another number.
    AnotherId,
    /// [`NOWHERE`], to a question for another name.
    AnotherQuestion,
    /// NXDOMAIN.
    NoSuchName,
    /// NOERROR without a record.
    NoRecords,
    /// SERVFAIL.
    Failure,
    /// Bytes that are no DNS.
    Nonsense,
}

/// Every [`Say`] after which there is no address to be had.
pub const LIES: [Say; 7] = [
    Say::Nothing,
    Say::AnotherId,
    Say::AnotherQuestion,
    Say::NoSuchName,
    Say::NoRecords,
    Say::Failure,
    Say::Nonsense,
];

/// A DNS server; it falls silent with this value.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    names: Names,
    tcp: TcpListener,
}

type Names = Arc<Mutex<BTreeMap<String, Known>>>;

/// What it knows of a name.
#[derive(Clone, Debug, Default)]
struct Known {
    ips: Vec<IpAddr>,
    ttl: u32,
    say: Say,
    /// When each question for its A records came.
    asked: Vec<Instant>,
}

/// A DNS server that knows nothing yet.
pub fn name_server() -> NameServer {
    let address = free_address();
    let udp = UdpSocket::bind(address).expect("the address is free");
    let tcp = TcpListener::bind(address).expect("the address is free");
    let names = Names::default();
    let (over_udp, over_tcp) = (Arc::clone(&names), Arc::clone(&names));
    let accepting = tcp.try_clone().expect("descriptors left");
    thread::spawn(move || answer_datagrams(&udp, &over_udp));
    thread::spawn(move || answer_streams(&accepting, &over_tcp));
    NameServer { address, names, tcp }
}

impl NameServer {
    /// Where it is asked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// These are the addresses of `name`, good for `ttl` seconds.
    pub fn know(&self, name: &str, ips: &[IpAddr], ttl: u32) {
        let mut names = lock(&self.names);
        let known = names.entry(name.to_owned()).or_default();
        (known.ips, known.ttl) = (ips.to_owned(), ttl);
    }

    /// How questions for `name` are answered from now on.
    pub fn say(&self, name: &str, say: Say) {
        lock(&self.names).entry(name.to_owned()).or_default().say = say;
    }

    /// When each question for the A records of `name` came.
    pub fn asked(&self, name: &str) -> Vec<Instant> {
        lock(&self.names).get(name).map(|known| known.asked.clone()).unwrap_or_default()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        for known in lock(&self.names).values_mut() {
            known.say = Say::Nothing;
        }
        // Wakes the thread that accepts.
        let _ = rustix::net::shutdown(&self.tcp, rustix::net::Shutdown::Both);
    }
}

fn answer_datagrams(udp: &UdpSocket, names: &Names) {
    let mut question = [0; 4096];
    while let Ok((length, from)) = udp.recv_from(&mut question) {
        let (udp, names) = (udp.try_clone().expect("descriptors left"), Arc::clone(names));
        let question = question[..length].to_vec();
        // One that is answered late must not make the others wait.
        thread::spawn(move || {
            if let Some(answer) = answer(&question, &names) {
                // Whoever asked may be gone.
                let _ = udp.send_to(&answer, from);
            }
        });
    }
}

fn answer_streams(tcp: &TcpListener, names: &Names) {
    while let Ok((mut stream, _)) = tcp.accept() {
        let names = Arc::clone(names);
        thread::spawn(move || {
            let mut length = [0; 2];
            while stream.read_exact(&mut length).is_ok() {
                let mut question = vec![0; u16::from_be_bytes(length).into()];
                if stream.read_exact(&mut question).is_err() {
                    return;
                }
                let Some(answer) = answer(&question, &names) else { return };
                let length = u16::try_from(answer.len()).expect("answers are short");
                let message = [&length.to_be_bytes(), answer.as_slice()].concat();
                if stream.write_all(&message).is_err() {
                    return;
                }
            }
        });
    }
}

/// The kinds of records there are here (RFC 1035 §3.2.2, RFC 3596 §2.1).
const A: u16 = 1;
const AAAA: u16 = 28;
/// Bytes of a message before its question (RFC 1035 §4.1.1).
const HEAD_BYTES: usize = 12;

fn answer(message: &[u8], names: &Names) -> Option<Vec<u8>> {
    let (name, end) = name(message)?;
    let kind = u16::from_be_bytes(message.get(end..end + 2)?.try_into().ok()?);
    let known = {
        let mut names = lock(names);
        let known = names.entry(name).or_default();
        if kind == A {
            known.asked.push(clock::now());
        }
        known.clone()
    };
    // Type and class are behind the name.
    let (mut id, mut question) = ([message[0], message[1]], message[HEAD_BYTES..end + 4].to_vec());
    let (mut code, mut ips) = (0, known.ips);
    match known.say {
        Say::Truth => {}
        Say::Nothing => return None,
        Say::Late(time) => clock::pause_until(clock::now() + time),
        Say::AnotherId => {
            id[0] ^= 0xff;
            ips = vec![NOWHERE];
        }
        Say::AnotherQuestion => {
            // The first letter of the first label.
            question[1] = if question[1] == b'x' { b'y' } else { b'x' };
            ips = vec![NOWHERE];
        }
        Say::NoSuchName => (code, ips) = (3, Vec::new()),
        Say::NoRecords => ips.clear(),
        Say::Failure => (code, ips) = (2, Vec::new()),
        Say::Nonsense => return Some(b"this is not the protocol you want".to_vec()),
    }
    ips.retain(|ip| kind == if ip.is_ipv4() { A } else { AAAA });
    let count = u16::try_from(ips.len()).expect("a few");
    // Response, recursion desired and available; then how many of each section.
    let mut reply = vec![id[0], id[1], 0x81, 0x80 | code, 0, 1];
    reply.extend(count.to_be_bytes());
    reply.extend([0, 0, 0, 0]);
    reply.extend(question);
    for ip in ips {
        let data = match ip {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        // The name is that of the question (RFC 1035 §4.1.4), the class is IN.
        reply.extend([0xc0, 0x0c]);
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1]);
        reply.extend(known.ttl.to_be_bytes());
        reply.extend(u16::try_from(data.len()).expect("16 at most").to_be_bytes());
        reply.extend(data);
    }
    Some(reply)
}

/// The name a message asks for, without a dot at its end, and where it ends.
fn name(message: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut at = HEAD_BYTES;
    loop {
        let length = usize::from(*message.get(at)?);
        let label = message.get(at + 1..at + 1 + length)?;
        at += 1 + length;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder panics")
}
