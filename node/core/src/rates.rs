//! The limits that each byte passes: those of all traffic, of its network, its content and its
//! peer.
//!
//! Invariant: in any interval of a second or more, what passes a limit is at most 2 % over it. So a
//! bucket holds no more than 20 ms' worth. Larger amounts are taken in portions
//! ([`Rates::portion`]) of a quarter of that: the rest of the bucket then makes up for late
//! wake-ups, and a limit can be used in full.

pub mod bucket;
pub mod concurrency;
pub mod turns;

use std::collections::BTreeMap;

use crate::{
    id::{ContentKey, PeerKey},
    place::prefix::Prefix,
    rates::bucket::Bucket,
    time::Timestamp,
};

/// A bucket holds what its rate gives in 1/50 s: 2 % of a second.
const BURSTS_PER_SECOND: u64 = 50;
/// The least that a bucket holds, in bytes: with less, slow rates would be all headers. The 2 %
/// hold from 200 kB/s up.
const BURST_BYTES_MIN: u64 = 4000;
/// Portions in a burst.
const PORTIONS_PER_BURST: u64 = 2;
/// Number of buckets of one level at which the full ones are first forgotten.
const BUCKETS_UNSWEPT_MAX: usize = 1024;

/// In bytes a second, at each level. `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// All traffic together.
    pub all: Option<u64>,
    /// Each /24 (IPv6: /48).
    pub each_prefix: Option<u64>,
    /// Each content. One may have a narrower limit of its own: [`Rates::set_content`].
    pub each_content: Option<u64>,
    /// Each peer, in each content.
    pub each_peer: Option<u64>,
}

/// The content, peer and network whose limits some bytes count against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// The content.
    pub content: ContentKey,
    /// The peer that sends or receives the bytes.
    pub peer: PeerKey,
    /// The network of that peer. `None`: not known, or not to be limited.
    pub prefix: Option<Prefix>,
}

/// A level of limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// All traffic.
    All,
    /// One network's.
    Prefix,
    /// One content's.
    Content,
    /// One peer's, in one content.
    Peer,
}

/// A take that was not admitted. Nothing was spent at any level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The first level that refused, in the order of [`Level`].
    pub level: Level,
    /// How long until that level is worth asking again. A later level may refuse then.
    pub wait: std::time::Duration,
}

/// One bucket for all traffic, and one for each network, content and peer with recent traffic. A
/// level without a limit costs nothing.
#[derive(Clone, Debug)]
pub struct Rates {
    all: Bucket,
    prefixes: Each<Prefix>,
    contents: Each<ContentKey>,
    peers: Each<(ContentKey, PeerKey)>,
}

impl Rates {
    /// Sets limits from time zero on. A first burst may pass at once.
    pub fn new(limits: Limits) -> Rates {
        Rates {
            all: new_bucket(limits.all),
            prefixes: Each::new(limits.each_prefix),
            contents: Each::new(limits.each_content),
            peers: Each::new(limits.each_peer),
        }
    }

    /// Limits one content from now on, besides what limits each content: the narrower limit holds.
    /// `None`: it has no limit of its own any more, and nothing is remembered of it.
    pub fn set_content(&mut self, now: Timestamp, content: ContentKey, rate: Option<u64>) {
        self.contents.set_own(now, content, rate);
    }

    /// Replaces the limits from now on. Contents keep limits of their own.
    pub fn set(&mut self, now: Timestamp, limits: Limits) {
        self.all.set(now, limits.all, burst(limits.all));
        self.prefixes.set(now, limits.each_prefix);
        self.contents.set(now, limits.each_content);
        self.peers.set(now, limits.each_peer);
    }

    /// The limits.
    pub fn limits(&self) -> Limits {
        Limits {
            all: self.all.rate(),
            each_prefix: self.prefixes.rate,
            each_content: self.contents.rate,
            each_peer: self.peers.rate,
        }
    }

    /// The most bytes of a content to take at once, so that the limits hold over a second: 10 ms'
    /// worth of the narrowest limit. `u64::MAX`: nothing is limited.
    pub fn portion(&self, content: ContentKey) -> u64 {
        let Limits { all, each_prefix, each_peer, .. } = self.limits();
        let of_content = self.contents.rate_of(content);
        let narrowest = [all, each_prefix, of_content, each_peer].into_iter().flatten().min();
        narrowest.map_or(u64::MAX, |rate| burst(Some(rate)) / PORTIONS_PER_BURST)
    }

    /// Takes `bytes` at all levels, or at none.
    ///
    /// # Errors
    /// [`Refused`] by the first level that refuses.
    pub fn take(&mut self, now: Timestamp, account: Account, bytes: u64) -> Result<(), Refused> {
        let admitting = self.admitting(now, account, bytes)?;
        admitting.into_iter().flatten().for_each(|bucket| bucket.spend(bytes));
        Ok(())
    }

    /// Whether [`Rates::take`] would admit `bytes`.
    pub fn admits(&mut self, now: Timestamp, account: Account, bytes: u64) -> bool {
        self.admitting(now, account, bytes).is_ok()
    }

    /// The buckets that admit `bytes`, if all do.
    fn admitting(
        &mut self,
        now: Timestamp,
        account: Account,
        bytes: u64,
    ) -> Result<[Option<&mut Bucket>; 4], Refused> {
        let Account { content, peer, prefix } = account;
        let path = [
            (Level::All, Some(&mut self.all)),
            (Level::Prefix, prefix.and_then(|prefix| self.prefixes.get(now, prefix))),
            (Level::Content, self.contents.get(now, content)),
            (Level::Peer, self.peers.get(now, (content, peer))),
        ];
        let mut admitting: [Option<&mut Bucket>; 4] = Default::default();
        for (place, (level, bucket)) in admitting.iter_mut().zip(path) {
            let Some(bucket) = bucket else { continue };
            if let Some(wait) = bucket.wait(now, bytes) {
                return Err(Refused { level, wait });
            }
            *place = Some(bucket);
        }
        Ok(admitting)
    }

    /// Number of buckets kept, all levels together.
    pub fn buckets(&self) -> usize {
        [1, self.prefixes.buckets.len(), self.contents.buckets.len(), self.peers.buckets.len()]
            .into_iter()
            .sum()
    }
}

/// The buckets of one level, each made when it is first needed.
#[derive(Clone, Debug)]
struct Each<K> {
    rate: Option<u64>,
    /// Limits of single keys.
    own: BTreeMap<K, u64>,
    buckets: BTreeMap<K, Bucket>,
    /// Number of buckets at which the full ones are forgotten.
    sweep_at: usize,
}

impl<K: Ord + Copy> Each<K> {
    fn new(rate: Option<u64>) -> Each<K> {
        Each { rate, own: BTreeMap::new(), buckets: BTreeMap::new(), sweep_at: BUCKETS_UNSWEPT_MAX }
    }

    fn set(&mut self, now: Timestamp, rate: Option<u64>) {
        self.rate = rate;
        let own = &self.own;
        self.buckets.retain(|key, bucket| {
            let rate = narrower(rate, own.get(key).copied());
            bucket.set(now, rate, burst(rate));
            rate.is_some()
        });
    }

    fn set_own(&mut self, now: Timestamp, key: K, rate: Option<u64>) {
        match rate {
            Some(rate) => _ = self.own.insert(key, rate),
            None => _ = self.own.remove(&key),
        }
        match (self.rate_of(key), self.buckets.get_mut(&key)) {
            (Some(rate), Some(bucket)) => bucket.set(now, Some(rate), burst(Some(rate))),
            (None, Some(_)) => _ = self.buckets.remove(&key),
            (_, None) => {}
        }
    }

    /// The limit that holds for a key.
    fn rate_of(&self, key: K) -> Option<u64> {
        narrower(self.rate, self.own.get(&key).copied())
    }

    fn get(&mut self, now: Timestamp, key: K) -> Option<&mut Bucket> {
        let rate = self.rate_of(key)?;
        if self.buckets.len() >= self.sweep_at && !self.buckets.contains_key(&key) {
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
            self.sweep_at = BUCKETS_UNSWEPT_MAX.max(self.buckets.len().saturating_mul(2));
        }
        Some(self.buckets.entry(key).or_insert_with(|| new_bucket(Some(rate))))
    }
}

/// The smaller of two limits, `None` being no limit.
fn narrower(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

fn new_bucket(rate: Option<u64>) -> Bucket {
    Bucket::new(rate, burst(rate))
}

fn burst(rate: Option<u64>) -> u64 {
    rate.map_or(BURST_BYTES_MIN, |rate| (rate / BURSTS_PER_SECOND).max(BURST_BYTES_MIN))
}

#[cfg(test)]
mod tests;
