//! Bodies that prove themselves: made from their path, carried with their hash.

/// The header an origin puts the hash of its body in.
pub const HASH_HEADER: &str = "x-body-hash";

/// The body for `key`, piece by piece.
#[derive(Debug)]
pub struct Body {
    block: Vec<u8>,
    left: u64,
}

impl Body {
    /// Bytes of one piece; the last one may be shorter.
    pub const PIECE: usize = 64 * 1024;

    /// `bytes` bytes that look random and are always the same for one `key`.
    pub fn new(key: &str, bytes: u64) -> Self {
        let size = usize::try_from(bytes).unwrap_or(usize::MAX).min(Self::PIECE);
        let mut state = hash(key.as_bytes()) | 1;
        let words = std::iter::repeat_with(|| {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        let mut block: Vec<u8> = words.take(size.div_ceil(8)).flatten().collect();
        block.truncate(size);
        Self { block, left: bytes }
    }

    /// The next piece; `None` at the end.
    pub fn piece(&mut self) -> Option<&[u8]> {
        let size = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.block.len());
        self.left -= size as u64;
        (size > 0).then(|| &self.block[..size])
    }

    /// The hash of the whole, as it stands in [`HASH_HEADER`].
    pub fn hash(key: &str, bytes: u64) -> String {
        let mut body = Self::new(key, bytes);
        let mut hasher = Hasher::default();
        while let Some(piece) = body.piece() {
            hasher.write(piece);
        }
        hasher.finish()
    }
}

/// Hashes a stream however it is cut: FNV-1a over words, so that unoptimised tests stay fast.
#[derive(Clone, Debug)]
pub struct Hasher {
    state: u64,
    word: [u8; 8],
    filled: usize,
    bytes: u64,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { state: 0xcbf2_9ce4_8422_2325, word: [0; 8], filled: 0, bytes: 0 }
    }
}

impl Hasher {
    /// Takes the next bytes.
    pub fn write(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.filled == 0 {
                let (words, rest) = bytes.as_chunks();
                for word in words {
                    self.mix(*word);
                }
                bytes = rest;
            }
            let taken = bytes.len().min(8 - self.filled);
            self.word[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == 8 {
                self.mix(self.word);
                self.filled = 0;
            }
        }
    }

    /// Bytes taken so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// 16 hexadecimal digits.
    pub fn finish(mut self) -> String {
        self.word[self.filled..].fill(0);
        self.mix(self.word);
        self.mix(self.bytes.to_le_bytes());
        format!("{:016x}", self.state)
    }

    fn mix(&mut self, word: [u8; 8]) {
        let mixed = (self.state ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3);
        self.state = mixed ^ (mixed >> 29);
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = Hasher::default();
    hasher.write(bytes);
    u64::from_str_radix(&hasher.finish(), 16).expect("16 hexadecimal digits fit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_does_not_depend_on_the_cuts() {
        let mut body = Body::new("/a", 100_000);
        let mut whole = Vec::new();
        while let Some(piece) = body.piece() {
            whole.extend_from_slice(piece);
        }
        assert_eq!(whole.len(), 100_000);
        for step in [1, 3, 7, 8, 9, 1000, 65_536] {
            let mut hasher = Hasher::default();
            whole.chunks(step).for_each(|chunk| hasher.write(chunk));
            assert_eq!(hasher.finish(), Body::hash("/a", 100_000), "step {step}");
        }
        assert_ne!(Body::hash("/b", 100_000), Body::hash("/a", 100_000));
        assert_ne!(Body::hash("/a", 99_999), Body::hash("/a", 100_000));
    }

    #[test]
    fn a_body_may_be_empty() {
        assert!(Body::new("/a", 0).piece().is_none());
    }
}
