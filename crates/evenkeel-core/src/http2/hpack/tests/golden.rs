//! The examples of RFC 7541, Appendix C; those of numbers are in `integer.rs`.

use super::*;

/// A block, what it means, and the table after it, its newest entry first.
struct Example {
    section: &'static str,
    block: &'static str,
    fields: &'static str,
    table: &'static str,
}

/// All on one connection.
fn check(decoder: &mut Decoder, examples: &[Example]) {
    for Example { section, block, fields: expected, table: entries } in examples {
        assert_eq!(decode(decoder, &bytes(block)), Ok(fields(expected)), "{section}");
        assert_eq!(table(decoder), fields(entries), "{section}: the table");
    }
}

/// The entries, each asked for by its number.
fn table(decoder: &mut Decoder) -> Vec<Field> {
    let block = |number| {
        let mut block = Vec::new();
        integer::write(&mut block, 0x80, 7, number);
        decode(decoder, &block).ok()
    };
    (FIRST_DYNAMIC..).map_while(block).flatten().collect()
}

#[test]
fn single_fields() {
    let examples = [
        Example {
            section: "C.2.1",
            block: "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            fields: "custom-key: custom-header",
            table: "custom-key: custom-header",
        },
        Example {
            section: "C.2.2",
            block: "040c 2f73 616d 706c 652f 7061 7468",
            fields: ":path: /sample/path",
            table: "",
        },
        Example {
            section: "C.2.3",
            block: "1008 7061 7373 776f 7264 0673 6563 7265 74",
            fields: "password: secret",
            table: "",
        },
        Example { section: "C.2.4", block: "82", fields: ":method: GET", table: "" },
    ];
    for example in examples {
        check(&mut Decoder::new(4096), &[example]);
    }
}

/// What the three requests mean, with Huffman code and without.
fn requests(blocks: [(&'static str, &'static str); 3]) -> [Example; 3] {
    let meanings = [
        (
            ":method: GET
             :scheme: http
             :path: /
             :authority: www.example.com",
            ":authority: www.example.com",
        ),
        (
            ":method: GET
             :scheme: http
             :path: /
             :authority: www.example.com
             cache-control: no-cache",
            "cache-control: no-cache
             :authority: www.example.com",
        ),
        (
            ":method: GET
             :scheme: https
             :path: /index.html
             :authority: www.example.com
             custom-key: custom-value",
            "custom-key: custom-value
             cache-control: no-cache
             :authority: www.example.com",
        ),
    ];
    let mut meanings = meanings.into_iter();
    blocks.map(|(section, block)| {
        let (fields, table) = meanings.next().expect("three of each");
        Example { section, block, fields, table }
    })
}

#[test]
fn requests_without_huffman_code() {
    let examples = requests([
        ("C.3.1", "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d"),
        ("C.3.2", "8286 84be 5808 6e6f 2d63 6163 6865"),
        ("C.3.3", "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65"),
    ]);
    check(&mut Decoder::new(4096), &examples);
}

#[test]
fn requests_with_huffman_code() {
    let examples = requests([
        ("C.4.1", "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"),
        ("C.4.2", "8286 84be 5886 a8eb 1064 9cbf"),
        ("C.4.3", "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"),
    ]);
    check(&mut Decoder::new(4096), &examples);
}

/// What the three answers mean, to a table of 256 bytes.
fn answers(blocks: [(&'static str, &'static str); 3]) -> [Example; 3] {
    let meanings = [
        (
            ":status: 302
             cache-control: private
             date: Mon, 21 Oct 2013 20:13:21 GMT
             location: https://www.example.com",
            "location: https://www.example.com
             date: Mon, 21 Oct 2013 20:13:21 GMT
             cache-control: private
             :status: 302",
        ),
        (
            ":status: 307
             cache-control: private
             date: Mon, 21 Oct 2013 20:13:21 GMT
             location: https://www.example.com",
            ":status: 307
             location: https://www.example.com
             date: Mon, 21 Oct 2013 20:13:21 GMT
             cache-control: private",
        ),
        (
            ":status: 200
             cache-control: private
             date: Mon, 21 Oct 2013 20:13:22 GMT
             location: https://www.example.com
             content-encoding: gzip
             set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1
             content-encoding: gzip
             date: Mon, 21 Oct 2013 20:13:22 GMT",
        ),
    ];
    let mut meanings = meanings.into_iter();
    blocks.map(|(section, block)| {
        let (fields, table) = meanings.next().expect("three of each");
        Example { section, block, fields, table }
    })
}

/// The examples take the size as agreed; here the peer says it.
fn small() -> Decoder {
    let mut decoder = Decoder::new(4096);
    assert_eq!(decode(&mut decoder, &bytes("3f e1 01")), Ok(Vec::new()));
    decoder
}

#[test]
fn answers_without_huffman_code() {
    let examples = answers([
        (
            "C.5.1",
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
             2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70
             6c65 2e63 6f6d",
        ),
        ("C.5.2", "4803 3330 37c1 c0bf"),
        (
            "C.5.3",
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
             54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049
             5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
             3d31",
        ),
    ]);
    check(&mut small(), &examples);
}

#[test]
fn answers_with_huffman_code() {
    let examples = answers([
        (
            "C.6.1",
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
             2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        ),
        ("C.6.2", "4883 640e ffc1 c0bf"),
        (
            "C.6.3",
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
             77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
             9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        ),
    ]);
    check(&mut small(), &examples);
}
