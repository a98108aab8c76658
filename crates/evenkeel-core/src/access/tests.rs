use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::Access;
use crate::config::Network;

fn network(text: &str) -> Network {
    let (address, bits) = text.split_once('/').unwrap();
    Network::new(address.parse().unwrap(), bits.parse().unwrap()).unwrap()
}

fn access(allow: &[&str], deny: &[&str]) -> Access {
    let networks = |list: &[&str]| list.iter().map(|text| network(text)).collect::<Vec<_>>();
    Access::new(&networks(allow), &networks(deny))
}

#[test]
fn the_narrowest_range_decides() {
    let cases: &[(&[&str], &[&str], &str, bool)] = &[
        (&[], &[], "192.0.2.1", true),
        (&["10.0.0.0/8"], &[], "10.1.2.3", true),
        (&["10.0.0.0/8"], &[], "11.0.0.0", false),
        (&["10.0.0.0/8"], &[], "::1", false),
        (&[], &["10.0.0.0/8"], "10.255.255.255", false),
        (&[], &["10.0.0.0/8"], "11.0.0.0", true),
        (&["10.0.0.0/8"], &["10.1.0.0/16"], "10.1.0.0", false),
        (&["10.0.0.0/8"], &["10.1.0.0/16"], "10.2.0.0", true),
        (&["10.1.0.0/16"], &["10.0.0.0/8"], "10.1.0.0", true),
        (&["10.1.0.0/16"], &["10.0.0.0/8"], "10.2.0.0", false),
        (&["10.1.2.3/32"], &["0.0.0.0/0"], "10.1.2.3", true),
        (&["10.1.2.3/32"], &["0.0.0.0/0"], "10.1.2.4", false),
        (&["10.0.0.0/8"], &["10.0.0.0/8"], "10.0.0.1", false),
        (&["255.0.0.0/8"], &["255.255.255.255/32"], "255.255.255.255", false),
        // However an IPv4 address came, and never by a range of IPv6.
        (&["10.0.0.0/8"], &[], "::ffff:10.0.0.1", true),
        (&["::ffff:10.0.0.0/104"], &[], "10.0.0.1", true),
        (&[], &["::/0"], "10.0.0.1", true),
        (&[], &["::/0"], "2001:db8::1", false),
        (&["ffff::/16"], &[], "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
    ];
    for (allow, deny, address, admitted) in cases {
        let found = access(allow, deny).admits(address.parse().unwrap());
        assert_eq!(found, *admitted, "{address}: allow {allow:?}, deny {deny:?}");
    }
}

/// The rule as it is told.
fn by_the_book(allow: &[Network], deny: &[Network], address: IpAddr) -> bool {
    let narrowest = |networks: &[Network]| {
        let around = networks.iter().filter(|network| network.contains(address));
        around.map(|network| u128::MAX - (network.range().1 - network.range().0)).max()
    };
    match (narrowest(allow), narrowest(deny)) {
        (None, None) => allow.is_empty(),
        (allowed, denied) => allowed > denied,
    }
}

proptest! {
    #[test]
    fn lists_of_any_length_say_what_the_rule_says(
        allow in prop::collection::vec((0..=255_u8, 24..=32_u8), 0..12),
        deny in prop::collection::vec((0..=255_u8, 24..=32_u8), 0..12),
    ) {
        let networks = |list: &[(u8, u8)]| -> Vec<Network> {
            let of = |&(last, bits): &(u8, u8)| {
                let masked = u32::from(last) & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                Network::new(IpAddr::V4((0x0a00_0000 | masked).into()), bits).unwrap()
            };
            list.iter().map(of).collect()
        };
        let (allow, deny) = (networks(&allow), networks(&deny));
        let access = Access::new(&allow, &deny);
        for last in 0..=255 {
            let address = Ipv4Addr::new(10, 0, 0, last).into();
            prop_assert_eq!(access.admits(address), by_the_book(&allow, &deny, address), "{}", address);
        }
    }
}
