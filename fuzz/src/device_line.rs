//! What must hold for all bytes that somebody may send to comm.

use monitor::conversation::{Conversation, Step};
use monitor::protocol::{Answer, Framing, LONGEST_LINE, Request, frame, is_device_name};
use monitor::reading::{Fields, TimeWindow};

/// Lines are cut where they end and nowhere else; what is stored is what was sent, in one form, and
/// only who was admitted stores anything.
pub fn device_line(bytes: &[u8]) {
    let mut rest = bytes;
    let mut stranger = Conversation::default();
    let mut known = Conversation::Known;
    let window = TimeWindow { past_ms: u64::MAX, future_ms: u64::MAX };
    loop {
        let length = match frame(rest) {
            Framing::Line(length) => length,
            Framing::TooLong => {
                assert!(!rest[..LONGEST_LINE].contains(&b'\n'));
                return;
            }
            Framing::Partial => {
                assert!(rest.len() < LONGEST_LINE && !rest.contains(&b'\n'));
                return;
            }
        };
        let (line, after) = rest.split_at(length);
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(length - 1));
        if let Ok(Request::Hello { device, .. }) = Request::parse(line) {
            assert!(is_device_name(device));
        }
        let step = stranger.hear(line, window, 0);
        assert!(!matches!(step, Step::Store(_) | Step::Say(_)), "a stranger is answered: {step:?}");
        if let Step::Store(reading) = known.hear(line, window, 0) {
            let json = reading.fields.to_json();
            assert_eq!(Fields::parse(json.as_bytes()).as_ref(), Ok(&reading.fields), "{json}");
        }
        if let Some(answer) = std::str::from_utf8(line).ok().and_then(Answer::parse) {
            assert_eq!(Answer::parse(&answer.to_string()), Some(answer));
        }
        rest = after;
    }
}
