//! Content codings: what a client takes (RFC 9110 §12.5.3), and what of that is best.

use crate::message::header::{list, trim};

/// A coding this node knows besides `identity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 8878.
    Zstd,
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// Each of them once.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// Its name in `Accept-Encoding` and `Content-Encoding`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What the name of a file ends in that holds another one in this coding.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
    }

    fn named(token: &[u8]) -> Option<Self> {
        // RFC 9110 §8.4.1.3: `x-gzip` is `gzip`.
        let token = if token.eq_ignore_ascii_case(b"x-gzip") { b"gzip" } else { token };
        Self::ALL.into_iter().find(|coding| token.eq_ignore_ascii_case(coding.token().as_bytes()))
    }
}

/// What a client takes, and how gladly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// In thousandths, in the order of [`Coding::ALL`]; 0: not at all.
    qualities: [u16; 3],
    /// Of the plain form, when the client names it. Else it is what is left when nothing better is
    /// there.
    identity: u16,
}

impl Accepted {
    /// From the values of all `Accept-Encoding` lines. Without one, nothing is coded: the standard
    /// would allow it, and clients that say nothing often understand nothing.
    pub fn read<'b>(lines: impl Iterator<Item = &'b [u8]>) -> Self {
        let (mut named, mut others, mut identity) = ([None; 3], 0, 0);
        for member in lines.flat_map(list) {
            let (token, quality) = weighed(member);
            if token == b"*" {
                others = quality;
            } else if token.eq_ignore_ascii_case(b"identity") {
                identity = quality;
            } else if let Some(coding) = Coding::named(token) {
                named[coding as usize] = Some(quality);
            }
        }
        Self { qualities: named.map(|quality| quality.unwrap_or(others)), identity }
    }

    /// Those of `known` the client takes and does not like less than the plain form: what it likes
    /// best first, else in the order of `known`.
    pub fn best_of(self, known: [Coding; 3]) -> impl Iterator<Item = Coding> {
        let mut order = known;
        order.sort_by_key(|coding| std::cmp::Reverse(self.quality(*coding)));
        order.into_iter().filter(move |coding| {
            let quality = self.quality(*coding);
            quality > 0 && quality >= self.identity
        })
    }

    const fn quality(self, coding: Coding) -> u16 {
        self.qualities[coding as usize]
    }
}

/// A member of the list and its weight in thousandths. A weight that cannot be read is none at all.
fn weighed(member: &[u8]) -> (&[u8], u16) {
    let mut parts = member.split(|byte| *byte == b';').map(trim);
    let token = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| match part {
        [b'q' | b'Q', b'=', value @ ..] => Some(thousandths(value).unwrap_or(0)),
        _ => None,
    });
    (token, weight.unwrap_or(1_000))
}

/// RFC 9110 §12.4.2: from 0 to 1 with at most three decimals.
fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, decimals) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut sum = u16::from(whole.checked_sub(b'0').filter(|digit| *digit <= 1)?) * 1_000;
    for (decimal, worth) in decimals.iter().zip([100, 10, 1]) {
        sum += u16::from(decimal.checked_sub(b'0').filter(|digit| *digit <= 9)?) * worth;
    }
    (sum <= 1_000).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::Coding::{Brotli, Gzip, Zstd};
    use super::*;

    #[test]
    fn the_client_decides_and_then_the_order_here() {
        let cases: [(&[&str], &[Coding]); 18] = [
            (&[], &[]),
            (&[""], &[]),
            (&["gzip"], &[Gzip]),
            (&["GZIP"], &[Gzip]),
            (&["x-gzip"], &[Gzip]),
            (&["gzip, deflate, br, zstd"], &[Zstd, Brotli, Gzip]),
            (&["gzip", "br"], &[Brotli, Gzip]),
            (&["gzip;q=1.0, br;q=0.8"], &[Gzip, Brotli]),
            (&["br ; q=0.8 , gzip; Q=1"], &[Gzip, Brotli]),
            (&["gzip;q=0"], &[]),
            (&["gzip;q=0.000, *"], &[Zstd, Brotli]),
            (&["*;q=0, br"], &[Brotli]),
            (&["*;q=0"], &[]),
            (&["identity"], &[]),
            (&["identity;q=1, gzip;q=0.5"], &[]),
            (&["identity;q=0.5, gzip;q=0.5"], &[Gzip]),
            (&["identity;q=0, gzip"], &[Gzip]),
            (&["gzip;q=2, br;q=0.1234, zstd;q=-1, deflate"], &[]),
        ];
        for (lines, wanted) in cases {
            let accepted = Accepted::read(lines.iter().map(|line| line.as_bytes()));
            assert_eq!(accepted.best_of(Coding::ALL).collect::<Vec<_>>(), wanted, "{lines:?}");
        }
    }

    #[test]
    fn a_weight_has_three_decimals_at_most() {
        for (text, wanted) in [
            ("0", Some(0)),
            ("1", Some(1_000)),
            ("0.", Some(0)),
            ("0.5", Some(500)),
            ("0.001", Some(1)),
            ("1.000", Some(1_000)),
            ("1.001", None),
            ("0.0001", None),
            ("2", None),
            ("", None),
            (".5", None),
            ("0,5", None),
        ] {
            assert_eq!(thousandths(text.as_bytes()), wanted, "{text}");
        }
    }
}
