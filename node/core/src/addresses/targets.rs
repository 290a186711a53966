//! How often a target may be dialled because others name it, over all contents and causes.
//!
//! A node that dials whatever it is told becomes a weapon: many nodes, each told of one victim under many names. So each
//! dial that follows from the word of others takes a token of the target's IP and one of its network, and a success
//! gives both back. Thirty honest peers behind one NAT, or in one room, answer, and are connected one after another as
//! fast as they answer; a victim does not answer as the peer that was promised, and gets what one window holds.
//! Ports do not matter: a victim is hit whatever its port. Windows slide, so no minute has more than the limit.
//!
//! Invariant: in any [`WINDOW`] a target gets at most the limit of dials that failed or are under way.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use super::Rank;
use crate::{prefix::Prefix, scope::Scope, time::Timestamp};

/// The time over which dials of a target are counted.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Failed dials of one address in a [`WINDOW`] that strangers' words may cause.
pub const HEARSAY_PER_ADDRESS_MAX: usize = 2;
/// Failed dials in one /24 (IPv6: /48) in a [`WINDOW`] that strangers' words may cause: the same, for a victim with
/// a whole network is hit as hard by dials that are spread over it.
pub const HEARSAY_PER_NETWORK_MAX: usize = 2;
/// Failed dials of one address in a [`WINDOW`], however they are caused, besides what the user typed and what was
/// proved. More than for strangers: a tracker that the user named, and peers that were here, leave stale entries behind.
pub const TOLD_PER_ADDRESS_MAX: usize = 8;
/// The same for one /24 (IPv6: /48): a class of thirty that has just gone home.
pub const TOLD_PER_NETWORK_MAX: usize = 32;
/// Targets with failed dials in the last [`WINDOW`], addresses and networks together; beyond it nothing new is dialled
/// on the word of others.
pub const TARGETS_MAX: usize = 4_096;
/// An attempt of which nothing is heard for so long counts as failed: no dial takes longer.
const PENDING_MAX: Duration = Duration::from_secs(300);
/// Whoever finds all tokens under way looks again so soon: most are given back within a round trip or two.
const PENDING_PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Address(IpAddr),
    Network(Prefix),
}

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
}

/// Dials of late, by target.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets(BTreeMap<Target, Vec<Spent>>);

fn limits(rank: Rank) -> (usize, usize) {
    match rank {
        // Who wrote a link is a stranger too.
        Rank::Hearsay | Rank::Link => (HEARSAY_PER_ADDRESS_MAX, HEARSAY_PER_NETWORK_MAX),
        _ => (TOLD_PER_ADDRESS_MAX, TOLD_PER_NETWORK_MAX),
    }
}

/// Both targets of a dial, by the address that a packet would reach.
fn targets(ip: IpAddr) -> [Target; 2] {
    let ip = Scope::reached(ip);
    [Target::Address(ip), Target::Network(Prefix::of(ip))]
}

impl Targets {
    /// Takes a token for one attempt; else says when it is worth asking again.
    pub(super) fn take(&mut self, now: Timestamp, ip: IpAddr, rank: Rank) -> Result<Token, Duration> {
        let ip = Scope::reached(ip);
        let (address_max, network_max) = limits(rank);
        let [address, network] = targets(ip);
        self.check(now, address, address_max)?;
        self.check(now, network, network_max)?;
        if self.0.len().saturating_add(2) > TARGETS_MAX {
            let counts = |spent: &Spent| spent.pending || now.since(spent.at) < WINDOW;
            self.0.retain(|_, spent| spent.iter().any(counts));
            if self.0.len().saturating_add(2) > TARGETS_MAX {
                return Err(WINDOW);
            }
        }
        for target in [address, network] {
            self.0.entry(target).or_default().push(Spent { at: now, pending: true });
        }
        Ok(Token { ip, at: now })
    }

    fn check(&mut self, now: Timestamp, target: Target, limit: usize) -> Result<(), Duration> {
        let Some(spent) = self.0.get_mut(&target) else { return Ok(()) };
        spent.retain(|spent| now.since(spent.at) < if spent.pending { PENDING_MAX } else { WINDOW });
        if spent.len() < limit {
            return Ok(());
        }
        if spent.iter().any(|spent| spent.pending) {
            return Err(PENDING_PAUSE);
        }
        let frees =
            spent.iter().rev().nth(limit.saturating_sub(1)).map(|spent| (spent.at + WINDOW).since(now));
        Err(frees.unwrap_or(WINDOW).max(PENDING_PAUSE))
    }

    /// The attempt led to whom it was meant for, or was never made.
    pub(super) fn refund(&mut self, token: Token) {
        for target in targets(token.ip) {
            let Some(spent) = self.0.get_mut(&target) else { continue };
            if let Some(at) = spent.iter().position(|spent| spent.pending && spent.at == token.at) {
                spent.remove(at);
            }
            if spent.is_empty() {
                self.0.remove(&target);
            }
        }
    }

    /// The attempt failed, at this moment or a little earlier.
    pub(super) fn settle(&mut self, now: Timestamp, token: Token) {
        for target in targets(token.ip) {
            let spent = self.0.get_mut(&target).into_iter().flatten();
            if let Some(spent) = spent.into_iter().find(|spent| spent.pending && spent.at == token.at) {
                // Attempts of one dial are made one after another: the last moment it can have been.
                *spent = Spent { at: now, pending: false };
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

    /// Dials as often as it may for `seconds`; each fails. The moments.
    fn besiege(
        targets: &mut Targets,
        seconds: u64,
        mut victim: impl FnMut(u64) -> IpAddr,
        rank: Rank,
    ) -> Vec<u64> {
        let mut dialled = Vec::new();
        for second in 0..seconds {
            for turn in 0..20 {
                if let Ok(token) = targets.take(at(second), victim(second * 20 + turn), rank) {
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
            let token = targets.take(at(0), ip("8.8.8.8"), Rank::Hearsay);
            assert!(token.is_ok(), "{peer}");
            token.into_iter().for_each(|token| targets.refund(token));
        }
        assert!(targets.0.is_empty());
    }

    #[test]
    fn what_is_under_way_is_waited_for_and_a_failure_costs_its_window() {
        let mut targets = Targets::default();
        let first = targets.take(at(0), ip("8.8.8.8"), Rank::Hearsay).unwrap();
        let second = targets.take(at(1), ip("8.8.8.8"), Rank::Hearsay).unwrap();
        assert_eq!(targets.take(at(2), ip("8.8.8.9"), Rank::Hearsay), Err(PENDING_PAUSE));
        targets.settle(at(10), first);
        targets.settle(at(20), second);
        assert_eq!(targets.take(at(20), ip("8.8.8.8"), Rank::Hearsay), Err(Duration::from_secs(50)));
        assert!(targets.take(at(20), ip("8.8.8.8"), Rank::Directory).is_ok(), "better words have more room");
        assert!(
            targets.take(at(70), ip("8.8.8.7"), Rank::Link).is_err(),
            "the directory's dial is under way"
        );
    }

    #[test]
    fn targets_are_bounded() {
        let mut targets = Targets::default();
        for number in 0..3 * TARGETS_MAX as u32 {
            let ip = IpAddr::from((0x0800_0000 + (number << 8)).to_be_bytes());
            if let Ok(token) = targets.take(at(0), ip, Rank::Hearsay) {
                targets.settle(at(0), token);
            }
        }
        assert!(targets.0.len() <= TARGETS_MAX);
        assert!(targets.take(at(60), ip("9.9.9.9"), Rank::Hearsay).is_ok(), "a minute later there is room");
    }
}
