use std::{collections::HashSet, sync::Arc};

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::*;
use crate::packed::{Meter, open};

fn read(text: &str) -> (Vec<String>, LineCounts) {
    let mut seen = Vec::new();
    let counts = prefixes(text.as_bytes(), |network, origins| {
        let origins: Vec<String> = origins.iter().map(|asn| asn.0.to_string()).collect();
        seen.push(format!("{network} {}", origins.join("_")));
    });
    (seen, counts.unwrap())
}

#[test]
fn every_form_of_a_line_is_read() {
    let text = "; a comment\n# another\n\
        192.0.2.0\t192.0.2.255\t64500\n\
        198.51.100.0\t198.51.101.127\t64501\tZZ\tSomebody\n\
        203.0.113.0/24\tAS64502\n\
        203.0.113.0\t25\t64503_64504\n\
        2001:db8::\t2001:db8::ffff\t{64505,64506}\n";
    let (seen, counts) = read(text);
    assert_eq!(
        seen,
        [
            "192.0.2.0/24 64500",
            "198.51.100.0/24 64501",
            "198.51.101.0/25 64501",
            "203.0.113.0/24 64502",
            "203.0.113.0/25 64503_64504",
            "2001:db8::/112 64505_64506",
        ]
    );
    assert_eq!((counts.good, counts.bad), (5, 0), "remarks are no lines");
}

#[test]
fn blanks_commas_remarks_and_headings_are_read() {
    for text in [
        "1.0.0.0/24 13335\n2606:4700::/32 13335\n",
        "1.0.0.0/24 AS13335 # a remark\n2606:4700::/32 AS13335 ; another\n",
        "\u{feff}1.0.0.0/24\t 13335\r\n2606:4700::/32   as13335\r\n",
        "network,asn,organization\n1.0.0.0/24,13335,\"Cloud, Inc.\"\n2606:4700::/32,13335,x\n",
        "\"1.0.0.0\",\"1.0.0.255\",\"13335\",\"x\"\n2606:4700:: 32 13335\n",
        "1.0.0.0 - 1.0.0.255 13335\n2606:4700::-2606:4700:ffff:ffff:ffff:ffff:ffff:ffff 13335\n",
        "1.0.0.0, 24, 13335\n2606:4700::/32\t{13335}\n",
    ] {
        let (seen, counts) = read(text);
        assert_eq!(seen, ["1.0.0.0/24 13335", "2606:4700::/32 13335"], "{text}");
        assert_eq!(counts.bad, 0, "{text}");
    }
    assert_eq!(read("1.0.0.0/24 {64500, 64501}\n").0, ["1.0.0.0/24 64500_64501"]);
    // A heading must come first, else it is a bad line.
    assert_eq!(read("1.0.0.0/24 1\nprefix asn\n").1.bad, 1);
}

#[test]
fn addresses_of_nobody_are_left_out() {
    let (seen, counts) = read("192.0.2.0\t192.0.2.255\t0\tNone\tNot routed\n");
    assert_eq!((seen.len(), counts.good, counts.bad), (0, 1, 0));
}

#[test]
fn lines_that_make_no_sense_are_counted_and_say_what_is_wrong() {
    for (line, words) in [
        ("nonsense", "it must be START, END and AS"),
        ("192.0.2.0/33\t1", "is no prefix"),
        ("192.0.2.0\t40\t1", "/40 is too long for 192.0.2.0"),
        ("192.0.2.9\t192.0.2.0\t1", "before its start"),
        ("192.0.2.9\t2001:db8::\t1", "different families"),
        ("192.0.2.0\t192.0.2.255\tx", "the AS must be a number"),
        ("192.0.2.0/24\t", "with tabs, blanks or commas between"),
        ("192.0.2.0/24 {}", "the AS must be a number"),
        ("192.0.2.0\tx\t1", "\"x\" is no address"),
    ] {
        let (seen, counts) = read(line);
        assert_eq!((seen.len(), counts.bad), (0, 1), "{line}");
        let reason = counts.first_bad.unwrap().to_string();
        assert!(reason.starts_with("line 1: ") && reason.contains(words), "{reason}");
    }
}

#[test]
fn names_are_read_and_empty_ones_left_out() {
    let mut seen = Vec::new();
    let text = "1\tOne, Inc.\nAS2\t Two\twith a tab \n3\t\nfour\tx\n";
    let counts = names(text.as_bytes(), |asn, name| seen.push((asn.0, name.to_owned()))).unwrap();
    assert_eq!(seen, [(1, "One, Inc.".to_owned()), (2, "Two\twith a tab".to_owned())]);
    assert_eq!((counts.good, counts.bad), (3, 1));
}

#[test]
fn names_are_read_as_everybody_writes_them() {
    for (line, name) in [
        ("13335 CLOUDFLARENET - Cloudflare, Inc., US", "CLOUDFLARENET - Cloudflare, Inc., US"),
        ("AS13335\tCloudflare # one", "Cloudflare # one"),
        ("\u{feff}13335   Cloudflare \r", "Cloudflare"),
        ("asn,name,class,cc\nAS13335,\"Cloudflare, Inc.\",Content,US", "Cloudflare, Inc."),
        ("13335,Cloudflare,US", "Cloudflare"),
        ("# names\n; more\n13335 \"Cloudflare\"", "Cloudflare"),
    ] {
        let mut seen = Vec::new();
        let counts = names(line.as_bytes(), |asn, name| seen.push((asn.0, name.to_owned()))).unwrap();
        assert_eq!((seen, counts.bad), (vec![(13_335, name.to_owned())], 0), "{line}");
    }
    let reserved = names(&b"0 -Reserved AS-, ZZ\n"[..], |_, _| panic!("AS 0 is nobody")).unwrap();
    assert_eq!((reserved.good, reserved.bad), (1, 0));
}

/// Counts lines, prefixes and ASes.
fn count(name: &str) -> Option<(u64, usize, usize)> {
    let path = crate::data(name)?;
    let (mut all, mut ases) = (0, HashSet::new());
    let reader = open(&path, &Arc::new(Meter::default())).unwrap();
    let counts = prefixes(reader, |_, origins| {
        all += 1;
        ases.extend(origins.to_vec());
    })
    .unwrap();
    assert_eq!((counts.bad, counts.cut_off), (0, false));
    Some((counts.good, all, ases.len()))
}

#[test]
fn real_range_tables_have_the_counts_they_are_known_to_have() {
    let v4 = count("ip2asn-20260617-ipv4.tsv.gz");
    assert!(v4.is_none_or(|counts| counts == (411_961, 564_580, 84_159)), "{v4:?}");
    let v6 = count("ip2asn-20260617-ipv6.tsv.gz");
    assert!(v6.is_none_or(|counts| counts == (103_197, 167_903, 52_521)), "{v6:?}");
}

#[test]
fn a_real_table_of_prefixes_has_the_counts_it_is_known_to_have() {
    let Some(path) = crate::data("ipasn6_20151101.dat.gz") else {
        return;
    };
    let mut families = [HashSet::new(), HashSet::new()];
    prefixes(open(&path, &Arc::new(Meter::default())).unwrap(), |network, _| {
        families[usize::from(network.is_ipv6())].insert(network);
    })
    .unwrap();
    assert_eq!(families.map(|family| family.len()), [606_138, 27_693]);
}

#[test]
fn real_names_have_the_count_they_are_known_to_have() {
    let Some(path) = crate::data("asn-names-20260617.tsv.gz") else {
        return;
    };
    let mut seen = 0;
    names(open(&path, &Arc::new(Meter::default())).unwrap(), |_, _| seen += 1).unwrap();
    assert_eq!(seen, 91_065);
}

#[test]
fn whatever_is_wrong_with_a_file_its_lines_are_counted_and_no_range_grows() {
    let whole = "192.0.2.0\t192.0.2.77\t64500\n198.51.100.0/24\tAS1_2\n2001:db8::\t32\t{3,4}\n::1\tffff::\t5\n7|8|-1\n9|10|0\n";
    let mut dice = Pcg64::seed_from_u64(3);
    let mut below = move |end: usize| (dice.next_u64() % end as u64) as usize;
    let (mut good, mut bad) = (0, 0);
    for case in 0..5_000 {
        let mut bytes = whole.as_bytes().to_vec();
        for _ in 0..=below(6) {
            let at = below(bytes.len());
            match below(4) {
                0 => bytes[at] ^= 1 << below(8),
                1 => bytes.truncate(at + 1),
                2 => bytes.insert(at, b"\t\n/:.0_9|\xff"[below(10)]),
                _ => {
                    bytes.remove(at);
                    bytes.push(b'\n');
                }
            }
        }
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
        let mut told = 0;
        let read = [
            prefixes(&bytes[..], |_, _| told += 1).unwrap(),
            crate::as_rel::relations(&bytes[..], |a, b, _| assert_ne!(a, b)).unwrap(),
            names(&bytes[..], |_, _| ()).unwrap(),
        ];
        assert!(told <= read[0].good * 254, "case {case}: {told} prefixes");
        for counts in read {
            assert!(counts.good + counts.bad <= lines, "case {case}");
            good += counts.good;
            bad += counts.bad;
        }
    }
    assert!(good > 5_000 && bad > 5_000, "{good} {bad}");
}
