//! A client that sends exactly the bytes it is told to and says exactly what came back.

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::body::HASH_HEADER;
use crate::clock::PATIENCE;
use crate::http1::{self, Broken, Framing, Head, Reader, Received};

/// A connection to something that answers HTTP/1.
#[derive(Debug)]
pub struct Client {
    reader: Reader,
}

/// A final answer with what came before it.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub head: Head,
    /// 1xx answers, in order.
    pub interim: Vec<Head>,
    pub body: Received,
    /// The connection is good for another request.
    pub keeps: bool,
}

impl Answer {
    /// The value of the first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The name the answering origin gives itself.
    pub fn server(&self) -> &str {
        self.header("x-server").unwrap_or("nobody")
    }

    /// The body, for people.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body.bytes).into_owned()
    }

    /// The body is the one its hash speaks of.
    pub fn is_intact(&self) -> bool {
        self.header(HASH_HEADER) == Some(self.body.hash.as_str())
    }
}

/// A client on a connection of its own; panics when there is none to be had.
#[track_caller]
pub fn client(address: SocketAddr) -> Client {
    match Client::connect(address) {
        Ok(client) => client,
        Err(error) => panic!("no connection to {address}: {error}"),
    }
}

/// One GET on a connection of its own.
#[track_caller]
pub fn get(address: SocketAddr, target: &str) -> Answer {
    client(address).get(target)
}

impl Client {
    /// Waits [`PATIENCE`] for the connection, and later for each byte.
    pub fn connect(address: SocketAddr) -> Result<Self, Broken> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)
            .map_err(|error| http1::broken(&error, false))?;
        Ok(Self::over(stream))
    }

    /// On a connection made elsewhere.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a TCP socket");
        let client = Self { reader: Reader::new(stream) };
        client.set_patience(PATIENCE);
        client
    }

    /// How long each read may wait.
    pub fn set_patience(&self, patience: Duration) {
        self.stream().set_read_timeout(Some(patience)).expect("more than zero");
        self.stream().set_write_timeout(Some(patience)).expect("more than zero");
    }

    /// The connection itself.
    pub fn stream(&self) -> &TcpStream {
        self.reader.stream()
    }

    /// The connection and what was read ahead of need.
    pub fn into_parts(self) -> (TcpStream, Vec<u8>) {
        self.reader.into_parts()
    }

    /// These bytes and no others.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Broken> {
        self.stream().write_all(bytes.as_ref()).map_err(|error| http1::broken(&error, false))
    }

    /// These bytes and no others.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        if let Err(error) = self.try_send(bytes) {
            panic!("cannot send: {error}");
        }
        self
    }

    /// Ends our half: FIN.
    pub fn finish(&mut self) {
        // A peer that has reset the connection is found out about by the next read.
        let _ = self.stream().shutdown(Shutdown::Write);
    }

    /// The answer to a request of this method.
    pub fn try_answer(&mut self, method: &str) -> Result<Answer, Broken> {
        let mut interim = Vec::new();
        loop {
            let head = self.reader.head().map_err(|error| after(&interim, error))?;
            let status = status(&head)?;
            if (100..200).contains(&status) && status != 101 {
                interim.push(head);
                continue;
            }
            let bodiless = method == "HEAD" || matches!(status, 101 | 204 | 304);
            let framing =
                if bodiless { Framing::Length(0) } else { head.framing(Framing::UntilClose)? };
            let body = self.reader.body(framing)?;
            let old = head.first_line.starts_with("HTTP/1.0");
            let keeps = framing != Framing::UntilClose
                && !head.lists("connection", "close")
                && (!old || head.lists("connection", "keep-alive"));
            return Ok(Answer { status, head, interim, body, keeps });
        }
    }

    /// The answer to the last request, which was no HEAD.
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    /// The answer to a request of this method.
    #[track_caller]
    pub fn answer_to(&mut self, method: &str) -> Answer {
        match self.try_answer(method) {
            Ok(answer) => answer,
            Err(error) => panic!("no answer to {method}: {error}"),
        }
    }

    /// Only the head of the next answer; its body is left unread.
    pub fn try_head(&mut self) -> Result<Head, Broken> {
        self.reader.head()
    }

    /// A GET with a good Host, on this connection.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Answer {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: test.example\r\n\r\n")).answer()
    }

    /// A POST with a body of known length, on this connection.
    #[track_caller]
    pub fn post(&mut self, target: &str, body: &[u8]) -> Answer {
        let size = body.len();
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: test.example\r\nContent-Length: {size}\r\n\r\n"
        );
        self.send(head).send(body).answer_to("POST")
    }

    /// Exactly so many bytes, whatever they mean.
    #[track_caller]
    pub fn receive(&mut self, size: usize) -> Vec<u8> {
        match self.reader.exactly(size) {
            Ok(bytes) => bytes,
            Err(error) => panic!("no {size} bytes: {error}"),
        }
    }

    /// All bytes until the connection ends, and what broke it if it did not end with a FIN.
    pub fn rest(&mut self) -> (Vec<u8>, Option<Broken>) {
        self.reader.rest()
    }

    /// The peer ends the connection without another byte, by FIN or RST.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let (rest, broken) = self.rest();
        assert_eq!(String::from_utf8_lossy(&rest), "", "bytes before the end");
        assert!(matches!(broken, None | Some(Broken::Reset)), "still open: {broken:?}");
    }
}

/// An end after an interim answer is one in the middle.
fn after(interim: &[Head], error: Broken) -> Broken {
    match error {
        Broken::Closed | Broken::Reset if !interim.is_empty() => Broken::Cut,
        other => other,
    }
}

fn status(head: &Head) -> Result<u16, Broken> {
    let line = &head.first_line;
    let digits = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
    let status = digits.and_then(|digits| digits.parse().ok());
    status.ok_or_else(|| Broken::Garbage(format!("status line: {}", line.escape_debug())))
}
