//! Lines as messages of syslog (RFC 5424, or RFC 3164): in datagrams, of a socket of this machine or of UDP
//! (RFC 5426), or one after the other over TCP, each after its length (RFC 6587 §3.4.1).
//!
//! The receiver is looked for when there is something to say, so a node starts without one, and
//! finds one that has come back with its next lines.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use evenkeel_core::config::{SyslogAddress, SyslogForm, SyslogTarget};
use evenkeel_sys::Peeked;

use super::sink::Sink;
use super::stamp::Stamp;
use crate::clock;

/// How long a receiver has to take a connection: meanwhile lines wait, and are lost in the end.
const CONNECT: Duration = Duration::from_secs(1);

/// How long a receiver may take nothing before it is given up, and looked for anew.
const PATIENCE: Duration = Duration::from_secs(5);

/// The severity of every line: informational (RFC 5424 §6.2.1).
const SEVERITY: u8 = 6;

/// A receiver and the way to it.
#[derive(Debug)]
pub(super) struct Syslog {
    to: SyslogAddress,
    link: Option<Link>,
    form: SyslogForm,
    /// What is before the time and what is behind it: `<134>1 ` and ` lb0 evenkeel 4711 access - `.
    around_time: (String, String),
    stamp: Stamp,
    message: Vec<u8>,
}

#[derive(Debug)]
enum Link {
    Unix(UnixDatagram),
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Syslog {
    pub(super) fn new(target: &SyslogTarget) -> Self {
        let SyslogTarget { to, facility, host, tag, form } = target;
        let priority = u16::from(*facility) * 8 + u16::from(SEVERITY);
        let process = std::process::id();
        let around_time = match (form, to) {
            (SyslogForm::Rfc5424, _) => {
                (format!("<{priority}>1 "), format!(" {host} {tag} {process} access - "))
            }
            // On the same machine nobody expects the machine's name.
            (SyslogForm::Rfc3164, SyslogAddress::Unix(_)) => {
                (format!("<{priority}>"), format!(" {tag}[{process}]: "))
            }
            (SyslogForm::Rfc3164, SyslogAddress::Udp(_) | SyslogAddress::Tcp(_)) => {
                (format!("<{priority}>"), format!(" {host} {tag}[{process}]: "))
            }
        };
        Self {
            to: to.clone(),
            link: None,
            form: *form,
            around_time,
            stamp: Stamp::default(),
            message: Vec::new(),
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let link = match &mut self.link {
            Some(link) => link,
            none => none.insert(Link::to(&self.to)?),
        };
        let message = &self.message;
        match link {
            Link::Unix(socket) => socket.send(message).map(drop),
            Link::Udp(socket) => socket.send(message).map(drop),
            Link::Tcp(stream) => {
                let mut framed = format!("{} ", message.len()).into_bytes();
                framed.extend_from_slice(message);
                stream.write_all(&framed)
            }
        }
    }

    fn set_message(&mut self, line: &[u8]) {
        let Self { message, around_time: (before, behind), stamp, .. } = self;
        message.clear();
        message.extend_from_slice(before.as_bytes());
        match self.form {
            SyslogForm::Rfc5424 => stamp.rfc3339(message),
            SyslogForm::Rfc3164 => stamp.rfc3164(message),
        }
        message.extend_from_slice(behind.as_bytes());
        message.extend_from_slice(line.trim_ascii_end());
    }
}

impl Sink for Syslog {
    fn put(&mut self, text: &[u8]) -> (usize, io::Result<()>) {
        self.stamp.set(clock::wall());
        self.link.take_if(|link| link.has_ended());
        let (mut sent, mut may_look) = (0, true);
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            self.set_message(line);
            while let Err(error) = self.send() {
                self.link = None;
                // A receiver that was started anew is found at once, one that is gone is not
                // looked for with each line.
                if !std::mem::take(&mut may_look) {
                    return (sent, Err(error));
                }
            }
            sent += line.len();
        }
        (sent, Ok(()))
    }

    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Link {
    fn to(address: &SyslogAddress) -> io::Result<Self> {
        Ok(match address {
            SyslogAddress::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                socket.set_write_timeout(Some(PATIENCE))?;
                Self::Unix(socket)
            }
            SyslogAddress::Udp(to) => {
                let any = match to {
                    SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
                    SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
                };
                let socket = UdpSocket::bind(any)?;
                socket.connect(to)?;
                Self::Udp(socket)
            }
            SyslogAddress::Tcp(to) => {
                let stream = TcpStream::connect_timeout(to, CONNECT)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Self::Tcp(stream)
            }
        })
    }

    /// The receiver has closed the connection: what is written now would be lost without a word.
    fn has_ended(&self) -> bool {
        let Self::Tcp(stream) = self else { return false };
        !matches!(evenkeel_sys::peek(stream), Ok(Peeked::Nothing | Peeked::Bytes))
    }
}
