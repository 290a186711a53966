use proptest::prelude::*;

use super::*;

fn name(number: u16) -> PeerName {
    let mut key = [9; 32];
    key[..2].copy_from_slice(&number.to_be_bytes());
    PeerName(key)
}

fn at(ip: &str) -> Whereabouts {
    Whereabouts { ip: ip.parse().unwrap(), asn: None }
}

fn seconds(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

#[test]
fn a_network_has_three_places_and_an_as_has_three() {
    let mut table = Table::new(name(0));
    let entered = (1..200).filter(|&number| {
        table.enter(name(number), at(&format!("8.8.{}.1", number % 250))) == Entrance::Welcome
    });
    assert_eq!(entered.count(), PER_NETWORK_MAX);
    let mut table = Table::new(name(0));
    let entered = (1..200).filter(|&number| {
        let at = Whereabouts { asn: Some(Asn(64_500)), ..at(&format!("{number}.8.8.8")) };
        number != 10 && number != 127 && table.enter(name(number), at) == Entrance::Welcome
    });
    assert_eq!(entered.count(), PER_NETWORK_MAX);
}

#[test]
fn two_of_a_network_stand_in_one_bucket() {
    let mut table = Table::new(name(0));
    let far: Vec<u16> = (1..200).filter(|&number| table.bucket(&name(number)) == 0).take(3).collect();
    let all = far.iter().map(|&number| table.enter(name(number), at("8.8.8.8"))).collect::<Vec<_>>();
    assert_eq!(all, [Entrance::Welcome, Entrance::Welcome, Entrance::Crowded]);
    let nearer = (1..200).find(|&number| table.bucket(&name(number)) > 0).unwrap();
    assert_eq!(table.enter(name(nearer), at("8.8.8.9")), Entrance::Welcome);
}

#[test]
fn the_operators_own_network_is_not_counted_and_loopback_stands_for_others() {
    let mut table = Table::new(name(0));
    assert!((1..50).all(|number| table.enter(name(number), at("10.0.0.7")) == Entrance::Welcome));
    let mut table = Table::new(name(0));
    let entered = (1..50).filter(|&number| table.enter(name(number), at("127.1.0.7")) == Entrance::Welcome);
    assert_eq!(entered.count(), PER_NETWORK_MAX);
}

#[test]
fn nobody_enters_twice_and_we_do_not_enter_our_own_table() {
    let mut table = Table::new(name(0));
    assert_eq!(table.enter(name(0), at("8.8.8.8")), Entrance::Ourselves);
    assert_eq!(table.enter(name(1), at("8.8.8.8")), Entrance::Welcome);
    assert_eq!(table.enter(name(1), at("9.9.9.9")), Entrance::Known);
    assert_eq!(table.len(), 1);
}

#[test]
fn a_directory_that_is_gone_leaves_and_one_break_of_the_network_is_one_failure() {
    let mut table = Table::new(name(0));
    table.enter(name(1), at("8.8.8.8"));
    assert!((0..20).all(|moment| !table.failed(seconds(moment), &name(1))));
    assert!(!table.failed(seconds(40), &name(1)));
    table.reached(&name(1));
    assert!(!table.failed(seconds(100), &name(1)));
    assert!(!table.failed(seconds(200), &name(1)));
    assert!(table.failed(seconds(300), &name(1)));
    assert!(table.is_empty());
}

#[test]
fn a_directory_that_came_is_tried_once_in_ten_minutes_and_few_at_a_time() {
    let mut table = Table::new(name(0));
    assert!(table.begin_try(seconds(0), name(1), at("8.8.8.8")));
    assert!(!table.begin_try(seconds(1), name(1), at("8.8.8.8")));
    table.give_up(&name(1));
    assert!(!table.begin_try(seconds(599), name(1), at("8.8.8.8")));
    assert!(table.begin_try(seconds(600), name(1), at("8.8.8.8")));
    let begun = (2..100)
        .filter(|&number| table.begin_try(seconds(600), name(number), at(&format!("{number}.8.8.8"))));
    assert_eq!(begun.count(), TRIES_MAX - 1);
}

#[test]
fn no_flood_of_newcomers_is_remembered_without_a_bound() {
    let mut table = Table::new(name(0));
    for number in 1..=u16::MAX {
        table.begin_try(seconds(0), name(number), at("8.8.8.8"));
        table.give_up(&name(number));
    }
    assert_eq!(table.tried.len(), TRIED_MAX);
    assert!(table.begin_try(seconds(600), name(1), at("8.8.8.8")), "it passes with time");
}

proptest! {
    #[test]
    fn whatever_comes_and_goes_no_network_is_crowded(
        steps in prop::collection::vec((any::<u16>(), 0_u8..4, any::<u8>(), 0_u32..4, any::<bool>()), 0..300),
    ) {
        let mut table = Table::new(name(0));
        for (number, wide, narrow, asn, comes) in steps {
            let ip = IpAddr::from([20, wide, narrow, 1]);
            let at = Whereabouts { ip, asn: (asn > 0).then_some(Asn(asn)) };
            match comes {
                true => _ = table.enter(name(number), at),
                false => table.leave(&name(number)),
            }
            for one in table.nodes.values() {
                let same = |node: &&Node| same_network(node.at.ip, one.at.ip);
                let of_as = |node: &&Node| one.at.asn.is_some() && node.at.asn == one.at.asn;
                let here = |node: &&Node| node.bucket == one.bucket;
                prop_assert!(table.nodes.values().filter(same).count() <= PER_NETWORK_MAX);
                prop_assert!(table.nodes.values().filter(of_as).count() <= PER_NETWORK_MAX);
                let crowd = table.nodes.values().filter(|node| same(node) && here(node)).count();
                prop_assert!(crowd <= PER_NETWORK_IN_BUCKET_MAX);
            }
        }
    }
}
