use std::net::Ipv4Addr;

use libp2p::multiaddr::Protocol;

use super::*;

fn plan() -> Plan {
    Plan { inbound_max: 64, per_network_max: 64, bytes_max: 1 << 20, ..Plan::new(64, true) }
}

fn ip(network: u8, host: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, network, host).into()
}

/// A named connection from `ip`, with its place.
fn come(budget: &Arc<Budget>, ip: IpAddr, number: u8) -> (Arc<Holdings>, Place) {
    let made = hand_shake(budget, ip, number);
    budget.name(ConnectionId::new_unchecked(number.into()), &address(ip, number), true);
    made
}

fn address(ip: IpAddr, number: u8) -> Multiaddr {
    Multiaddr::from(ip).with(Protocol::Tcp(number.into()))
}

/// A connection that was made and is not accepted yet.
fn hand_shake(budget: &Arc<Budget>, ip: IpAddr, number: u8) -> (Arc<Holdings>, Place) {
    let holdings = Holdings::new(budget);
    let place = budget.come_in(&holdings, Some(ip), address(ip, number).to_vec(), true);
    (holdings, place)
}

fn used(budget: &Budget, kind: Kind) -> u64 {
    budget.uses()[kind as usize].used
}

#[test]
fn a_full_table_of_idle_connections_lets_the_newest_in() {
    let budget = Budget::new(&plan());
    let mut all: Vec<_> = (0..62).map(|number| come(&budget, ip(number, 1), number)).collect();
    budget.pass(Duration::from_secs(10));
    all[0].0.moved(16 << 10);
    all.push(come(&budget, ip(200, 1), 200));
    let cut: Vec<_> = all.iter().map(|(holdings, _)| holdings.is_cut()).collect();
    assert_eq!(cut.iter().filter(|&&cut| cut).count(), 1, "one gives way");
    assert!(!cut[0] && !cut[62], "who is in use and who comes stay");
    assert_eq!(used(&budget, Kind::Connections), 63);
    drop(all);
    assert_eq!(used(&budget, Kind::Connections), 0);
    assert!(budget.lock().networks.is_empty() && budget.lock().unnamed.is_empty());
}

#[test]
fn who_is_not_accepted_costs_nobody_a_connection() {
    let budget = Budget::new(&plan());
    let all: Vec<_> = (0..62).map(|number| come(&budget, ip(number, 1), number)).collect();
    budget.pass(Duration::from_secs(10));
    for number in 100..200 {
        drop(hand_shake(&budget, ip(number, 1), number));
    }
    assert!(
        all.iter().all(|(holdings, _)| !holdings.is_cut()),
        "a stranger that is refused ended a connection"
    );
}

#[test]
fn a_network_that_comes_and_goes_pays_for_itself_once_it_has_its_share() {
    let budget = Budget::new(&plan());
    let idle: Vec<_> = (0..48).map(|number| come(&budget, ip(number, 1), number)).collect();
    budget.pass(Duration::from_secs(60));
    let churn: Vec<_> = (100..164).map(|number| come(&budget, ip(200, number), number)).collect();
    let cut = |all: &[(Arc<Holdings>, Place)]| all.iter().filter(|(held, _)| held.is_cut()).count();
    assert_eq!(cut(&idle), 0, "its share is eight of 64, and up to there nobody had to go");
    assert_eq!(cut(&churn), 64 - 8);
}

#[test]
fn a_small_table_makes_room_before_it_is_full() {
    let budget = Budget::new(&Plan { inbound_max: 2, per_network_max: 2, ..plan() });
    let first = come(&budget, ip(1, 1), 1);
    budget.pass(Duration::from_secs(10));
    let second = come(&budget, ip(2, 1), 2);
    assert!(first.0.is_cut() && !second.0.is_cut());
}

#[tokio::test]
async fn a_flood_of_those_who_cannot_wait_does_not_shut_the_door_for_those_who_do() {
    let budget = Budget::new(&Plan { half_open_max: 64, ..plan() });
    let flood: Vec<_> = (0..2_000).map(|_| budget.half_open.take(ip(1, 1))).collect();
    let mut pause = None;
    let room = std::future::poll_fn(|cx| budget.half_open.poll_room(cx, ip(2, 1), &mut pause));
    // At the full pace, 2,000 would take 4 s.
    tokio::time::timeout(Duration::from_secs(1), room).await.expect("the door is shut");
    drop(flood);
}

#[test]
fn who_makes_connections_over_quic_takes_no_place_of_those_over_tcp() {
    let budget = Budget::new(&plan());
    let honest = budget.half_open.take(ip(1, 1));
    let flood: Vec<_> = (0..2_000).map(|_| budget.half_open_quic.take(ip(1, 1))).collect();
    assert!(!honest.is_evicted());
    assert_eq!(used(&budget, Kind::HalfOpen), 1);
    assert_eq!(used(&budget, Kind::HalfOpenQuic), 128);
    drop((honest, flood));
    assert_eq!(used(&budget, Kind::HalfOpenQuic), 0);
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

#[test]
fn who_is_at_work_for_long_stays_and_who_does_nothing_for_two_seconds_goes() {
    let budget = Budget::new(&plan());
    let (busy, _busy) = come(&budget, ip(1, 1), 1);
    let (lazy, _lazy) = come(&budget, ip(2, 1), 2);
    let (dripping, _dripping) = come(&budget, ip(3, 1), 3);
    // The connection holds bytes all the time, but never the same ones for long.
    let mut kept = busy.lease();
    kept.set(300 << 10);
    busy.queued(300 << 10);
    dripping.queued(20 << 10);
    let mut idle = None;
    for tenth in 0..600 {
        if tenth == 580 {
            let lease = idle.insert(lazy.lease());
            lease.set(100 << 10);
        }
        budget.pass(Duration::from_millis(100));
        kept.set(100 << 10);
        kept.set(300 << 10);
        busy.taken(200 << 10);
        busy.queued(200 << 10);
        dripping.taken(1);
        dripping.queued(1);
    }
    let mut more = busy.lease();
    more.set(400 << 10);
    assert!(dripping.is_cut() && lazy.is_cut() && !busy.is_cut());
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
