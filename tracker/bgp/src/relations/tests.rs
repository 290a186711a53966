use std::{collections::BTreeMap, sync::Arc};

use super::*;
use crate::{
    as_rel,
    mrt::MrtReader,
    packed::{Meter, open},
    route::Route,
};

const PEER: Relation = Relation::Peer;
const CUSTOMER: Relation = Relation::Customer;
const PROVIDER: Relation = Relation::Provider;

/// Infers with 1 and 2 at the top, and 3 with open peering.
fn infer(paths: &[&[u32]]) -> BTreeMap<(u32, u32), Relation> {
    let set = |numbers: &[u32]| numbers.iter().copied().map(Asn).collect();
    let mut links = Links::below(set(&[1, 2]), set(&[3]));
    for path in paths {
        let hops: Vec<Asn> = path.iter().copied().map(Asn).collect();
        links.path(&hops);
    }
    links.into_relations().map(|(a, b, relation)| ((a.0, b.0), relation)).collect()
}

#[test]
fn a_path_climbs_to_the_top_and_descends_from_it() {
    let inferred = infer(&[&[30, 20, 1, 2, 40, 50]]);
    let expected = [
        ((1, 2), PEER),
        ((1, 20), CUSTOMER),
        ((2, 40), CUSTOMER),
        ((20, 30), CUSTOMER),
        ((40, 50), CUSTOMER),
    ];
    assert_eq!(inferred, expected.into());
}

#[test]
fn beside_a_single_top_the_crossing_may_lie_so_those_links_wait_for_better_votes() {
    // 20 certainly buys from 21 and 22, so nothing shows that it buys from 1.
    let sure: [&[u32]; 2] = [&[1, 2, 21, 20], &[1, 2, 22, 20]];
    let inferred = infer(&[sure[0], sure[1], &[20, 1, 50, 60]]);
    assert_eq!((inferred[&(1, 20)], inferred[&(50, 60)]), (PEER, CUSTOMER));
    // 50 has no other provider.
    assert_eq!(inferred[&(1, 50)], CUSTOMER);
    // Seen behind two tops, the vote is strong.
    let inferred = infer(&[sure[0], sure[1], &[2, 1, 20]]);
    assert_eq!(inferred[&(1, 20)], CUSTOMER);
}

#[test]
fn who_peers_openly_has_customers_only_where_that_is_sure() {
    let inferred = infer(&[&[40, 3, 50, 60], &[1, 3, 70]]);
    assert_eq!(inferred[&(3, 40)], PEER);
    assert_eq!(inferred[&(3, 50)], PEER);
    assert_eq!(inferred[&(3, 70)], CUSTOMER);
    assert_eq!(inferred[&(1, 3)], PEER);
}

#[test]
fn the_majority_of_votes_decides() {
    let down: &[u32] = &[1, 2, 20, 30, 40];
    let up: &[u32] = &[30, 20, 2, 1];
    assert_eq!(infer(&[down, down, up])[&(20, 30)], CUSTOMER);
    let down: &[u32] = &[1, 2, 30, 20];
    let up: &[u32] = &[1, 2, 20, 30];
    assert_eq!(infer(&[down, down, up])[&(20, 30)], PROVIDER);
}

#[test]
fn away_from_the_top_links_are_peerings_and_without_a_top_nothing_is_known() {
    assert_eq!(infer(&[&[20, 30], &[1, 2]])[&(20, 30)], PEER);
    assert_eq!(infer(&[&[20, 30]])[&(20, 30)], Relation::Unknown);
}

/// The share of observed links whose relation agrees with a reference, and their number.
fn agreement(rib: &str, reference: &str) -> Option<(f64, usize)> {
    let rib = crate::data(rib)?;
    let reference = crate::data(reference)?;
    let meter = Arc::new(Meter::default());
    let mut links = Links::default();
    for change in MrtReader::new(open(&rib, &meter).unwrap()) {
        if let Route::Announced(path) = change.unwrap().route {
            links.path(path.hops());
        }
    }
    let mut known = HashMap::new();
    as_rel::relations(open(&reference, &meter).unwrap(), |a, b, relation| {
        known.insert((a.min(b), a.max(b)), if a < b { relation } else { relation.reversed() });
    })
    .unwrap();
    let judged: Vec<bool> = links
        .into_relations()
        .filter_map(|(a, b, relation)| known.get(&(a, b)).map(|known| *known == relation))
        .collect();
    let right = judged.iter().filter(|&&right| right).count();
    Some((right as f64 / judged.len() as f64, judged.len()))
}

#[test]
fn relations_of_2014_agree_with_the_reference_of_2017_on_nine_links_of_ten() {
    let rib = "rib.20140523.0600_firstMB.whole-records.mrt.bz2";
    if let Some((share, links)) = agreement(rib, "toposcope-asrel-201701.txt.bz2") {
        println!("{:.2} % of {links} links", share * 100.0);
        assert!(links > 5_000, "{links}");
        assert!(share >= 0.9, "{share} of {links}");
    }
}
