//! The names of the static table, and what is known of fields that have them.

use super::super::STATIC;

/// What is to be done with a field, unless the whole of it is in the static table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handling {
    /// It may come again and again.
    Repeats,
    /// It is another one for each request or each resource, so that it would only drive others out
    /// of the table. `date` is not among these: a second has many answers.
    Differs,
    /// It is written so that nobody ever puts it into a table, from whose hits it could be guessed
    /// (RFC 7541 §7.1).
    Sensitive,
}

const DIFFER: [&str; 16] = [
    ":path",
    ":status",
    "age",
    "content-length",
    "content-location",
    "content-range",
    "etag",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "range",
    "referer",
];

const SENSITIVE: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "set-cookie"];

/// A name, as far as the static table knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Its first entry; 0: there is none.
    first: u8,
    /// How many there are, one behind the other.
    entries: u8,
    pub(super) handling: Handling,
}

const UNKNOWN: Known = Known { first: 0, entries: 0, handling: Handling::Repeats };

/// The names by their [`place`].
static KNOWN: [Known; 128] = known();

/// Found by trial: the first number of its kind that gives each name a place of its own, which
/// [`known`] asserts.
const FACTOR: u32 = 0x82e1_087a;

/// What is known of fields of this name.
pub(super) fn find(name: &[u8]) -> Known {
    let ([first, ..], [.., last]) = (name, name) else { return UNKNOWN };
    let known = KNOWN[place(*first, *last, name.len())];
    // It may be another name of the same place.
    if known.first != 0 && STATIC[known.number() - 1].0 == name { known } else { UNKNOWN }
}

impl Known {
    /// The number of an entry of this name, 0: there is none.
    pub(super) fn number(self) -> usize {
        usize::from(self.first)
    }

    /// The number of the entry of this name and this value.
    pub(super) fn whole(self, value: &[u8]) -> Option<usize> {
        (self.number()..self.number() + usize::from(self.entries))
            .find(|number| STATIC[number - 1].1 == value)
    }
}

/// No two names of the table have these three in common.
const fn place(first: u8, last: u8, length: usize) -> usize {
    let key = u32::from_be_bytes([0, last, first, length.to_le_bytes()[0]]);
    (key.wrapping_mul(FACTOR) >> 25) as usize
}

const fn known() -> [Known; 128] {
    let mut known = [UNKNOWN; 128];
    let mut number = 1;
    while number <= STATIC.len() {
        let name = STATIC[number - 1].0;
        let slot = &mut known[place(name[0], name[name.len() - 1], name.len())];
        if slot.first == 0 {
            *slot = Known { first: number.to_le_bytes()[0], entries: 1, handling: handling(name) };
        } else {
            assert!(is_same(name, STATIC[slot.first as usize - 1].0));
            slot.entries += 1;
        }
        number += 1;
    }
    known
}

const fn handling(name: &[u8]) -> Handling {
    if is_among(name, &SENSITIVE) {
        Handling::Sensitive
    } else if is_among(name, &DIFFER) {
        Handling::Differs
    } else {
        Handling::Repeats
    }
}

const fn is_among(name: &[u8], names: &[&str]) -> bool {
    let mut at = 0;
    while at < names.len() {
        if is_same(name, names[at].as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_of_the_static_table_is_found() {
        for (at, (name, value)) in STATIC.iter().enumerate() {
            let known = find(name);
            assert_eq!(STATIC[known.number() - 1].0, *name);
            assert_eq!(known.whole(value), Some(at + 1));
            assert_eq!(known.whole(b"another"), None);
        }
    }

    #[test]
    fn other_names_are_not() {
        for name in ["", "x", ":", "dxte", "Date", "x-request-id", "accept-rangess", "cookies"] {
            assert_eq!(find(name.as_bytes()).number(), 0, "{name}");
        }
        let far_too_long = [&b"d"[..], &[b'x'; 258], b"e"].concat();
        assert_eq!(find(&far_too_long).number(), 0);
    }

    #[test]
    fn what_differs_and_what_is_sensitive_is_known_by_name() {
        for (names, handling) in
            [(&DIFFER[..], Handling::Differs), (&SENSITIVE[..], Handling::Sensitive)]
        {
            for name in names {
                assert_eq!(find(name.as_bytes()).handling, handling, "{name}");
            }
        }
        for name in ["date", "content-type", "x-api-version"] {
            assert_eq!(find(name.as_bytes()).handling, Handling::Repeats, "{name}");
        }
    }
}
