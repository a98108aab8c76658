use super::*;

#[test]
fn names_are_told_whatever_their_case() {
    for (name, kind) in [
        ("Host", Name::Host),
        ("hOST", Name::Host),
        ("Content-Length", Name::ContentLength),
        ("HTTP2-Settings", Name::Http2Settings),
        ("transfer-encoding", Name::TransferEncoding),
        ("Transfer_Encoding", Name::Underscored),
        ("_", Name::Underscored),
        ("TE", Name::Te),
        ("X-Forwarded-Proto", Name::XForwardedProto),
        ("X-Forwarded-Server", Name::Other),
        ("Hos", Name::Other),
        ("", Name::Other),
    ] {
        assert_eq!(Name::of(name.as_bytes()), kind, "{name}");
    }
}

#[test]
fn lists_lose_white_space_and_empty_members() {
    let members: Vec<_> = list(b" a,\t,b c , ,d").collect();
    assert_eq!(members, [&b"a"[..], b"b c", b"d"]);
    assert_eq!(list(b"").count(), 0);
}
