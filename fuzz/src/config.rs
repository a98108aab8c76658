//! What must hold for every text somebody may take for a configuration. Apart from the other
//! properties because it needs the compiler, which core's tests must not.

use std::path::PathBuf;

use evenkeel_control::compile::{Surroundings, compile};

/// It is understood or refused with a reason that can be shown, and the data plane can use what
/// was understood.
pub fn config_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let surroundings = Surroundings {
        base: PathBuf::from("/"),
        overrides: Vec::new(),
        read: |_, _| Ok(b"0123456789abcdef".to_vec()),
        read_secret: |_, _| Ok(b"0123456789abcdef".to_vec()),
        now: || std::time::SystemTime::UNIX_EPOCH,
        cores: 1,
        host_name: "fuzz".to_owned(),
        state_directory: None,
        exports_traces: true,
    };
    match compile("fuzz.toml", text, &surroundings) {
        Ok(compiled) => {
            let pools = compiled.config.pools.len();
            let snapshot = evenkeel_core::snapshot::Snapshot::compile(compiled.config);
            assert_eq!(snapshot.config().pools.len(), pools);
        }
        Err(findings) => {
            assert!(findings.faults() > 0, "refused without a reason");
            assert!(!findings.to_string().is_empty());
        }
    }
}
