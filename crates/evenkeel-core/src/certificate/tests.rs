use proptest::prelude::*;

use super::*;

fn facts(names: &[&str]) -> Facts {
    Facts {
        names: names.iter().map(|name| Arc::from(*name)).collect(),
        addresses: Vec::new(),
        not_before: 0,
        not_after: 0,
        key: KeyKind::Ecdsa,
        subject: Box::default(),
        issuer: Box::default(),
        serial: Box::default(),
    }
}

#[test]
fn a_star_is_one_label() {
    let facts = facts(&["shop.example", "*.example"]);
    for (name, covered) in [
        ("shop.example", true),
        ("a.example", true),
        ("a.b.example", false),
        ("example", false),
        (".example", true), // no host has this name; the SNI and Host readers refuse it
        ("shop.example.org", false),
    ] {
        assert_eq!(facts.covers(name), covered, "{name}");
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Facts::read(&bytes);
        let _ = distinguished_name::text(&bytes);
    }
}
