//! Limits in virtual time: what passes, to the byte, however late the waiting accounts wake.

use std::time::Duration;

use super::*;
use crate::random::Random;

const MB: u64 = 1_000_000;
/// A window starts anywhere and lasts at least this long.
const WINDOW: Duration = Duration::from_secs(1);

fn account(content: u32, peer: u32, network: u8) -> Account {
    let ip = std::net::IpAddr::from([192, 0, network, 1]);
    Account { content: ContentKey(content), peer: PeerKey(peer), prefix: Some(Prefix::of(ip)) }
}

/// All accounts take portions in turn, as fast as the limits let them, for `seconds`. A waiting
/// account wakes up to `late_ms_max` too late. Returns each take: when, by whom and how much.
fn saturate(
    limits: Limits,
    everybody: &[Account],
    seconds: u64,
    late_ms_max: u32,
) -> Vec<(Timestamp, Account, u64)> {
    saturate_with(&mut Rates::new(limits), everybody, seconds, late_ms_max)
}

fn saturate_with(
    rates: &mut Rates,
    everybody: &[Account],
    seconds: u64,
    late_ms_max: u32,
) -> Vec<(Timestamp, Account, u64)> {
    let mut random = Random::new(7);
    let (mut now, mut taken) = (Timestamp::ZERO, Vec::new());
    let end = Timestamp::from_millis(seconds * 1000);
    while now < end {
        let mut soonest: Option<Duration> = None;
        let mut idle = 0;
        for &account in everybody.iter().cycle() {
            match rates.take(now, account, rates.portion(account.content)) {
                Ok(()) => {
                    idle = 0;
                    taken.push((now, account, rates.portion(account.content)));
                }
                Err(refused) => {
                    idle += 1;
                    soonest = Some(soonest.map_or(refused.wait, |wait| wait.min(refused.wait)));
                }
            }
            if idle == everybody.len() {
                break;
            }
        }
        let late = Duration::from_micros(u64::from(random.below(late_ms_max * 1000 + 1)));
        now = now + soonest.unwrap_or_default() + late;
    }
    taken
}

/// The least and the most bytes in any window of at least a second, as shares of `rate`. Windows
/// start and end at takes: there a window holds most.
fn extremes(taken: &[(Timestamp, u64)], rate: u64) -> (f64, f64) {
    let sums: Vec<u64> = taken
        .iter()
        .scan(0, |sum, &(_, bytes)| {
            *sum += bytes;
            Some(*sum)
        })
        .collect();
    let (mut least, mut most) = (f64::MAX, 0f64);
    for first in 0..taken.len() {
        let begin = taken[first].0;
        let past = taken.partition_point(|&(at, _)| at.since(begin) <= WINDOW);
        // Both the shortest window and a longer one.
        for last in [past, past + 137, past + 1000].into_iter().filter(|&last| last < taken.len()) {
            let bytes = sums[last] - sums[first] + taken[first].1;
            let full = rate as f64 * taken[last].0.since(begin).as_secs_f64();
            most = most.max(bytes as f64 / full);
            least = least.min((bytes - taken[first].1) as f64 / full);
        }
    }
    (least, most)
}

fn times(taken: &[(Timestamp, Account, u64)], of: impl Fn(&Account) -> bool) -> Vec<(Timestamp, u64)> {
    taken.iter().filter(|(_, account, _)| of(account)).map(|&(at, _, bytes)| (at, bytes)).collect()
}

#[test]
fn a_limit_holds_within_two_percent_over_every_window_of_a_second() {
    let crowd: Vec<Account> = (0..40).map(|peer| account(peer % 3, peer, peer as u8)).collect();
    for rate in [200_000, MB, 4 * MB, 40 * MB, 125 * MB] {
        let limits = Limits { all: Some(rate), ..Limits::default() };
        for late_ms_max in [0, 1, 10] {
            let taken = saturate(limits, &crowd, 4, late_ms_max);
            let (least, most) = extremes(&times(&taken, |_| true), rate);
            let which = format!("{rate} B/s, woken {late_ms_max} ms late");
            assert!((0.98..=1.02).contains(&least), "{which}: only {least:.4}");
            assert!((0.98..=1.02).contains(&most), "{which}: up to {most:.4}");
        }
    }
}

#[test]
fn each_content_and_each_prefix_is_held_to_its_own_limit() {
    let (content, prefix) = (2 * MB, 3 * MB);
    // Contents 0 and 1 in network 0, content 2 in network 1: the first two share the network's
    // rate.
    let everybody = [account(0, 0, 0), account(1, 1, 0), account(2, 2, 1), account(2, 3, 1)];
    let limits = Limits {
        each_content: Some(content),
        each_prefix: Some(prefix),
        all: Some(20 * MB),
        each_peer: None,
    };
    let taken = saturate(limits, &everybody, 4, 2);
    let network = |network| move |of: &Account| of.prefix == account(0, 0, network).prefix;
    let (least, most) = extremes(&times(&taken, network(0)), prefix);
    assert!(0.98 <= least && most <= 1.02, "network 0 got {least:.4} to {most:.4}");
    let (least, most) = extremes(&times(&taken, network(1)), content);
    assert!(0.98 <= least && most <= 1.02, "content 2 got {least:.4} to {most:.4}");
    for content in [0, 1] {
        let (_, most) = extremes(&times(&taken, |of| of.content == ContentKey(content)), 2 * MB);
        assert!(most <= 1.02, "content {content} got up to {most:.4}");
    }
}

#[test]
fn a_content_of_its_own_limit_is_held_to_it_and_the_others_are_not() {
    let (own, each) = (MB, 4 * MB);
    let mut rates = Rates::new(Limits { each_content: Some(each), ..Limits::default() });
    rates.set_content(Timestamp::ZERO, ContentKey(1), Some(own));
    rates.set_content(Timestamp::ZERO, ContentKey(2), Some(2 * each));
    let taken = saturate_with(&mut rates, &[account(1, 1, 1), account(2, 2, 2), account(3, 3, 3)], 4, 1);
    for (content, rate) in [(1, own), (2, each), (3, each)] {
        let (least, most) = extremes(&times(&taken, |of| of.content == ContentKey(content)), rate);
        assert!(0.98 <= least && most <= 1.02, "content {content} got {least:.4} to {most:.4}");
    }
    assert_eq!(rates.portion(ContentKey(1)), 10_000);
    assert_eq!(rates.portion(ContentKey(3)), 40_000, "the others move in portions of their own size");
}

#[test]
fn a_limit_of_its_own_outlives_that_of_each_and_leaves_nothing_behind() {
    let (now, limited) = (Timestamp::from_millis(9_000), account(1, 1, 1));
    let mut rates = Rates::new(Limits::default());
    rates.set_content(now, limited.content, Some(MB));
    assert_eq!(rates.take(now, limited, 20_000), Ok(()));
    for each in [Some(4 * MB), None] {
        rates.set(now, Limits { each_content: each, ..Limits::default() });
        assert_eq!(rates.take(now, limited, 1).unwrap_err().level, Level::Content);
    }
    rates.set_content(now, limited.content, Some(0));
    let later = now + Duration::from_secs(60);
    assert_eq!(rates.take(later, limited, 1).unwrap_err().level, Level::Content, "nothing may pass");
    rates.set_content(later, limited.content, None);
    assert_eq!(rates.take(later, limited, u64::MAX), Ok(()));
    assert_eq!(rates.buckets(), 1);
}

#[test]
fn every_level_must_admit_and_a_refusal_spends_nothing() {
    let limits = Limits { all: Some(MB), each_peer: Some(MB / 10), ..Limits::default() };
    let mut rates = Rates::new(limits);
    let (one, other) = (account(1, 1, 1), account(1, 2, 1));
    assert_eq!(rates.take(Timestamp::ZERO, one, 4_000), Ok(()));
    assert_eq!(rates.take(Timestamp::ZERO, one, 4_000).unwrap_err().level, Level::Peer);
    let left = 20_000 - 4_000;
    for _ in 0..4 {
        let mut peer = other;
        peer.peer = PeerKey(100 + rates.buckets() as u32);
        assert_eq!(rates.take(Timestamp::ZERO, peer, left / 4), Ok(()), "the refusal above spent nothing");
    }
    let refused = rates.take(Timestamp::ZERO, other, 1).unwrap_err();
    assert_eq!((refused.level, refused.wait), (Level::All, Duration::from_micros(1)));
}

#[test]
fn portions_follow_the_narrowest_limit_and_end_with_it() {
    let mut rates = Rates::new(Limits::default());
    let portion = |rates: &Rates| rates.portion(ContentKey(1));
    assert_eq!(portion(&rates), u64::MAX);
    let narrow = Limits { all: Some(100 * MB), each_prefix: Some(4 * MB), ..Limits::default() };
    rates.set(Timestamp::ZERO, narrow);
    assert_eq!(portion(&rates), 40_000);
    assert_eq!(rates.limits(), narrow);
    rates.set(Timestamp::ZERO, Limits { all: Some(1), ..Limits::default() });
    assert_eq!(portion(&rates), 2000, "slow rates are not all headers");
}

#[test]
fn a_limit_set_late_does_not_pay_out_the_past() {
    let late = Timestamp::from_millis(1_000_000);
    let mut rates = Rates::new(Limits::default());
    rates.set(late, Limits { all: Some(MB), each_content: Some(MB), ..Limits::default() });
    let mut passed = 0;
    while rates.take(late, account(1, 1, 1), 1_000).is_ok() {
        passed += 1_000;
    }
    assert!(passed <= 20_000, "{passed} bytes passed at once");
    rates.set(late, Limits::default());
    assert_eq!(rates.take(late, account(1, 1, 1), u64::MAX), Ok(()));
    assert_eq!(rates.buckets(), 1, "levels without a limit keep nothing");
}

#[test]
fn buckets_of_those_who_sent_long_ago_are_forgotten() {
    let mut rates = Rates::new(Limits { each_peer: Some(MB), ..Limits::default() });
    for peer in 0..100_000 {
        let now = Timestamp::from_millis(u64::from(peer));
        assert_eq!(rates.take(now, account(1, peer, 1), 1_000), Ok(()));
        assert!(rates.buckets() <= 2 * BUCKETS_UNSWEPT_MAX, "{} buckets", rates.buckets());
    }
}
