//! A small picture of all supernodes that are heard of, by which two of them see whether they are in one network.
//!
//! Each supernode has a mark: a number that follows from its identity. A sketch holds the lowest marks there are, with
//! the age of the last sign of life of each ("bottom-k" sketches; Cohen 1997). All of one network agree on the lowest
//! marks after a few rounds of gossip, however many supernodes there are. Two networks share none.
//!
//! Invariants: at most [`MARKS_MAX`] marks, ascending; of those that we only heard of, at most `MARKS_PER_TELLER_MAX`
//! by the word of one teller. So whoever invents supernodes fills a third of our sketch, and needs three liars to hide
//! an island.

use serde::{Deserialize, Serialize};

use crate::{
    id::PeerKey,
    random::mix,
    saturate::{low_half, to_u8, to_u16},
};

/// Marks in a sketch.
pub const MARKS_MAX: usize = 24;
/// Marks that are believed by the word of one teller.
const MARKS_PER_TELLER_MAX: usize = 8;
/// Two sketches that share less than one in so many marks barely meet.
const ISLAND_BELOW: usize = 8;

/// One supernode in a sketch: 6 bytes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// Follows from its identity.
    pub mark: u32,
    /// Seconds since it said that it is there.
    pub age_seconds: u16,
}

/// What is told of the network: 144 bytes at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sketch {
    marks: [Mark; MARKS_MAX],
    len: u8,
}

/// The mark of an identity: a hash of the public key, which is the same for everybody.
pub fn mark_of(identity: u64) -> u32 {
    low_half(mix(identity))
}

impl Default for Sketch {
    fn default() -> Sketch {
        Sketch { marks: [Mark::default(); MARKS_MAX], len: 0 }
    }
}

impl Sketch {
    /// A sketch from the wire: what is too much is left out.
    pub fn new(marks: impl IntoIterator<Item = Mark>) -> Sketch {
        let mut sketch = Sketch::default();
        for (place, mark) in sketch.marks.iter_mut().zip(marks) {
            *place = mark;
            sketch.len = sketch.len.saturating_add(1);
        }
        sketch.marks[..usize::from(sketch.len)].sort_unstable();
        sketch
    }

    /// Its marks, ascending.
    pub fn marks(&self) -> &[Mark] {
        &self.marks[..usize::from(self.len)]
    }

    /// Whether the other shows another network.
    pub fn is_island(&self, other: &Sketch) -> bool {
        let shared = self.marks().iter().filter(|mark| other.has(mark.mark)).count();
        let fewer = self.marks().len().min(other.marks().len());
        shared.saturating_mul(ISLAND_BELOW) < fewer
    }

    fn has(&self, mark: u32) -> bool {
        self.marks().binary_search_by_key(&mark, |known| known.mark).is_ok()
    }

    /// Five bytes by which a leaf compares sketches. Those of one network agree in most of them.
    pub fn print(&self) -> Print {
        let lowest = |salt: u64| {
            let hashes = self.marks().iter().map(|mark| low_half(mix(u64::from(mark.mark) << 8 | salt)));
            // An empty sketch has a print that agrees with none.
            hashes.min().map_or(0, |hash| to_u8(hash & 0xff).max(1))
        };
        Print([0, 1, 2, 3, 4].map(lowest))
    }
}

/// A sketch in five bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Print([u8; 5]);

impl Print {
    /// Whether both seem to show different networks: they agree in one byte at most, which happens by chance. So seems
    /// one pair in five of sketches that share half of their marks; then two nodes of one network are introduced in
    /// vain.
    pub(super) fn is_island(self, other: Print) -> bool {
        let known = self.0[0] != 0 && other.0[0] != 0;
        known && self.0.iter().zip(other.0).filter(|&(&ours, theirs)| ours == theirs).count() <= 1
    }
}

/// A supernode that we heard of.
#[derive(Clone, Copy, Debug)]
struct Heard {
    mark: u32,
    /// The second in which it said that it is there.
    second: u32,
    teller: PeerKey,
}

/// All that we heard of, as far as it belongs into our sketch.
#[derive(Debug)]
pub(super) struct Roll {
    own: u32,
    heard: Vec<Heard>,
}

impl Roll {
    pub(super) fn new(own: u32) -> Roll {
        Roll { own, heard: Vec::new() }
    }

    /// Takes in what a sibling says at second `now`.
    pub(super) fn merge(&mut self, now: u32, life: u32, teller: PeerKey, sketch: &Sketch) {
        self.heard.retain(|heard| now.saturating_sub(heard.second) <= life);
        for said in sketch.marks() {
            let second = now.saturating_sub(said.age_seconds.into());
            if said.mark == self.own || u32::from(said.age_seconds) > life {
                continue;
            }
            match self.heard.binary_search_by_key(&said.mark, |heard| heard.mark) {
                Ok(at) => {
                    let known = &mut self.heard[at];
                    // The first teller answers for it, or an honest one could be blamed for a liar's marks.
                    known.second = known.second.max(second);
                }
                Err(at) => {
                    let told = self.heard.iter().filter(|heard| heard.teller == teller).count();
                    // Its last place goes to the mark that is lower.
                    if told >= MARKS_PER_TELLER_MAX && !self.drop_above(said.mark, teller) {
                        continue;
                    }
                    let at = at.min(self.heard.len());
                    if at >= MARKS_MAX {
                        continue;
                    }
                    if self.heard.capacity() == 0 {
                        self.heard.reserve_exact(MARKS_MAX.saturating_add(1));
                    }
                    self.heard.insert(at, Heard { mark: said.mark, second, teller });
                    self.heard.truncate(MARKS_MAX);
                }
            }
        }
    }

    /// Drops the highest mark of a teller if it is above this one.
    fn drop_above(&mut self, mark: u32, teller: PeerKey) -> bool {
        let highest = self.heard.iter().rposition(|heard| heard.teller == teller);
        match highest {
            Some(at) if self.heard[at].mark > mark => {
                self.heard.remove(at);
                true
            }
            _ => false,
        }
    }

    /// What we tell at second `now`. We are there.
    pub(super) fn sketch(&self, now: u32, life: u32) -> Sketch {
        let alive = self.heard.iter().filter(|heard| now.saturating_sub(heard.second) <= life);
        let mark =
            |heard: &Heard| Mark { mark: heard.mark, age_seconds: to_u16(now.saturating_sub(heard.second)) };
        let below = alive.clone().filter(|heard| heard.mark < self.own).map(mark);
        let own = std::iter::once(Mark { mark: self.own, age_seconds: 0 });
        Sketch::new(below.chain(own).chain(alive.filter(|heard| heard.mark > self.own).map(mark)))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.heard.capacity().saturating_mul(size_of::<Heard>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Gossip of `count` supernodes, each with random others, until everybody spoke `rounds` times.
    fn network(first: u32, count: u32, rounds: u32) -> Vec<Roll> {
        let mut random = Random::new(first.into());
        let mut rolls: Vec<Roll> =
            (0..count).map(|number| Roll::new(mark_of(u64::from(first + number)))).collect();
        for round in 0..rounds {
            for a in 0..count {
                let b = random.below(count);
                let (to, from) = (rolls[b as usize].sketch(round, 300), rolls[a as usize].sketch(round, 300));
                rolls[a as usize].merge(round, 300, PeerKey(b), &to);
                rolls[b as usize].merge(round, 300, PeerKey(a), &from);
            }
        }
        rolls
    }

    #[test]
    fn supernodes_of_one_network_agree_and_those_of_two_do_not() {
        let (one, other) = (network(0, 300, 20), network(10_000, 300, 20));
        let sketch = |roll: &Roll| roll.sketch(20, 300);
        for number in 1..300 {
            assert!(!sketch(&one[0]).is_island(&sketch(&one[number])), "{number}");
            assert!(sketch(&one[number]).is_island(&sketch(&other[number])), "{number}");
        }
        let islands =
            (1..300).filter(|&number| sketch(&one[0]).print().is_island(sketch(&one[number]).print()));
        assert!(islands.count() < 30);
        let met = (0..300)
            .filter(|&number| !sketch(&one[number]).print().is_island(sketch(&other[number]).print()));
        assert!(met.count() < 30);
    }

    #[test]
    fn two_that_are_alone_are_islands_until_they_met() {
        let (mut a, b) = (Roll::new(1), Roll::new(2));
        assert!(a.sketch(0, 300).is_island(&b.sketch(0, 300)));
        a.merge(0, 300, PeerKey(2), &b.sketch(0, 300));
        assert!(!a.sketch(0, 300).is_island(&b.sketch(0, 300)));
        assert!(a.sketch(301, 300).is_island(&b.sketch(301, 300)), "nothing was heard of it for too long");
    }

    #[test]
    fn one_liar_fills_a_third_of_a_sketch() {
        let mut roll = Roll::new(u32::MAX);
        for round in 0..100_u32 {
            let lies = (0..24).map(|number| Mark { mark: 10_000 - round * 24 - number, age_seconds: 0 });
            roll.merge(0, 300, PeerKey(666), &Sketch::new(lies));
        }
        assert_eq!(roll.heard.len(), MARKS_PER_TELLER_MAX);
        let truth = (0..24).map(|number| Mark { mark: 1_000_000 + number, age_seconds: 0 });
        roll.merge(0, 300, PeerKey(1), &Sketch::new(truth));
        assert_eq!(roll.heard.len(), 2 * MARKS_PER_TELLER_MAX);
    }

    #[test]
    fn a_sketch_from_the_wire_is_cut_and_sorted() {
        let sketch = Sketch::new((0..100).map(|number| Mark { mark: 100 - number, age_seconds: u16::MAX }));
        assert_eq!(sketch.marks().len(), MARKS_MAX);
        assert!(sketch.marks().is_sorted());
        let mut roll = Roll::new(7);
        roll.merge(5, 300, PeerKey(1), &sketch);
        assert_eq!(roll.sketch(5, 300).marks(), [Mark { mark: 7, age_seconds: 0 }], "too old to count");
        assert!(!Sketch::default().print().is_island(Sketch::default().print()));
    }
}
