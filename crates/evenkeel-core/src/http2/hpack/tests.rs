use proptest::prelude::*;

use super::*;

mod golden;

type Field = (Vec<u8>, Vec<u8>);

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Field>, Malformed> {
    let mut fields = Vec::new();
    decoder.decode(block, |name, value, _| fields.push((name.to_vec(), value.to_vec())))?;
    Ok(fields)
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal");
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// Lines of `name: value`.
fn fields(lines: &str) -> Vec<Field> {
    let field = |line: &str| {
        // The name may begin with a colon.
        let at = 1 + line[1..].find(": ").expect("a field");
        (line[..at].into(), line[at + 2..].into())
    };
    lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(field).collect()
}

/// A string as Huffman code. Only tests need one: the encoder has its reasons.
fn huffman(text: &[u8]) -> Vec<u8> {
    let mut order: Vec<u8> = (0..=255).collect();
    order.sort_by_key(|byte| huffman::LENGTHS[usize::from(*byte)]);
    let mut codes = [0_u32; 256];
    let mut code = 0;
    for byte in order {
        codes[usize::from(byte)] = code;
        code += 1 << (32 - huffman::LENGTHS[usize::from(byte)]);
    }
    let mut bits: Vec<bool> = Vec::new();
    for byte in text {
        let code = codes[usize::from(*byte)];
        let length = u32::from(huffman::LENGTHS[usize::from(*byte)]);
        bits.extend((0..length).map(|place| code << place >> 31 == 1));
    }
    bits.resize(bits.len().next_multiple_of(8), true);
    let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks(8).map(byte).collect()
}

/// A literal of a new name that nobody keeps: `name` is written as it is, `value` as Huffman code.
fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut block = vec![0x00];
    integer::write(&mut block, 0, 7, name.len());
    block.extend_from_slice(name);
    let coded = huffman(value);
    integer::write(&mut block, 0x80, 7, coded.len());
    block.extend_from_slice(&coded);
    block
}

#[test]
fn every_byte_has_its_code() {
    for first in 0..=255 {
        for more in 0..12 {
            let text: Vec<u8> = (0..=more).map(|at: u8| first ^ at.wrapping_mul(37)).collect();
            let mut space = Vec::new();
            assert_eq!(huffman::decode(&huffman(&text), &mut space), Ok(&text[..]));
        }
    }
}

#[test]
fn a_huffman_string_ends_as_it_must() {
    let cases: [(&str, Result<&[u8], Malformed>); 13] = [
        ("", Ok(b"")),
        ("1f", Ok(b"a")), // five bits, and three ones
        ("f8", Ok(b"&")), // no bit is left
        ("ff", Err(Malformed::Padding)),
        ("1fff", Err(Malformed::Padding)),
        ("18", Err(Malformed::Padding)),
        ("1e", Err(Malformed::Padding)),
        ("00", Err(Malformed::Padding)),
        ("ffff", Err(Malformed::Padding)),
        ("fffffffc", Err(Malformed::EndInString)),
        ("ffffffff", Err(Malformed::EndInString)),
        ("1fffffffff", Err(Malformed::EndInString)),
        ("fffffff0", Err(Malformed::Padding)),
    ];
    for (coded, decoded) in cases {
        assert_eq!(huffman::decode(&bytes(coded), &mut Vec::new()), decoded, "{coded}");
    }
}

#[test]
fn malformed_blocks() {
    // `limit` is 4096 in all of these.
    let cases = [
        ("an indexed field of number 0", "80", Malformed::NoSuchEntry),
        ("beyond an empty table", "be", Malformed::NoSuchEntry),
        ("beyond a table of one", "40 01 61 01 62 be bf", Malformed::NoSuchEntry),
        ("far beyond", "ff ff ff ff 7f", Malformed::NoSuchEntry),
        ("a name beyond the table", "7e 01 62", Malformed::NoSuchEntry),
        ("a name beyond it, not kept", "0f 2f 01 62", Malformed::NoSuchEntry),
        ("a name beyond it, never kept", "1f 2f 01 62", Malformed::NoSuchEntry),
        ("what was evicted", "40 01 61 01 62 20 be", Malformed::TableSizeMisplaced),
        ("a number that goes on", "ff 80 80 80 80 01", Malformed::NumberTooLarge),
        ("a length that goes on", "00 7f ff ff ff ff ff ff", Malformed::NumberTooLarge),
        ("a size that goes on", "3f ff ff ff ff 0f", Malformed::NumberTooLarge),
        ("a number that is cut", "ff", Malformed::Cut),
        ("a number that is cut later", "ff 80", Malformed::Cut),
        ("no name", "40", Malformed::Cut),
        ("half a name", "40 02 61", Malformed::Cut),
        ("no value", "40 01 61", Malformed::Cut),
        ("no value of a known name", "42", Malformed::Cut),
        ("half a value", "42 03 61 62", Malformed::Cut),
        ("a length of what is not there", "42 7f ff ff ff 7f", Malformed::Cut),
        ("half a Huffman string", "42 82 1f", Malformed::Cut),
        ("a table above the limit", "3f e2 1f", Malformed::TableTooLarge),
        ("a table far above it", "3f ff ff ff 7f", Malformed::TableTooLarge),
        ("a third change of size", "20 3f e1 1f 20", Malformed::TableSizeMisplaced),
        ("a change behind a field", "82 20", Malformed::TableSizeMisplaced),
        ("a change behind a literal", "00 01 61 01 62 20", Malformed::TableSizeMisplaced),
        ("the end in a string", "42 84 ff ff ff ff", Malformed::EndInString),
        ("a padding of zeros", "42 81 18", Malformed::Padding),
        ("a padding of a byte", "42 82 1f ff", Malformed::Padding),
        ("nothing but padding", "42 81 ff", Malformed::Padding),
        ("a name's padding", "40 81 00 01 61", Malformed::Padding),
    ];
    for (what, block, malformed) in cases {
        let mut decoder = Decoder::new(4096);
        assert_eq!(decode(&mut decoder, &bytes(block)), Err(malformed), "{what}");
    }
}

#[test]
fn odd_blocks_that_are_allowed() {
    let cases = [
        ("nothing", "", ""),
        ("a change of size alone", "20", ""),
        ("two", "20 3f e1 1f", ""),
        ("the largest size, with zeros that add nothing", "3f e1 9f 80 00", ""),
        ("an entry that is larger than the table", "20 40 01 61 01 62", "a: b"),
        ("a known name, never to be kept", "1f 08 01 62", "authorization: b"),
    ];
    for (what, block, expected) in cases {
        let read = decode(&mut Decoder::new(4096), &bytes(block));
        assert_eq!(read, Ok(fields(expected)), "{what}");
    }
}

#[test]
fn a_peer_may_use_the_default_until_it_has_heard_otherwise() {
    let mut decoder = Decoder::new(0);
    assert_eq!(decode(&mut decoder, &bytes("3f e1 1f")), Ok(Vec::new()));
    let mut decoder = Decoder::new(1 << 16);
    assert_eq!(decode(&mut decoder, &bytes("3f e1 ff 03")), Ok(Vec::new()));
    assert_eq!(decode(&mut decoder, &bytes("3f e2 ff 03")), Err(Malformed::TableTooLarge));
}

/// Fields as they come, and such as come again.
fn field() -> impl Strategy<Value = Field> {
    let any_bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let known =
        prop::sample::select(&STATIC[..]).prop_map(|(name, value)| (name.to_vec(), value.to_vec()));
    let names = prop::sample::select(vec!["date", "cookie", "etag", "x-one", "x-two", "server"]);
    let values = prop_oneof![
        prop::sample::select(vec!["", "1", "a value"]).prop_map(|value| value.as_bytes().to_vec()),
        prop::sample::select(vec![100, 126, 127, 128, 1900, 2100, 5000])
            .prop_map(|length| vec![b'v'; length]),
    ];
    prop_oneof![
        3 => known,
        9 => (names.prop_map(|name| name.as_bytes().to_vec()), values),
        1 => (any_bytes(), any_bytes()),
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_means_the_same(
        blocks in prop::collection::vec(
            (
                prop::collection::vec(prop::sample::select(vec![0, 33, 100, 500, 4096, 65536]), 0..3),
                prop::collection::vec(field(), 0..20),
            ),
            0..30,
        ),
    ) {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
        let mut block = Vec::new();
        for (sizes, fields) in blocks {
            for size in sizes {
                encoder.set_most_table(size);
            }
            block.clear();
            encoder.begin(&mut block);
            for (name, value) in &fields {
                encoder.field(name, value, &mut block);
            }
            prop_assert_eq!(decode(&mut decoder, &block), Ok(fields));
        }
    }

    #[test]
    fn any_text_has_a_huffman_code(text in prop::collection::vec(any::<u8>(), 0..100)) {
        let read = decode(&mut Decoder::new(4096), &literal(&text, &text));
        prop_assert_eq!(read, Ok(vec![(text.clone(), text)]));
    }

    #[test]
    fn noise_does_no_harm(block in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut decoder = Decoder::new(4096);
        // Whether it means something is chance.
        let _ = decode(&mut decoder, &block);
    }
}
