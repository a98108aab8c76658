//! What must hold for all bytes, tried with bytes made from the words of the protocol.

#[path = "../../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "the library of the fuzz targets, where this is its interface")]
mod properties;

use proptest::prelude::*;

/// Bytes that get further than noise does.
fn http() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: &[&str] = &[
        "GET ",
        "POST ",
        "OPTIONS ",
        "/",
        "/a/../b",
        "/%61;x?y",
        "*",
        "http://b:1/c",
        " HTTP/1.1\r\n",
        " HTTP/1.0\r\n",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 204 \r\n",
        "HTTP/1.1 101 S\r\n",
        "Host: a\r\n",
        "Host: [::1]:80\r\n",
        "Content-Length: 5\r\n",
        "Content-Length:",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close, X\r\n",
        "Connection: upgrade\r\n",
        "Upgrade: x\r\n",
        "Upgrade: h2c\r\n",
        "Expect: 100-continue\r\n",
        "X: y\r\n",
        "X_Y: z\r\n",
        "X-Forwarded-For: 1.2.3.4, ::1\r\n",
        "Trailer: X\r\n",
        "TE: x\r\n",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        " ",
        ":",
        ",",
        "\0",
        "\t",
        "é",
    ];
    let piece = prop_oneof![
        20 => prop::sample::select(WORDS).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

fn chunks() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: &[&str] = &[
        "5\r\nhello\r\n",
        "0\r\n",
        "0\r\n\r\n",
        "\r\n",
        "1",
        "a",
        ";b=c",
        ";\"d\\\"\"",
        "X: y\r\n",
        "Host: b\r\n",
        "\n",
        "\r",
        " ",
        "x",
    ];
    let piece = prop_oneof![
        20 => prop::sample::select(WORDS).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

/// Frames and what is done about them, for either side of a connection.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    /// A request and an answer, of entries of HPACK's static table.
    const HEADS: &[&[u8]] = &[b"\x82\x86\x84\x41\x01a", b"\x88", b"\x88\x5c\x013", b"\0\x01x\x01y"];
    const NUMBERS: &[&[u8]] =
        &[b"", b"\0\0\0\x01", b"\0\x01\0\0", b"\0\x04\0\0\0\x05", b"leaving!"];
    let payload = prop_oneof![
        3 => prop::sample::select(HEADS).prop_map(<[u8]>::to_vec),
        3 => prop::sample::select(NUMBERS).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..200),
    ];
    let flags = prop::sample::select(&[0_u8, 1, 4, 5, 8, 0x20][..]);
    let stream = prop::sample::select(&[0_u8, 1, 1, 3, 3, 5, 7, 2][..]);
    let act = (any::<u8>(), flags, stream, payload).prop_map(|(act, flags, stream, payload)| {
        let length = u8::try_from(payload.len()).expect("at most 200");
        [&[act, flags, stream, length], &payload[..]].concat()
    });
    (any::<u8>(), prop::collection::vec(act, 0..60))
        .prop_map(|(first, acts)| [vec![first], acts.concat()].concat())
}

proptest! {
    #[test]
    fn request_heads(bytes in http()) {
        properties::request_head(&bytes);
    }

    #[test]
    fn response_heads(bytes in http()) {
        properties::response_head(&bytes);
    }

    #[test]
    fn chunked_bodies(bytes in chunks()) {
        properties::chunked_body(&bytes);
    }

    #[test]
    fn noise(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        properties::request_head(&bytes);
        properties::response_head(&bytes);
        properties::chunked_body(&bytes);
        properties::client_hello(&bytes);
        properties::proxy_protocol(&bytes);
        properties::advert(&bytes);
        properties::neighbour(&bytes);
        properties::hpack(&bytes);
        properties::http2(&bytes);
    }

    #[test]
    fn broken_adverts(at in 0..512_usize, byte in any::<u8>()) {
        for seed in [
            &include_bytes!("../../../fuzz/corpus/advert/keepalived-v3")[..],
            include_bytes!("../../../fuzz/corpus/advert/keepalived-v2-password"),
            include_bytes!("../../../fuzz/corpus/advert/keepalived-v3-ipv6"),
            include_bytes!("../../../fuzz/corpus/advert/signed"),
        ] {
            let mut bytes = seed.to_vec();
            properties::advert(&bytes);
            let at = at % bytes.len();
            bytes[at] = byte;
            properties::advert(&bytes);
        }
    }

    #[test]
    fn broken_neighbours(at in 0..512_usize, byte in any::<u8>()) {
        for seed in [
            &include_bytes!("../../../fuzz/corpus/neighbour/arp-announcement")[..],
            include_bytes!("../../../fuzz/corpus/neighbour/ndp-announcement"),
            include_bytes!("../../../fuzz/corpus/neighbour/ndp-probe"),
        ] {
            let mut bytes = seed.to_vec();
            properties::neighbour(&bytes);
            let at = at % bytes.len();
            bytes[at] = byte;
            properties::neighbour(&bytes);
        }
    }

    #[test]
    fn broken_proxy_headers(at in 0..512_usize, byte in any::<u8>()) {
        for seed in [
            &include_bytes!("../../../fuzz/corpus/proxy_protocol/v2-extensions")[..],
            include_bytes!("../../../fuzz/corpus/proxy_protocol/v1-tcp6"),
        ] {
            let mut bytes = seed.to_vec();
            properties::proxy_protocol(&bytes);
            let at = at % bytes.len();
            bytes[at] = byte;
            properties::proxy_protocol(&bytes);
        }
    }

    #[test]
    fn broken_blocks(at in 0..512_usize, byte in any::<u8>()) {
        for seed in [
            &include_bytes!("../../../fuzz/corpus/hpack/answer")[..],
            include_bytes!("../../../fuzz/corpus/hpack/evicted-name"),
            include_bytes!("../../../fuzz/corpus/hpack/literals"),
            include_bytes!("../../../fuzz/corpus/hpack/resize"),
            include_bytes!("../../../fuzz/corpus/hpack/same-again"),
        ] {
            let mut bytes = seed.to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            properties::hpack(&bytes);
        }
    }

    #[test]
    fn talks_in_frames(bytes in frames()) {
        properties::http2(&bytes);
    }

    #[test]
    fn broken_hellos(at in 0..512_usize, byte in any::<u8>()) {
        let mut bytes = include_bytes!("../../../fuzz/corpus/client_hello/several-records").to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        properties::client_hello(&bytes);
    }
}
