use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use super::{Addresses, Header, MOST_BYTES, Reason, Tls, parse, write_v1, write_v2};

fn addresses(client: &str, destination: &str) -> Addresses {
    Addresses::new(client.parse().unwrap(), destination.parse().unwrap())
}

fn v4() -> Addresses {
    addresses("192.0.2.1:56324", "198.51.100.7:443")
}

/// Version 2 with this command, family and rest.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[command, family], &length, rest].concat()
}

/// Version 2 with the addresses of [`v4`] and these extensions.
fn extended(extensions: &[u8]) -> Vec<u8> {
    v2(0x21, 0x11, &[V4_BLOCK, extensions].concat())
}

const V4_BLOCK: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb];

#[test]
fn lines() {
    let six = addresses("[2001:db8::1]:1", "[2001:db8::2]:65535");
    let longest = "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
                   ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    assert_eq!(longest.len(), 107);
    let good: &[(&str, Option<Addresses>)] = &[
        ("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", Some(v4())),
        ("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", Some(six)),
        (
            "PROXY TCP4 192.0.2.1 198.51.100.7 0 0\r\n",
            Some(addresses("192.0.2.1:0", "198.51.100.7:0")),
        ),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN whatever it says\r\n", None),
        (longest, None),
    ];
    for (line, expected) in good {
        let followed = format!("{line}GET / HTTP/1.1\r\n");
        let (header, length) = parse(followed.as_bytes()).unwrap().unwrap();
        assert_eq!((header.addresses, length), (*expected, line.len()), "{line:?}");
        for end in 0..line.len() {
            assert_eq!(parse(&line.as_bytes()[..end]), Ok(None), "{line:?} cut at {end}");
        }
    }
}

#[test]
fn hostile_lines() {
    let bad = [
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\n",
        "PROXY  TCP4 192.0.2.1 198.51.100.7 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 1\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 65536\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 +1 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 01 443\r\n",
        "PROXY TCP4 192.0.2.01 198.51.100.7 1 443\r\n",
        "PROXY TCP4 192.0.2 198.51.100.7 1 443\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 443\r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.7 1 443\r\n",
        "PROXY TCP6 fe80::1%eth0 2001:db8::2 1 443\r\n",
        "PROXY TCP6 [2001:db8::1] 2001:db8::2 1 443\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.7 1 443\r\n",
        "PROXY tcp4 192.0.2.1 198.51.100.7 1 443\r\n",
        "PROXY \r\n",
        "PROXY TCP4\t192.0.2.1 198.51.100.7 1 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 1 443\r\r\n",
        "PROXY UNKNOWN\0\n",
    ];
    for line in bad {
        assert_eq!(parse(line.as_bytes()), Err(Reason::BadLine), "{line:?}");
    }
    let endless = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200]].concat();
    assert_eq!(parse(&endless[..106]), Ok(None));
    assert_eq!(parse(&endless[..107]), Err(Reason::LineTooLong));
    assert_eq!(parse(b"PROXY TCP4 \xff\r\n"), Err(Reason::BadLine));
}

#[test]
fn who_does_not_speak_it_is_known_by_the_first_wrong_byte() {
    for bytes in ["G", "GET / HTTP/1.1\r\n", "PROXYX", "proxy ", "\r\n\r\nX", "\x16\x03\x01", "\0"]
    {
        assert_eq!(parse(bytes.as_bytes()), Err(Reason::NotProxy), "{bytes:?}");
    }
    for bytes in
        ["", "P", "PROXY", "PROXY ", "\r", "\r\n\r\n\0\r\nQUIT\n", "\r\n\r\n\0\r\nQUIT\n!\x11"]
    {
        assert_eq!(parse(bytes.as_bytes()), Ok(None), "{bytes:?}");
    }
}

#[test]
fn hostile_headers() {
    let block = V4_BLOCK;
    let cases: &[(Vec<u8>, Reason)] = &[
        (v2(0x11, 0x11, block), Reason::BadVersion),
        (v2(0x01, 0x11, block), Reason::BadVersion),
        (v2(0x22, 0x11, block), Reason::BadCommand),
        (v2(0x2f, 0x11, block), Reason::BadCommand),
        (v2(0x21, 0x12, block), Reason::BadFamily),
        (v2(0x21, 0x22, &[0; 36]), Reason::BadFamily),
        (v2(0x21, 0x41, block), Reason::BadFamily),
        (v2(0x21, 0x10, block), Reason::BadFamily),
        (v2(0x21, 0x11, &block[..11]), Reason::TooShort),
        (v2(0x21, 0x21, &[0; 35]), Reason::TooShort),
        (v2(0x21, 0x31, &[0; 215]), Reason::TooShort),
        (v2(0x21, 0x11, &[0; MOST_BYTES - 15]), Reason::TooLarge),
        (v2(0x20, 0x00, &vec![0; 65_535]), Reason::TooLarge),
        // Extensions: cut in the head, beyond the end, twice, empty, too long, not text.
        (extended(&[0x01]), Reason::BadExtension),
        (extended(&[0x01, 0]), Reason::BadExtension),
        (extended(&[0x01, 0, 3, b'h', b'2']), Reason::BadExtension),
        (extended(&[0x01, 0xff, 0xff, b'h', b'2']), Reason::BadExtension),
        (extended(&[0x01, 0, 2, b'h', b'2', 0x01, 0, 2, b'h', b'2']), Reason::BadExtension),
        (extended(&[0x01, 0, 0]), Reason::BadExtension),
        (extended(&[&[0x05, 0, 129][..], &[7; 129]].concat()), Reason::BadExtension),
        (extended(&[0x02, 0, 1, 0xff]), Reason::BadExtension),
        (extended(&[0x02, 0, 2, b'a', b'\n']), Reason::BadExtension),
        (extended(&[0x20, 0, 4, 1, 0, 0, 0]), Reason::BadExtension),
        (extended(&[0x20, 0, 8, 1, 0, 0, 0, 0, 0x22, 0, 9]), Reason::BadExtension),
        (extended(&[0x03, 0, 3, 0, 0, 0]), Reason::BadExtension),
        (extended(&[0x03, 0, 4, 0, 0, 0, 0]), Reason::BadChecksum),
    ];
    for (bytes, reason) in cases {
        assert_eq!(parse(bytes), Err(*reason), "{bytes:x?}");
    }
    // Refused before what it announces has come.
    assert_eq!(parse(&v2(0x20, 0x00, &vec![0; 65_535])[..16]), Err(Reason::TooLarge));
    assert_eq!(parse(&v2(0x21, 0x11, &[])[..16]), Err(Reason::TooShort));
}

#[test]
fn nothing_is_known_of_the_client() {
    let whole = |bytes: &[u8]| (Header::default(), bytes.len());
    // LOCAL with a family and addresses: discarded, but skipped.
    for bytes in [
        v2(0x20, 0x00, &[]),
        v2(0x20, 0x11, V4_BLOCK),
        v2(0x20, 0xff, &[9; 40]),
        v2(0x21, 0x00, &[]),
        v2(0x21, 0x31, &[b'/'; 216]),
        // Padding and a type to come.
        v2(0x21, 0x00, &[0x04, 0, 2, 0, 0, 0xe0, 0, 1, 7]),
    ] {
        assert_eq!(parse(&bytes), Ok(Some(whole(&bytes))), "{bytes:x?}");
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), Ok(None), "{bytes:x?} cut at {end}");
        }
    }
}

/// Written down byte by byte, so that reading and writing cannot agree on the same mistake.
#[test]
fn golden_bytes() {
    let mut out = Vec::new();
    write_v1(&mut out, Some(&v4()));
    assert_eq!(out, b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n");
    out.clear();
    write_v1(&mut out, None);
    assert_eq!(out, b"PROXY UNKNOWN\r\n");
    out.clear();
    write_v1(&mut out, Some(&addresses("[2001:db8::1]:1", "[2001:db8::2]:2")));
    assert_eq!(out, b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n");
    out.clear();
    write_v2(&mut out, &Header { alpn: Some(b"h2"), ..Header::default() });
    assert_eq!(out, v2(0x20, 0x00, &[]), "what it says of nobody would be discarded");

    let tls = Tls {
        encrypted: true,
        certificate_on_connection: true,
        certificate_in_session: true,
        verified: true,
        version: Some("TLSv1.3"),
        common_name: Some("joe"),
        ..Tls::default()
    };
    let header = Header {
        addresses: Some(v4()),
        alpn: Some(b"h2"),
        authority: Some("a.example"),
        unique_id: Some(b"\x01\x02"),
        tls: Some(tls),
        namespace: None,
    };
    out.clear();
    write_v2(&mut out, &header);
    let extensions: &[&[u8]] = &[
        b"\x03\x00\x04", // and the checksum
        b"\x01\x00\x02h2",
        b"\x02\x00\x09a.example",
        b"\x05\x00\x02\x01\x02",
        b"\x20\x00\x15\x07\x00\x00\x00\x00\x21\x00\x07TLSv1.3\x22\x00\x03joe",
    ];
    let checksum = out[31..35].to_vec();
    let extensions = [extensions[0], &checksum, &extensions[1..].concat()].concat();
    assert_eq!(out, extended(&extensions));
    assert_eq!(parse(&out), Ok(Some((header, out.len()))));

    // One wrong bit anywhere is seen, by the checksum if by nothing else; but for those that make
    // it a LOCAL header, or the checksum something else.
    for bit in 0..out.len() * 8 {
        let mut broken = out.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        let read = parse(&broken);
        let local = matches!(&read, Ok(Some((header, _))) if header.addresses.is_none());
        assert!(!matches!(read, Ok(Some(_))) || local || bit / 8 == 28, "bit {bit}");
    }
}

#[test]
fn a_certificate_that_was_not_shown_was_not_verified() {
    let bytes = extended(&[0x20, 0, 5, 0x01, 0, 0, 0, 0]);
    let (header, _) = parse(&bytes).unwrap().unwrap();
    let tls = header.tls.unwrap();
    assert!(tls.encrypted && !tls.verified);
}

#[test]
fn what_does_not_fit_is_left_out() {
    let certificate = vec![7; 3_000];
    let name = "n".repeat(5_000);
    let tls = Tls { client_certificate: Some(&certificate), ..Tls::default() };
    let header = Header {
        addresses: Some(v4()),
        alpn: Some(b"h2"),
        authority: Some(&name),
        tls: Some(tls),
        ..Header::default()
    };
    let mut out = Vec::new();
    write_v2(&mut out, &header);
    let (read, _) = parse(&out).unwrap().unwrap();
    assert_eq!((read.alpn, read.authority), (header.alpn, None));
    assert_eq!(read.tls, Some(Tls::default()));
}

#[test]
fn families_are_not_mixed() {
    let mapped = addresses("[::ffff:192.0.2.1]:1", "198.51.100.7:2");
    assert_eq!(mapped.client(), "192.0.2.1:1".parse().unwrap());
    let mixed = addresses("192.0.2.1:1", "[2001:db8::2]:2");
    assert_eq!(mixed.client(), "[::ffff:192.0.2.1]:1".parse().unwrap());
    assert_eq!(mixed.destination(), "[2001:db8::2]:2".parse().unwrap());
}

fn ends() -> impl Strategy<Value = Addresses> {
    (any::<IpAddr>(), any::<u16>(), any::<IpAddr>(), any::<u16>()).prop_map(|(from, a, to, b)| {
        Addresses::new(SocketAddr::new(from, a), SocketAddr::new(to, b))
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        addresses in ends(),
        alpn in prop::option::of(prop::collection::vec(any::<u8>(), 1..20)),
        authority in prop::option::of("[a-z.-]{0,40}"),
        unique_id in prop::option::of(prop::collection::vec(any::<u8>(), 0..=128)),
        namespace in prop::option::of("[a-z]{0,10}"),
        tls in prop::option::of((any::<bool>(), any::<bool>(), "[ -~]{0,20}", "[ -~]{0,20}")),
    ) {
        let tls = tls.as_ref().map(|(encrypted, shown, version, name)| Tls {
            encrypted: *encrypted,
            certificate_on_connection: *shown,
            verified: *shown,
            version: Some(version),
            common_name: Some(name),
            ..Tls::default()
        });
        let header = Header {
            addresses: Some(addresses),
            alpn: alpn.as_deref(),
            authority: authority.as_deref(),
            unique_id: unique_id.as_deref(),
            tls,
            namespace: namespace.as_deref(),
        };
        let mut out = Vec::new();
        write_v2(&mut out, &header);
        for end in 0..out.len() {
            prop_assert_eq!(parse(&out[..end]), Ok(None));
        }
        prop_assert_eq!(parse(&out), Ok(Some((header, out.len()))));

        let mut line = Vec::new();
        write_v1(&mut line, Some(&addresses));
        let (read, length) = parse(&line).unwrap().unwrap();
        prop_assert_eq!((read.addresses, length), (Some(addresses), line.len()));
    }

    /// Bytes behind a header change nothing.
    #[test]
    fn noise(bytes in prop::collection::vec(any::<u8>(), 0..300), family in any::<u8>()) {
        let bytes = v2(0x21, family & 0x31, &bytes);
        if let Ok(Some((header, length))) = parse(&bytes) {
            let followed = [&bytes[..], b"more"].concat();
            prop_assert_eq!(parse(&followed), Ok(Some((header, length))));
        }
    }
}
