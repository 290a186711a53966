//! BGP data from archives, damaged or made to do harm: MRT, tables and relations. The input bounds
//! the output.

use std::io::{Cursor, Read};

use nearcast_bgp::{
    as_rel,
    made_up::{Told, old_table, table, updates},
    mrt::MrtReader,
    packed,
    route::Route,
    tables,
};

/// At most this much of a packed input is unpacked, in bytes.
const UNPACKED_BYTES_MAX: u64 = 1 << 18;

pub(crate) fn mrt(bytes: &[u8]) {
    let unpacked = packed::unpack(Cursor::new(bytes.to_vec())).expect("memory can be read");
    let mut reader = MrtReader::new(unpacked.take(UNPACKED_BYTES_MAX));
    let mut changes = 0;
    for change in reader.by_ref() {
        let change = change.expect("damage is no failure");
        assert_eq!(change.prefix.network(), change.prefix.ip());
        if let Route::Announced(path) = &change.route {
            assert!(path.hops().iter().chain(path.origins()).all(|asn| asn.is_public()));
            assert!(!path.origins().is_empty() && path.origins().is_sorted());
            assert!(
                path.hops().iter().all(|hop| path.hops().iter().filter(|other| *other == hop).count() == 1)
            );
        }
        changes += 1;
    }
    let counts = reader.counts();
    assert_eq!(counts.announced + counts.withdrawn, changes + counts.too_short);
    // A prefix takes at least one byte, and a record at least twelve.
    assert!(changes <= UNPACKED_BYTES_MAX && counts.records * 12 <= UNPACKED_BYTES_MAX);
}

const ROUTES: [Told<'_>; 3] = [
    ("192.0.2.1", 10, "198.51.100.0/24", Some(&[10, 20, 30])),
    ("192.0.2.2", 11, "198.51.100.0/24", Some(&[11, 11, 30])),
    ("192.0.2.1", 10, "203.0.113.0/24", Some(&[10, 64_512, 40])),
];
const OF_V6: [Told<'_>; 2] = [
    ("2001:db8::1", 10, "2001:db8:1::/48", Some(&[10, 200_000])),
    ("2001:db8::1", 10, "2001:db8:2::/48", None),
];

pub(crate) fn mrt_seeds() -> Vec<Vec<u8>> {
    let damaged = [old_table(7, &ROUTES[..1]), vec![0xff; 9], updates(8, &ROUTES[..2])].concat();
    // A table is written in the order of a hash map. One prefix each keeps the seeds the same each
    // time.
    vec![
        table(7, &ROUTES[2..]),
        table(7, &OF_V6[..1]),
        old_table(7, &ROUTES),
        updates(8, &ROUTES),
        updates(8, &OF_V6),
        damaged,
    ]
}

/// The first byte says which format the rest is read as.
pub(crate) fn lines(bytes: &[u8]) {
    let Some((kind, text)) = bytes.split_first() else { return };
    let mut told = 0u64;
    let counts = match kind % 3 {
        0 => tables::prefixes(text, |prefix, origins| {
            assert_eq!(prefix.network(), prefix.ip());
            assert!(!origins.is_empty());
            told += 1;
        }),
        1 => as_rel::relations(text, |a, b, _| {
            assert_ne!(a, b);
            told += 1;
        }),
        _ => tables::names(text, |_, name| {
            assert!(!name.is_empty());
            told += 1;
        }),
    }
    .expect("memory can be read");
    let lines = text.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
    assert!(counts.good + counts.bad <= lines);
    // A range is at most this many prefixes.
    assert!(told <= counts.good * 254);
    assert_eq!(counts.first_bad.is_some(), counts.bad > 0);
}

pub(crate) fn lines_seeds() -> Vec<Vec<u8>> {
    let table = "192.0.2.0\t192.0.2.77\t64500\n198.51.100.0/24\tAS1_2\n2001:db8::\t32\t{3,4}\n2001:db9::1\t2001:dba::\t5\n";
    [("0", table), ("1", "# made up\n1|2|-1\n2|3|0|bgp\n3|1|-1\n"), ("2", "1\tOne\nAS2\tTwo, Inc.\n")]
        .map(|(kind, text)| format!("{kind}{text}").into_bytes())
        .to_vec()
}
