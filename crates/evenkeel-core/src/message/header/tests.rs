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
        ("X-Forwarded-Server", Name::Claim),
        ("x-forwarded", Name::Claim),
        ("X-FORWARDED-By", Name::Claim),
        ("X-Forwarde", Name::Other),
        ("X-Forward-For", Name::Other),
        ("X-Forwarded_For", Name::Underscored),
        ("X-Client-IP", Name::Claim),
        ("X-Url-Scheme", Name::Claim),
        ("X-Rewrite-URL", Name::Claim),
        ("X-Original-URL", Name::Claim),
        ("True-Client-IP", Name::Claim),
        ("Front-End-Https", Name::Claim),
        ("X-Cluster-Client-IP", Name::Claim),
        ("X-Original-Forwarded-For", Name::Claim),
        ("Proxy", Name::Proxy),
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
