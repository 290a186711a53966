//! The compiler against the real Internet: tables, dumps and relations of several years. The tests
//! look for the data in the folder that `NEARCAST_BGP_DATA` names, else beside the workspace.
//! Without the data, each test says so and passes.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use ipnetwork::IpNetwork;
use nearcast_bgp::{
    compile::{Inputs, Report, compile},
    packed::{Meter, open},
    tables,
};
use nearcast_core::{
    asn::{Asn, Relation},
    atlas::{Atlas, is_reserved},
};
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

const RIB_2014: &str = "rib.20140523.0600_firstMB.whole-records.mrt.bz2";
const RIB_2015_V6: &str = "rib6.20151101.0600_firstMB.whole-records.mrt.bz2";
const UPDATES: [&str; 2] = ["ripe-rrc15-updates.20100227.1600.gz", "ripe-rrc15-updates.20100227.1610.gz"];
const TABLE_2015: &str = "ipasn6_20151101.dat.gz";

fn data<const N: usize>(names: [&str; N]) -> Option<Vec<PathBuf>> {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/bgp").into();
    let folder = std::env::var_os("NEARCAST_BGP_DATA").unwrap_or_else(beside);
    let paths = names.map(|name| Path::new(&folder).join(name));
    if let Some(absent) = paths.iter().find(|path| !path.exists()) {
        println!("skipped: {} is not here", absent.display());
        return None;
    }
    Some(paths.to_vec())
}

fn compiled(inputs: &Inputs) -> (Atlas, Report) {
    compile(inputs, &Arc::new(Meter::default())).expect("real data compiles")
}

/// The atlas of the newest tables, names and relations here; made once.
fn atlas_of_2026() -> Option<&'static Atlas> {
    static MADE: OnceLock<Option<Atlas>> = OnceLock::new();
    let make = || {
        let tables = data(["ip2asn-20260617-ipv4.tsv.gz", "ip2asn-20260617-ipv6.tsv.gz"])?;
        let names = data(["asn-names-20260617.tsv.gz"])?;
        let as_rel = data(["toposcope-asrel-201806.txt.bz2"])?;
        let inputs = Inputs { tables, names, as_rel, version: Some(1_781_654_400), ..Inputs::default() };
        let (atlas, report) = compiled(&inputs);
        assert_eq!((report.bad_lines, report.left_out), (0, 0));
        let of_nobody = |warning: &String| warning.contains("private or other special addresses");
        assert!(report.warnings.iter().all(of_nobody), "{:?}", report.warnings);
        assert_eq!(report.lines, 411_961 + 103_197 + 91_065 + 125_450 + 161_924);
        Some(atlas)
    };
    MADE.get_or_init(make).as_ref()
}

#[test]
fn the_atlas_of_the_whole_internet_is_small_and_complete() {
    let Some(atlas) = atlas_of_2026() else { return };
    let counts = atlas.counts();
    // Of the 564,580 prefixes one is there twice: two ranges overlap in it. One prefix of IPv4 and
    // two of IPv6 belong to nobody.
    assert_eq!((counts.prefixes_v4, counts.prefixes_v6), (564_578, 167_901));
    assert_eq!((counts.ranges_v4, counts.ranges_v6), (411_960, 103_195));
    assert_eq!((counts.names, counts.links_transit, counts.links_peering), (91_065, 125_450, 161_766));
    let file = atlas.encode();
    println!("{} bytes in a file, {} in memory", file.len(), atlas.resident_bytes());
    assert!(file.len() <= 4_000_000, "{}", file.len());
    assert!(atlas.resident_bytes() <= 16_000_000, "{}", atlas.resident_bytes());
    assert!(Atlas::decode(&file).unwrap() == *atlas);
}

#[test]
fn ranges_that_overlap_have_one_owner_each_time() {
    let Some(atlas) = atlas_of_2026() else { return };
    let origin = |text: &str| atlas.origin(text.parse().unwrap());
    // 214.95.0.0 to 215.0.255.255 is one range, and another begins at 215.0.0.0.
    assert_eq!(origin("214.95.1.1"), Some(Asn(749)));
    assert_eq!(origin("215.0.0.1"), Some(Asn(721)));
}

/// Addresses of each AS with known relations. The README's figures are weighted by these.
fn weights(atlas: &Atlas) -> BTreeMap<Asn, u64> {
    let mut weights = BTreeMap::new();
    for_each_range(atlas, |first, last, asn| {
        if atlas.neighbours(asn).next().is_some() {
            *weights.entry(asn).or_default() += u64::from(last - first) + 1;
        }
    });
    weights
}

fn for_each_range(atlas: &Atlas, mut take: impl FnMut(u32, u32, Asn)) {
    let mut at = Some(0u32);
    while let Some(first) = at {
        let Some(found) = atlas.lookup(Ipv4Addr::from_bits(first).into()) else {
            // Between two ranges: no gap is smaller than a /24.
            at = (first | 0xff).checked_add(1);
            continue;
        };
        let (IpAddr::V4(from), IpAddr::V4(to)) = (found.first, found.last) else {
            panic!("IPv4 lies in IPv4")
        };
        take(from.to_bits().max(first), to.to_bits(), found.origins[0]);
        at = to.to_bits().checked_add(1);
    }
}

/// Whether two shares differ by at most one point in a hundred.
fn is_about(found: f64, known: f64) -> bool {
    (found - known).abs() <= 0.01
}

#[test]
fn random_pairs_of_addresses_share_ases_and_links_as_often_as_is_known() {
    let Some(atlas) = atlas_of_2026() else { return };
    let weights = weights(atlas);
    let all: u64 = weights.values().sum();
    let share = |asn: Asn| weights.get(&asn).map_or(0.0, |&weight| weight as f64 / all as f64);
    let same: f64 = weights.keys().map(|&asn| share(asn) * share(asn)).sum();
    let (mut peering, mut transit) = (0.0, 0.0);
    for (a, b, relation) in atlas.links() {
        *(if relation == Relation::Peer { &mut peering } else { &mut transit }) += share(a) * share(b);
    }
    println!("same AS {same:.4}, peers {:.4}, customers and providers {transit:.4} each", peering * 2.0);
    assert!(is_about(same, 0.0087) && same > 0.005, "{same}");
    assert!(is_about(peering * 2.0, 0.059), "{peering}");
    assert!(is_about(transit, 0.021) && transit > 0.015, "{transit}");
    assert!(is_about(peering * 2.0 + transit * 2.0, 0.102));
}

#[test]
fn prefixes_are_as_pure_as_is_known() {
    let Some(atlas) = atlas_of_2026() else { return };
    for (bits, known) in [(24, 1.0), (16, 0.86)] {
        let size = 1u64 << (32 - bits);
        // How often two addresses of one block are in the same AS, over all addresses.
        let (mut sharing, mut all) = (0.0, 0.0);
        let mut judge = |owners: &[(Asn, u64)]| {
            let addresses: u64 = owners.iter().map(|&(_, of)| of).sum();
            for &(asn, _) in
                owners.iter().enumerate().filter(|&(at, one)| is_first(owners, at, one)).map(|(_, one)| one)
            {
                let of: u64 = owners.iter().filter(|one| one.0 == asn).map(|&(_, of)| of).sum();
                sharing += (of as f64).powi(2) / addresses as f64;
            }
            all += addresses as f64;
        };
        // Ranges ascend, so a block is complete when the next begins.
        let (mut block, mut owners) = (0, Vec::new());
        for_each_range(atlas, |first, last, asn| {
            let (mut at, end) = (u64::from(first), u64::from(last));
            while at <= end {
                let to = end.min(at | (size - 1));
                if at / size != block {
                    judge(&owners);
                    owners.clear();
                    block = at / size;
                }
                owners.push((asn, to - at + 1));
                at = to + 1;
            }
        });
        judge(&owners);
        let purity = sharing / all;
        println!("/{bits}: {purity:.4}");
        assert!(is_about(purity, known), "/{bits}: {purity}");
    }
}

/// Whether no earlier owner is of the same AS.
fn is_first(owners: &[(Asn, u64)], at: usize, one: &(Asn, u64)) -> bool {
    owners[..at].iter().all(|before| before.0 != one.0)
}

#[test]
fn distances_from_stubs_are_as_long_as_is_known() {
    let Some(atlas) = atlas_of_2026() else { return };
    let linked: Vec<Asn> = atlas.ases().filter(|&asn| atlas.neighbours(asn).next().is_some()).collect();
    let is_stub = |&asn: &Asn| atlas.neighbours(asn).all(|(_, relation)| relation != Relation::Customer);
    let stubs: Vec<Asn> = linked.iter().copied().filter(is_stub).collect();
    assert_eq!(linked.len(), 61_411);
    assert!(is_about(stubs.len() as f64 / linked.len() as f64, 0.85), "{}", stubs.len());
    let mut dice = Pcg64::seed_from_u64(1);
    let (mut hops, mut reached) = (0, 0);
    for _ in 0..150 {
        let view = atlas.view_from(stubs[below(&mut dice, stubs.len())]);
        for far in linked.iter().filter(|&&asn| asn != view.from()).filter_map(|&asn| view.hops(atlas, asn)) {
            hops += u64::from(far);
            reached += 1u64;
        }
    }
    let mean = hops as f64 / reached as f64;
    println!("{mean:.2} links from a stub, {reached} routes");
    // The known figure comes from other stubs; the means of single stubs differ by 0.4.
    assert!((mean - 3.82).abs() < 0.2, "{mean}");
}

fn below(dice: &mut Pcg64, end: usize) -> usize {
    (dice.next_u64() % end as u64) as usize
}

/// The table of 2015 in three forms: as an atlas, as maps by prefix length, and as a list.
#[test]
fn longest_matches_are_those_of_a_naive_scan() {
    let Some(paths) = data([TABLE_2015]) else { return };
    let (atlas, _) = compiled(&Inputs { tables: paths.clone(), ..Inputs::default() });
    let (mut list, mut by_length) = (Vec::new(), HashMap::new());
    tables::prefixes(open(&paths[0], &Arc::default()).unwrap(), |prefix, origins| {
        list.push((prefix, origins[0]));
        by_length.insert(prefix, origins[0]);
    })
    .unwrap();
    let longest = |ip: IpAddr| {
        let bits = if ip.is_ipv4() { 32 } else { 128 };
        (0..=bits).rev().find_map(|bits| by_length.get(&cut(ip, bits)).copied())
    };
    let naive = |ip: IpAddr| {
        let covering = list.iter().filter(|(prefix, _)| prefix.contains(ip));
        covering.max_by_key(|(prefix, _)| prefix.prefix()).map(|&(_, asn)| asn)
    };
    let mut dice = Pcg64::seed_from_u64(2015);
    let (mut found, mut nested) = (0, 0);
    for number in 0..100_000 {
        let ip = if number % 5 < 4 {
            IpAddr::V4(Ipv4Addr::from_bits(dice.next_u32()))
        } else {
            near(list[below(&mut dice, list.len())].0, &mut dice)
        };
        let expected = longest(ip);
        let is_nobodys = is_reserved(IpNetwork::from(ip));
        assert_eq!(atlas.origin(ip), expected.filter(|_| !is_nobodys), "{ip}");
        if number % 500 == 0 {
            assert_eq!(naive(ip), expected, "{ip}");
        }
        found += u32::from(expected.is_some());
        nested += u32::from(covering(&by_length, ip) > 1);
    }
    println!("{found} of 100000 found, {nested} of them inside of several prefixes");
    assert!(found > 60_000 && nested > 10_000, "{found} {nested}");
}

/// A random address in a prefix, or just after it.
fn near(prefix: IpNetwork, dice: &mut Pcg64) -> IpAddr {
    let noise = u128::from(dice.next_u64()) << 64 | u128::from(dice.next_u64());
    match prefix {
        IpNetwork::V4(prefix) => {
            let inside = noise as u32 & u32::MAX.checked_shr(prefix.prefix().into()).unwrap_or(0);
            Ipv4Addr::from_bits(
                (prefix.network().to_bits() | inside).wrapping_add(u32::from(noise >> 127 == 1)),
            )
            .into()
        }
        IpNetwork::V6(prefix) => {
            let inside = noise & u128::MAX.checked_shr(prefix.prefix().into()).unwrap_or(0);
            Ipv6Addr::from_bits(prefix.network().to_bits() | inside).into()
        }
    }
}

/// The prefix of this length that contains an address.
fn cut(ip: IpAddr, bits: u8) -> IpNetwork {
    let network = IpNetwork::new(ip, bits).expect("no longer than an address").network();
    IpNetwork::new(network, bits).expect("no longer than an address")
}

/// How many prefixes cover an address. Counts lengths from 8 to 32, or to 64 for IPv6.
fn covering(by_length: &HashMap<IpNetwork, Asn>, ip: IpAddr) -> usize {
    let bits = if ip.is_ipv4() { 32 } else { 64 };
    (8..=bits).filter(|&bits| by_length.contains_key(&cut(ip, bits))).count()
}

#[test]
fn dumps_and_updates_compile_to_the_same_atlas_in_any_order() {
    let Some(ribs) = data([RIB_2014, RIB_2015_V6]) else { return };
    let Some(updates) = data(UPDATES) else { return };
    let forwards = Inputs { ribs: ribs.clone(), updates: updates.clone(), ..Inputs::default() };
    let (atlas, report) = compiled(&forwards);
    println!("{report:?}");
    assert_eq!(report.mrt.announced, 270_005 + 149_578 + 52_468 + 5_920);
    assert_eq!((report.mrt.withdrawn, report.mrt.damaged), (1_318 + 1_549, 0));
    // The time of the latest record, which is in the table of 2015.
    assert_eq!(atlas.version(), 1_446_357_600);
    // Two prefixes of 2015 have no usable path.
    assert_eq!((report.counts.prefixes_v4, report.counts.prefixes_v6), (59_113, 6_868));
    let backwards = Inputs {
        ribs: ribs.into_iter().rev().collect(),
        updates: updates.into_iter().rev().collect(),
        ..Inputs::default()
    };
    assert!(compiled(&backwards).0.encode() == atlas.encode());
}
