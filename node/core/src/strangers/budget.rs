//! Which holder is evicted when strangers hold all there is.
//!
//! Places and bytes that strangers may hold are bounded. When they run out, one holder has to go,
//! but never the newest one only because it is the newest: an attacker who wants to shut others out
//! came first. So the newest gets in, at the expense of a holder that had its chance and did not
//! use it, else of the network that holds most. Honest work takes milliseconds, so it is seldom the
//! oldest. Honest people are spread over networks, so their network is seldom the largest.

mod queue;
mod record;

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

pub(crate) use self::record::Tally;
pub use self::{
    queue::{Queue, Turn},
    record::{Record, Standing},
};
use crate::{place::prefix::Prefix, time::Timestamp};

/// When all places are taken, a connection being made that is older than this had its chance. Less:
/// floods from many networks pass sooner. More: slow machines and distant peers can finish.
pub const CHANCE: Duration = Duration::from_secs(1);
/// The time for a handshake while at least half of the places are taken. A handshake over a
/// satellite or a bad mobile network takes 2.4 s, so there is room for it.
pub const CROWDED_HANDSHAKE: Duration = Duration::from_secs(5);
/// The time for a handshake when all places are taken: handshakes that took longer go first.
pub const FULL_HANDSHAKE: Duration = Duration::from_secs(2);
/// The chance of a handshake whose peer stands far worse than the newcomer. Less: attackers are in
/// nobody's way. More: honest peers of a network with attackers in it can finish.
const BRIEF_CHANCE: Duration = Duration::from_millis(100);
/// When all places are taken, a network may hold one part in this many before it has to give way.
const NETWORK_SHARE: usize = 8;
/// One part in this many of the places is freed at once, so that a flood does not make us search
/// the table for each of its connections.
const ROOM_SHARE: usize = 16;
/// A peer that has held bytes for less time than this is at work, and is never cut off for them.
pub const HOLDING_GRACE: Duration = Duration::from_secs(1);
/// A connection that moved something within this time is in use, and keeps its place.
pub const IDLE_GRACE: Duration = Duration::from_secs(5);
/// A network with more than one part in this many of all connections pays for its newcomers itself,
/// once the table is nearly full. This is half of what a network may have by default. A smaller
/// share: a network of attackers ends fewer connections of others. A larger share: an office's
/// newcomers get in while others are idle.
pub const NEWCOMER_SHARE: u32 = 32;
/// The share is at least this many connections, as a part of a small table would be none.
const NEWCOMER_SHARE_MIN: u32 = 8;

/// A holder of places or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<T> {
    /// The name of the holder.
    pub who: T,
    /// The address it comes from.
    pub ip: IpAddr,
    /// How long it has held: since it came, since what it holds last moved on ([`Pile`]), or since
    /// it was last of use.
    pub held: Duration,
    /// How much it holds; 1 for a place.
    pub amount: u64,
}

impl<T> Claim<T> {
    /// The amount times the time held: what it cost everybody else.
    fn cost(&self) -> u128 {
        u128::from(self.amount).saturating_mul(self.held.as_millis().saturating_add(1))
    }
}

/// Bytes that lie somewhere until they move on, and since when they have made no progress.
///
/// Moving some of the bytes is no progress yet: otherwise a peer that takes a byte now and then
/// could hold the rest for ever. Nor need the pile be empty: that of a busy peer seldom is. There
/// is progress once as many bytes have gone as lay there at the last progress.
///
/// Invariant: the bytes that still have to go are no more than the bytes that lie there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pile {
    bytes: u64,
    since: Timestamp,
    to_go: u64,
}

impl Pile {
    /// All bytes that lie there.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How long the bytes have lain there without progress.
    pub fn held(&self, now: Timestamp) -> Duration {
        if self.bytes == 0 { Duration::ZERO } else { now.since(self.since) }
    }

    /// `bytes` more lie there.
    pub fn add(&mut self, now: Timestamp, bytes: u64) {
        let was_empty = self.bytes == 0;
        self.bytes = self.bytes.saturating_add(bytes);
        if was_empty {
            self.mark(now);
        }
    }

    /// `bytes` have gone.
    pub fn pass(&mut self, now: Timestamp, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.to_go = self.to_go.saturating_sub(bytes);
        if self.to_go == 0 {
            self.mark(now);
        }
    }

    /// Takes back the last `bytes`: they never lay there, and nothing has moved.
    pub fn take_back(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.to_go = self.to_go.min(self.bytes);
    }

    /// Notes progress.
    fn mark(&mut self, now: Timestamp) {
        (self.since, self.to_go) = (now, self.bytes);
    }
}

/// Whether a newcomer may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door<T> {
    /// There is room.
    Open,
    /// There is room once these holders are evicted.
    Instead(Vec<T>),
    /// All holders came a moment ago, from many networks: wait this long, or until one of them
    /// goes.
    Wait(Duration),
}

/// Whether one more connection from `newcomer` may be made, while those of `claims` are being made,
/// of at most `max`.
pub fn half_open<T: Copy + Ord>(
    claims: &[Claim<T>],
    max: usize,
    newcomer: IpAddr,
    standing: impl Fn(IpAddr) -> Standing,
) -> Door<T> {
    if claims.len() < max.div_ceil(2) {
        return Door::Open;
    }
    let patience = if claims.len() < max { CROWDED_HANDSHAKE } else { FULL_HANDSHAKE };
    let overdue = oldest(claims.iter().filter(|claim| claim.held >= patience), usize::MAX);
    if !overdue.is_empty() {
        return Door::Instead(overdue);
    }
    if claims.len() < max {
        return Door::Open;
    }
    let room = (max / ROOM_SHARE).max(1);
    let places = |claim: &&Claim<T>| claim.amount.into();
    if let Some(hogs) = heaviest(claims.iter(), places, (max / NETWORK_SHARE) as u128) {
        return Door::Instead(oldest(hogs.into_iter(), room));
    }
    let (network, stands) = (Prefix::of(newcomer), standing(newcomer));
    let chance = |claim: &Claim<T>| {
        let yields = standing(claim.ip).yields_to(stands, Prefix::of(claim.ip) == network);
        if yields { BRIEF_CHANCE } else { CHANCE }
    };
    let had_theirs = oldest(claims.iter().filter(|claim| claim.held >= chance(claim)), room);
    if !had_theirs.is_empty() {
        return Door::Instead(had_theirs);
    }
    let left = claims.iter().map(|claim| chance(claim).saturating_sub(claim.held)).min();
    Door::Wait(left.unwrap_or_default())
}

/// The holder to cut off when strangers hold too many bytes. `None`: all of them are at work.
pub fn holding_most<T: Copy + Ord>(claims: &[Claim<T>]) -> Option<T> {
    costliest(claims.iter().filter(|claim| claim.amount > 0 && claim.held >= HOLDING_GRACE))
}

/// The connection to end when one more comes and the table is full. `None`: all are in use.
pub fn least_in_use<T: Copy + Ord>(claims: &[Claim<T>]) -> Option<T> {
    costliest(claims.iter().filter(|claim| claim.held >= IDLE_GRACE))
}

/// The connection to end when `newcomer` was accepted and the table of `max` connections is nearly
/// full. `None`: all are in use. `network` is that of the newcomer, if it counts. If no connection
/// is idle, one of the `unused` has to go, on which nothing has begun yet: otherwise a flood of
/// peers that connect and say nothing would have every newcomer refused.
///
/// A network that has more than its share pays for its own newcomers: with an idle connection of
/// its own, else with the newcomer. Otherwise a peer that comes and goes often enough would end the
/// connection of another peer each time.
pub fn gives_way<T: Copy + Ord>(
    claims: &[Claim<T>],
    unused: &[Claim<T>],
    newcomer: T,
    network: Option<Prefix>,
    max: u32,
) -> Option<T> {
    let is_own = |claim: &&Claim<T>| network.is_some_and(|network| Prefix::of(claim.ip) == network);
    let share = (max / NEWCOMER_SHARE).max(NEWCOMER_SHARE_MIN);
    if claims.iter().filter(is_own).count() <= share as usize {
        let had_a_chance = |claim: &&Claim<T>| claim.held >= BRIEF_CHANCE && claim.who != newcomer;
        return least_in_use(claims).or_else(|| costliest(unused.iter().filter(had_a_chance)));
    }
    let own: Vec<_> = claims.iter().filter(is_own).copied().collect();
    Some(least_in_use(&own).unwrap_or(newcomer))
}

/// The holder that has held a place for longest to no purpose, however long that is. Networks are
/// compared first, then addresses.
pub fn longest_idle<T: Copy + Ord>(claims: &[Claim<T>]) -> Option<T> {
    costliest(claims.iter())
}

/// The costliest holder of the costliest address of the costliest network; the first by name among
/// equals.
fn costliest<'a, T: Copy + Ord + 'a>(claims: impl Iterator<Item = &'a Claim<T>>) -> Option<T> {
    let worst = heaviest(claims, |claim| claim.cost(), 0)?;
    let most = worst.into_iter().max_by(|a, b| a.cost().cmp(&b.cost()).then(b.who.cmp(&a.who)));
    most.map(|claim| claim.who)
}

/// The weight and the claims of each address of a network.
type ByAddress<'a, T> = BTreeMap<IpAddr, (u128, Vec<&'a Claim<T>>)>;

/// The claims of the heaviest address of the heaviest network, if that network weighs more than
/// `allowed`.
fn heaviest<'a, T: 'a>(
    claims: impl Iterator<Item = &'a Claim<T>>,
    weight: impl Fn(&&'a Claim<T>) -> u128,
    allowed: u128,
) -> Option<Vec<&'a Claim<T>>> {
    let mut networks: BTreeMap<Prefix, (u128, ByAddress<'_, T>)> = BTreeMap::new();
    for claim in claims {
        let (weighs, addresses) = networks.entry(Prefix::of(claim.ip)).or_default();
        *weighs = weighs.saturating_add(weight(&claim));
        let (weighs, held) = addresses.entry(claim.ip).or_default();
        *weighs = weighs.saturating_add(weight(&claim));
        held.push(claim);
    }
    let (_, addresses) =
        networks.into_values().filter(|(weighs, _)| *weighs > allowed).max_by_key(|n| n.0)?;
    let (_, held) = addresses.into_values().max_by_key(|address| address.0)?;
    Some(held)
}

/// The holders of at most `most` claims, oldest first.
fn oldest<'a, T: Copy + Ord + 'a>(claims: impl Iterator<Item = &'a Claim<T>>, most: usize) -> Vec<T> {
    let mut claims: Vec<_> = claims.collect();
    claims.sort_by(|a, b| b.held.cmp(&a.held).then(a.who.cmp(&b.who)));
    claims.into_iter().take(most).map(|claim| claim.who).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 128;

    fn claim(who: usize, ip: [u8; 4], held_ms: u64, amount: u64) -> Claim<usize> {
        Claim { who, ip: IpAddr::from(ip), held: Duration::from_millis(held_ms), amount }
    }

    /// Whether a newcomer may come in from a network of which nothing is known.
    fn half_open(claims: &[Claim<usize>], max: usize) -> Door<usize> {
        super::half_open(claims, max, [198, 51, 100, 1].into(), |_| Standing::default())
    }

    fn sent_away(door: Door<usize>) -> Vec<usize> {
        match door {
            Door::Instead(who) => who,
            other => panic!("nobody had to go: {other:?}"),
        }
    }

    #[test]
    fn one_network_that_fills_every_place_pays_for_who_comes_next() {
        let mut claims: Vec<_> = (0..MAX - 1).map(|n| claim(n, [10, 0, 0, 9], 20 + n as u64, 1)).collect();
        // The oldest of all belongs to another network.
        claims.push(claim(MAX, [192, 0, 2, 1], 900, 1));
        let gone = sent_away(half_open(&claims, MAX));
        assert_eq!(gone.len(), MAX / ROOM_SHARE);
        assert!(!gone.contains(&MAX), "an honest handshake gave way to a flood");
        assert_eq!(gone[0], MAX - 2, "the oldest of the flood goes first");
    }

    #[test]
    fn a_flood_from_a_network_shared_with_others_pays_by_address() {
        let mut claims: Vec<_> = (0..100).map(|n| claim(n, [10, 0, 0, 9], 20, 1)).collect();
        claims.extend((100..MAX).map(|n| claim(n, [10, 0, 0, n as u8], 800, 1)));
        assert!(sent_away(half_open(&claims, MAX)).iter().all(|who| *who < 100));
    }

    #[test]
    fn an_office_that_connects_at_once_gets_in_while_silent_ones_hold_the_rest() {
        // Fifty people behind one address, connecting for 300 ms; strangers from everywhere, for a
        // second and more.
        let mut claims: Vec<_> = (0..50).map(|n| claim(n, [203, 0, 113, 7], 300, 1)).collect();
        claims.extend((50..512).map(|n| claim(n, [10, (n / 250) as u8, (n % 250) as u8, 1], 1_500, 1)));
        assert!(sent_away(half_open(&claims, 512)).iter().all(|who| *who >= 50));
    }

    #[test]
    fn a_crowd_of_honest_newcomers_waits_and_nobody_is_sent_away() {
        let claims: Vec<_> = (0..MAX).map(|n| claim(n, [10, 1, n as u8, 1], 100, 1)).collect();
        assert_eq!(half_open(&claims, MAX), Door::Wait(Duration::from_millis(900)));
        assert_eq!(half_open(&claims[1..], MAX), Door::Open);
    }

    #[test]
    fn who_failed_again_and_again_has_no_chance_against_a_newcomer() {
        let mut claims: Vec<_> = (0..MAX - 1).map(|n| claim(n, [10, 1, n as u8, 1], 150, 1)).collect();
        // One that is no worse than the newcomer, and older.
        claims.push(claim(MAX, [192, 0, 2, 1], 900, 1));
        let mut record = Record::default();
        for claim in &claims {
            record.enter(Timestamp::ZERO, claim.ip);
        }
        for _ in 0..4 {
            claims[..MAX - 1].iter().for_each(|claim| record.fail(Timestamp::ZERO, claim.ip, 1));
        }
        let standing = |ip| record.standing(Timestamp::ZERO, ip);
        let from = |ip: [u8; 4], claims: &[Claim<usize>]| super::half_open(claims, MAX, ip.into(), standing);
        let gone = sent_away(from([198, 51, 100, 1], &claims));
        assert!(!gone.is_empty() && !gone.contains(&MAX), "{gone:?}");
        assert_eq!(
            from([10, 1, 7, 1], &claims),
            Door::Wait(Duration::from_millis(100)),
            "one of their own waits"
        );
        assert!(!sent_away(from([10, 1, 7, 9], &claims)).is_empty(), "its neighbour does not wait for it");
        claims.iter_mut().for_each(|claim| claim.held = Duration::from_millis(30));
        assert_eq!(from([198, 51, 100, 1], &claims), Door::Wait(Duration::from_millis(70)));
    }

    #[test]
    fn a_slow_handshake_goes_on_while_there_is_room_and_goes_first_when_there_is_none() {
        let crowd = |count: usize| -> Vec<_> {
            (0..count).map(|n| claim(n, [10, (n / 250) as u8, (n % 250) as u8, 1], 40, 1)).collect()
        };
        let with_slow = |count: usize, held_ms: u64| {
            let mut claims = crowd(count - 1);
            claims.push(claim(9_999, [192, 0, 2, 1], held_ms, 1));
            half_open(&claims, MAX)
        };
        for count in [MAX / 2, MAX - 1] {
            assert_eq!(with_slow(count, 2_400), Door::Open, "{count} of {MAX} places are taken");
            assert_eq!(sent_away(with_slow(count, 5_000)), [9_999], "even slow ones had their chance");
        }
        assert_eq!(with_slow(MAX / 2 - 1, 9_000), Door::Open, "nobody needs its place");
        assert_eq!(sent_away(with_slow(MAX, 2_400)), [9_999]);
    }

    #[test]
    fn whose_bytes_lie_longest_goes_and_who_is_at_work_stays() {
        let busy = claim(1, [192, 0, 2, 1], 300, 8 << 20);
        let many = |n: usize| claim(n, [10, 0, 0, n as u8], 2_000, 64 << 10);
        let one = claim(2, [10, 9, 9, 9], 2_000, 1 << 20);
        let claims: Vec<_> = [busy, one].into_iter().chain((10..90).map(many)).collect();
        assert!(holding_most(&claims).is_some_and(|who| who >= 10), "a network counts as a whole");
        assert_eq!(holding_most(&[busy, one]), Some(2));
        assert_eq!(holding_most(&[busy]), None);
        assert_eq!(holding_most(&[claim(3, [10, 0, 0, 1], 99_000, 0)]), None, "who holds nothing");
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn bytes_that_move_on_are_never_old_and_a_byte_now_and_then_is_no_progress() {
        let (mut busy, mut dripping) = (Pile::default(), Pile::default());
        busy.add(at(0), 1_000_000);
        dripping.add(at(0), 1_000_000);
        for turn in 1..=600 {
            // Never empty, and never the same bytes for long.
            busy.add(at(turn * 100), 200_000);
            busy.pass(at(turn * 100), 200_000);
            dripping.add(at(turn * 100), 1);
            dripping.pass(at(turn * 100), 1);
            assert!(busy.held(at(turn * 100)) < HOLDING_GRACE, "{turn}");
        }
        assert_eq!((busy.bytes(), dripping.bytes()), (1_000_000, 1_000_000));
        assert_eq!(dripping.held(at(60_000)), Duration::from_secs(60));
    }

    #[test]
    fn a_pile_is_as_old_as_what_came_since_it_was_empty_and_what_is_taken_back_moves_nothing() {
        let mut pile = Pile::default();
        assert_eq!(pile.held(at(9_000)), Duration::ZERO);
        pile.add(at(9_000), 10);
        pile.pass(at(9_500), 10);
        pile.add(at(20_000), 10);
        assert_eq!(pile.held(at(21_000)), Duration::from_secs(1));
        for turn in 0..100 {
            pile.add(at(21_000 + turn), 10);
            pile.take_back(10);
        }
        assert_eq!((pile.bytes(), pile.held(at(22_000))), (10, Duration::from_secs(2)));
        pile.take_back(100);
        assert_eq!(pile.held(at(23_000)), Duration::ZERO);
    }

    #[test]
    fn a_full_table_gives_up_who_was_idle_longest_and_nobody_who_is_in_use() {
        let idle = claim(1, [10, 0, 0, 1], 60_000, 1);
        let idler = claim(2, [10, 2, 0, 1], 90_000, 1);
        let used = claim(3, [10, 3, 0, 1], 1_000, 1);
        assert_eq!(least_in_use(&[idle, idler, used]), Some(2));
        assert_eq!(least_in_use(&[used]), None);
    }

    #[test]
    fn a_network_with_more_than_its_share_pays_for_its_own_newcomers() {
        let max = 256;
        // Neighbours that were idle for long, and a network that comes and goes.
        let mut claims: Vec<_> =
            (0..200).map(|n| claim(n, [10, 1, n as u8, 1], 60_000 + n as u64, 1)).collect();
        let churn = Prefix::of([10, 9, 9, 1].into());
        claims.extend((200..208).map(|n| claim(n, [10, 9, 9, n as u8], 100, 1)));
        assert_eq!(
            gives_way(&claims, &[], 207, Some(churn), max),
            Some(199),
            "it has no more than its share"
        );
        claims.push(claim(208, [10, 9, 9, 1], 0, 1));
        assert_eq!(gives_way(&claims, &[], 208, Some(churn), max), Some(208), "others pay for it");
        assert_eq!(gives_way(&claims, &[], 208, None, max), Some(199), "networks do not count on loopback");
        claims[201].held = Duration::from_secs(6);
        assert_eq!(gives_way(&claims, &[], 208, Some(churn), max), Some(201), "one of its own is idle");
    }

    #[test]
    fn where_nobody_is_idle_a_flood_of_those_who_say_nothing_pays_for_itself() {
        let max = 256;
        let mut unused: Vec<_> = (0..200).map(|n| claim(n, [10, 0, (n / 8) as u8, 1], 300, 1)).collect();
        unused.push(claim(300, [198, 51, 100, 1], 400, 1));
        let used = claim(301, [203, 0, 113, 1], 4_000, 1);
        let all = [&unused[..], &[used]].concat();
        let network = |ip: [u8; 4]| Some(Prefix::of(ip.into()));
        let went = gives_way(&all, &unused, 300, network([198, 51, 100, 1]), max);
        assert!(went.is_some_and(|who| who < 200), "{went:?}: one of the many from one place");
        let young: Vec<_> =
            unused.iter().map(|claim| Claim { held: Duration::from_millis(50), ..*claim }).collect();
        let went = gives_way(&[&young[..], &[used]].concat(), &young, 300, network([198, 51, 100, 1]), max);
        assert_eq!(went, None, "all of them came a moment ago");
    }

    #[test]
    fn the_same_claims_in_any_order_have_the_same_outcome() {
        let mut claims: Vec<_> = (0..MAX).map(|n| claim(n, [10, 0, (n % 5) as u8, 1], 1_200, 1)).collect();
        let first = half_open(&claims, MAX);
        claims.reverse();
        assert_eq!(half_open(&claims, MAX), first);
    }
}
