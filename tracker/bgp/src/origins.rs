//! Which AS originates which prefix, by majority. Every router and every table has one voice for
//! each prefix, and its latest statement replaces the one before.
//!
//! Invariant: the result depends on the last statement of each voice, not on the order of the
//! voices.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use ipnetwork::IpNetwork;
use nearcast_core::asn::Asn;

/// The most prefixes: four times as many as the Internet had in 2026. Further ones are counted and
/// left out.
pub const PREFIXES_MAX: usize = 1 << 22;

/// A source of statements, a router or a table, as a small number that the caller assigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Voice(pub u16);

/// Which of 64 voices say that an AS originates a prefix.
#[derive(Clone, Copy, Debug)]
struct Vote {
    origin: Asn,
    /// Covers the 64 voices from `64 * chunk` on.
    chunk: u16,
    voices: u64,
}

/// The votes for a prefix. There is nearly always one AS, named by some of the first 64 voices;
/// this case needs no allocation.
#[derive(Clone, Debug)]
enum Votes {
    One(Vote),
    More(Vec<Vote>),
}

/// Every prefix with the votes for its origins.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    prefixes: HashMap<IpNetwork, Votes>,
    left_out: u64,
}

impl Origins {
    /// Notes that this voice names these ASes as origins of the prefix. This replaces the voice's
    /// earlier statement about it.
    pub fn announce(&mut self, voice: Voice, prefix: IpNetwork, origins: &[Asn]) {
        let Some((&first, more)) = origins.split_first() else {
            self.withdraw(voice, prefix);
            return;
        };
        let vote = Vote { origin: first, chunk: voice.0 / 64, voices: 1 << (voice.0 % 64) };
        if let Some(votes) = self.prefixes.get_mut(&prefix) {
            if !votes.is_only(first, vote.chunk) || !more.is_empty() {
                votes.forget(voice);
            }
            votes.add(vote);
        } else if self.prefixes.len() < PREFIXES_MAX {
            self.prefixes.insert(prefix, Votes::One(vote));
        } else {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        if let (Some(votes), false) = (self.prefixes.get_mut(&prefix), more.is_empty()) {
            more.iter().for_each(|&origin| votes.add(Vote { origin, ..vote }));
        }
    }

    /// Removes the voice's statement about the prefix.
    pub fn withdraw(&mut self, voice: Voice, prefix: IpNetwork) {
        if let Some(votes) = self.prefixes.get_mut(&prefix) {
            votes.forget(voice);
            if votes.all().is_empty() {
                self.prefixes.remove(&prefix);
            }
        }
    }

    /// The number of prefixes with statements.
    pub fn prefixes(&self) -> usize {
        self.prefixes.len()
    }

    /// The number of statements about prefixes beyond [`PREFIXES_MAX`].
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Every prefix in order, with its origins: the one with most voices first, and among equals
    /// the lower number.
    pub fn into_prefixes(self) -> impl Iterator<Item = (IpNetwork, Vec<Asn>)> {
        let mut all: Vec<(IpNetwork, Votes)> = self.prefixes.into_iter().collect();
        all.sort_unstable_by_key(|(prefix, _)| *prefix);
        all.into_iter().map(|(prefix, votes)| (prefix, votes.ranked()))
    }
}

impl Votes {
    fn all(&self) -> &[Vote] {
        match self {
            Votes::One(vote) => std::slice::from_ref(vote),
            Votes::More(votes) => votes,
        }
    }

    /// Whether no other AS and no other chunk has votes. Then there is nothing to forget.
    fn is_only(&self, origin: Asn, chunk: u16) -> bool {
        matches!(self, Votes::One(only) if (only.origin, only.chunk) == (origin, chunk))
    }

    fn add(&mut self, vote: Vote) {
        let votes = match self {
            Votes::One(only) if (only.origin, only.chunk) == (vote.origin, vote.chunk) => {
                only.voices |= vote.voices;
                return;
            }
            Votes::One(only) => {
                *self = Votes::More(vec![*only, vote]);
                return;
            }
            Votes::More(votes) => votes,
        };
        match votes.iter_mut().find(|known| (known.origin, known.chunk) == (vote.origin, vote.chunk)) {
            Some(known) => known.voices |= vote.voices,
            None => votes.push(vote),
        }
    }

    fn forget(&mut self, voice: Voice) {
        let (chunk, bit) = (voice.0 / 64, 1u64 << (voice.0 % 64));
        let mut left = self.all().to_vec();
        for vote in left.iter_mut().filter(|vote| vote.chunk == chunk) {
            vote.voices &= !bit;
        }
        left.retain(|vote| vote.voices != 0);
        *self = match left.as_slice() {
            [only] => Votes::One(*only),
            _ => Votes::More(left),
        };
    }

    fn ranked(&self) -> Vec<Asn> {
        if let Votes::One(only) = self {
            return vec![only.origin];
        }
        let mut counts: BTreeMap<Asn, u32> = BTreeMap::new();
        for vote in self.all() {
            let count = counts.entry(vote.origin).or_default();
            *count = count.saturating_add(vote.voices.count_ones());
        }
        let mut ranked: Vec<(Asn, u32)> = counts.into_iter().collect();
        ranked.sort_by_key(|&(origin, voices)| (Reverse(voices), origin));
        ranked.into_iter().map(|(origin, _)| origin).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "192.0.2.0/24";

    fn said(what: &[(u16, &[u32])]) -> Vec<u32> {
        let mut origins = Origins::default();
        for &(voice, asns) in what {
            let asns: Vec<Asn> = asns.iter().copied().map(Asn).collect();
            origins.announce(Voice(voice), PREFIX.parse().unwrap(), &asns);
        }
        let mut all = origins.into_prefixes();
        all.next().map(|(_, ranked)| ranked.iter().map(|asn| asn.0).collect()).unwrap_or_default()
    }

    #[test]
    fn the_origin_most_voices_name_is_first_and_of_equals_the_lower() {
        assert_eq!(said(&[(1, &[20]), (2, &[10]), (3, &[20])]), [20, 10]);
        assert_eq!(said(&[(1, &[20]), (2, &[10])]), [10, 20]);
        // Voices with distant numbers count alike.
        assert_eq!(said(&[(1, &[10]), (100, &[20]), (9_000, &[20])]), [20, 10]);
    }

    #[test]
    fn the_order_of_voices_changes_nothing() {
        let what: [(u16, &[u32]); 4] = [(1, &[30]), (70, &[10, 20]), (2, &[20]), (900, &[30])];
        let forwards = said(&what);
        let mut backwards = what;
        backwards.reverse();
        assert_eq!(said(&backwards), forwards);
        assert_eq!(forwards, [20, 30, 10]);
    }

    #[test]
    fn a_voice_that_speaks_again_takes_back_what_it_said() {
        assert_eq!(said(&[(1, &[10]), (1, &[20])]), [20]);
        assert_eq!(said(&[(1, &[10, 20]), (1, &[20])]), [20]);
        assert_eq!(said(&[(1, &[10]), (2, &[10]), (1, &[])]), [10]);
        assert_eq!(said(&[(1, &[10]), (1, &[])]), [0u32; 0]);
    }

    #[test]
    fn a_prefix_nobody_speaks_of_is_gone() {
        let mut origins = Origins::default();
        let prefix = PREFIX.parse().unwrap();
        origins.withdraw(Voice(1), prefix);
        origins.announce(Voice(1), prefix, &[Asn(10)]);
        origins.withdraw(Voice(2), prefix);
        assert_eq!(origins.prefixes(), 1);
        origins.withdraw(Voice(1), prefix);
        assert_eq!(origins.prefixes(), 0);
    }
}
