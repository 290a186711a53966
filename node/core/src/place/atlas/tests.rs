use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn net(text: &str) -> IpNetwork {
    text.parse().unwrap()
}

fn atlas_of(prefixes: &[(&str, u32)]) -> Atlas {
    let mut builder = AtlasBuilder::new(1);
    prefixes.iter().for_each(|&(prefix, asn)| builder.prefix(net(prefix), &[Asn(asn)]));
    builder.build()
}

#[test]
fn the_longest_prefix_counts_and_ends_where_it_ends() {
    let atlas = atlas_of(&[
        ("10.0.0.0/8", 1),
        ("10.1.0.0/16", 2),
        ("10.1.255.0/24", 3),
        ("10.1.255.255/32", 4),
        ("10.2.0.0/16", 5),
    ]);
    let expected = [
        ("9.255.255.255", None),
        ("10.0.0.0", Some(1)),
        ("10.1.0.0", Some(2)),
        ("10.1.255.254", Some(3)),
        ("10.1.255.255", Some(4)),
        ("10.2.0.0", Some(5)),
        ("10.3.0.0", Some(1)),
        ("10.255.255.255", Some(1)),
        ("11.0.0.0", None),
    ];
    for (address, asn) in expected {
        assert_eq!(atlas.origin(ip(address)), asn.map(Asn), "{address}");
    }
    let found = atlas.lookup(ip("10.200.0.1")).unwrap();
    assert_eq!((found.first, found.last), (ip("10.3.0.0"), ip("10.255.255.255")));
}

#[test]
fn ranges_are_listed_with_both_ends_and_without_what_nobody_originates() {
    let mut builder = AtlasBuilder::new(1);
    builder.prefix(net("10.0.0.0/8"), &[Asn(1)]);
    builder.prefix(net("10.1.0.0/16"), &[Asn(9), Asn(3)]);
    builder.prefix(net("10.2.0.0/16"), &[]);
    builder.prefix(net("255.0.0.0/8"), &[Asn(2)]);
    let atlas = builder.build();
    let expected = [
        ("10.0.0.0", "10.0.255.255", 1),
        ("10.1.0.0", "10.1.255.255", 9),
        ("10.3.0.0", "10.255.255.255", 1),
        ("255.0.0.0", "255.255.255.255", 2),
    ];
    let listed: Vec<(IpAddr, IpAddr, Asn)> =
        atlas.ranges_v4().map(|(first, last, asn)| (first.into(), last.into(), asn)).collect();
    assert_eq!(listed, expected.map(|(first, last, asn)| (ip(first), ip(last), Asn(asn))));
    assert_eq!(AtlasBuilder::new(1).build().ranges_v4().count(), 0);
}

#[test]
fn the_whole_of_both_families_can_be_one_prefix() {
    let atlas = atlas_of(&[("0.0.0.0/0", 7), ("255.255.255.255/32", 8), ("::/0", 9)]);
    assert_eq!(atlas.origin(ip("0.0.0.0")), Some(Asn(7)));
    assert_eq!(atlas.origin(ip("255.255.255.254")), Some(Asn(7)));
    assert_eq!(atlas.origin(ip("255.255.255.255")), Some(Asn(8)));
    assert_eq!(atlas.origin(ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")), Some(Asn(9)));
    assert_eq!(atlas.origin(ip("::ffff:1.2.3.4")), Some(Asn(7)), "a mapped address is the IPv4 address");
}

#[test]
fn several_origins_are_kept_in_order_and_the_first_counts() {
    let mut builder = AtlasBuilder::new(1);
    builder.prefix(net("192.0.2.0/24"), &[Asn(9), Asn(3), Asn(9)]);
    builder.prefix(net("192.0.3.0/24"), &[Asn(3)]);
    let atlas = builder.build();
    assert_eq!(atlas.origin(ip("192.0.2.1")), Some(Asn(9)));
    assert_eq!(atlas.lookup(ip("192.0.2.1")).unwrap().origins, [Asn(9), Asn(3)]);
    assert_eq!(atlas.lookup(ip("192.0.3.1")).unwrap().origins, [Asn(3)]);
    assert_eq!(Atlas::decode(&atlas.encode()), Ok(atlas.without_reserved()));
}

#[test]
fn a_range_is_cut_into_exactly_its_addresses() {
    let mut builder = AtlasBuilder::new(1);
    builder.range(ip("214.95.0.0"), ip("215.0.255.255"), &[Asn(749)]).unwrap();
    builder.range(ip("215.0.0.0"), ip("215.0.0.0"), &[Asn(721)]).unwrap();
    builder.range(ip("2001:db8::"), ip("2001:db8::ffff"), &[Asn(5)]).unwrap();
    assert_eq!(
        builder.range(ip("1.0.0.1"), ip("1.0.0.0"), &[Asn(1)]),
        Err(RangeError::Backwards(ip("1.0.0.1"), ip("1.0.0.0")))
    );
    assert!(builder.range(ip("1.0.0.1"), ip("::1"), &[Asn(1)]).is_err());
    let atlas = builder.build();
    let expected = [
        ("214.94.255.255", None),
        ("214.95.0.0", Some(749)),
        ("215.0.0.0", Some(721)),
        ("215.0.0.1", Some(749)),
        ("215.0.255.255", Some(749)),
        ("215.1.0.0", None),
        ("2001:db8::ffff", Some(5)),
        ("2001:db8::1:0", None),
    ];
    for (address, asn) in expected {
        assert_eq!(atlas.origin(ip(address)), asn.map(Asn), "{address}");
    }
}

#[test]
fn what_is_laid_over_a_base_wins_wherever_it_matches() {
    let mut builder = AtlasBuilder::new(1);
    builder.prefix(net("10.0.0.0/8"), &[Asn(1), Asn(2)]);
    builder.prefix(net("10.1.1.0/24"), &[Asn(3)]);
    builder.name(Asn(1), "one");
    builder.link(Asn(1), Asn(3), Relation::Customer);
    let base = builder.build();
    let mut builder = AtlasBuilder::on(&base, 2);
    builder.prefix(net("10.1.0.0/16"), &[Asn(40)]);
    builder.link(Asn(3), Asn(1), Relation::Unknown);
    builder.link(Asn(3), Asn(40), Relation::Unknown);
    let atlas = builder.build();
    assert_eq!(atlas.version(), 2);
    assert_eq!(
        atlas.origin(ip("10.1.1.1")),
        Some(Asn(40)),
        "older knowledge does not count, however specific"
    );
    assert_eq!(atlas.lookup(ip("10.2.0.0")).unwrap().origins, [Asn(1), Asn(2)]);
    assert_eq!(atlas.name(Asn(1)), Some("one"));
    assert_eq!(atlas.relation(Asn(1), Asn(3)), Some(Relation::Customer));
    assert_eq!(atlas.relation(Asn(40), Asn(3)), Some(Relation::Unknown));
    assert_eq!(AtlasBuilder::on(&base, 1).build(), base);
}

/// 1 and 2 are peers on top; 3 and 4 are customers of 1, 5 of 2 and 4; 3 and 4 are peers; 6 of 5.
fn valley() -> Atlas {
    let mut builder = AtlasBuilder::new(1);
    let links = [
        (1, 2, Relation::Peer),
        (1, 3, Relation::Customer),
        (1, 4, Relation::Customer),
        (2, 5, Relation::Customer),
        (4, 5, Relation::Customer),
        (3, 4, Relation::Peer),
        (5, 6, Relation::Customer),
    ];
    links.iter().for_each(|&(a, b, relation)| builder.link(Asn(a), Asn(b), relation));
    builder.link(Asn(7), Asn(7), Relation::Peer);
    builder.name(Asn(9), "alone\u{1b}[31m");
    builder.build()
}

#[test]
fn routes_are_valley_free() {
    let atlas = valley();
    let path =
        |a, b| atlas.path(Asn(a), Asn(b)).map(|path| path.into_iter().map(|asn| asn.0).collect::<Vec<_>>());
    assert_eq!(path(3, 5), Some(vec![3, 4, 5]), "across, then down");
    assert_eq!(path(3, 2), Some(vec![3, 1, 2]), "up, then across");
    // 4 carries nothing between its peer 3 and its provider 1; 5 nothing between its providers.
    assert_eq!(path(2, 4), Some(vec![2, 1, 4]));
    assert_eq!(path(6, 3), Some(vec![6, 5, 4, 3]));
    assert_eq!(path(1, 1), Some(vec![1]));
    assert_eq!(path(1, 9), None);
    assert_eq!(path(1, 77), None);
    assert_eq!(atlas.hops(Asn(6), Asn(3)), Some(3));
    assert_eq!(atlas.name(Asn(9)), Some("alone[31m"), "no escape reaches a terminal");
}

#[test]
fn a_view_agrees_with_every_path_and_dies_with_its_atlas() {
    let atlas = valley();
    for from in atlas.ases() {
        let view = atlas.view_from(from);
        for to in atlas.ases() {
            let hops = atlas.path(from, to).map(|path| path.len() as u8 - 1);
            assert_eq!(view.hops(&atlas, to), hops, "{from} {to}");
            assert_eq!(atlas.hops(to, from), hops, "routes go both ways: {from} {to}");
        }
    }
    let newer = AtlasBuilder::on(&atlas, 2).build();
    assert_eq!(atlas.view_from(Asn(1)).hops(&newer, Asn(2)), None);
}

#[test]
fn a_chain_longer_than_any_route_ends_the_search() {
    let mut builder = AtlasBuilder::new(1);
    (1..2_000).for_each(|asn| builder.link(Asn(asn), Asn(asn + 1), Relation::Customer));
    let atlas = builder.build();
    assert_eq!(atlas.hops(Asn(1), Asn(255)), Some(254));
    assert_eq!(atlas.hops(Asn(1), Asn(256)), None);
    assert_eq!(atlas.view_from(Asn(1)).hops(&atlas, Asn(1_999)), None);
}

#[test]
fn proximity_goes_by_prefix_then_as_then_relation_then_hops() {
    let mut builder = AtlasBuilder::on(&valley(), 3);
    for asn in 1..=6 {
        builder.prefix(net(&format!("10.{asn}.0.0/16")), &[Asn(asn)]);
        builder.prefix(net(&format!("10.{}.0.0/16", 100 + asn)), &[Asn(asn)]);
    }
    builder.prefix(net("10.4.128.0/17"), &[Asn(6)]);
    let atlas = builder.build();
    let view = atlas.view_from(Asn(4));
    let ours = atlas.place(ip("10.4.0.1"));
    let near = |address| atlas.proximity(ours, atlas.place(ip(address)), Some(&view));
    assert_eq!(near("10.4.0.9"), Tier::Prefix24.into());
    assert_eq!(near("10.4.9.9"), Tier::Prefix16.into());
    assert_eq!(near("10.104.0.1"), Tier::SameAs.into());
    assert_eq!(near("10.5.0.1"), Proximity::adjacent(Relation::Customer));
    assert_eq!(near("10.3.0.1"), Proximity::adjacent(Relation::Peer));
    assert_eq!(near("10.1.0.1"), Proximity::adjacent(Relation::Provider));
    assert_eq!(near("10.4.200.1"), Proximity::remote(Some(2)), "the same /16, but another AS");
    assert_eq!(near("10.2.0.1"), Proximity::remote(Some(2)));
    assert_eq!(near("172.16.0.1"), Proximity::remote(None), "nobody knows whose it is");
    let order =
        ["10.4.0.9", "10.4.9.9", "10.104.0.1", "10.5.0.1", "10.3.0.1", "10.1.0.1", "10.2.0.1", "172.16.0.1"]
            .map(near);
    assert!(order.is_sorted());
}

#[test]
fn addresses_of_nobody_have_no_as_unless_it_is_private_itself() {
    let mut builder = AtlasBuilder::new(1);
    // A leak, a block of it, what lies around one, and a site; of two origins both must be private.
    for (prefix, origins) in [
        ("10.0.0.0/8", &[1][..]),
        ("10.7.0.0/16", &[64_512]),
        ("10.8.0.0/16", &[64_512, 1]),
        ("192.160.0.0/11", &[2]),
        ("127.0.0.0/8", &[4_200_000_000, 64_500]),
        ("2001:db8::/32", &[3]),
        ("2001::/16", &[3]),
        ("fc00::/7", &[3]),
    ] {
        let origins: Vec<Asn> = origins.iter().copied().map(Asn).collect();
        builder.prefix(net(prefix), &origins);
    }
    let atlas = Atlas::decode(&builder.build().encode()).unwrap();
    for (address, asn) in [
        ("10.0.0.1", None),
        ("10.7.0.1", Some(64_512)),
        ("10.8.0.1", None),
        ("192.161.0.1", Some(2)),
        ("192.168.0.1", None),
        ("192.167.255.255", Some(2)),
        ("192.169.0.0", Some(2)),
        ("127.1.2.3", Some(4_200_000_000)),
        ("2001:db8::1", None),
        ("2001:db9::1", Some(3)),
        ("2001::1", None),
        ("fd00::1", None),
    ] {
        assert_eq!(atlas.origin(ip(address)), asn.map(Asn), "{address}");
        assert_eq!(atlas.lookup(ip(address)).map(|found| found.origins[0]), asn.map(Asn), "{address}");
    }
    let found = atlas.lookup(ip("192.160.0.1")).unwrap();
    assert_eq!((found.first, found.last), (ip("192.160.0.0"), ip("192.167.255.255")));
}

#[test]
fn an_empty_atlas_is_one() {
    let atlas = AtlasBuilder::new(5).build();
    assert_eq!(Atlas::decode(&atlas.encode()), Ok(atlas.clone()));
    assert_eq!(atlas.counts(), Counts::default());
    assert_eq!(atlas.origin(ip("1.2.3.4")), None);
}

#[test]
fn counts_say_what_is_in_it() {
    let mut builder = AtlasBuilder::on(&valley(), 3);
    builder.prefix(net("10.0.0.0/8"), &[Asn(1)]);
    builder.prefix(net("10.0.0.0/9"), &[Asn(1)]);
    builder.prefix(net("2001:db8::/32"), &[Asn(1), Asn(6)]);
    let counts = builder.build().counts();
    let expected = Counts {
        prefixes_v4: 2,
        prefixes_v6: 1,
        ranges_v4: 1,
        ranges_v6: 1,
        ases: 7,
        names: 1,
        origin_sets: 1,
        links_transit: 5,
        links_peering: 2,
        links_unknown: 0,
    };
    assert_eq!(counts, expected);
}

fn sample() -> Atlas {
    let mut builder = AtlasBuilder::on(&valley(), 1_700_000_000);
    for asn in 1..=60 {
        builder.prefix(
            net(&format!("10.{asn}.0.0/{}", 12 + asn % 12)),
            &[Asn(asn), Asn(1 + asn / 2)][..1 + (asn % 2) as usize],
        );
        builder.prefix(net(&format!("2001:{asn}::/{}", 20 + asn % 40)), &[Asn(asn * 1_000)]);
        builder.name(Asn(asn), &format!("NET-{asn}"));
    }
    builder.build()
}

#[test]
fn damage_of_any_kind_is_an_error() {
    let file = sample().encode();
    assert_eq!(Atlas::decode(&file), Ok(sample().without_reserved()));
    for length in 0..file.len() {
        assert!(Atlas::decode(&file[..length]).is_err(), "cut to {length}");
    }
    for at in 0..file.len() {
        for bit in [1, 0x80] {
            let mut file = file.clone();
            file[at] ^= bit;
            assert!(Atlas::decode(&file).is_err(), "byte {at}");
        }
    }
    assert_eq!(Atlas::decode(&vec![0; ATLAS_BYTES_MAX + 1]), Err(AtlasError::TooLarge));
}

/// A file with a fitting checksum, whatever is in it, as a hostile publisher would make it.
fn forged(body: &[u8], length: u32) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let mut rest = 1_u64.to_le_bytes().to_vec();
    rest.extend(length.to_le_bytes());
    rest.extend(miniz_oxide::deflate::compress_to_vec_zlib(body, 1));
    [b"NCATLAS1".as_slice(), &Sha256::digest(&rest), &rest].concat()
}

#[test]
fn a_bomb_is_not_inflated() {
    let zeros = vec![0; 1 << 20];
    assert_eq!(Atlas::decode(&forged(&zeros, u32::MAX)), Err(AtlasError::TooLarge));
    assert_eq!(Atlas::decode(&forged(&zeros, 1_000)), Err(AtlasError::Inconsistent("body")));
}

fn body_of(atlas: &Atlas) -> Vec<u8> {
    let file = atlas.encode();
    miniz_oxide::inflate::decompress_to_vec_zlib(&file[52..]).unwrap()
}

/// The number of prefixes is only a claim, and nothing else in the file follows from it.
#[test]
fn a_forged_number_of_prefixes_stays_a_number_whatever_is_laid_over_it() {
    let body = body_of(&sample());
    let [2, _, _, rest @ ..] = &body[..] else { panic!("a column of two small counts comes first") };
    let largest = [&[0xff; 9][..], &[0x01]].concat();
    let body = [&[20][..], &largest, &largest, rest].concat();
    let base = Atlas::decode(&forged(&body, body.len() as u32)).unwrap();
    assert_eq!((base.counts().prefixes_v4, base.counts().prefixes_v6), (u64::MAX, u64::MAX));
    let mut builder = AtlasBuilder::on(&base, 2);
    builder.prefix(net("10.0.0.0/8"), &[Asn(1)]);
    builder.prefix(net("2001:db8::/32"), &[Asn(1)]);
    assert_eq!(builder.build().counts().prefixes_v4, u64::MAX);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    /// The signer may have written anything: no panic, and what is accepted is in order.
    #[test]
    fn a_forged_body_is_an_error_or_an_atlas(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut body = body_of(&sample());
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Ok(atlas) = Atlas::decode(&forged(&body, body.len() as u32)) {
            prop_assert_eq!(&Atlas::decode(&atlas.encode()).unwrap(), &atlas);
            for address in ["0.0.0.0", "10.7.0.1", "255.255.255.255", "2001:7::1"] {
                atlas.lookup(ip(address));
            }
            let from = atlas.ases().next().unwrap_or(Asn(1));
            atlas.ases().for_each(|to| drop(atlas.path(from, to)));
        }
    }

    #[test]
    fn every_address_has_the_origin_a_naive_scan_finds(
        prefixes in prop::collection::vec((0_u32..1 << 12, 20_u8..=32, 1_u32..5), 0..40),
        wide in prop::collection::vec((0_u32..1 << 12, 0_u8..=20, 1_u32..5), 0..4),
    ) {
        // Crowded into a few thousand addresses, so that they nest and touch.
        let prefixes: Vec<(IpNetwork, Asn)> = wide.into_iter().chain(prefixes)
            .map(|(low, bits, asn)| {
                let address = Ipv4Addr::from_bits(0xc000_0000 | low);
                let network = ipnetwork::Ipv4Network::new(address, bits).unwrap();
                (IpNetwork::V4(network), Asn(asn))
            })
            .collect();
        let mut builder = AtlasBuilder::new(1);
        prefixes.iter().for_each(|&(network, asn)| builder.prefix(network, &[asn]));
        let atlas = builder.build();
        for low in (0..1 << 12).step_by(3).chain([1 << 12, 1 << 20]) {
            let address = IpAddr::V4(Ipv4Addr::from_bits(0xc000_0000 | low));
            let covering = prefixes.iter().filter(|(network, _)| network.contains(address));
            // Of equal lengths the later one counts: `max_by_key` takes the last.
            let naive = covering.max_by_key(|(network, _)| network.prefix()).map(|&(_, asn)| asn);
            prop_assert_eq!(atlas.origin(address), naive, "{}", address);
        }
        prop_assert_eq!(Atlas::decode(&atlas.encode()), Ok(atlas.without_reserved()));
    }

    #[test]
    fn wide_prefixes_nest_like_narrow_ones(prefixes in prop::collection::vec((any::<u16>(), 0_u8..=128, 1_u32..5), 0..30)) {
        let prefixes: Vec<(IpNetwork, Asn)> = prefixes.into_iter()
            .map(|(low, bits, asn)| {
                let address = Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(low) << 60 | u128::from(low & 3));
                (IpNetwork::V6(ipnetwork::Ipv6Network::new(address, bits).unwrap()), Asn(asn))
            })
            .collect();
        let mut builder = AtlasBuilder::new(1);
        prefixes.iter().for_each(|&(network, asn)| builder.prefix(network, &[asn]));
        let atlas = builder.build();
        for (network, _) in &prefixes {
            for address in [network.network(), network.broadcast()] {
                let covering = prefixes.iter().filter(|(network, _)| network.contains(address));
                let naive = covering.max_by_key(|(network, _)| network.prefix()).map(|&(_, asn)| asn);
                prop_assert_eq!(atlas.origin(address), naive, "{}", address);
            }
        }
        prop_assert_eq!(Atlas::decode(&atlas.encode()), Ok(atlas.without_reserved()));
    }
}
