//! One keyed hash, for all that must come out the same on every node and in every version: where a
//! key belongs, and what a sticky cookie says.
//!
//! `SipHash-2-4` (Aumasson and Bernstein, 2012): fast on short keys, and who does not know the seed
//! can neither foretell a hash nor find what was hashed.

use std::fmt;
use std::net::IpAddr;

/// The secret, or the public number, that a hash depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed([u64; 2]);

/// Never prints the number: it may be a secret.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl Seed {
    /// Places keys on servers. Public, so that all nodes agree without being told.
    pub const PLACING: Self = Self::new(*b"evenkeel placing");

    /// From sixteen bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        let number = u128::from_le_bytes(bytes);
        Self([low(number), low(number >> 64)])
    }

    /// From a secret of any length; the same on every node that has the same secret.
    pub fn from_secret(secret: &[u8]) -> Self {
        Self([b"evenkeel secret0", b"evenkeel secret1"].map(|half| Self::new(*half).hash(secret)))
    }

    /// The hash of these bytes under this seed.
    pub fn hash(self, bytes: &[u8]) -> u64 {
        let mut state = State::new(self);
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            state.absorb(u64::from_le_bytes(chunk.try_into().expect("a chunk has eight bytes")));
        }
        let mut last = [0; 8];
        last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
        // Of the length only the low byte counts.
        last[7] = bytes.len().to_le_bytes()[0];
        state.absorb(u64::from_le_bytes(last));
        state.finish()
    }
}

/// Where these bytes (an address, a URI, a header's value) belong.
pub fn key(bytes: &[u8]) -> u64 {
    Seed::PLACING.hash(bytes)
}

/// Where a client belongs, by its address: an IPv4 address is the same however it came.
pub fn source(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => key(&v4.octets()),
        IpAddr::V6(v6) => key(&v6.octets()),
    }
}

/// What a server is told apart by when keys are placed: its name, so that it keeps its keys when its
/// address changes.
pub fn identity(name: &str) -> u64 {
    key(name.as_bytes())
}

/// Two numbers that are hashes already, as one (the finalizer of `SplitMix64`).
pub(crate) const fn mix(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.rotate_left(32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number below `size`, from the high bits of a hash.
pub(crate) fn reduce(hash: u64, size: usize) -> usize {
    let product = u128::from(hash) * u128::from(size as u64);
    usize::try_from(product >> 64).expect("below size")
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
const fn low(number: u128) -> u64 {
    number as u64
}

/// The four words of the permutation.
struct State([u64; 4]);

impl State {
    fn new(Seed([k0, k1]): Seed) -> Self {
        Self([
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ])
    }

    fn absorb(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.round();
        self.0[0] ^= word;
    }

    fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        for _ in 0..4 {
            self.round();
        }
        let [v0, v1, v2, v3] = self.0;
        v0 ^ v1 ^ v2 ^ v3
    }

    fn round(&mut self) {
        let [v0, v1, v2, v3] = &mut self.0;
        *v0 = v0.wrapping_add(*v1);
        *v1 = v1.rotate_left(13) ^ *v0;
        *v0 = v0.rotate_left(32);
        *v2 = v2.wrapping_add(*v3);
        *v3 = v3.rotate_left(16) ^ *v2;
        *v0 = v0.wrapping_add(*v3);
        *v3 = v3.rotate_left(21) ^ *v0;
        *v2 = v2.wrapping_add(*v1);
        *v1 = v1.rotate_left(17) ^ *v2;
        *v2 = v2.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the reference implementation: key 00 01 … 0f, input 00 01 … of each length.
    #[test]
    fn it_is_siphash() {
        let seed = Seed::new(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        let input: Vec<u8> = (0..63).collect();
        for (length, hash) in [
            (0, 0x726f_db47_dd0e_0e31),
            (1, 0x74f8_39c5_93dc_67fd),
            (7, 0xab02_00f5_8b01_d137),
            (8, 0x93f5_f579_9a93_2462),
            (15, 0xa129_ca61_49be_45e5),
            (63, 0x958a_324c_eb06_4572),
        ] {
            assert_eq!(seed.hash(&input[..length]), hash, "{length}");
        }
    }

    /// Another number here would move every key of every user.
    #[test]
    fn keys_stay_where_they_are() {
        assert_eq!(key(b""), 0x87de_f335_54c3_c897);
        assert_eq!(key(b"203.0.113.9"), 0x1352_9255_530b_67fb);
        assert_eq!(identity("app1"), 0xf5a7_4505_47d5_d365);
        assert_eq!(mix(1, 2), 0x52c4_e387_94fe_d135);
    }

    #[test]
    fn an_address_is_one_however_it_is_written() {
        let source = |text: &str| source(text.parse().unwrap());
        assert_eq!(source("192.0.2.1"), source("::ffff:192.0.2.1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8::2"));
    }

    #[test]
    fn a_seed_is_not_printed() {
        assert_eq!(format!("{:?}", Seed::from_secret(b"x")), "Seed(..)");
        assert_ne!(Seed::from_secret(b"x"), Seed::from_secret(b"y"));
    }
}
