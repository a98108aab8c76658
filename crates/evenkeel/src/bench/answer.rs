//! Reads answers (RFC 9112), as far as a load generator has to know them: the status, where the
//! answer ends, and whether the connection may carry another request.

/// Heads of real services are smaller; what is not ended by then is no answer.
const MOST_HEAD_BYTES: usize = 64 << 10;

/// The same, of lines of a head.
const MOST_HEADERS: usize = 256;

/// A line that says how long a chunk is, with its extensions.
const MOST_CHUNK_LINE_BYTES: usize = 4 << 10;

/// A whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The connection is good for another request.
    pub(crate) keeps: bool,
}

/// What came is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Garbage;

/// Reads one answer after the other.
#[derive(Debug)]
pub(crate) struct Reader {
    /// Requests were `HEAD`: no answer has a body (RFC 9110 §9.3.2).
    without_body: bool,
    part: Part,
    answer: Answer,
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Head,
    Body { left: u64 },
    ChunkSize,
    Chunk { left: u64 },
    Trailers,
    UntilClose,
}

/// What became of the bytes at hand.
enum Step {
    /// So many were understood.
    Took(usize),
    Incomplete,
    Done(usize),
}

impl Reader {
    pub(crate) fn new(without_body: bool) -> Self {
        Self {
            without_body,
            part: Part::Head,
            answer: Answer { status: 0, keeps: false },
            held: Vec::new(),
        }
    }

    /// The next bytes of the connection; the answer once it is whole.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Garbage> {
        self.held.extend_from_slice(bytes);
        let in_lines = matches!(self.part, Part::Head | Part::Trailers);
        if in_lines && !bytes.contains(&b'\n') && self.held.len() <= MOST_HEAD_BYTES {
            // Nothing ends here: a head that comes byte by byte is not read anew for each.
            return Ok(None);
        }
        let mut at = 0;
        let done = loop {
            match self.step(at)? {
                Step::Took(count) => at += count,
                Step::Incomplete => break None,
                Step::Done(count) => {
                    at += count;
                    break Some(self.answer);
                }
            }
        };
        self.held.drain(..at);
        Ok(done.map(|answer| {
            self.part = Part::Head;
            // What follows was not asked for.
            Answer { keeps: answer.keeps && self.held.is_empty(), ..answer }
        }))
    }

    /// The other side has ended the connection; the answer, if that was its end.
    pub(crate) fn end(&mut self) -> Option<Answer> {
        matches!(self.part, Part::UntilClose).then_some(Answer { keeps: false, ..self.answer })
    }

    fn step(&mut self, at: usize) -> Result<Step, Garbage> {
        let bytes = &self.held[at..];
        match self.part {
            Part::Head => self.head(at),
            Part::Body { left } | Part::Chunk { left } if bytes.is_empty() && left > 0 => {
                Ok(Step::Incomplete)
            }
            Part::Body { left } => {
                let taken = shorter(bytes.len(), left);
                let left = left - taken.1;
                self.part = Part::Body { left };
                Ok(if left == 0 { Step::Done(taken.0) } else { Step::Took(taken.0) })
            }
            Part::Chunk { left } => {
                let taken = shorter(bytes.len(), left);
                let left = left - taken.1;
                self.part = if left == 0 { Part::ChunkSize } else { Part::Chunk { left } };
                Ok(Step::Took(taken.0))
            }
            Part::ChunkSize => match httparse::parse_chunk_size(bytes) {
                Ok(httparse::Status::Complete((count, 0))) => {
                    self.part = Part::Trailers;
                    Ok(Step::Took(count))
                }
                Ok(httparse::Status::Complete((count, size))) => {
                    // The line end behind the data is taken with it.
                    self.part = Part::Chunk { left: size.checked_add(2).ok_or(Garbage)? };
                    Ok(Step::Took(count))
                }
                Ok(httparse::Status::Partial) if bytes.len() <= MOST_CHUNK_LINE_BYTES => {
                    Ok(Step::Incomplete)
                }
                Ok(httparse::Status::Partial) | Err(_) => Err(Garbage),
            },
            Part::Trailers => {
                let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
                match httparse::parse_headers(bytes, &mut headers) {
                    Ok(httparse::Status::Complete((count, _))) => Ok(Step::Done(count)),
                    Ok(httparse::Status::Partial) if bytes.len() <= MOST_HEAD_BYTES => {
                        Ok(Step::Incomplete)
                    }
                    Ok(httparse::Status::Partial) | Err(_) => Err(Garbage),
                }
            }
            Part::UntilClose if bytes.is_empty() => Ok(Step::Incomplete),
            Part::UntilClose => Ok(Step::Took(bytes.len())),
        }
    }

    fn head(&mut self, at: usize) -> Result<Step, Garbage> {
        let bytes = &self.held[at..];
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let count = match head.parse(bytes) {
            Ok(httparse::Status::Complete(count)) => count,
            Ok(httparse::Status::Partial) if bytes.len() <= MOST_HEAD_BYTES => {
                return Ok(Step::Incomplete);
            }
            Ok(httparse::Status::Partial) | Err(_) => return Err(Garbage),
        };
        let status = head.code.ok_or(Garbage)?;
        let framing = Framing::of(head.version == Some(1), head.headers)?;
        // RFC 9110 §15.2: an interim answer is followed by another one. 101 was not asked for.
        if (100..200).contains(&status) {
            return if status == 101 { Err(Garbage) } else { Ok(Step::Took(count)) };
        }
        self.answer = Answer { status, keeps: framing.keeps };
        let without_body = self.without_body || status == 204 || status == 304;
        self.part = match framing {
            _ if without_body => return Ok(Step::Done(count)),
            Framing { chunked: true, .. } => Part::ChunkSize,
            Framing { length: Some(0), .. } => return Ok(Step::Done(count)),
            Framing { length: Some(left), .. } => Part::Body { left },
            Framing { length: None, .. } => Part::UntilClose,
        };
        Ok(Step::Took(count))
    }
}

/// What the head says of the body and of what comes after (RFC 9112 §6.3, §9.3).
struct Framing {
    chunked: bool,
    length: Option<u64>,
    keeps: bool,
}

impl Framing {
    fn of(http_1_1: bool, headers: &[httparse::Header<'_>]) -> Result<Self, Garbage> {
        let mut framing = Self { chunked: false, length: None, keeps: http_1_1 };
        for header in headers {
            let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
            let has = |word: &str| value.split(',').any(|it| it.trim().eq_ignore_ascii_case(word));
            if header.name.eq_ignore_ascii_case("content-length") {
                let length = value.parse().or(Err(Garbage))?;
                if framing.length.is_some_and(|earlier| earlier != length) {
                    return Err(Garbage);
                }
                framing.length = Some(length);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                framing.chunked = has("chunked");
            } else if header.name.eq_ignore_ascii_case("connection") {
                framing.keeps = (framing.keeps || has("keep-alive")) && !has("close");
            }
        }
        Ok(framing)
    }
}

/// The shorter of what is there and what is left, as both types.
fn shorter(there: usize, left: u64) -> (usize, u64) {
    let there_u64 = u64::try_from(there).unwrap_or(u64::MAX);
    match usize::try_from(left) {
        Ok(fits) if left < there_u64 => (fits, left),
        _ => (there, there_u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers to `method` in `bytes`, however they are cut.
    fn read(method: &str, bytes: &str) -> Result<Vec<Answer>, Garbage> {
        let mut last = None;
        for piece in [1, 2, 7, bytes.len().max(1)] {
            let mut reader = Reader::new(method == "HEAD");
            let mut answers = Vec::new();
            for piece in bytes.as_bytes().chunks(piece) {
                answers.extend(reader.feed(piece)?);
            }
            answers.extend(reader.end());
            if let Some(last) = last.replace(answers.clone()) {
                assert_eq!(statuses(&last), statuses(&answers), "{bytes:?}");
            }
        }
        Ok(last.unwrap_or_default())
    }

    fn statuses(answers: &[Answer]) -> Vec<u16> {
        answers.iter().map(|answer| answer.status).collect()
    }

    #[test]
    fn an_answer_ends_where_its_framing_says() {
        let ok = |keeps| vec![Answer { status: 200, keeps }];
        for (method, bytes, expected) in [
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", ok(true)),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ok(true)),
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ok(true)),
            (
                "GET",
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na",
                ok(false),
            ),
            ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", ok(false)),
            (
                "GET",
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na",
                ok(true),
            ),
            ("GET", "HTTP/1.1 200 OK\r\n\r\nuntil the end", ok(false)),
            (
                "GET",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\na: b\r\n\r\n",
                ok(true),
            ),
            (
                "GET",
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                ok(true),
            ),
            ("GET", "HTTP/1.1 204 No\r\n\r\n", vec![Answer { status: 204, keeps: true }]),
            (
                "GET",
                "HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n",
                vec![Answer { status: 304, keeps: true }],
            ),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", vec![]),
        ] {
            assert_eq!(read(method, bytes), Ok(expected), "{bytes:?}");
        }
    }

    #[test]
    fn bytes_nobody_asked_for_end_the_connection() {
        let mut reader = Reader::new(false);
        let answer = reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore");
        assert_eq!(answer, Ok(Some(Answer { status: 200, keeps: false })));
    }

    #[test]
    fn what_is_no_answer_is_garbage() {
        for bytes in [
            "SSH-2.0-OpenSSH_9.2\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 101 Switching\r\n\r\n",
            &format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(MOST_HEAD_BYTES)),
        ] {
            assert_eq!(read("GET", bytes), Err(Garbage), "{bytes:.40?}");
        }
    }
}
