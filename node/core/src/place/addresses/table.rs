//! Peers that are not connected, in buckets.
//!
//! The model is the address manager of Bitcoin. A secret decides which few buckets a network can
//! reach, so a teller of thousands of peers fills its own buckets again and again, and no others.
//! In a full bucket, a random peer of the network that has most there makes room: newcomers get in,
//! and nobody can say which peer leaves.
//!
//! Invariant: a bucket holds at most [`BUCKET_PEERS_MAX`] peers, a network at most `reach` times as
//! many.

use std::collections::BTreeMap;

use crate::{
    id::PeerKey,
    place::prefix::Prefix,
    random::{Random, mix},
};

/// Peers in a bucket.
pub(super) const BUCKET_PEERS_MAX: usize = 64;

/// The bucket that a peer stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u16);

/// One table of buckets.
#[derive(Clone, Debug)]
pub(super) struct Table {
    buckets: BTreeMap<u16, Vec<(PeerKey, Prefix)>>,
    buckets_max: u16,
    secret: u64,
}

impl Table {
    pub(super) fn new(buckets_max: u16, secret: u64) -> Table {
        Table { buckets: BTreeMap::new(), buckets_max, secret }
    }

    /// The bucket for a peer at `target` that `owner` answers for. `owner` can reach `reach`
    /// buckets.
    fn bucket(&self, owner: Prefix, target: Prefix, reach: u16) -> u16 {
        let one_of = mix(self.secret ^ target.number().rotate_left(32) ^ owner.number());
        let one_of = one_of.checked_rem(reach.into()).unwrap_or(0);
        let bucket = mix(self.secret.rotate_left(17) ^ mix(owner.number() ^ one_of.rotate_left(48)));
        crate::saturate::to_u16(bucket.checked_rem(self.buckets_max.into()).unwrap_or(0))
    }

    /// Puts a peer in. Returns its slot, and the peer that left for it. `None`: every peer in its
    /// bucket is `busy`.
    pub(super) fn insert(
        &mut self,
        peer: PeerKey,
        (owner, target, reach): (Prefix, Prefix, u16),
        random: &mut Random,
        busy: impl Fn(PeerKey) -> bool,
    ) -> Option<(Slot, Option<PeerKey>)> {
        let number = self.bucket(owner, target, reach);
        let bucket = self.buckets.entry(number).or_default();
        let mut gone = None;
        if bucket.len() >= BUCKET_PEERS_MAX {
            let count = |owner: Prefix| bucket.iter().filter(|(_, other)| *other == owner).count();
            let most = bucket.iter().map(|&(_, owner)| (count(owner), owner)).max()?.1;
            let idle = |of_most: bool| -> Vec<usize> {
                let fits = |&(_, (peer, owner)): &(usize, &(PeerKey, Prefix))| {
                    (!of_most || *owner == most) && !busy(*peer)
                };
                bucket.iter().enumerate().filter(fits).map(|(at, _)| at).collect()
            };
            let candidates = Some(idle(true)).filter(|idle| !idle.is_empty()).unwrap_or_else(|| idle(false));
            let at = *candidates.get(random.below(crate::saturate::to_u32(candidates.len())) as usize)?;
            gone = Some(bucket.swap_remove(at).0);
        }
        bucket.push((peer, owner));
        Some((Slot(number), gone))
    }

    pub(super) fn remove(&mut self, peer: PeerKey, slot: Slot) {
        let Some(bucket) = self.buckets.get_mut(&slot.0) else { return };
        bucket.retain(|(other, _)| *other != peer);
        if bucket.is_empty() {
            self.buckets.remove(&slot.0);
        }
    }

    /// Number of peers that one network answers for.
    pub(super) fn of(&self, owner: Prefix) -> usize {
        self.buckets.values().flatten().filter(|(_, other)| *other == owner).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(number: u32) -> Prefix {
        Prefix::of(std::net::IpAddr::from((0x0a00_0000 + (number << 8)).to_be_bytes()))
    }

    #[test]
    fn one_network_fills_its_few_buckets_and_leaves_the_others_alone() {
        let (mut table, mut random) = (Table::new(256, 7), Random::new(1));
        let honest: Vec<PeerKey> = (0..200).map(PeerKey).collect();
        let mut gone = Vec::new();
        for &peer in &honest {
            let place = (prefix(1000 + peer.0), prefix(peer.0), 8);
            gone.extend(table.insert(peer, place, &mut random, |_| false).unwrap().1);
        }
        for number in 0..50_000 {
            let place = (prefix(5), prefix(number), 8);
            gone.extend(table.insert(PeerKey(10_000 + number), place, &mut random, |_| false).unwrap().1);
        }
        assert!(table.of(prefix(5)) <= 8 * BUCKET_PEERS_MAX, "{}", table.of(prefix(5)));
        assert!(!gone.iter().any(|peer| honest.contains(peer)), "nobody else had to leave");
    }

    #[test]
    fn who_is_busy_does_not_leave() {
        let (mut table, mut random) = (Table::new(1, 7), Random::new(1));
        let place = (prefix(1), prefix(1), 1);
        for number in 0..BUCKET_PEERS_MAX as u32 {
            table.insert(PeerKey(number), place, &mut random, |_| false).unwrap();
        }
        assert_eq!(table.insert(PeerKey(99), place, &mut random, |_| true), None);
        let (_, gone) = table.insert(PeerKey(99), place, &mut random, |peer| peer != PeerKey(7)).unwrap();
        assert_eq!(gone, Some(PeerKey(7)));
    }
}
