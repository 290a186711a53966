//! Whom to tell an asker of: the nearest, a few who have everything, and some at random.
//!
//! No answer sorts a whole swarm. Members are sorted by AS and address, so each class of nearness is a few ranges; of a
//! large class a sample spread over it is ranked. Inside a class a keyed hash of both ends decides (as in BEP 40), not
//! dice: the same two peers prefer each other whoever asks, and a swarm spreads over itself evenly.

use std::{num::NonZeroUsize, ops::Range};

use super::{
    entry::{Entry, NO_AS},
    index::mix,
    networks::Spot,
    peers::HostsOf,
    swarm::{block, group, group_from, position},
};
use crate::{
    place::{
        asn::{Asn, Relation},
        tier::{Proximity, Tier},
    },
    random::Random,
    saturate::{low_half, to_u32},
};

/// Of a class, this many are ranked for each place left, and some at least.
const RANKED_PER_PLACE: usize = 2;
const RANKED_MIN: usize = 24;
/// Neighbouring ASes are looked for in the swarm up to this many; above it the swarm's ASes among the neighbours.
const NEIGHBOURS_FEW: usize = 48;
/// Counters of networks and ASes in one answer. Two that share a counter are held to one limit.
const COUNTERS: usize = 128;
/// Members of one AS in a row that are walked over; a longer row is searched for its end.
const GROUP_SHORT: usize = 8;
/// A random place stays empty after so many draws of somebody who cannot have it.
const DRAWS_PER_PLACE: usize = 4;

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) asn: u32,
    pub(super) spot: Spot,
    /// Entries of its own.
    pub(super) hosts: HostsOf,
    /// It has everything, and need not hear of others who do.
    pub(super) skip_complete: bool,
    /// It hears of some who have everything, however far they are.
    pub(super) hears_of_seeds: bool,
    pub(super) now: u32,
    /// The hash's key.
    pub(super) key: u64,
}

/// How many of what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) wanted: usize,
    pub(super) random: usize,
    /// For those who have everything, however far they are.
    pub(super) seeds: usize,
    /// Of one /24 (IPv6: /48), half of the places if it is the asker's own, and of one AS that is not; more only if
    /// places would stay empty.
    pub(super) per_network: usize,
    pub(super) per_as: usize,
}

/// Members picked: their place in the swarm, and how near they are. Kept between answers for its memory.
#[derive(Debug, Default)]
pub(super) struct Picked {
    pub(super) members: Vec<(u32, Proximity)>,
    ranked: Vec<(Proximity, u64, u32)>,
    class: Class,
    adjacent: [Class; RELATIONS.len()],
    /// Ranges of the classes that were looked at.
    nearer: Vec<Range<usize>>,
    /// Members that are not to be looked at again.
    taken: Bits,
    /// Members kept back because there were many of their kind.
    spare: Vec<(u32, Proximity)>,
    networks: Counters,
    ases: Counters,
}

const RELATIONS: [Relation; 4] = [Relation::Customer, Relation::Peer, Relation::Provider, Relation::Unknown];

/// A class of nearness: ranges of the swarm, and how many members there are up to the end of each.
#[derive(Debug, Default)]
struct Class {
    ranges: Vec<Range<usize>>,
    ends: Vec<usize>,
}

impl Class {
    fn add(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.ends.push(self.len().saturating_add(range.len()));
            self.ranges.push(range);
        }
    }

    fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    fn clear(&mut self) {
        self.ranges.clear();
        self.ends.clear();
    }

    /// The place in the swarm of the class's member number `at`, which is below its length.
    fn place(&self, at: usize) -> usize {
        let range = match self.ends.len() {
            1 => 0,
            _ => self.ends.partition_point(|&end| end <= at),
        };
        self.ranges[range].end.saturating_sub(self.ends[range].saturating_sub(at))
    }
}

/// A bit for each member.
#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn clear(&mut self, len: usize) {
        self.0.clear();
        self.0.resize(len.div_ceil(64), 0);
    }

    fn set(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn is_set(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }
}

/// Counts by hash.
#[derive(Debug)]
struct Counters([u8; COUNTERS]);

impl Default for Counters {
    fn default() -> Self {
        Counters([0; COUNTERS])
    }
}

impl Counters {
    fn of(&mut self, hash: u64) -> &mut u8 {
        &mut self.0[low_half(hash) as usize % COUNTERS]
    }
}

/// One answer being made.
pub(super) struct Pick<'a> {
    pub(super) entries: &'a [Entry],
    /// Members among whom some are that have everything.
    pub(super) among_seeds: &'a [Entry],
    pub(super) asker: &'a Asker,
    /// Neighbours of the asker's AS, ascending.
    pub(super) around: &'a [(Asn, Relation)],
    pub(super) places: Places,
    /// Whether the asker may be told of somebody who is not in the Internet.
    pub(super) may_tell: &'a dyn Fn(&Entry) -> bool,
    /// Who may be picked at all; none = everybody.
    pub(super) counts: Option<&'a dyn Fn(&Entry) -> bool>,
}

impl Pick<'_> {
    /// Picks into `picked`: nearest first, then some who have everything, then the random ones.
    pub(super) fn run(&self, random: &mut Random, picked: &mut Picked) {
        picked.clear(self.entries.len());
        let seeds = match self.asker.hears_of_seeds {
            false => 0,
            true => self.among_seeds.iter().filter(|it| it.is_complete()).take(self.places.seeds).count(),
        };
        let near = self.places.wanted.saturating_sub(self.places.random).saturating_sub(seeds);
        self.pick_near(near, picked);
        self.pick_seeds(seeds, random, picked);
        self.pick_random(random, picked);
        if picked.members.len() < self.places.wanted {
            self.pick_any(picked);
            picked.members.sort_by_key(|&(_, proximity)| proximity);
        }
    }

    fn pick_near(&self, near: usize, picked: &mut Picked) {
        let own = self.asker.asn;
        // What is of no known AS is as near as its prefix says, whatever the asker's AS.
        let ases = [own, NO_AS];
        let ases = if own == NO_AS { &ases[..1] } else { &ases[..] };
        let groups = [group(self.entries, own), group(self.entries, NO_AS)];
        let mut inner = [0..0, 0..0];
        for blocks in [Some(self.asker.spot.near()), Some(self.asker.spot.middle()), None] {
            for ((&asn, inner), group) in ases.iter().zip(&mut inner).zip(&groups) {
                let outer = match blocks {
                    // Inside the group only: most are a few members of a thousand.
                    Some(blocks) => {
                        let found = block(&self.entries[group.clone()], asn, blocks);
                        group.start.saturating_add(found.start)..group.start.saturating_add(found.end)
                    }
                    None if asn == NO_AS => continue,
                    None => group.clone(),
                };
                // An empty inner block lies anywhere.
                let cut = if Range::is_empty(inner) { outer.start..outer.start } else { inner.clone() };
                picked.class.add(outer.start..cut.start);
                picked.class.add(cut.end..outer.end);
                *inner = outer;
            }
            if self.pick_class(near, far(), picked) {
                return;
            }
        }
        if own != NO_AS {
            self.find_adjacent(picked);
            for relation in RELATIONS {
                std::mem::swap(&mut picked.class, &mut picked.adjacent[relation as usize]);
                if self.pick_class(near, Proximity::adjacent(relation), picked) {
                    return;
                }
            }
        }
        let nearer = std::mem::take(&mut picked.nearer);
        nearer.iter().cloned().flatten().for_each(|place| picked.taken.set(place));
        picked.nearer = nearer;
        picked.class.add(0..self.entries.len());
        self.pick_class(near, far(), picked);
    }

    /// Where the members in ASes next to the asker's stand, by relation.
    fn find_adjacent(&self, picked: &mut Picked) {
        if self.around.len() <= NEIGHBOURS_FEW {
            let mut from = 0;
            for &(asn, relation) in self.around {
                let range = group_from(self.entries, asn.0, from);
                from = range.end;
                picked.adjacent[relation as usize].add(range);
            }
            return;
        }
        let mut at = 0_usize;
        while let Some(entry) = self.entries.get(at) {
            let rest = &self.entries[at..];
            // Groups are short as a rule: look a few steps ahead before searching.
            let ahead = rest.iter().take(GROUP_SHORT).take_while(|other| other.asn() == entry.asn()).count();
            let len = match ahead {
                GROUP_SHORT => rest.partition_point(|other| other.asn() <= entry.asn()),
                few => few,
            };
            if let Some(relation) = self.relation(entry.asn()) {
                picked.adjacent[relation as usize].add(at..at.saturating_add(len));
            }
            at = at.saturating_add(len);
        }
    }

    fn relation(&self, asn: u32) -> Option<Relation> {
        let at = self.around.binary_search_by_key(&asn, |&(asn, _)| asn.0).ok()?;
        Some(self.around[at].1)
    }

    /// Adds the best of a class until there are `until` members; whether there are. Those in it that are of another AS than the
    /// asker's are as near as `foreign` says. The class is used up.
    fn pick_class(&self, until: usize, foreign: Proximity, picked: &mut Picked) -> bool {
        let class = std::mem::take(&mut picked.class);
        let room = until.saturating_sub(picked.members.len());
        if let Some(total) = NonZeroUsize::new(class.len()).filter(|_| room > 0) {
            let ranked_max = room.saturating_mul(RANKED_PER_PLACE).max(RANKED_MIN);
            // A step near the golden section reaches all parts of a class soon; prime to its size, it reaches everybody once.
            let step = prime_to(total.get(), total.get().saturating_mul(618) / 1000);
            let mut at = low_half(mix(self.asker.key, self.asker.spot.0)) as usize % total;
            picked.ranked.clear();
            for _ in 0..total.get() {
                let place = class.place(at);
                if self.is_eligible(place, picked) {
                    let entry = &self.entries[place];
                    let proximity = self.by_prefix(entry).unwrap_or(foreign);
                    picked.ranked.push((proximity, self.hash(entry), to_u32(place)));
                    if picked.ranked.len() >= ranked_max {
                        break;
                    }
                }
                at = at.saturating_add(step) % total;
            }
            picked.ranked.sort_unstable();
            for number in 0..picked.ranked.len() {
                let (proximity, _, place) = picked.ranked[number];
                if picked.members.len() >= until {
                    break;
                }
                self.add(place as usize, proximity, picked);
            }
        }
        picked.nearer.extend(class.ranges.iter().cloned());
        // Its memory is used again.
        picked.class = class;
        picked.class.clear();
        picked.members.len() >= until
    }

    /// Adds a member, unless there are many of its network or AS: then it is kept back.
    fn add(&self, place: usize, proximity: Proximity, picked: &mut Picked) {
        let entry = &self.entries[place];
        let (network_max, as_max) = self.limits(entry, proximity);
        let (of_network, of_as) = self.counters(entry, picked);
        let is_many = usize::from(*of_network) >= network_max || usize::from(*of_as) >= as_max;
        picked.taken.set(place);
        if is_many {
            picked.spare.push((to_u32(place), proximity));
            return;
        }
        self.count(entry, picked);
        picked.members.push((to_u32(place), proximity));
    }

    /// How many members of its network, and of its AS, may be told of.
    fn limits(&self, entry: &Entry, proximity: Proximity) -> (usize, usize) {
        let network_max = match proximity.tier() {
            Tier::Prefix24 => self.places.wanted.div_ceil(2),
            _ => self.places.per_network,
        };
        let as_max = match entry.asn() {
            asn if asn == self.asker.asn || asn == NO_AS => usize::MAX,
            _ => self.places.per_as,
        };
        (network_max, as_max)
    }

    fn counters<'p>(&self, entry: &Entry, picked: &'p mut Picked) -> (&'p mut u8, &'p mut u8) {
        let of_network = picked.networks.of(mix(self.asker.key, entry.spot().network().number()));
        (of_network, picked.ases.of(mix(self.asker.key, u64::from(entry.asn()))))
    }

    fn count(&self, entry: &Entry, picked: &mut Picked) {
        let (of_network, of_as) = self.counters(entry, picked);
        *of_network = of_network.saturating_add(1);
        *of_as = of_as.saturating_add(1);
    }

    /// Adds so many members who have everything. Of a swarm in which all others lack the same run, these are the only ones
    /// of use, and nearness would hardly ever name them. Near ones that say so do not count: they may be liars.
    fn pick_seeds(&self, most: usize, random: &mut Random, picked: &mut Picked) {
        if most == 0 {
            return;
        }
        self.take_picked(picked);
        let until = picked.members.len().saturating_add(most);
        // From a drawn one on, so that askers are spread over all of them.
        let start = random.below(to_u32(self.among_seeds.len())) as usize;
        let (before, after) = self.among_seeds.split_at(start);
        for seed in after.iter().chain(before).filter(|seed| seed.is_complete()) {
            let Ok(place) = position(self.entries, seed) else { continue };
            if picked.members.len() < until && self.is_eligible(place, picked) {
                self.add_seed(place, picked);
            }
        }
    }

    /// Adds a member who has everything, unless there are many of its network or AS. These few are counted one by one: two
    /// networks that share a counter would hide it from the same asker again and again.
    fn add_seed(&self, place: usize, picked: &mut Picked) {
        let seed = &self.entries[place];
        let proximity = self.proximity(seed);
        let (network_max, as_max) = self.limits(seed, proximity);
        let others = || picked.members.iter().map(|&(other, _)| &self.entries[other as usize]);
        let of_network = others().filter(|it| it.spot().network() == seed.spot().network()).count();
        let of_as = others().filter(|it| it.asn() == seed.asn()).count();
        if of_network < network_max && of_as < as_max {
            picked.taken.set(place);
            self.count(seed, picked);
            picked.members.push((to_u32(place), proximity));
        }
    }

    /// From here on everybody may be picked who is not picked yet, however near.
    fn take_picked(&self, picked: &mut Picked) {
        picked.taken.clear(self.entries.len());
        for &(place, _) in picked.members.iter().chain(&picked.spare) {
            picked.taken.set(place as usize);
        }
    }

    fn pick_random(&self, random: &mut Random, picked: &mut Picked) {
        self.take_picked(picked);
        for _ in 0..self.places.random.saturating_mul(DRAWS_PER_PLACE) {
            if picked.members.len() >= self.places.wanted || self.entries.is_empty() {
                return;
            }
            let place = random.below(to_u32(self.entries.len())) as usize;
            if self.is_eligible(place, picked) {
                self.add(place, self.proximity(&self.entries[place]), picked);
            }
        }
    }

    /// Fills what is left with anybody of whose kind there are not many yet, then with those kept back.
    fn pick_any(&self, picked: &mut Picked) {
        let all = self.entries.len();
        let start = low_half(mix(self.asker.key, self.asker.spot.0)) as usize;
        let start = start.checked_rem(all).unwrap_or(0);
        for place in (start..all).chain(0..start) {
            if picked.members.len() >= self.places.wanted {
                return;
            }
            if self.is_eligible(place, picked) {
                self.add(place, self.proximity(&self.entries[place]), picked);
            }
        }
        let room = self.places.wanted.saturating_sub(picked.members.len());
        let kept = picked.spare.len().min(room);
        picked.members.extend(picked.spare.drain(..kept));
    }

    fn is_eligible(&self, place: usize, picked: &Picked) -> bool {
        let entry = &self.entries[place];
        let unwanted = self.asker.skip_complete && entry.is_complete();
        let hidden = entry.is_scoped() && !(self.may_tell)(entry);
        let is_asker = self.asker.hosts.contains(&Some(entry.host));
        let gone = picked.taken.is_set(place) || entry.expires() <= self.asker.now;
        !(gone || unwanted || is_asker || hidden) && self.counts.is_none_or(|counts| counts(entry))
    }

    /// What decides inside a class: the same from both ends.
    fn hash(&self, entry: &Entry) -> u64 {
        let (ours, theirs) = (self.asker.spot, entry.spot());
        // Addresses can be had by the dozen inside a network: those further apart are told apart by network only.
        let (a, b) = match ours.network() == theirs.network() {
            true => (ours.0, theirs.0),
            false => (ours.network().number(), theirs.network().number()),
        };
        mix(mix(self.asker.key, a.min(b)), a.max(b))
    }

    fn proximity(&self, entry: &Entry) -> Proximity {
        let foreign = || self.relation(entry.asn()).map_or(far(), Proximity::adjacent);
        self.by_prefix(entry).unwrap_or_else(foreign)
    }

    /// How near an entry is; none if it is in another AS, and not in the same /24 (IPv6: /48).
    fn by_prefix(&self, entry: &Entry) -> Option<Proximity> {
        let (ours, theirs) = (self.asker.spot, entry.spot());
        let tier = if ours.network() == theirs.network() {
            Tier::Prefix24
        } else if entry.asn() != NO_AS && self.asker.asn != NO_AS {
            match entry.asn() == self.asker.asn {
                true if ours.middle() == theirs.middle() => Tier::Prefix16,
                true => Tier::SameAs,
                false => return None,
            }
        } else if ours.middle() == theirs.middle() {
            Tier::Prefix16
        } else if ours.is_v6() == theirs.is_v6() {
            Tier::Remote
        } else {
            Tier::Unknown
        };
        Some(tier.into())
    }
}

impl Picked {
    fn clear(&mut self, len: usize) {
        self.members.clear();
        self.class.clear();
        self.adjacent.iter_mut().for_each(Class::clear);
        self.nearer.clear();
        self.taken.clear(len);
        self.spare.clear();
        self.networks = Counters::default();
        self.ases = Counters::default();
    }
}

/// In another AS, which does not adjoin.
fn far() -> Proximity {
    Proximity::remote(None)
}

/// The first number from `from` on that has no divisor in common with `total`.
fn prime_to(total: usize, from: usize) -> usize {
    let gcd = |mut a: usize, mut b: usize| {
        while let Some(rest) = a.checked_rem(b) {
            (a, b) = (b, rest);
        }
        a
    };
    (from.max(1)..).find(|&step| gcd(total, step) == 1).unwrap_or(1)
}
