//! The fuzz corpus of what devices say, and generated lines, as ordinary tests.

#[path = "../../../fuzz/src/device_line.rs"]
#[allow(unreachable_pub, reason = "the fuzz target's file, where this is its interface")]
mod device_line;

use std::fs;
use std::path::Path;

use proptest::prelude::*;

#[test]
fn fuzz_seeds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/device_line");
    let mut seeds = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        let bytes = fs::read(entry.expect("it can be read").path()).expect("so can its files");
        for end in 0..=bytes.len() {
            device_line::device_line(&bytes[..end]);
        }
        seeds += 1;
    }
    assert!(seeds > 0, "{} is empty", folder.display());
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
        device_line::device_line(&bytes);
    }

    #[test]
    fn any_reading(sequence: u64, time: u64, value: f64) {
        device_line::device_line(format!("put {sequence} {time} {{\"a\":{value}}}\n").as_bytes());
    }
}
