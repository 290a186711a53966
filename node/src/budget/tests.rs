use std::net::Ipv4Addr;

use super::*;

fn plan() -> Plan {
    Plan { inbound_max: 64, per_network_max: 64, bytes_max: 1 << 20, ..Plan::new(64, true) }
}

fn ip(network: u8, host: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, network, host).into()
}

/// A connection from there, with its place.
fn come(budget: &Arc<Budget>, ip: IpAddr, number: u8) -> (Arc<Holdings>, Place) {
    let holdings = Holdings::new(budget);
    let place = budget.come_in(&holdings, Some(ip), vec![number], true);
    (holdings, place)
}

fn used(budget: &Budget, kind: Kind) -> u64 {
    budget.uses()[kind as usize].used
}

#[test]
fn a_full_table_of_idle_connections_lets_the_newest_in() {
    let budget = Budget::new(&plan());
    let mut all: Vec<_> = (0..64).map(|number| come(&budget, ip(number, 1), number)).collect();
    assert!(all.iter().all(|(holdings, _)| !holdings.is_cut()), "all of them came a moment ago");
    budget.passed_ms.store(10_000, Ordering::Relaxed);
    all[0].0.moved(1 << 20);
    all.push(come(&budget, ip(200, 1), 200));
    let cut: Vec<_> = all.iter().map(|(holdings, _)| holdings.is_cut()).collect();
    assert_eq!(cut.iter().filter(|&&cut| cut).count(), 1, "one gives way");
    assert!(!cut[0] && !cut[64], "who is in use and who comes stay");
    assert_eq!(used(&budget, Kind::Connections), 65);
    drop(all);
    assert_eq!(used(&budget, Kind::Connections), 0);
    assert!(budget.lock().networks.is_empty() && budget.lock().unnamed.is_empty());
}

#[test]
fn who_leaves_most_unread_for_longest_is_cut_off_and_nobody_who_is_at_work() {
    let budget = Budget::new(&plan());
    let (lazy, _lazy) = come(&budget, ip(1, 1), 1);
    let (small, _small) = come(&budget, ip(2, 1), 2);
    let (quick, _quick) = come(&budget, ip(3, 1), 3);
    let (mut much, mut little, mut new) = (lazy.lease(), small.lease(), quick.lease());
    much.set(700 << 10);
    little.set(100 << 10);
    budget.passed_ms.store(2_000, Ordering::Relaxed);
    new.set(900 << 10);
    assert!(lazy.is_cut() && !small.is_cut() && !quick.is_cut());
    assert_eq!(budget.uses()[Kind::Bytes as usize].refused, 1);
    drop((much, little, new));
    assert_eq!(used(&budget, Kind::Bytes), 0);
}

#[tokio::test]
async fn a_place_that_is_taken_back_is_told_and_a_flood_of_one_network_never_takes_anothers() {
    let places = Places::new(64);
    let honest = places.take(ip(9, 9));
    let mut flood = Vec::new();
    for _ in 0..1_000 {
        flood.push(places.take(ip(1, 1)));
    }
    flood[0].evicted().await;
    assert!(tokio::time::timeout(Duration::from_millis(50), honest.evicted()).await.is_err());
    drop((flood, honest));
    assert_eq!(places.uses(Kind::HalfOpen).used, 0);
}

#[test]
fn streams_of_a_connection_are_bounded_by_kind_and_given_back() {
    let budget = Budget::new(&plan());
    let (holdings, _place) = come(&budget, ip(1, 1), 1);
    let held: Vec<_> = std::iter::from_fn(|| holdings.directory()).collect();
    assert_eq!(held.len(), 2);
    assert!(holdings.manifest().is_some(), "kinds do not take each other's places");
    drop(held);
    assert_eq!(used(&budget, Kind::Directories), 0);
    assert!(holdings.directory().is_some());
}
