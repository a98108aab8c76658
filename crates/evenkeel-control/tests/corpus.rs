//! The fuzz corpus of configurations, as an ordinary test.

#[path = "../../../fuzz/src/config.rs"]
#[allow(unreachable_pub, reason = "the fuzz target's file, where this is its interface")]
mod config;

use std::fs;
use std::path::Path;

#[test]
fn fuzz_seeds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/config_text");
    let mut seeds = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let text = fs::read(entry.unwrap().path()).unwrap();
        config::config_text(&text);
        // A file is often cut where its author stopped to think.
        for end in (0..text.len()).step_by(7) {
            config::config_text(&text[..end]);
        }
        seeds += 1;
    }
    assert!(seeds > 0, "{} is empty", folder.display());
}
