use std::{
    collections::{BTreeSet, HashSet},
    io::Cursor,
};

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::*;
use crate::{
    made_up::{Told, old_table, table, updates},
    packed::{Meter, open},
};

const ROUTES: [Told<'_>; 4] = [
    ("192.0.2.1", 10, "198.51.100.0/24", Some(&[10, 20, 30])),
    ("192.0.2.2", 11, "198.51.100.0/24", Some(&[11, 11, 30])),
    ("192.0.2.1", 10, "203.0.113.0/24", Some(&[10, 40])),
    ("192.0.2.2", 11, "203.0.113.0/24", Some(&[11, 20, 11])),
];

fn read(bytes: &[u8]) -> (Vec<Change>, MrtCounts) {
    let mut reader = MrtReader::new(bytes);
    let changes = reader.by_ref().collect::<io::Result<Vec<Change>>>().unwrap();
    (changes, reader.counts())
}

/// The prefix, its peer, and its path, in order.
fn told(changes: &[Change]) -> BTreeSet<(String, u32, Option<Vec<u32>>)> {
    let path = |route: &Route| match route {
        Route::Announced(path) => Some(path.hops().iter().map(|asn| asn.0).collect()),
        Route::Withdrawn => None,
    };
    changes.iter().map(|change| (change.prefix.to_string(), change.peer.asn.0, path(&change.route))).collect()
}

#[test]
fn tables_old_and_new_tell_each_peers_route() {
    for file in [table(1_400_000_000, &ROUTES), old_table(1_400_000_000, &ROUTES)] {
        let (changes, counts) = read(&file);
        let expected = [
            ("198.51.100.0/24".to_owned(), 10, Some(vec![10, 20, 30])),
            ("198.51.100.0/24".to_owned(), 11, Some(vec![11, 30])),
            ("203.0.113.0/24".to_owned(), 10, Some(vec![10, 40])),
            // A path with a loop: only the origin is known.
            ("203.0.113.0/24".to_owned(), 11, Some(vec![])),
        ];
        assert_eq!(told(&changes), expected.into());
        assert_eq!((counts.announced, counts.withdrawn, counts.unusable_paths, counts.damaged), (4, 0, 0, 0));
        assert_eq!(counts.latest, 1_400_000_000);
        assert!(changes.iter().all(|change| change.time == 1_400_000_000));
    }
}

#[test]
fn a_table_of_ipv6_is_read_as_well() {
    let routes: [Told<'_>; 1] = [("2001:db8::1", 10, "2001:db8:1::/48", Some(&[10, 200_000]))];
    let (changes, _) = read(&table(1, &routes));
    assert_eq!(told(&changes), [("2001:db8:1::/48".to_owned(), 10, Some(vec![10, 200_000]))].into());
}

#[test]
fn updates_announce_and_withdraw() {
    let routes: [Told<'_>; 3] = [
        ("192.0.2.1", 10, "198.51.100.0/24", Some(&[10, 20])),
        ("192.0.2.1", 10, "203.0.113.0/24", None),
        ("192.0.2.1", 10, "0.0.0.0/0", Some(&[10])),
    ];
    let (changes, counts) = read(&updates(77, &routes));
    assert_eq!((counts.announced, counts.withdrawn, counts.too_short, counts.records), (2, 1, 1, 3));
    let routes: Vec<bool> = changes.iter().map(|change| change.route == Route::Withdrawn).collect();
    assert_eq!(routes, [false, true], "a default route tells nothing");
}

#[test]
fn a_path_that_somebody_keeps_is_not_written_over() {
    let mut reader = MrtReader::new(Cursor::new(old_table(1, &ROUTES)));
    let kept = reader.next().unwrap().unwrap();
    let before = kept.clone();
    assert_eq!(reader.by_ref().count(), 3);
    assert_eq!(kept, before);
    let Route::Announced(path) = kept.route else { panic!("the first is announced") };
    assert_eq!(path.hops().len(), 3);
}

#[test]
fn a_length_that_lies_costs_one_record_and_no_memory() {
    let whole = old_table(1_400_000_000, &ROUTES);
    let record = old_table(1_400_000_000, &ROUTES[..1]).len();
    for length in [u32::MAX, 17 << 20, 900_000, 0] {
        let mut damaged = whole.clone();
        damaged[record + 8..record + 12].copy_from_slice(&length.to_be_bytes());
        let (changes, counts) = read(&damaged);
        assert!(changes.len() >= 2, "{length}: {changes:?}");
        assert!(changes.iter().any(|change| change.prefix.to_string() == "203.0.113.0/24"), "{length}");
        assert!(counts.damaged >= 1, "{length}: {counts:?}");
    }
}

#[test]
fn garbage_between_records_is_skipped_and_counted() {
    let rib = table(1_400_000_000, &ROUTES);
    let garbage = vec![0xee; 3 << 20];
    let update: [Told<'_>; 1] = [("192.0.2.9", 12, "192.0.2.0/24", Some(&[12, 50]))];
    let file = [rib, garbage.clone(), updates(1_400_000_001, &update)].concat();
    let (changes, counts) = read(&file);
    assert_eq!(changes.len(), 5);
    assert_eq!((counts.damaged, counts.bytes_skipped), (1, garbage.len() as u64));
}

#[test]
fn a_table_whose_writer_counted_four_bytes_short_is_read() {
    let mut file = old_table(1_400_000_000, &ROUTES);
    let record = old_table(1_400_000_000, &ROUTES[..1]).len();
    let short = u32::try_from(record - 12 - 4).unwrap();
    file[8..12].copy_from_slice(&short.to_be_bytes());
    let (changes, counts) = read(&file);
    assert_eq!((changes.len(), counts.damaged), (4, 0), "{counts:?}");
}

#[test]
fn a_record_out_of_time_does_not_make_the_data_newer() {
    let good = |time| updates(time, &ROUTES[..1]);
    let file = [good(1_400_000_000), good(u32::MAX), good(1_400_000_060), good(1_400_000_120)].concat();
    let (changes, counts) = read(&file);
    assert_eq!((changes.len(), counts.latest), (4, 1_400_000_120));
}

#[test]
fn a_failing_disk_is_no_damage() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let file = Cursor::new(updates(1, &ROUTES[..1])).chain(Failing);
    let mut reader = MrtReader::new(file);
    assert!(reader.next().unwrap().is_ok());
    assert_eq!(reader.next().unwrap().unwrap_err().to_string(), "the disk is gone");
    assert!(reader.next().is_none());
}

/// Thousands of damaged files: whatever is wrong with them, the output is bounded by the input.
#[test]
fn damaged_files_are_read_to_their_end_whatever_is_wrong_with_them() {
    let withdrawn: [Told<'_>; 1] = [("2001:db8::1", 10, "2001:db8:1::/48", None)];
    let whole = [
        table(1_400_000_000, &ROUTES),
        old_table(1_400_000_000, &ROUTES),
        updates(1_400_000_001, &ROUTES),
        updates(1_400_000_002, &withdrawn),
    ]
    .concat();
    let (undamaged, counts) = read(&whole);
    assert_eq!((undamaged.len(), counts.damaged), (13, 0));
    let mut dice = Pcg64::seed_from_u64(7);
    let mut below = move |end: usize| (dice.next_u64() % end as u64) as usize;
    let (mut skipped, mut fewer) = (0, 0);
    for case in 0..6_000 {
        let mut damaged = whole.clone();
        match case % 3 {
            0 => (0..=below(8)).for_each(|_| damaged[below(whole.len())] ^= 1 << below(8)),
            1 => damaged.truncate(below(whole.len())),
            _ => {
                // A false number of any width.
                let at = below(whole.len() - 4);
                let value = [u32::MAX, 0, 0x0100_0000, 0x7fff_ffff][below(4)];
                damaged[at..at + 4].copy_from_slice(&value.to_be_bytes());
            }
        }
        let (changes, counts) = read(&damaged);
        assert!(changes.len() < 2_000, "case {case}: {} changes", changes.len());
        assert!(counts.bytes_skipped <= damaged.len() as u64, "case {case}");
        skipped += u64::from(counts.damaged > 0);
        fewer += u64::from(changes.len() < undamaged.len());
    }
    assert!(skipped > 1_000 && fewer > 1_000, "{skipped} noticed, {fewer} with losses");
}

/// Records, announcements, withdrawals, distinct paths as sent, peers, prefixes.
fn count(name: &str) -> Option<[usize; 6]> {
    let path = crate::data(name)?;
    let mut reader = MrtReader::new(open(&path, &Arc::new(Meter::default())).unwrap());
    let (mut paths, mut peers, mut prefixes) = (HashSet::new(), HashSet::new(), HashSet::new());
    while let Some(route) = reader.routes.next() {
        let route = route.unwrap();
        reader.change(&route);
        peers.insert((route.peer_ip, route.peer_asn));
        prefixes.insert(route.prefix.prefix);
        paths.insert(route.as_path);
    }
    let counts = reader.counts();
    assert_eq!(counts.damaged, 0);
    let [records, announced, withdrawn] =
        [counts.records, counts.announced, counts.withdrawn].map(|count| count as usize);
    Some([records, announced, withdrawn, paths.len(), peers.len(), prefixes.len()])
}

#[test]
fn real_tables_have_the_counts_they_are_known_to_have() {
    let v4 = count("rib.20140523.0600_firstMB.whole-records.mrt.bz2");
    assert!(v4.is_none_or(|counts| counts == [9_073, 270_005, 0, 77_608, 35, 9_072]), "{v4:?}");
    let v6 = count("rib6.20151101.0600_firstMB.whole-records.mrt.bz2");
    assert!(v6.is_none_or(|counts| counts == [6_871, 149_578, 0, 70_306, 27, 6_870]), "{v6:?}");
}

#[test]
fn real_updates_have_the_counts_they_are_known_to_have() {
    let first = count("ripe-rrc15-updates.20100227.1600.gz");
    assert!(first.is_none_or(|counts| counts[1..3] == [52_468, 1_318]), "{first:?}");
    let second = count("ripe-rrc15-updates.20100227.1610.gz");
    assert!(second.is_none_or(|counts| counts[1..3] == [5_920, 1_549]), "{second:?}");
}

#[test]
fn of_a_real_damaged_file_more_is_saved_than_by_the_parser_alone() {
    let Some(path) = crate::data("ripe-rrc00-updates.20000325.0345.damaged.gz") else {
        return;
    };
    let meter = Arc::new(Meter::default());
    let (mut announced, mut withdrawn) = (0, 0);
    for route in BgpkitParser::from_reader(open(&path, &meter).unwrap()).disable_warnings().into_route_iter()
    {
        *(if route.elem_type == ElemType::ANNOUNCE { &mut announced } else { &mut withdrawn }) += 1;
    }
    assert_eq!((announced, withdrawn), (2, 2));
    let mut reader = MrtReader::new(open(&path, &meter).unwrap());
    let changes: Vec<Change> = reader.by_ref().map(Result::unwrap).collect();
    let counts = reader.counts();
    println!("{counts:?}");
    // Two places are damaged; thousands of whole records follow them.
    assert_eq!((counts.announced, counts.withdrawn, counts.damaged), (4_373, 671, 2));
    let peers: HashSet<BgpPeer> = changes.iter().map(|change| change.peer).collect();
    assert_eq!((peers.len(), counts.bytes_skipped, counts.unusable_paths), (7, 27, 0));
}
