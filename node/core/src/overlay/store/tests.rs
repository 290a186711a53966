use proptest::prelude::*;

use super::*;

fn name(number: u32) -> PeerName {
    let mut key = [5; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    PeerName(key)
}

fn key(number: u32) -> Key {
    let mut key = [3; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    Key(key)
}

fn at(ip: [u8; 4]) -> Endpoint {
    Endpoint { ip: ip.into(), tcp: Some(4_810), udp: None }
}

fn seconds(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

fn small() -> Store {
    Store::new(StoreConfig { records_max: 100, per_directory_max: 30, per_prefix_max: 40 }, 7)
}

#[test]
fn a_record_counts_for_half_an_hour_and_a_second_one_renews_it() {
    let mut store = small();
    let now = seconds(1);
    assert_eq!(store.write(now, key(1), name(1), &at([8, 8, 8, 8])), Written::New);
    assert_eq!(store.write(seconds(1_000), key(1), name(1), &at([8, 8, 8, 9])), Written::Renewed);
    let known: Vec<_> = store.of(seconds(2_799), &key(1)).map(|record| record.endpoint.ip).collect();
    assert_eq!(known, [IpAddr::from([8, 8, 8, 9])], "at its newest address");
    assert_eq!(store.of(seconds(2_800), &key(1)).count(), 0);
    store.sweep(seconds(2_800));
    assert!(store.is_empty() && store.by_network.is_empty() && store.crowds.is_empty());
    assert!(store.by_directory.is_empty() && store.by_prefix.is_empty() && store.keys.is_empty());
}

#[test]
fn what_nobody_may_be_told_of_is_not_kept() {
    let mut store = small();
    let nowhere = [
        at([0, 0, 0, 0]),
        at([224, 0, 0, 1]),
        Endpoint { tcp: None, ..at([8, 8, 8, 8]) },
        Endpoint { tcp: Some(25), udp: Some(53), ..at([8, 8, 8, 8]) },
    ];
    for endpoint in nowhere {
        assert_eq!(store.write(seconds(1), key(1), name(1), &endpoint), Written::Unreachable);
    }
    assert!(store.is_empty());
}

#[test]
fn a_flood_of_one_directory_and_of_one_network_ends_at_the_quota() {
    let mut store = small();
    for number in 0..1_000 {
        store.write(seconds(1), key(number), name(1), &at([8, 8, 8, 8]));
    }
    assert_eq!(store.len(), 30);
    for number in 0..1_000 {
        store.write(seconds(1), key(number), name(number), &at([8, 8, 8, 9]));
    }
    assert_eq!(store.len(), 40);
    assert_eq!(store.write(seconds(1), key(5_000), name(5_000), &at([9, 9, 9, 9])), Written::New);
}

#[test]
fn a_full_store_takes_newcomers_at_the_expense_of_the_most_crowded_network() {
    let mut store = small();
    for number in 0..100 {
        let narrow = u8::try_from(number % 5).unwrap();
        store.write(seconds(1), key(number), name(number), &at([8, 8, narrow, 8]));
    }
    assert_eq!(store.len(), 100);
    for number in 0..50 {
        let newcomer = at([9, 9, u8::try_from(number % 5).unwrap(), 9]);
        let written = store.write(seconds(2), key(9_000 + number), name(9_000 + number), &newcomer);
        assert_eq!(written, Written::New, "{number}");
    }
    assert_eq!(store.len(), 100);
    let more = store.write(seconds(2), key(9_999), name(9_999), &at([9, 9, 9, 9]));
    assert_eq!(more, Written::Full, "now both networks have half");
}

#[test]
fn under_a_full_key_a_sybil_network_gives_way_to_others() {
    let mut store = Store::new(StoreConfig::default(), 7);
    for number in 0..20 {
        assert_eq!(store.write(seconds(1), key(1), name(number), &at([8, 8, 8, 8])), Written::New);
    }
    for number in 20..39 {
        let other = at([20, u8::try_from(number).unwrap(), 1, 1]);
        assert_eq!(store.write(seconds(1), key(1), name(number), &other), Written::New);
    }
    let networks: BTreeSet<u32> =
        store.of(seconds(1), &key(1)).map(|record| network(record.endpoint.ip)).collect();
    assert_eq!((store.of(seconds(1), &key(1)).count(), networks.len()), (20, 20));
    let back = store.write(seconds(1), key(1), name(999), &at([8, 8, 8, 8]));
    assert_eq!(back, Written::KeyFull, "it has one already");
}

#[test]
fn whoever_came_first_does_not_keep_newcomers_out_for_good() {
    let mut store = Store::new(StoreConfig::default(), 7);
    for number in 0..20 {
        store.write(seconds(1), key(1), name(number), &at([20, u8::try_from(number).unwrap(), 1, 1]));
    }
    let tries = (0..200)
        .filter(|_| store.write(seconds(2), key(1), name(500), &at([30, 30, 30, 30])) != Written::KeyFull);
    assert!(tries.count() > 100, "it got in at one of the first tries, and then renews");
}

proptest! {
    #[test]
    fn whatever_is_written_the_bounds_hold_and_the_counts_are_true(
        steps in prop::collection::vec((0_u32..12, 0_u32..40, 0_u8..4, 0_u8..3, 0_u64..600), 0..400),
    ) {
        let mut store = small();
        let mut now = Timestamp::ZERO;
        for (of, who, wide, narrow, pause) in steps {
            now = now + Duration::from_secs(pause / 100);
            store.write(now, key(of), name(who), &at([20, wide, narrow, 1]));
            let all: Vec<&Record> = store.keys.values().flatten().collect();
            prop_assert_eq!(all.len(), store.records);
            prop_assert!(store.records <= 100);
            let in_bounds = |records: &Vec<Record>| (1..=RECORDS_PER_KEY_MAX).contains(&records.len());
            prop_assert!(store.keys.values().all(in_bounds));
            prop_assert!(store.by_directory.values().all(|&count| count > 0 && count <= 30));
            prop_assert!(store.by_prefix.values().all(|&count| count > 0 && count <= 40));
            prop_assert_eq!(store.by_directory.values().sum::<usize>(), store.records);
            prop_assert_eq!(store.by_prefix.values().sum::<usize>(), store.records);
            prop_assert_eq!(store.by_network.values().map(BTreeSet::len).sum::<usize>(), store.records);
            let crowds: usize = store.crowds.iter().map(|(count, _)| count).sum();
            prop_assert_eq!((crowds, store.crowds.len()), (store.records, store.by_network.len()));
        }
    }
}
