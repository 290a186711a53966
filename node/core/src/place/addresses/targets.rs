//! How often a target may be dialled because others name it, over all contents and causes.
//!
//! A node that dials whatever it is told becomes a weapon: many nodes, each told of one victim
//! under many names. So each dial that follows from the word of others takes a token of the
//! target's IP and one of its network, and a success gives both back. Thirty honest peers behind
//! one NAT, or in one room, answer, and are connected one after another as fast as they answer. A
//! victim does not answer as the peer that was promised, and gets only what one window holds. Ports
//! do not matter: a victim is hit whatever its port. Windows slide, so no minute has more than the
//! limit.
//!
//! One teller among strangers has one token of a target, so that it cannot use up the tokens of
//! others, and strangers cannot use up the tokens of better words. A full table makes room for
//! better words, and for tellers that told little, at the expense of the teller that told most.
//!
//! Invariant: in any [`WINDOW`] a target gets at most the limit of dials that failed or are under
//! way, except for dials that a full table forgot of a teller that caused more dials than any
//! other.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use super::Rank;
use crate::{
    place::{prefix::Prefix, scope::Scope},
    tally::Tally,
    time::Timestamp,
};

/// The time over which dials of a target are counted.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Failed dials of one address in a [`WINDOW`] that strangers' words may cause.
pub const HEARSAY_PER_ADDRESS_MAX: usize = 2;
/// Failed dials in one /24 (IPv6: /48) in a [`WINDOW`] that strangers' words may cause. The same
/// number, because a victim with a whole network is hit as hard by dials that are spread over it.
pub const HEARSAY_PER_NETWORK_MAX: usize = 2;
/// Of these, what the word of one stranger's network may cause. A teller of false names at an
/// address leaves a dial to the tellers of the peer that is really there.
pub const HEARSAY_PER_TELLER_MAX: usize = 1;
/// Failed dials of one address in a [`WINDOW`], however they are caused, except for places that the
/// user typed or that were proved. More than for strangers: a tracker that the user named, and
/// peers that were here, leave stale entries behind.
pub const TOLD_PER_ADDRESS_MAX: usize = 8;
/// The same for one /24 (IPv6: /48): a class of thirty that has just gone home.
pub const TOLD_PER_NETWORK_MAX: usize = 32;
/// The most targets with failed dials in the last [`WINDOW`], addresses and networks together.
/// Beyond it the teller that told of most of them waits, and makes room for others.
pub const TARGETS_MAX: usize = 4_096;
/// An attempt of which nothing is heard for this long is no longer counted: no dial takes longer.
const PENDING_MAX: Duration = Duration::from_secs(300);
/// How long to wait if all tokens are under way: most are given back within a round trip or two.
const PENDING_PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Address(IpAddr),
    Network(Prefix),
}

/// The word that a dial follows from: its rank, and the network of the third party.
pub(super) type Word = (Rank, Option<Prefix>);

/// A dial that was paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) ip: IpAddr,
    at: Timestamp,
}

impl Token {
    pub(super) fn is_of(self, ip: IpAddr) -> bool {
        self.ip == Scope::reached(ip)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spent {
    at: Timestamp,
    pending: bool,
    word: Word,
}

/// Recent dials, by target.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets(BTreeMap<Target, Vec<Spent>>);

fn limits(rank: Rank) -> (usize, usize) {
    match rank {
        // The author of a link is a stranger, too.
        Rank::Hearsay | Rank::Link => (HEARSAY_PER_ADDRESS_MAX, HEARSAY_PER_NETWORK_MAX),
        _ => (TOLD_PER_ADDRESS_MAX, TOLD_PER_NETWORK_MAX),
    }
}

/// Both targets of a dial, by the address that a packet would reach.
fn targets(ip: IpAddr) -> [Target; 2] {
    let ip = Scope::reached(ip);
    [Target::Address(ip), Target::Network(Prefix::of(ip))]
}

/// Whether one of `limit` tokens is free while `spent` are taken; if not, how long to wait.
fn wait(now: Timestamp, spent: &[Spent], limit: usize) -> Result<(), Duration> {
    if spent.len() < limit {
        return Ok(());
    }
    if spent.iter().any(|spent| spent.pending) {
        return Err(PENDING_PAUSE);
    }
    let frees = spent.iter().rev().nth(limit.saturating_sub(1)).map(|spent| (spent.at + WINDOW).since(now));
    Err(frees.unwrap_or(WINDOW).max(PENDING_PAUSE))
}

impl Targets {
    /// Takes a token for one attempt; else says how long to wait before asking again.
    pub(super) fn take(&mut self, now: Timestamp, ip: IpAddr, word: Word) -> Result<Token, Duration> {
        let ip = Scope::reached(ip);
        let (address_max, network_max) = limits(word.0);
        let [address, network] = targets(ip);
        self.check(now, address, address_max, word)?;
        self.check(now, network, network_max, word)?;
        self.make_room(now, [address, network], word)?;
        for target in [address, network] {
            self.0.entry(target).or_default().push(Spent { at: now, pending: true, word });
        }
        Ok(Token { ip, at: now })
    }

    fn check(&mut self, now: Timestamp, target: Target, limit: usize, word: Word) -> Result<(), Duration> {
        let Some(spent) = self.0.get_mut(&target) else { return Ok(()) };
        spent.retain(|spent| now.since(spent.at) < if spent.pending { PENDING_MAX } else { WINDOW });
        let of = |counts: &dyn Fn(&Spent) -> bool| -> Vec<Spent> {
            spent.iter().copied().filter(|spent| counts(spent)).collect()
        };
        match word.0 {
            Rank::Hearsay => {
                wait(now, &of(&|spent| spent.word == word), HEARSAY_PER_TELLER_MAX)?;
                wait(now, spent, limit)
            }
            // The user chose the link: strangers do not use up its tokens.
            Rank::Link => wait(now, &of(&|spent| spent.word.0 > Rank::Hearsay), limit),
            _ => wait(now, spent, limit),
        }
    }

    /// Makes room for two targets in a full table, if other words have to give way to this one.
    fn make_room(&mut self, now: Timestamp, wanted: [Target; 2], word: Word) -> Result<(), Duration> {
        let is_full = |all: &BTreeMap<Target, Vec<Spent>>| {
            let new = wanted.iter().filter(|target| !all.contains_key(target)).count();
            all.len().saturating_add(new) > TARGETS_MAX
        };
        if is_full(&self.0) {
            let counts = |spent: &Spent| spent.pending || now.since(spent.at) < WINDOW;
            self.0.retain(|_, spent| spent.iter().any(counts));
        }
        while is_full(&self.0) {
            let (ip, oldest) = self.least_due(word).ok_or(WINDOW)?;
            self.remove(ip, |spent| *spent == oldest);
        }
        Ok(())
    }

    /// The failed dial to forget in favour of `word`: the oldest dial of the word that caused most,
    /// of the lowest rank there is below this one, or of the same rank if that word caused more
    /// than this one.
    fn least_due(&self, word: Word) -> Option<(IpAddr, Spent)> {
        let of_addresses = || {
            let dials = self.0.iter().filter_map(|(target, spent)| match target {
                Target::Address(ip) => Some((*ip, spent)),
                Target::Network(_) => None,
            });
            dials.flat_map(|(ip, spent)| spent.iter().map(move |spent| (ip, *spent)))
        };
        let failed = || of_addresses().filter(|(_, spent)| !spent.pending && spent.word.0 <= word.0);
        let caused: Tally<Word> = failed().map(|(_, spent)| spent.word).collect();
        let own = caused.of(word);
        let yielding = caused.iter().filter(|(other, count)| other.0 < word.0 || *count > own);
        let (most, _) = yielding.min_by_key(|(other, count)| (other.0, std::cmp::Reverse(*count)))?;
        failed().filter(|(_, spent)| spent.word == most).min_by_key(|(_, spent)| spent.at)
    }

    /// Takes out one dial of an address.
    fn remove(&mut self, ip: IpAddr, which: impl Fn(&Spent) -> bool) {
        for target in targets(ip) {
            let Some(spent) = self.0.get_mut(&target) else { continue };
            if let Some(at) = spent.iter().position(&which) {
                spent.remove(at);
            }
            if spent.is_empty() {
                self.0.remove(&target);
            }
        }
    }

    /// The attempt led to the intended peer, or was never made.
    pub(super) fn refund(&mut self, token: Token) {
        self.remove(token.ip, |spent| spent.pending && spent.at == token.at);
    }

    /// The attempt failed, at this moment or a little earlier.
    pub(super) fn settle(&mut self, now: Timestamp, token: Token) {
        for target in targets(token.ip) {
            let spent = self.0.get_mut(&target).into_iter().flatten();
            if let Some(spent) = spent.into_iter().find(|spent| spent.pending && spent.at == token.at) {
                // Attempts of one dial are made one after another: `now` is the last moment it can
                // have been.
                *spent = Spent { at: now, pending: false, ..*spent };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn teller(number: u8) -> Option<Prefix> {
        Some(Prefix::of([192, 0, number, 1].into()))
    }

    /// A stranger's word.
    fn hearsay(number: u8) -> Word {
        (Rank::Hearsay, teller(number))
    }

    /// Dials as often as allowed for `seconds`; each dial fails. Returns the moments.
    fn besiege(
        targets: &mut Targets,
        seconds: u64,
        mut victim: impl FnMut(u64) -> IpAddr,
        rank: Rank,
    ) -> Vec<u64> {
        let mut dialled = Vec::new();
        for second in 0..seconds {
            for turn in 0..20 {
                let word = (rank, teller(turn as u8));
                if let Ok(token) = targets.take(at(second), victim(second * 20 + turn), word) {
                    targets.settle(at(second), token);
                    dialled.push(second);
                }
            }
        }
        dialled
    }

    #[test]
    fn no_minute_has_more_than_two_dials_of_a_victim_that_strangers_name() {
        let dialled = besiege(&mut Targets::default(), 600, |_| ip("8.8.8.8"), Rank::Hearsay);
        for window in dialled.windows(HEARSAY_PER_ADDRESS_MAX + 1) {
            assert!(window[HEARSAY_PER_ADDRESS_MAX] - window[0] >= 60, "{dialled:?}");
        }
        assert_eq!(dialled.len(), 20);
    }

    #[test]
    fn a_victim_is_one_whatever_form_its_address_is_written_in() {
        let forms = ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"];
        let dialled = besiege(&mut Targets::default(), 60, |n| ip(forms[n as usize % 3]), Rank::Hearsay);
        assert_eq!(dialled.len(), 2);
    }

    #[test]
    fn a_whole_network_is_no_better_a_target_than_one_address() {
        let v4 = |n: u64| ip(&format!("8.8.8.{}", n % 256));
        assert_eq!(besiege(&mut Targets::default(), 60, v4, Rank::Hearsay).len(), HEARSAY_PER_NETWORK_MAX);
        let v6 = |n: u64| ip(&format!("2600:1:2:{:x}::{n:x}", n % 65_536));
        assert_eq!(besiege(&mut Targets::default(), 60, v6, Rank::Hearsay).len(), HEARSAY_PER_NETWORK_MAX);
        let told = besiege(&mut Targets::default(), 60, v4, Rank::Directory);
        assert_eq!(told.len(), TOLD_PER_NETWORK_MAX);
    }

    #[test]
    fn thirty_honest_peers_behind_one_address_are_dialled_as_fast_as_they_answer() {
        let mut targets = Targets::default();
        for peer in 0..30 {
            let token = targets.take(at(0), ip("8.8.8.8"), hearsay(1));
            assert!(token.is_ok(), "{peer}");
            token.into_iter().for_each(|token| targets.refund(token));
        }
        assert!(targets.0.is_empty());
    }

    #[test]
    fn what_is_under_way_is_waited_for_and_a_failure_costs_its_window() {
        let mut targets = Targets::default();
        let first = targets.take(at(0), ip("8.8.8.8"), hearsay(1)).unwrap();
        assert_eq!(targets.take(at(1), ip("8.8.8.9"), hearsay(1)), Err(PENDING_PAUSE), "one for a teller");
        let second = targets.take(at(1), ip("8.8.8.8"), hearsay(2)).unwrap();
        assert_eq!(targets.take(at(2), ip("8.8.8.9"), hearsay(3)), Err(PENDING_PAUSE));
        targets.settle(at(10), first);
        targets.settle(at(20), second);
        assert_eq!(targets.take(at(20), ip("8.8.8.8"), hearsay(3)), Err(Duration::from_secs(50)));
        assert_eq!(targets.take(at(20), ip("8.8.8.8"), hearsay(2)), Err(Duration::from_secs(60)), "its own");
        let directory = (Rank::Directory, teller(9));
        assert!(targets.take(at(20), ip("8.8.8.8"), directory).is_ok(), "better words have more room");
        assert!(targets.take(at(20), ip("8.8.8.7"), (Rank::Link, None)).is_ok(), "strangers do not stop it");
        assert!(
            targets.take(at(70), ip("8.8.8.7"), (Rank::Link, None)).is_err(),
            "the directory's dial and its own are under way"
        );
    }

    /// Fills the table with failed dials, which this many tellers told of in turn.
    fn full(tellers: u32) -> Targets {
        let mut targets = Targets::default();
        for number in 0..3 * TARGETS_MAX as u32 {
            let ip = IpAddr::from((0x0800_0000 + (number << 8)).to_be_bytes());
            if let Ok(token) = targets.take(at(0), ip, hearsay((number % tellers) as u8)) {
                targets.settle(at(0), token);
            }
        }
        targets
    }

    #[test]
    fn targets_are_bounded() {
        let mut targets = full(1);
        assert!(targets.0.len() <= TARGETS_MAX);
        assert!(targets.take(at(60), ip("9.9.9.9"), hearsay(0)).is_ok(), "a minute later there is room");
    }

    #[test]
    fn a_full_table_makes_room_at_the_expense_of_whoever_told_most() {
        let mut targets = full(2);
        // What a third teller told of before is not forgotten for what it tells now.
        for number in 0..200_u32 {
            let ip = IpAddr::from((0x0200_0000 + (number << 8)).to_be_bytes());
            let token = targets.take(at(1), ip, hearsay(7)).expect("it told less than the others");
            targets.settle(at(1), token);
        }
        let of = |targets: &Targets, number: u8| {
            targets.0.values().flatten().filter(|spent| spent.word == hearsay(number)).count() / 2
        };
        assert_eq!(of(&targets, 7), 200);
        assert!(of(&targets, 0).abs_diff(of(&targets, 1)) <= 1, "both have paid for it");
        assert!(targets.take(at(1), ip("9.9.9.9"), hearsay(0)).is_err_and(|wait| wait == WINDOW));
        assert!(targets.0.len() <= TARGETS_MAX);
    }
}
