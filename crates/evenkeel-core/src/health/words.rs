//! A few words of somebody else's, cheap to pass about.

use std::fmt;

/// Text from outside: short, on one line, printable.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Words {
    bytes: [u8; Self::MOST_BYTES],
    length: u8,
}

impl Words {
    /// Enough for a reason; each server's time line holds some. Longer text is cut.
    pub const MOST_BYTES: usize = 79;

    /// The first line of `text` that is not blank. Control characters become `?`: reasons are
    /// shown in terminals and logs.
    pub fn new(text: &str) -> Self {
        let mut words = Self { bytes: [0; Self::MOST_BYTES], length: 0 };
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        for letter in line.chars() {
            let letter = if letter.is_control() { '?' } else { letter };
            let start = usize::from(words.length);
            let Some(space) = words.bytes.get_mut(start..start + letter.len_utf8()) else { break };
            letter.encode_utf8(space);
            words.length = u8::try_from(start + letter.len_utf8()).expect("at most MOST_BYTES");
        }
        words
    }

    /// As it is shown.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).expect("made of whole chars")
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn one_line_without_surprises() {
        let long = "\u{e9}".repeat(60);
        let cases = [
            ("", ""),
            ("\n  disk is full \nand more", "disk is full"),
            ("red \x1b[31m", "red ?[31m"),
            (&*long, &long[..78]),
        ];
        for (text, shown) in cases {
            assert_eq!(Words::new(text).as_str(), shown, "{text:?}");
        }
    }
}
