use proptest::prelude::*;

use super::*;
use crate::vrrp::Version::{V2, V3};
use crate::vrrp::{GROUP_V4, GROUP_V6};

fn way(source: &str, destination: impl Into<IpAddr>) -> Envelope {
    Envelope {
        source: source.parse().unwrap(),
        destination: destination.into(),
        hop_limit: HOP_LIMIT,
    }
}

fn group() -> Envelope {
    way("192.0.2.1", GROUP_V4)
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| *byte != b' ').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn advert(version: Version, id: u8, priority: u8, millis: u64, addresses: &[&str]) -> Advert {
    Advert {
        version,
        router_id: RouterId::new(id).unwrap(),
        priority,
        interval: Duration::from_millis(millis),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        password: None,
    }
}

fn written(advert: &Advert, envelope: &Envelope, form: ChecksumForm) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, advert, envelope, form);
    out
}

/// Captured from keepalived 2.2.7 of Debian 12: what it says is what we read, and what we write is
/// what it says.
#[test]
fn adverts_are_keepaliveds() {
    let six = way("fe80::ff:fe00:1", GROUP_V6);
    let peer = way("192.0.2.1", Ipv4Addr::new(192, 0, 2, 2));
    let with_word =
        Advert { password: Some(*b"secret\0\0"), ..advert(V2, 54, 100, 1_000, &["192.0.2.14"]) };
    let cases = [
        ("31339601 0064d3cb c000020a", group(), advert(V3, 51, 150, 1_000, &["192.0.2.10"])),
        ("31330001 006469cc c000020a", group(), advert(V3, 51, 0, 1_000, &["192.0.2.10"])),
        (
            "31346502 000a6122 c000020b c000020c",
            peer,
            advert(V3, 52, 101, 100, &["192.0.2.11", "192.0.2.12"]),
        ),
        (
            "21356401 0001b8ba c000020d 0000000000000000",
            group(),
            advert(V2, 53, 100, 1_000, &["192.0.2.13"]),
        ),
        (
            "21350001 00011cbb c000020d 0000000000000000",
            group(),
            advert(V2, 53, 0, 1_000, &["192.0.2.13"]),
        ),
        ("21366401 01017b6c c000020e 7365637265740000", group(), with_word),
        (
            "3137c802 0064dcd8 fe800000000000000000000000000010 20010db8000000000000000000000010",
            six,
            advert(V3, 55, 200, 1_000, &["fe80::10", "2001:db8::10"]),
        ),
    ];
    for (hex, envelope, expected) in cases {
        let bytes = bytes(hex);
        let packet = parse(&bytes, &envelope);
        assert_eq!(packet.map(|packet| packet.advert), Ok(expected.clone()), "{hex}");
        assert_eq!(written(&expected, &envelope, ChecksumForm::default()), bytes, "{hex}");
    }
}

/// RFC 9568 §5.2.8 sums up the advert alone; both forms are read.
#[test]
fn both_checksums_of_version_3_are_understood() {
    let advert = advert(V3, 51, 150, 1_000, &["192.0.2.10"]);
    let plain = written(&advert, &group(), ChecksumForm::Plain);
    assert_eq!(plain, bytes("31339601 0064765c c000020a"), "summed up by hand");
    assert_eq!(parse(&plain, &group()).unwrap().advert, advert);
    let other_way = way("192.0.2.9", GROUP_V4);
    assert_eq!(parse(&plain, &other_way).unwrap().advert, advert);
    let with = written(&advert, &group(), ChecksumForm::WithPseudoHeader);
    assert_eq!(parse(&with, &other_way), Err(Reason::Checksum));
}

#[test]
fn each_check_has_its_reason() {
    let good = bytes("31339601 0064d3cb c000020a");
    let routed = Envelope { hop_limit: 254, ..group() };
    assert_eq!(parse(&good, &routed), Err(Reason::HopLimit));
    let six = way("fe80::1", GROUP_V6);
    let cases = [
        ("", group(), Reason::TooShort),
        ("31339601 0064d3", group(), Reason::TooShort),
        ("31339601 0064d3cb c00002", group(), Reason::TooShort),
        ("31339602 0064d3cb c000020a", group(), Reason::TooShort),
        ("313396ff 0064d3cb c000020a", group(), Reason::TooShort),
        ("31339601 0064d3cb c000020a 00", group(), Reason::TooLong),
        ("31339600 0064d3cb c000020a", group(), Reason::TooLong),
        ("11339601 0064d3cb c000020a", group(), Reason::Version),
        ("41339601 0064d3cb c000020a", group(), Reason::Version),
        ("21339601 0064d3cb c000020a", six, Reason::Version),
        ("32339601 0064d3cb c000020a", group(), Reason::Type),
        ("31339701 0064d3cb c000020a", group(), Reason::Checksum),
        ("31339601 0064d3cb c000020b", group(), Reason::Checksum),
    ];
    for (hex, envelope, reason) in cases {
        assert_eq!(parse(&bytes(hex), &envelope), Err(reason), "{hex}");
    }
    // With a checksum that fits, so that the check behind it is met.
    let mended = [
        ("31009601 00640000 c000020a", Reason::RouterId),
        ("31339600 00640000", Reason::NoAddress),
        ("31339601 00000000 c000020a", Reason::Interval),
        ("31339601 f0000000 c000020a", Reason::Interval),
        ("21356401 00000000 c000020d 0000000000000000", Reason::Interval),
        ("21356401 02010000 c000020d 0000000000000000", Reason::Authentication),
    ];
    for (hex, reason) in mended {
        let mut bytes = bytes(hex);
        let sum = Sum::default().with(&bytes).finish();
        bytes[6..8].copy_from_slice(&sum);
        assert_eq!(parse(&bytes, &group()), Err(reason), "{hex}");
    }
}

/// RFC 9568 §5.2.6: ignored on reception.
#[test]
fn reserved_bits_mean_nothing() {
    let mut reserved = bytes("31339601 f0640000 c000020a");
    let sum = Sum::default().with(&reserved).finish();
    reserved[6..8].copy_from_slice(&sum);
    assert_eq!(parse(&reserved, &group()).unwrap().advert.interval, Duration::from_secs(1));
}

#[test]
fn what_cannot_be_said_becomes_the_nearest() {
    for (version, millis, said) in
        [(V3, 1, 10), (V3, 60_000, 40_950), (V2, 100, 1_000), (V2, 300_000, 255_000)]
    {
        let advert = advert(version, 1, 1, millis, &["192.0.2.10", "2001:db8::1"]);
        let bytes = written(&advert, &group(), ChecksumForm::default());
        let read = parse(&bytes, &group()).unwrap().advert;
        assert_eq!((read.interval, read.addresses.len()), (Duration::from_millis(said), 1));
    }
}

fn adverts() -> impl Strategy<Value = (Advert, bool)> {
    let address = |six: bool| {
        any::<[u8; 16]>().prop_map(move |octets| {
            if six { octets.into() } else { IpAddr::from([octets[0], octets[1], octets[2], 10]) }
        })
    };
    (any::<bool>(), any::<bool>(), 1_u8.., any::<u8>(), 1..4_096_u64).prop_flat_map(
        move |(six, old, id, priority, ticks)| {
            let version = if old && !six { V2 } else { V3 };
            let millis = if version == V2 { ticks % 255 * 1_000 + 1_000 } else { ticks * 10 };
            let word = any::<Option<[u8; 8]>>();
            (prop::collection::vec(address(six), 1..=255), word).prop_map(
                move |(addresses, word)| {
                    let interval = Duration::from_millis(millis);
                    let router_id = RouterId::new(id).unwrap();
                    let password = word.filter(|_| version == V2);
                    (Advert { version, router_id, priority, interval, addresses, password }, six)
                },
            )
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read((advert, six) in adverts(), plain in any::<bool>()) {
        let envelope = if six { way("fe80::1", GROUP_V6) } else { group() };
        let form = if plain { ChecksumForm::Plain } else { ChecksumForm::WithPseudoHeader };
        let bytes = written(&advert, &envelope, form);
        prop_assert_eq!(parse(&bytes, &envelope).map(|packet| packet.advert), Ok(advert));
        for end in [0, 1, 7, 8, bytes.len() - 1] {
            prop_assert!(parse(&bytes[..end], &envelope).is_err());
        }
    }
}
