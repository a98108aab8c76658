//! The checksum of the Internet protocols (RFC 1071): the complement of a sum of 16-bit numbers
//! with its carries.

use std::net::IpAddr;

/// A sum under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u32);

impl Sum {
    /// And these bytes; an odd last one counts as if a zero followed, so only the last piece may
    /// be odd.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let last = rest.first().map(|&byte| [byte, 0]);
        let numbers = pairs.iter().copied().chain(last).map(u16::from_be_bytes);
        Self(numbers.fold(self.0, |sum, number| {
            let sum = sum + u32::from(number);
            (sum & 0xffff) + (sum >> 16)
        }))
    }

    /// What goes into the field of the checksum, which was zero in the sum.
    pub fn finish(self) -> [u8; 2] {
        let folded = u16::try_from(self.0).expect("carries were folded in");
        (!folded).to_be_bytes()
    }

    /// Whether a sum with the checksum in it is what it should be.
    pub fn fits(self) -> bool {
        self.finish() == [0, 0]
    }
}

/// What IP adds to the sum of the protocol it carries (RFC 9293 §3.1 for IPv4, RFC 8200 §8.1 for
/// IPv6, by the family of `source`). `length` is that of the payload, at most that of an IP packet.
pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length: usize) -> Sum {
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let ends = [source, destination].iter().fold(Sum::default(), |sum, end| match end {
        IpAddr::V4(address) => sum.with(&address.octets()),
        IpAddr::V6(address) => sum.with(&address.octets()),
    });
    ends.with(&length).with(&[0, protocol])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1071 §3.
    #[test]
    fn the_example_of_the_rfc() {
        let sum = Sum::default().with(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.finish(), [!0xdd, !0xf2]);
        assert!(sum.with(&sum.finish()).fits());
    }

    #[test]
    fn an_odd_byte_counts_as_the_high_one() {
        assert_eq!(Sum::default().with(&[1, 2, 3]), Sum::default().with(&[1, 2, 3, 0]));
        assert!(Sum::default().with(&[0xff; 2_000]).fits(), "carries never get lost");
    }
}
