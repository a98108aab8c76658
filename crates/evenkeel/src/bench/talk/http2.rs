//! HTTP/2: many requests at once, each on a stream of its own.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::http2::{Code, Connection, Event, Failure as Broken, Limits, Received, Slot};
use evenkeel_core::moment::Moment;

use super::super::answer::Garbage;
use super::super::request::Request;
use super::super::tally::Failure;
use super::{Done, Due, Outcome, Talk};

/// Bytes of answers that may be on their way: what browsers allow, so that it is not this program
/// that a long answer waits for. They are thrown away as they come.
const STREAM_WINDOW: u32 = 6 << 20;
/// The same over all streams.
const CONNECTION_WINDOW: u32 = 15 << 20;
/// Heads of real services are smaller.
const HEAD_BYTES: u32 = 64 << 10;

/// A connection of HTTP/2.
#[derive(Debug)]
pub(crate) struct Http2 {
    connection: Connection,
    request: Arc<Request>,
    keep_alive: bool,
    /// Requests at once, at most.
    streams: usize,
    /// Requests under way, by the index of their slots.
    places: Vec<Option<Carried>>,
    /// How many there are.
    carries: usize,
    /// Received and not understood yet.
    held: Vec<u8>,
    /// How often something has come.
    heard: u64,
    /// It takes no other request.
    is_closed: bool,
}

/// A request under way.
#[derive(Debug)]
struct Carried {
    slot: Slot,
    due: Due,
    /// Bytes of its body that are sent.
    sent: usize,
    /// What the answer began with; 0 until then.
    status: u16,
    /// How often something had come when it was sent.
    heard: u64,
}

/// This side of a connection on which nothing has been said.
pub(crate) fn connection() -> Connection {
    Connection::with_server(Limits {
        streams: 0,
        stream_window: STREAM_WINDOW,
        connection_window: CONNECTION_WINDOW,
        head_bytes: HEAD_BYTES,
    })
}

/// Reads the next frame. When a server was heard is nothing that counts here.
pub(crate) fn next(
    connection: &mut Connection,
    input: &[u8],
) -> Result<Option<(usize, Event)>, Broken> {
    connection.next(input, Moment::START)
}

impl Http2 {
    pub(crate) fn new(request: Arc<Request>, keep_alive: bool, streams: u32) -> Self {
        Self {
            connection: connection(),
            request,
            keep_alive,
            streams: usize::try_from(streams).unwrap_or(usize::MAX),
            places: Vec::new(),
            carries: 0,
            held: Vec::new(),
            heard: 0,
            is_closed: false,
        }
    }

    /// What a server allows is in `most_asked`; none once it has said that it leaves.
    fn most(&self) -> usize {
        let allowed = usize::try_from(self.connection.most_asked()).unwrap_or(usize::MAX);
        self.streams.min(allowed)
    }

    /// Sends of bodies what there is room for.
    fn upload(&mut self) {
        let body = &self.request.body;
        if body.is_empty() {
            return;
        }
        self.connection.each_ready(|_| {}); // all are looked at below
        for carried in self.places.iter_mut().flatten() {
            while carried.sent < body.len() {
                let count = self.connection.room(carried.slot).min(body.len() - carried.sent);
                if count == 0 {
                    break;
                }
                let (from, to) = (carried.sent, carried.sent + count);
                self.connection.send_data(carried.slot, &body[from..to], to == body.len());
                carried.sent = to;
            }
        }
    }

    /// Takes what has come on a stream.
    fn look(&mut self, slot: Slot, done: &mut Vec<Done>) {
        let Some(Some(carried)) = self.places.get_mut(slot.index()) else { return };
        while let Some(head) = self.connection.take_head(slot) {
            carried.status = head.status().unwrap_or_default();
            self.connection.give_back(head);
        }
        let outcome = loop {
            match self.connection.peek(slot) {
                Received::Bytes(bytes) => {
                    let count = bytes.len();
                    self.connection.consume(slot, count);
                }
                Received::End => break Outcome::Answered(carried.status),
                Received::Reset(Code::REFUSED_STREAM) => break Outcome::Refused,
                Received::Reset(_) => break Outcome::Failed(Failure::Reset),
                Received::Nothing => return,
            }
        };
        self.finish(slot, outcome, done);
    }

    fn look_at_all(&mut self, done: &mut Vec<Done>) {
        for slot in self.slots(|_| true) {
            self.look(slot, done);
        }
    }

    fn slots(&self, which: impl Fn(&Carried) -> bool) -> Vec<Slot> {
        let carried = self.places.iter().flatten().filter(|carried| which(carried));
        carried.map(|carried| carried.slot).collect()
    }

    /// The request on this stream has come to an end.
    fn finish(&mut self, slot: Slot, outcome: Outcome, done: &mut Vec<Done>) {
        let carried = self.places.get_mut(slot.index()).and_then(Option::take);
        let Some(Carried { due, .. }) = carried else { return };
        self.connection.release(slot);
        self.carries -= 1;
        done.push(Done { due, outcome });
    }
}

impl Talk for Http2 {
    fn has_room(&self) -> bool {
        !self.is_closed && self.carries < self.most()
    }

    fn is_over(&self) -> bool {
        self.carries == 0 && (self.is_closed || self.most() == 0)
    }

    fn carries(&self) -> usize {
        self.carries
    }

    fn take(&mut self, due: Due) {
        let Request { fields, body, head_only, .. } = &*self.request;
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let slot = self.connection.ask(fields, (*head_only, false), || body.is_empty());
        let slot = slot.expect("there is room for it");
        let missing = (slot.index() + 1).saturating_sub(self.places.len());
        self.places.extend((0..missing).map(|_| None));
        let carried = Carried { slot, due, sent: 0, status: 0, heard: self.heard };
        self.places[slot.index()] = Some(carried);
        self.carries += 1;
        self.is_closed |= !self.keep_alive;
        self.upload();
    }

    fn unsent(&self) -> &[u8] {
        self.connection.unsent()
    }

    fn sent(&mut self, count: usize) {
        self.connection.sent(count);
        self.upload();
    }

    fn is_full(&self) -> bool {
        self.connection.is_full()
    }

    fn feed(&mut self, bytes: &[u8], done: &mut Vec<Done>) -> Result<(), Garbage> {
        self.heard += 1;
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(bytes);
        let mut at = 0;
        while let Some((count, event)) = next(&mut self.connection, &held[at..]).or(Err(Garbage))? {
            at += count;
            match event {
                Event::Changed(slot) => self.look(slot, done),
                Event::Everything => self.look_at_all(done),
                Event::Request(_) | Event::Nothing => {}
            }
        }
        held.drain(..at);
        self.held = held;
        self.upload();
        Ok(())
    }

    /// If nothing has come since they were sent, who knows whether anybody is there: the others
    /// may still be answered, but no more are sent.
    fn give_up(&mut self, at: Duration, done: &mut Vec<Done>) {
        let heard = self.heard;
        self.is_closed |= !self.slots(|it| it.due.at <= at && it.heard == heard).is_empty();
        for slot in self.slots(|it| it.due.at <= at) {
            self.finish(slot, Outcome::Failed(Failure::Timeout), done);
        }
    }

    fn lose(&mut self, why: Failure, done: &mut Vec<Done>) {
        self.is_closed = true;
        for slot in self.slots(|_| true) {
            self.finish(slot, Outcome::Failed(why), done);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::target::{ASKED, Asked, Place};
    use super::super::due;
    use super::*;

    /// This side, a server, and what passes between them.
    struct Pair {
        client: Http2,
        server: Connection,
        /// What the server has not understood yet.
        rest: Vec<u8>,
        requests: Vec<Slot>,
        /// Bytes of bodies that the server has got.
        received: usize,
        done: Vec<Done>,
    }

    impl Pair {
        /// Of a server that allows so many streams.
        fn new(asked: &Asked<'_>, allowed: u32) -> Self {
            let place = Place::of("http://a.example/").expect("it is one");
            let request = Arc::new(Request::new(&place, asked).expect("it is sound"));
            let limits = Limits {
                streams: allowed,
                stream_window: 70_000,
                connection_window: 100_000,
                head_bytes: 16_384,
            };
            Self {
                client: Http2::new(request, asked.keep_alive, asked.streams),
                server: Connection::with_client(limits, Moment::START),
                rest: Vec::new(),
                requests: Vec::new(),
                received: 0,
                done: Vec::new(),
            }
        }

        /// After both have heard the other's settings.
        fn settled(asked: &Asked<'_>, allowed: u32) -> Self {
            let mut pair = Self::new(asked, allowed);
            pair.pass();
            pair
        }

        /// Lets bytes go to and fro until nobody has anything to say.
        fn pass(&mut self) {
            while !self.client.unsent().is_empty() || !self.server.unsent().is_empty() {
                self.rest.extend_from_slice(self.client.unsent());
                self.client.sent(self.client.unsent().len());
                self.serve();
                let said = self.server.unsent().to_vec();
                self.server.sent(said.len());
                self.client.feed(&said, &mut self.done).expect("the server keeps the rules");
            }
        }

        fn serve(&mut self) {
            while let Ok(Some((count, event))) = self.server.next(&self.rest, Moment::START) {
                self.rest.drain(..count);
                if let Event::Request(slot) = event {
                    self.requests.push(slot);
                }
            }
            for slot in self.requests.clone() {
                while let Received::Bytes(bytes) = self.server.peek(slot) {
                    let count = bytes.len();
                    self.received += count;
                    self.server.consume(slot, count);
                }
            }
        }

        /// Answers request `number` with 200 and three bytes.
        fn answer(&mut self, number: usize) {
            let slot = self.requests[number];
            self.server.send_head(slot, 200, std::iter::empty(), || false);
            self.server.send_data(slot, b"yes", true);
            self.pass();
        }

        fn outcomes(&mut self) -> Vec<(Duration, Outcome)> {
            self.done.drain(..).map(|done| (done.due.at, done.outcome)).collect()
        }
    }

    fn at(milliseconds: u64, outcome: Outcome) -> (Duration, Outcome) {
        (Duration::from_millis(milliseconds), outcome)
    }

    #[test]
    fn requests_share_a_connection_as_far_as_both_sides_want() {
        for (streams, allowed, most) in [(3, 100, 3), (16, 2, 2)] {
            let mut pair = Pair::settled(&Asked { streams, ..ASKED }, allowed);
            let mut taken = 0;
            while pair.client.has_room() {
                pair.client.take(due(taken));
                taken += 1;
            }
            pair.pass();
            assert_eq!((pair.client.carries(), pair.requests.len()), (most, most));
            pair.answer(most - 1); // in whatever order
            assert_eq!(pair.outcomes(), [at(taken - 1, Outcome::Answered(200))]);
            assert!(pair.client.has_room());
        }
    }

    #[test]
    fn a_body_is_sent_as_far_as_windows_allow() {
        let body = "x".repeat(300_000);
        let mut pair = Pair::settled(&Asked { body: Some(&body), ..ASKED }, 10);
        pair.client.take(due(1));
        pair.client.take(due(2));
        pair.pass();
        assert_eq!(pair.received, 600_000);
        assert!(pair.requests.iter().all(|slot| pair.server.is_read(*slot)), "both have ended");
        pair.answer(0);
        assert_eq!(pair.outcomes(), [at(1, Outcome::Answered(200))]);
    }

    #[test]
    fn what_was_refused_unseen_is_told_apart() {
        let mut pair = Pair::new(&ASKED, 1);
        for number in 0..3 {
            pair.client.take(due(number)); // nobody has said yet that one is all it takes
        }
        pair.pass();
        assert_eq!(pair.outcomes(), [at(1, Outcome::Refused), at(2, Outcome::Refused)]);
        assert!(!pair.client.has_room(), "one is under way");
        pair.server.release(pair.requests[0]);
        pair.pass();
        assert_eq!(pair.outcomes(), [at(0, Outcome::Failed(Failure::Reset))]);
        assert!(pair.client.has_room());
    }

    #[test]
    fn a_server_that_leaves_answers_what_it_has_begun() {
        let mut pair = Pair::settled(&ASKED, 10);
        pair.client.take(due(1));
        pair.pass();
        pair.server.leave();
        pair.pass();
        assert!(!pair.client.has_room() && !pair.client.is_over());
        pair.answer(0);
        assert_eq!(pair.outcomes(), [at(1, Outcome::Answered(200))]);
        assert!(pair.client.is_over());
    }

    #[test]
    fn a_request_that_was_given_up_ends_its_connection_only_in_silence() {
        let mut pair = Pair::settled(&ASKED, 10);
        for number in 1..=3 {
            pair.client.take(due(number));
            pair.pass();
        }
        pair.answer(2);
        pair.client.give_up(due(1).at, &mut pair.done);
        let expected = [at(3, Outcome::Answered(200)), at(1, Outcome::Failed(Failure::Timeout))];
        assert_eq!(pair.outcomes(), expected);
        assert!(pair.client.has_room(), "the server is there");
        pair.client.take(due(4));
        pair.client.give_up(due(4).at, &mut pair.done);
        assert_eq!(pair.done.len(), 2);
        assert!(pair.client.is_over(), "nothing has come since");
    }

    #[test]
    fn without_keep_alive_a_connection_carries_one() {
        let mut pair = Pair::settled(&Asked { keep_alive: false, ..ASKED }, 10);
        pair.client.take(due(1));
        assert!(!pair.client.has_room());
        pair.pass();
        pair.answer(0);
        assert!(pair.client.is_over());
    }

    #[test]
    fn another_protocol_is_garbage() {
        let mut pair = Pair::new(&ASKED, 10);
        pair.client.take(due(1));
        let fed = pair.client.feed(b"HTTP/1.1 400 Bad Request\r\n\r\n", &mut pair.done);
        assert_eq!(fed, Err(Garbage));
    }
}
