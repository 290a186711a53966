use super::*;

const TELLER: Asn = Asn(1);

fn sequence(members: &[u32]) -> AsPathSegment {
    AsPathSegment::sequence(members)
}

fn clean(segments: &[AsPathSegment]) -> Result<(Vec<u32>, Vec<u32>), Unusable> {
    let mut path = AsPath::new();
    segments.iter().for_each(|segment| path.append_segment(segment.clone()));
    let numbers = |asns: &[Asn]| asns.iter().map(|asn| asn.0).collect();
    Path::clean(&path, TELLER).map(|path| (numbers(path.hops()), numbers(path.origins())))
}

#[test]
fn prepends_count_once() {
    assert_eq!(clean(&[sequence(&[10, 10, 20, 30, 30, 30])]), Ok((vec![10, 20, 30], vec![30])));
    assert_eq!(clean(&[sequence(&[10, 20]), sequence(&[20, 30])]), Ok((vec![10, 20, 30], vec![30])));
}

#[test]
fn a_path_with_a_loop_keeps_its_origin_and_shows_no_link() {
    // An origin that keeps others out by putting them into the path.
    assert_eq!(clean(&[sequence(&[10, 20, 30, 20])]), Ok((vec![], vec![20])));
    assert_eq!(clean(&[sequence(&[10, 20, 30, 30, 40, 20, 20])]), Ok((vec![], vec![20])));
    // A network that the path passes twice, somewhere in the middle.
    assert_eq!(clean(&[sequence(&[10, 20, 10, 40])]), Ok((vec![], vec![40])));
    assert_eq!(clean(&[sequence(&[10, 20, 10, 40, 10])]), Ok((vec![], vec![10])));
    assert_eq!(
        clean(&[sequence(&[10, 20]), AsPathSegment::set([5, 6]), sequence(&[10])]),
        Ok((vec![], vec![10]))
    );
    // An AS behind a loop without a number stays unknown.
    assert_eq!(clean(&[sequence(&[10, 20, 10, 23_456])]), Err(Unusable::NoOrigin));
    assert_eq!(clean(&[sequence(&[10, 20, 10]), AsPathSegment::set([5, 6])]), Ok((vec![], vec![5, 6])));
}

#[test]
fn a_set_at_the_end_is_several_origins_and_no_link() {
    let set = AsPathSegment::set([50, 40, 64_512, 50]);
    assert_eq!(clean(&[sequence(&[10, 20]), set]), Ok((vec![10, 20], vec![40, 50])));
    assert_eq!(clean(&[AsPathSegment::set([7, 8])]), Ok((vec![], vec![7, 8])));
    // A set of one member is the next AS.
    assert_eq!(clean(&[sequence(&[10]), AsPathSegment::set([20])]), Ok((vec![10, 20], vec![20])));
}

#[test]
fn links_end_at_a_set_in_the_middle_and_the_origin_stays() {
    let set = AsPathSegment::set([40, 50]);
    assert_eq!(clean(&[sequence(&[10, 20]), set, sequence(&[30, 31, 31])]), Ok((vec![10, 20], vec![31])));
}

#[test]
fn links_end_at_a_number_that_was_too_long_for_somebody() {
    assert_eq!(clean(&[sequence(&[10, 23_456, 30])]), Ok((vec![10], vec![30])));
    assert_eq!(clean(&[sequence(&[10, 23_456])]), Err(Unusable::NoOrigin));
}

#[test]
fn the_longer_path_of_new_speakers_is_laid_over_that_of_old_ones() {
    let old = AsPath::from_sequence([10, 23_456, 23_456]);
    let new = AsPath::from_sequence([200_000, 300_000]);
    let merged = AsPath::merge_aspath_as4path(&old, &new);
    let path = Path::clean(&merged, TELLER).unwrap();
    assert_eq!(path.hops(), [Asn(10), Asn(200_000), Asn(300_000)]);
}

#[test]
fn private_numbers_and_confederations_are_removed() {
    assert_eq!(clean(&[sequence(&[10, 64_512, 20, 65_000])]), Ok((vec![10, 20], vec![20])));
    assert_eq!(clean(&[sequence(&[10, 64_512, 10])]), Ok((vec![10], vec![10])));
    let confederation = AsPathSegment::ConfedSequence([64_513.into(), 9.into()].into_iter().collect());
    assert_eq!(clean(&[confederation, sequence(&[10, 20])]), Ok((vec![10, 20], vec![20])));
    assert_eq!(clean(&[sequence(&[64_512, 0])]), Err(Unusable::NoOrigin));
    assert_eq!(clean(&[AsPathSegment::set([64_512, 64_513])]), Err(Unusable::NoOrigin));
}

#[test]
fn an_empty_path_is_the_tellers_own() {
    assert_eq!(clean(&[]), Ok((vec![1], vec![1])));
    assert_eq!(Path::clean(&AsPath::new(), Asn(64_512)), Err(Unusable::NoOrigin));
}

#[test]
fn an_endless_path_shows_no_link_and_an_endless_set_nothing() {
    let long: Vec<u32> = (100..100 + HOPS_MAX as u32).collect();
    assert_eq!(clean(&[sequence(&long)]), Ok((long, vec![99 + HOPS_MAX as u32])));
    let longer: Vec<u32> = (100..110 + HOPS_MAX as u32).collect();
    assert_eq!(clean(&[sequence(&longer)]), Ok((vec![], vec![109 + HOPS_MAX as u32])));
    let members: Vec<u32> = (100..101 + ORIGINS_MAX as u32).collect();
    assert_eq!(clean(&[AsPathSegment::set(members)]), Err(Unusable::TooManyOrigins));
}

#[test]
fn memory_of_an_earlier_path_is_used_again_and_nothing_of_it_stays() {
    let mut path = Path::clean(&AsPath::from_sequence([10, 20, 30]), TELLER).unwrap();
    path.refill(&AsPath::from_sequence([40]), TELLER).unwrap();
    assert_eq!((path.hops(), path.origins()), (&[Asn(40)][..], &[Asn(40)][..]));
    assert_eq!(path.links().count(), 0);
}
