use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;
use crate::vrrp::packet::{self, Advert, ChecksumForm};
use crate::vrrp::{GROUP_V4, HOP_LIMIT, RouterId, Version};

const ONE: [u8; 4] = [192, 0, 2, 1];

fn key(id: u8) -> Key {
    Key::new(id, &[id; 32]).unwrap()
}

fn keys(ids: &[u8]) -> Keys {
    Keys::new(ids.iter().map(|&id| key(id)).collect()).unwrap()
}

fn envelope(source: [u8; 4]) -> Envelope {
    Envelope { source: source.into(), destination: GROUP_V4.into(), hop_limit: HOP_LIMIT }
}

fn unsigned(source: [u8; 4]) -> Vec<u8> {
    let advert = Advert {
        version: Version::V3,
        router_id: RouterId::new(51).unwrap(),
        priority: 150,
        interval: Duration::from_secs(1),
        addresses: vec![Ipv4Addr::new(192, 0, 2, 10).into()],
        password: None,
    };
    let mut out = Vec::new();
    packet::write(&mut out, &advert, &envelope(source), ChecksumForm::default());
    out
}

fn signed(signer: &mut Signer, source: [u8; 4]) -> Vec<u8> {
    let mut out = unsigned(source);
    signer.sign(&mut out, &envelope(source));
    out
}

fn admit(verifier: &mut Verifier, bytes: &[u8], source: [u8; 4]) -> Result<Standing, Reason> {
    let envelope = envelope(source);
    let packet = packet::parse(bytes, &envelope)?;
    verifier.admit(&packet, &envelope)
}

#[test]
fn what_is_signed_is_accepted_once() {
    let (mut signer, mut verifier) =
        (Signer::new(keys(&[1]), 7), Verifier::new(keys(&[1]), Mode::Require));
    let packets: Vec<_> = (0..3).map(|_| signed(&mut signer, ONE)).collect();
    for packet in &packets {
        assert_eq!(admit(&mut verifier, packet, ONE), Ok(Standing::Signed));
    }
    for packet in &packets {
        assert_eq!(admit(&mut verifier, packet, ONE), Err(Reason::Replayed));
    }
    assert_eq!(admit(&mut verifier, &unsigned(ONE), ONE), Err(Reason::Unsigned));
}

/// Any change of any byte, or of whom it is from.
#[test]
fn what_was_changed_is_refused() {
    let mut signer = Signer::new(keys(&[1]), 7);
    let good = signed(&mut signer, ONE);
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        let mut verifier = Verifier::new(keys(&[1]), Mode::Require);
        assert!(admit(&mut verifier, &bytes, ONE).is_err(), "byte {at}");
        assert!(admit(&mut verifier, &good[..at], ONE).is_err(), "cut at {at}");
        assert_eq!(admit(&mut verifier, &good, ONE), Ok(Standing::Signed), "nothing was learned");
    }
    // Its own checksum fits another sender, its signature does not.
    let mut plain = Vec::new();
    let advert = packet::parse(&good, &envelope(ONE)).unwrap().advert;
    packet::write(&mut plain, &advert, &envelope(ONE), ChecksumForm::Plain);
    signer.sign(&mut plain, &envelope(ONE));
    let mut verifier = Verifier::new(keys(&[1]), Mode::Require);
    assert_eq!(admit(&mut verifier, &plain, [192, 0, 2, 2]), Err(Reason::BadSignature));
    assert_eq!(admit(&mut verifier, &plain, ONE), Ok(Standing::Signed));
}

/// Within the window in any order; behind it not at all.
#[test]
fn the_window_moves_on() {
    let mut signer = Signer::new(keys(&[1]), 7);
    let packets: Vec<_> = (0..200).map(|_| signed(&mut signer, ONE)).collect();
    let mut verifier = Verifier::new(keys(&[1]), Mode::Require);
    let mut ask = |at: usize| admit(&mut verifier, &packets[at], ONE).is_ok();
    assert!(ask(70));
    assert!(ask(7) && !ask(7), "63 behind");
    assert!(!ask(6), "64 behind");
    assert!(ask(199) && !ask(70) && ask(198) && ask(136) && !ask(135));
}

#[test]
fn a_restart_begins_a_new_count_and_an_old_one_is_over() {
    let (mut before, mut after) = (Signer::new(keys(&[1]), 7), Signer::new(keys(&[1]), 8));
    let recorded: Vec<_> = (0..50).map(|_| signed(&mut before, ONE)).collect();
    let mut verifier = Verifier::new(keys(&[1]), Mode::Require);
    admit(&mut verifier, &recorded[0], ONE).unwrap();
    admit(&mut verifier, &signed(&mut after, ONE), ONE).unwrap();
    for packet in &recorded {
        assert_eq!(admit(&mut verifier, packet, ONE), Err(Reason::Replayed));
    }
}

#[test]
fn a_key_is_changed_without_a_gap() {
    let mut signer = Signer::new(keys(&[1]), 7);
    let mut verifier = Verifier::new(keys(&[1, 2]), Mode::Require);
    admit(&mut verifier, &signed(&mut signer, ONE), ONE).unwrap();
    signer.rekey(keys(&[2, 1]));
    admit(&mut verifier, &signed(&mut signer, ONE), ONE).unwrap();
    verifier.rekey(keys(&[2]), Mode::Require);
    let last = signed(&mut signer, ONE);
    admit(&mut verifier, &last, ONE).unwrap();
    assert_eq!(admit(&mut verifier, &last, ONE), Err(Reason::Replayed), "memory stays");
    signer.rekey(keys(&[1]));
    assert_eq!(admit(&mut verifier, &signed(&mut signer, ONE), ONE), Err(Reason::UnknownKey));
}

/// The whole table of what each mode makes of each packet.
#[test]
fn modes() {
    let mut right = Signer::new(keys(&[1]), 7);
    let mut wrong = Signer::new(Keys::new(vec![Key::new(1, &[9; 40]).unwrap()]).unwrap(), 7);
    let mut other = Signer::new(keys(&[5]), 7);
    let tolerated = |reason| Ok(Standing::Tolerated(reason));
    let (unknown, bad, bare) = (Reason::UnknownKey, Reason::BadSignature, Reason::Unsigned);
    for (mode, expected) in [
        (Mode::AcceptAny, [tolerated(bare), tolerated(unknown), tolerated(bad)]),
        (Mode::Prefer, [tolerated(bare), Err(unknown), Err(bad)]),
        (Mode::Require, [Err(bare), Err(unknown), Err(bad)]),
    ] {
        let mut verifier = Verifier::new(keys(&[1, 2]), mode);
        let packets = [unsigned(ONE), signed(&mut other, ONE), signed(&mut wrong, ONE)];
        let found = packets.map(|packet| admit(&mut verifier, &packet, ONE));
        assert_eq!(found, expected, "{mode:?}");
        assert_eq!(admit(&mut verifier, &signed(&mut right, ONE), ONE), Ok(Standing::Signed));
        let after = admit(&mut verifier, &unsigned(ONE), ONE);
        assert_eq!(after.is_ok(), mode == Mode::AcceptAny, "{mode:?}: who signs must go on");
        let stranger = admit(&mut verifier, &unsigned([192, 0, 2, 3]), [192, 0, 2, 3]);
        assert_eq!(stranger.is_ok(), mode != Mode::Require, "{mode:?}");
    }
}

#[test]
fn the_one_not_heard_for_longest_makes_room() {
    let (mut signer, mut verifier) =
        (Signer::new(keys(&[1]), 8), Verifier::new(keys(&[1]), Mode::Require));
    for host in 0..=u8::try_from(MOST_SENDERS).unwrap() {
        let source = [198, 51, 100, host];
        let mut theirs = Signer::new(keys(&[1]), 7);
        admit(&mut verifier, &signed(&mut theirs, source), source).unwrap();
        admit(&mut verifier, &signed(&mut signer, ONE), ONE).unwrap();
    }
    assert_eq!(verifier.senders.len(), MOST_SENDERS);
    assert!(verifier.senders.iter().any(|sender| sender.address == IpAddr::from(ONE)));
}

#[test]
fn keys_that_are_none() {
    assert!(Key::new(1, &[0; 31]).is_none() && Key::new(1, &[0; 65]).is_none());
    assert!(Keys::new(vec![]).is_none());
    assert!(Keys::new(vec![key(1), key(1)]).is_none());
    assert!(Keys::new((0..5).map(key).collect()).is_none());
    assert!(!format!("{:?}", key(1)).contains("01"), "a secret is not shown");
}

/// Byte for byte, with the first half of the HMAC of another program (Python's `hmac`).
#[test]
fn the_trailer_is_what_it_was() {
    let bytes = signed(&mut Signer::new(keys(&[3]), 0x0102), ONE);
    let trailer = &bytes[12..];
    assert_eq!(trailer.len(), TRAILER_BYTES);
    assert_eq!(&trailer[..24], b"EKSG\x01\x03\0\0\0\0\0\0\0\0\x01\x02\0\0\0\0\0\0\0\x01");
    let mac = u128::from_be_bytes(*trailer[24..].first_chunk().unwrap());
    assert_eq!(mac, 0xb79a_0e80_f5c9_22b2_6074_450b_76bc_5bc8);
}
