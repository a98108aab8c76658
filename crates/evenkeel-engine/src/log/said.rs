//! What the client said, kept until the line is written.

/// Bytes kept of each thing said. Browsers' addresses and names fit; what a hostile client adds
/// does not, so that one line cannot fill a block.
const MOST_BYTES: usize = 4 * 1024;
/// Bytes of memory kept from one exchange for the next.
const SPARE_BYTES: usize = 4 * 1024;

/// What the client said of its request: copied only when a log is on, into memory that is used
/// again. What was not said is empty.
#[derive(Debug, Default)]
pub(crate) struct Said {
    bytes: Vec<u8>,
    /// From where to where, by [`Part`].
    parts: [(usize, usize); 7],
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Method,
    Host,
    Target,
    Referer,
    UserAgent,
    RequestId,
    TraceId,
}

impl Said {
    /// Forgets everything but the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(SPARE_BYTES);
        self.parts = Default::default();
    }

    pub(crate) fn set_method(&mut self, method: &[u8]) {
        self.set(Part::Method, method);
    }

    pub(crate) fn set_host(&mut self, host: &[u8]) {
        self.set(Part::Host, host);
    }

    /// As the client sent it.
    pub(crate) fn set_target(&mut self, target: &[u8]) {
        self.set(Part::Target, target);
    }

    pub(crate) fn set_referer(&mut self, referer: &[u8]) {
        self.set(Part::Referer, referer);
    }

    pub(crate) fn set_user_agent(&mut self, user_agent: &[u8]) {
        self.set(Part::UserAgent, user_agent);
    }

    /// Said by the client, or made up for it.
    pub(crate) fn set_request_id(&mut self, request_id: &[u8]) {
        self.set(Part::RequestId, request_id);
    }

    /// Of the trace it belongs to, as digits.
    pub(crate) fn set_trace_id(&mut self, trace_id: &[u8]) {
        self.set(Part::TraceId, trace_id);
    }

    pub(crate) fn method(&self) -> &[u8] {
        self.get(Part::Method)
    }

    pub(crate) fn host(&self) -> &[u8] {
        self.get(Part::Host)
    }

    pub(crate) fn target(&self) -> &[u8] {
        self.get(Part::Target)
    }

    pub(crate) fn referer(&self) -> &[u8] {
        self.get(Part::Referer)
    }

    pub(crate) fn user_agent(&self) -> &[u8] {
        self.get(Part::UserAgent)
    }

    pub(crate) fn request_id(&self) -> &[u8] {
        self.get(Part::RequestId)
    }

    pub(crate) fn trace_id(&self) -> &[u8] {
        self.get(Part::TraceId)
    }

    fn set(&mut self, part: Part, value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&value[..value.len().min(MOST_BYTES)]);
        self.parts[part as usize] = (start, self.bytes.len());
    }

    fn get(&self, part: Part) -> &[u8] {
        let (start, end) = self.parts[part as usize];
        &self.bytes[start..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_kept_apart_up_to_a_bound_until_cleared() {
        let mut said = Said::default();
        said.set_method(b"GET");
        said.set_target(&[b'a'; 2 * MOST_BYTES]);
        said.set_host(b"shop.example");
        assert_eq!((said.method(), said.host()), (&b"GET"[..], &b"shop.example"[..]));
        assert_eq!(said.target().len(), MOST_BYTES);
        said.clear();
        assert_eq!((said.method(), said.target(), said.referer()), (&b""[..], &b""[..], &b""[..]));
        assert!(said.bytes.capacity() <= SPARE_BYTES);
    }
}
