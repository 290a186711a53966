//! The members of one content, sorted by AS, then by address: whoever is near to an asker stands together.
//!
//! Invariants: sorted by (AS, spot, host), each host at most once; a swarm of more than [`SCANNED_MAX`] lists those of its
//! members that have everything, if there are any.

use std::ops::Range;

use super::{entry::Entry, networks::Spot, seeds::Seeds};
use crate::{
    exact::ln_of_1_to_2,
    id::ContentId,
    place::asn::Asn,
    random::Random,
    saturate::{to_u32, whole},
};

/// A smaller share of known announcers is not believed: the estimate is at most 69 times what is known.
const KNOWN_MIN: f32 = 0.01;
/// The share is averaged over some so many announcements.
const KNOWN_OVER: f32 = 512.0;

/// Draws to find somebody who is not listed.
const DRAWS_MAX: usize = 4;
/// In a swarm of up to so many, those who have everything are looked for among all. Most swarms are that small, and keep no
/// list of them.
const SCANNED_MAX: usize = 64;

/// The swarm of one content.
#[derive(Debug)]
pub(super) struct Swarm {
    pub(super) content: ContentId,
    entries: Vec<Entry>,
    /// Members of a large swarm that have everything. None: there are none.
    seeds: Option<Box<Seeds>>,
    /// The atlas the entries were placed by.
    placed_by: u32,
    /// Second at which the expired were last taken out.
    purged: u32,
    /// Once the swarm is full: the share of those who announce themselves that are known already.
    known: f32,
}

impl Swarm {
    pub(super) fn new(content: ContentId, placed_by: u32, now: u32) -> Swarm {
        Swarm { content, entries: Vec::new(), seeds: None, placed_by, purged: now, known: 1.0 }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Members among which some are that have everything: all of a small swarm, the listed ones of a large one.
    pub(super) fn among_seeds(&self) -> &[Entry] {
        match &self.seeds {
            Some(seeds) => seeds.entries(),
            None if self.entries.len() <= SCANNED_MAX => &self.entries,
            None => &[],
        }
    }

    /// A member announced itself again: it counts until then, or for longer if it did already.
    pub(super) fn renew(&mut self, at: usize, complete: bool, expires: u32, random: &mut Random) {
        self.entries[at].renew(complete, expires);
        let entry = self.entries[at];
        match complete {
            true => self.list(entry, random),
            false => self.unlist(entry.host),
        }
    }

    /// A member of a large swarm has everything.
    fn list(&mut self, entry: Entry, random: &mut Random) {
        if self.entries.len() > SCANNED_MAX {
            self.seeds.get_or_insert_default().note(entry, random);
        }
    }

    /// A member is gone, or lacks something after all.
    fn unlist(&mut self, host: u32) {
        self.seeds.take_if(|seeds| seeds.forget(host));
    }

    /// Where the members of an AS whose address is in a block stand.
    pub(super) fn block(&self, asn: u32, (first, last): (Spot, Spot)) -> Range<usize> {
        block(&self.entries, asn, (first, last))
    }

    /// Where the members of an AS stand.
    pub(super) fn group(&self, asn: u32) -> Range<usize> {
        group(&self.entries, asn)
    }

    /// Where a host stands.
    pub(super) fn position(&self, entry: &Entry) -> Result<usize, usize> {
        position(&self.entries, entry)
    }

    /// Adds a member who is not there.
    pub(super) fn insert(&mut self, entry: Entry, random: &mut Random) {
        let Err(at) = self.position(&entry) else { return };
        if self.entries.len() == self.entries.capacity() {
            // Most swarms are small: steps of a quarter, not doubling.
            self.entries.reserve_exact((self.entries.len() / 4).saturating_add(2));
        }
        self.entries.insert(at, entry);
        if self.entries.len() == SCANNED_MAX.saturating_add(1) {
            let seeds = Seeds::of(&self.entries, random);
            self.seeds = Some(seeds).filter(|seeds| !seeds.entries().is_empty()).map(Box::new);
        } else if entry.is_complete() {
            self.list(entry, random);
        }
    }

    pub(super) fn remove(&mut self, at: usize) -> Entry {
        let entry = self.entries.remove(at);
        self.unlist(entry.host);
        self.shrink();
        entry
    }

    fn shrink(&mut self) {
        if self.entries.len() <= SCANNED_MAX {
            self.seeds = None;
        }
        if self.entries.capacity() > self.entries.len().saturating_mul(2).saturating_add(8) {
            self.entries.shrink_to(self.entries.len().saturating_add(2));
        }
    }

    /// Takes out the expired, if that was not done for `every` seconds.
    pub(super) fn purge(&mut self, now: u32, every: u32, mut gone: impl FnMut(Entry)) {
        if now.saturating_sub(self.purged) < every {
            return;
        }
        self.purged = now;
        let Swarm { entries, seeds, .. } = self;
        entries.retain(|entry| {
            let alive = entry.expires() > now;
            if !alive {
                seeds.take_if(|seeds| seeds.forget(entry.host));
                gone(*entry);
            }
            alive
        });
        self.shrink();
    }

    /// Places everybody anew, if another atlas did it before.
    pub(super) fn place(&mut self, placed_by: u32, asn_of: impl Fn(&Entry) -> Option<Asn>) {
        if self.placed_by == placed_by {
            return;
        }
        self.placed_by = placed_by;
        let seeds = self.seeds.iter_mut().flat_map(|seeds| seeds.entries_mut());
        for entry in self.entries.iter_mut().chain(seeds) {
            entry.place(asn_of(entry));
        }
        self.entries.sort_unstable_by_key(Entry::key);
    }

    /// Somebody announced itself to a full swarm, who is known already or not.
    pub(super) fn note_full(&mut self, known: bool) {
        let towards = if known { 1.0 } else { 0.0 };
        self.known += (towards - self.known) / KNOWN_OVER;
        self.known = self.known.max(KNOWN_MIN);
    }

    /// Whether a newcomer to a full swarm takes somebody's place: with the probability that somebody who announces
    /// itself is known. Were it always, nobody would stay long enough to be counted, nor told of. One that has everything
    /// comes in while few such are listed: chance would leave the only one out.
    pub(super) fn lets_in(&self, newcomer: &Entry, random: &mut Random) -> bool {
        let is_rare = newcomer.is_complete() && self.seeds.as_ref().is_none_or(|seeds| seeds.has_room());
        is_rare || random.unit() < self.known
    }

    /// Of the members that stand there, the one that gives its place to a newcomer: drawn, and hardly ever a listed one.
    pub(super) fn draw(&self, among: &Range<usize>, random: &mut Random) -> usize {
        let is_listed = |at: usize| {
            let host = self.entries.get(at).map(|entry| entry.host);
            self.seeds.as_ref().is_some_and(|seeds| seeds.entries().iter().any(|it| Some(it.host) == host))
        };
        let mut at = among.start;
        for _ in 0..DRAWS_MAX {
            at = among.start.saturating_add(random.below(to_u32(among.len())) as usize);
            if !is_listed(at) {
                break;
            }
        }
        at
    }

    /// How many there are where `count` are known: a full swarm knows a sample of M. Of N who come back in turn somebody is
    /// known, with probability h, if it was known or let in before, and none of the h (1 - h) N let in since took
    /// its place: h = (h + (1 - h) h) exp(-h (1 - h) N / M).
    pub(super) fn estimate(&self, count: usize) -> u32 {
        let known = self.known;
        // Towards 1 the fraction below has no digits left.
        let times = if known > 0.99 { 1.0 } else { ln_of_1_to_2(2.0 - known) / (known * (1.0 - known)) };
        to_u32(whole(count as f32 * times))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let seeds = self.seeds.as_ref().map_or(0, |seeds| seeds.heap_bytes());
        self.entries.capacity().saturating_mul(size_of::<Entry>()).saturating_add(seeds)
    }
}

/// Where a host stands.
pub(super) fn position(entries: &[Entry], entry: &Entry) -> Result<usize, usize> {
    entries.binary_search_by_key(&entry.key(), Entry::key)
}

/// Where the members of an AS stand.
pub(super) fn group(entries: &[Entry], asn: u32) -> Range<usize> {
    let from = entries.partition_point(|entry| entry.asn() < asn);
    from..from.saturating_add(gallop(&entries[from..], |entry| entry.asn() == asn))
}

/// Where the members of an AS stand, who stand no earlier than at `from`. Looks near `from` first: asked about one AS after
/// the other, it walks through the swarm once.
pub(super) fn group_from(entries: &[Entry], asn: u32, from: usize) -> Range<usize> {
    let start = from.saturating_add(gallop(&entries[from..], |entry| entry.asn() < asn));
    start..start.saturating_add(gallop(&entries[start..], |entry| entry.asn() == asn))
}

/// How many at the beginning are so, of entries of which none is so after one that is not.
fn gallop(entries: &[Entry], is: impl Fn(&Entry) -> bool) -> usize {
    let (mut known, mut step) = (0_usize, 1_usize);
    while let Some(rest) = entries.get(known..)
        && rest.get(step.saturating_sub(1)).is_some_and(&is)
    {
        known = known.saturating_add(step);
        step = step.saturating_mul(2);
    }
    let end = entries.len().min(known.saturating_add(step));
    known.saturating_add(entries[known..end].partition_point(is))
}

/// Where the members of an AS whose address is in a block stand.
pub(super) fn block(entries: &[Entry], asn: u32, (first, last): (Spot, Spot)) -> Range<usize> {
    let from = entries.partition_point(|entry| (entry.asn(), entry.spot()) < (asn, first));
    let to = entries[from..].partition_point(|entry| (entry.asn(), entry.spot()) <= (asn, last));
    from..from.saturating_add(to)
}
