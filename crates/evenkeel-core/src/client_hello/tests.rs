use super::*;

fn vector16(content: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(content.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(content);
    out
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().to_vec(), vector16(content)].concat()
}

fn sni(name: &[u8]) -> Vec<u8> {
    extension(0, &vector16(&[vec![0], vector16(name)].concat()))
}

fn alpn(names: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = names
        .iter()
        .flat_map(|name| [vec![u8::try_from(name.len()).unwrap()], name.to_vec()].concat())
        .collect();
    extension(16, &vector16(&list))
}

/// A handshake message with these extensions.
fn message(extensions: &[Vec<u8>]) -> Vec<u8> {
    message_of(&[], extensions)
}

/// The same in a session of this id.
fn message_of(session: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend_from_slice(&[7; 32]);
    body.push(u8::try_from(session.len()).unwrap());
    body.extend_from_slice(session);
    body.extend_from_slice(&[0, 4, 0x0a, 0x0a, 0x13, 1, 1, 0]); // with a GREASE suite
    body.extend_from_slice(&vector16(&extensions.concat()));
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1], &length[1..], &body].concat()
}

/// Cut into records of at most `size` bytes.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(|piece| [vec![22, 3, 1], vector16(piece)].concat()).collect()
}

fn meaning(bytes: &[u8]) -> Result<String, NotTls> {
    Ok(match parse(bytes)? {
        None => "more".to_owned(),
        Some(hello) => {
            let alpn: Vec<_> = hello.alpn().map(|it| it.escape_ascii().to_string()).collect();
            format!("{} [{}]", hello.server_name().unwrap_or("-"), alpn.join(" "))
        }
    })
}

fn large() -> Vec<u8> {
    let key_share = extension(51, &vec![9; 30_000]);
    message(&[extension(0x1a1a, &[]), key_share, sni(b"Shop.example"), alpn(&[b"h2", b"http/1.1"])])
}

#[test]
fn the_id_of_a_session_has_32_bytes_at_most() {
    let hello = |bytes: usize| records(&message_of(&vec![1; bytes], &[sni(b"a.example")]), 1000);
    assert_eq!(meaning(&hello(32)).as_deref(), Ok("a.example []"));
    for bytes in [33, 255] {
        assert_eq!(meaning(&hello(bytes)), Err(NotTls::Malformed), "{bytes}");
    }
}

#[test]
fn a_hello_is_read_however_it_is_cut() {
    let hello = large();
    for size in [40, 127, 1000, 16_384] {
        let bytes = [records(&hello, size), b"rest".to_vec()].concat();
        assert_eq!(
            meaning(&bytes).as_deref(),
            Ok("Shop.example [h2 http/1.1]"),
            "records of {size}"
        );
    }
    let small = message(&[sni(b"a")]);
    for size in 1..small.len() {
        let bytes = records(&small, size);
        for end in 0..bytes.len() {
            assert_eq!(meaning(&bytes[..end]).as_deref(), Ok("more"), "{end} of records of {size}");
        }
        assert_eq!(meaning(&bytes).as_deref(), Ok("a []"));
    }
}

#[test]
fn names() {
    let long = [b'a'; 300];
    let label = [b'a'; 64];
    for (name, wanted) in [
        (&b"shop.example"[..], "shop.example"),
        (b"xn--a_b-c", "xn--a_b-c"),
        (b"a.", "a."),
        (b"10.example", "10.example"),
        (b"10.0.0.1", "-"),
        (b"[::1]", "-"),
        (b"::1", "-"),
        (b"a..b", "-"),
        (b".a", "-"),
        (b"", "-"),
        (b".", "-"),
        (b"a b", "-"),
        (b"a\0b", "-"),
        (b"a/b", "-"),
        (b"*.a", "-"),
        (b"\xc3\xa4", "-"),
        (&long, "-"),
        (&label, "-"),
    ] {
        let bytes = records(&message(&[sni(name)]), 16_384);
        assert_eq!(meaning(&bytes), Ok(format!("{wanted} []")), "{}", name.escape_ascii());
    }
    assert_eq!(meaning(&records(&message(&[]), 16_384)).as_deref(), Ok("- []"));
    let other_type = extension(0, &vector16(&[vec![9], vector16(b"a")].concat()));
    assert_eq!(meaning(&records(&message(&[other_type]), 16_384)).as_deref(), Ok("- []"));
}

#[test]
fn what_contradicts_itself_is_refused() {
    let two_hosts = [vec![0], vector16(b"a"), vec![0], vector16(b"b")].concat();
    for (extensions, what) in [
        (vec![sni(b"a"), sni(b"a")], "two names"),
        (vec![alpn(&[b"h2"]), alpn(&[b"h2"])], "two protocol lists"),
        (vec![extension(0, &vector16(&two_hosts))], "two hosts in one list"),
        (vec![extension(0, &[])], "an empty name extension"),
        (vec![extension(0, &vector16(&[]))], "an empty name list"),
        (vec![extension(0, &[0, 9, 0, 0, 1, b'a'])], "a list longer than its extension"),
        (vec![extension(0, &[0, 4, 0, 0, 9, b'a'])], "a name longer than its list"),
        (vec![alpn(&[b""])], "an empty protocol"),
        (vec![extension(16, &[0, 2, 9, b'a'])], "a protocol longer than its list"),
        (vec![vec![0, 0, 0]], "half an extension"),
    ] {
        let bytes = records(&message(&extensions), 16_384);
        assert_eq!(meaning(&bytes), Err(NotTls::Malformed), "{what}");
    }
    let mut trailing = message(&[sni(b"a")]);
    trailing.push(0);
    trailing[3] += 1;
    assert_eq!(meaning(&records(&trailing, 16_384)), Err(NotTls::Malformed));
}

#[test]
fn other_protocols_are_told_at_once() {
    for (bytes, wanted) in [
        (&b"G"[..], NotTls::NotHandshake),
        (b"\x80\x2e\x01\x03\x01", NotTls::NotHandshake),
        (b"\x15\x03\x01", NotTls::NotHandshake),
        (b"PROXY TCP4", NotTls::NotHandshake),
        (b"\x16\x02", NotTls::BadRecord),
        (b"\x16\x03\x01\0\0", NotTls::BadRecord),
        (b"\x16\x03\x01\x40\x01", NotTls::BadRecord),
        (b"\x16\x03\x01\0\x05\x02", NotTls::NotClientHello),
        (b"\x16\x03\x01\0\x05\x01\x01\0\x01\0", NotTls::TooLarge),
        (b"\x16\x03\x01\0\x01\x01\x15\x03\x01", NotTls::NotHandshake),
    ] {
        assert_eq!(meaning(bytes), Err(wanted), "{}", bytes.escape_ascii());
    }
    assert_eq!(meaning(b"").as_deref(), Ok("more"));
    assert_eq!(meaning(b"\x16\x03\x01\0\x05").as_deref(), Ok("more"));
    assert_eq!(meaning(&records(&large(), 8)), Err(NotTls::TooLarge));
}
