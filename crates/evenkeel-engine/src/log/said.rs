//! What the client said, kept until the line is written.

/// Bytes kept of each thing said. Browsers' addresses and names fit; what a hostile client adds
/// does not, so that one line cannot fill a block.
const MOST_BYTES: usize = 4 * 1024;
/// Bytes of memory kept from one exchange for the next.
const SPARE_BYTES: usize = 4 * 1024;
const TRACE_ID_DIGITS: usize = 32;

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

    /// The value of a `traceparent` header: `00-TRACE-PARENT-FLAGS` (W3C Trace Context §3.2). One
    /// that is malformed is not believed.
    pub(crate) fn set_traceparent(&mut self, traceparent: &[u8]) {
        if let Some(id) = trace_id(traceparent) {
            self.set(Part::TraceId, id);
        }
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

fn trace_id(traceparent: &[u8]) -> Option<&[u8]> {
    let mut fields = traceparent.splitn(3, |byte| *byte == b'-');
    let (version, id, _parent) = (fields.next()?, fields.next()?, fields.next()?);
    let lower_hex = |field: &[u8]| field.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    // Version ff and the id that is all zeros are invalid.
    let good = version.len() == 2 && lower_hex(version) && version != b"ff";
    let good = good && id.len() == TRACE_ID_DIGITS && lower_hex(id);
    (good && id.iter().any(|digit| *digit != b'0')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_id_is_believed_only_when_well_formed() {
        const ID: &str = "0af7651916cd43dd8448eb211c80319c";
        let check = |traceparent: &str, believed: bool| {
            let mut said = Said::default();
            said.set_traceparent(traceparent.as_bytes());
            let expected = if believed { ID } else { "" };
            assert_eq!(said.trace_id(), expected.as_bytes(), "{traceparent}");
        };
        check(&format!("00-{ID}-b7ad6b7169203331-01"), true);
        check(&format!("01-{ID}-b7ad6b7169203331-01-later"), true);
        check(&format!("ff-{ID}-b7ad6b7169203331-01"), false);
        check(&format!("00-{}-b7ad6b7169203331-01", ID.to_uppercase()), false);
        check(&format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), false);
        check(&format!("00-{}-b7ad6b7169203331-01", &ID[1..]), false);
        check(&format!("00-{ID}"), false);
        check("", false);
    }

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
