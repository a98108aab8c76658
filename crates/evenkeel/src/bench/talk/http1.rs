//! HTTP/1.1: one request after the other.

use std::sync::Arc;
use std::time::Duration;

use super::super::answer::{Garbage, Reader};
use super::super::request::Request;
use super::super::tally::Failure;
use super::{Done, Due, Outcome, Talk};

/// A connection of HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Http1 {
    request: Arc<Request>,
    keep_alive: bool,
    /// The request under way.
    carries: Option<Due>,
    /// Bytes of it that are not sent.
    unsent: usize,
    reader: Reader,
    /// It can carry no other.
    is_over: bool,
}

impl Http1 {
    pub(crate) fn new(request: Arc<Request>, keep_alive: bool) -> Self {
        let reader = Reader::new(request.head_only);
        Self { request, keep_alive, carries: None, unsent: 0, reader, is_over: false }
    }

    /// The request under way, if there is one, has come to an end.
    fn finish(&mut self, outcome: Outcome, done: &mut Vec<Done>) {
        done.extend(self.carries.take().map(|due| Done { due, outcome }));
    }
}

impl Talk for Http1 {
    fn has_room(&self) -> bool {
        self.carries.is_none() && !self.is_over
    }

    fn is_over(&self) -> bool {
        self.carries.is_none() && self.is_over
    }

    fn carries(&self) -> usize {
        usize::from(self.carries.is_some())
    }

    fn take(&mut self, due: Due) {
        self.carries = Some(due);
        self.unsent = self.request.bytes.len();
    }

    fn unsent(&self) -> &[u8] {
        &self.request.bytes[self.request.bytes.len() - self.unsent..]
    }

    fn sent(&mut self, count: usize) {
        self.unsent -= count;
    }

    fn feed(&mut self, bytes: &[u8], done: &mut Vec<Done>) -> Result<(), Garbage> {
        if let Some(answer) = self.reader.feed(bytes)? {
            // An answer to nothing, or to half a request, is the last one.
            let is_asked = self.carries.is_some() && self.unsent == 0;
            self.is_over = !(answer.keeps && self.keep_alive && is_asked);
            self.finish(Outcome::Answered(answer.status), done);
        }
        Ok(())
    }

    fn end(&mut self, done: &mut Vec<Done>) {
        self.is_over = true;
        if let Some(answer) = self.reader.end() {
            self.finish(Outcome::Answered(answer.status), done);
        }
    }

    fn give_up(&mut self, at: Duration, done: &mut Vec<Done>) {
        if self.carries.is_some_and(|due| due.at <= at) {
            self.lose(Failure::Timeout, done);
        }
    }

    fn lose(&mut self, why: Failure, done: &mut Vec<Done>) {
        self.is_over = true;
        self.finish(Outcome::Failed(why), done);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::target::{ASKED, Asked, Place};
    use super::super::due;
    use super::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    fn talk(asked: &Asked<'_>) -> Http1 {
        let place = Place::of("http://a.example/").expect("it is one");
        Http1::new(Arc::new(Request::new(&place, asked).expect("it is sound")), asked.keep_alive)
    }

    fn fed(talk: &mut Http1, bytes: &[u8]) -> Vec<Outcome> {
        let mut done = Vec::new();
        talk.feed(bytes, &mut done).expect("it is an answer");
        done.into_iter().map(|done| done.outcome).collect()
    }

    fn send_all(talk: &mut Http1) {
        talk.sent(talk.unsent().len());
    }

    #[test]
    fn a_connection_carries_one_request_after_the_other() {
        let mut talk = talk(&ASKED);
        for at in [1, 2] {
            assert!(talk.has_room() && talk.unsent().is_empty());
            talk.take(due(at));
            assert!(!talk.has_room() && talk.unsent().starts_with(b"GET / HTTP/1.1\r\n"));
            send_all(&mut talk);
            assert_eq!(fed(&mut talk, &OK[..9]), []);
            assert_eq!(fed(&mut talk, &OK[9..]), [Outcome::Answered(200)]);
        }
        assert!(!talk.is_over());
    }

    #[test]
    fn some_answers_are_the_last() {
        let mut closes = talk(&Asked { keep_alive: false, ..ASKED });
        closes.take(due(1));
        send_all(&mut closes);
        assert_eq!(fed(&mut closes, OK), [Outcome::Answered(200)]);
        assert!(closes.is_over(), "it was asked to");

        let mut early = talk(&ASKED);
        early.take(due(1));
        assert_eq!(fed(&mut early, OK), [Outcome::Answered(200)]);
        assert!(early.is_over(), "the rest of the request would be taken for the next");

        let mut unasked = talk(&ASKED);
        assert_eq!(fed(&mut unasked, OK), []);
        assert!(unasked.is_over());
    }

    #[test]
    fn what_is_not_answered_in_time_ends_its_connection() {
        let mut talk = talk(&ASKED);
        let mut done = Vec::new();
        talk.take(due(5));
        talk.give_up(due(4).at, &mut done);
        assert_eq!((done.len(), talk.carries()), (0, 1));
        talk.give_up(due(5).at, &mut done);
        assert_eq!(done, [Done { due: due(5), outcome: Outcome::Failed(Failure::Timeout) }]);
        assert!(talk.is_over());
    }
}
