use std::sync::Arc;

use super::*;

fn facts(key: KeyKind, names: &[&str]) -> Facts {
    Facts {
        names: names.iter().map(|name| Arc::from(*name)).collect(),
        addresses: Vec::new(),
        not_before: 0,
        not_after: 0,
        key,
        subject: Box::default(),
        issuer: Box::default(),
        serial: Box::default(),
    }
}

/// 0 and 1: one name, RSA written first; 2: a wildcard; 3: two names, one of them under it.
fn several() -> [Facts; 4] {
    [
        facts(KeyKind::Rsa, &["shop.example"]),
        facts(KeyKind::Ecdsa, &["shop.example"]),
        facts(KeyKind::Ecdsa, &["*.example", "example"]),
        facts(KeyKind::Rsa, &["mail.example", "mail.test"]),
    ]
}

fn index(facts: &[Facts], default: Option<&str>, strict: bool) -> Index {
    Index::build(&facts.iter().collect::<Vec<_>>(), default, strict)
}

#[test]
fn the_name_chooses_then_the_signatures() {
    let facts = several();
    let loose = index(&facts, None, false);
    let strict = index(&facts, None, true);
    let long = "a.".repeat(150);
    let all: fn(usize) -> bool = |_| true;
    let rsa_only: fn(usize) -> bool = |at| at == 0 || at == 3;
    for (name, accepts, without, with_strict) in [
        (Some("shop.example"), all, 1, Ok(1)),
        (Some("SHOP.Example."), all, 1, Ok(1)),
        (Some("shop.example"), rsa_only, 0, Ok(0)),
        (Some("example"), all, 2, Ok(2)),
        (Some("a.example"), all, 2, Ok(2)),
        (Some("a.b.example"), all, 1, Err(UnknownName)),
        (Some(".example"), all, 1, Err(UnknownName)),
        (Some("mail.example"), all, 3, Ok(3)),
        // Its own certificate is not understood, the default's RSA one is.
        (Some("a.example"), rsa_only, 0, Ok(2)),
        (Some("other.test"), all, 1, Err(UnknownName)),
        (Some("a..b"), all, 1, Err(UnknownName)),
        (Some(long.as_str()), all, 1, Err(UnknownName)),
        (None, all, 1, Err(UnknownName)),
        (None, rsa_only, 0, Err(UnknownName)),
        (Some("shop.example"), |_| false, 1, Ok(1)),
    ] {
        assert_eq!(loose.choose(name, accepts), Ok(without), "{name:?}");
        assert_eq!(strict.choose(name, accepts), with_strict, "{name:?}, strict");
    }
}

#[test]
fn the_default_can_be_named() {
    let facts = several();
    assert_eq!(index(&facts, Some("mail.test"), false).choose(None, |_| true), Ok(3));
    assert_eq!(index(&facts, Some("b.example"), false).choose(None, |_| true), Ok(2));
    // As after a replacement by a certificate for other names.
    assert_eq!(index(&facts, Some("other.test"), false).choose(None, |_| true), Ok(1));
    assert_eq!(Index::default().choose(Some("a"), |_| true), Err(UnknownName));
}

#[test]
fn requests_for_other_certificates_hosts_are_misdirected() {
    let index = index(&several(), None, false);
    for (name, host, at_home) in [
        (Some("shop.example"), "Shop.Example", true),
        (Some("shop.example"), "shop.example.", true),
        (None, "mail.example", true),
        // Browsers share a connection between the names of one certificate.
        (Some("mail.example"), "mail.test", true),
        (Some("a.example"), "b.example", true),
        (Some("a.example"), "example", true),
        (Some("a.example"), "shop.example", false),
        (Some("shop.example"), "mail.example", false),
        (Some("mail.test"), "10.0.0.1", false),
        // Both lead to the default.
        (Some("other.test"), "10.0.0.1", true),
        (Some("shop.example"), "10.0.0.1", true),
    ] {
        assert_eq!(index.is_at_home(name, host), at_home, "{name:?} then {host}");
    }
}
