//! Which AS an address belongs to: prefixes flattened into ranges that lie side by side, and an
//! index over the first sixteen bits, so that a look-up is a short binary search in one array.
//!
//! Invariants: `starts` ascend strictly and begin with the lowest address; two ranges in a row have
//! different owners; `index[h]` is the first range that starts at or after the first address whose
//! top sixteen bits are `h`.

use std::net::IpAddr;

use crate::saturate::{to_u8, to_u32};

/// An address as the table uses it: its bits, as wide as those of its family.
pub(super) trait Address: Copy + Ord + Eq + std::fmt::Debug {
    /// The lowest address.
    const ZERO: Self;
    /// Bits of an address.
    const BITS: u32;

    fn top_sixteen(self) -> usize;
    fn with_top_sixteen(top: u32) -> Self;
    /// The next address. `None`: this is the highest.
    fn successor(self) -> Option<Self>;
    fn predecessor(self) -> Self;
    /// The last address of a prefix that begins here.
    fn last_of(self, bits: u8) -> Self;
    fn to_ip(self) -> IpAddr;
    fn to_u128(self) -> u128;
    fn from_u128(value: u128) -> Option<Self>;
}

macro_rules! address {
    ($width:ty, $ip:path) => {
        impl Address for $width {
            const ZERO: Self = 0;
            const BITS: u32 = <$width>::BITS;

            fn top_sixteen(self) -> usize {
                (self >> (<$width>::BITS - 16)) as usize
            }

            fn with_top_sixteen(top: u32) -> Self {
                <$width>::from(top) << (<$width>::BITS - 16)
            }

            fn successor(self) -> Option<Self> {
                self.checked_add(1)
            }

            fn predecessor(self) -> Self {
                self.saturating_sub(1)
            }

            fn last_of(self, bits: u8) -> Self {
                self | <$width>::MAX.checked_shr(u32::from(bits)).unwrap_or(0)
            }

            fn to_ip(self) -> IpAddr {
                IpAddr::from(<$ip>::from_bits(self))
            }

            fn to_u128(self) -> u128 {
                self.into()
            }

            fn from_u128(value: u128) -> Option<Self> {
                Self::try_from(value).ok()
            }
        }
    };
}

address!(u32, std::net::Ipv4Addr);
address!(u128, std::net::Ipv6Addr);

/// The owner of a range. 0: nobody; else one more than a number the atlas knows.
pub(super) type Owner = u32;

/// A prefix, while a table is made: its first address, its length, its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Prefix<K> {
    pub(super) first: K,
    pub(super) bits: u8,
    pub(super) owner: Owner,
}

/// A range and its owner; it ends where the next begins.
pub(super) type Start<K> = (K, Owner);

/// The owners of every address of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ranges<K> {
    starts: Box<[K]>,
    owners: Box<[Owner]>,
    index: Box<[u32]>,
}

impl<K: Address> Ranges<K> {
    /// A table of ranges in ascending order. A range with the owner of the one before is joined
    /// with it.
    pub(super) fn new(ranges: impl IntoIterator<Item = Start<K>>) -> Ranges<K> {
        let (mut starts, mut owners) = (vec![K::ZERO], vec![0]);
        for (start, owner) in ranges {
            if starts.last() == Some(&start) {
                owners.pop();
                starts.pop();
            }
            if owners.last() != Some(&owner) {
                debug_assert!(starts.last().is_none_or(|&last| last < start), "ranges ascend");
                starts.push(start);
                owners.push(owner);
            }
        }
        let index = index_of(&starts);
        Ranges { starts: starts.into(), owners: owners.into(), index }
    }

    /// Flattens prefixes: the longest that covers an address owns it. Of equal prefixes the last
    /// one given counts.
    pub(super) fn flatten(mut prefixes: Vec<Prefix<K>>) -> Ranges<K> {
        // The sort is stable: equal prefixes keep their order.
        prefixes.sort_by_key(|prefix| (prefix.first, prefix.bits));
        let mut ranges: Vec<Start<K>> = Vec::with_capacity(prefixes.len());
        // Open prefixes, each inside the one before: their last address and owner.
        let mut open: Vec<(K, Owner)> = Vec::new();
        for prefix in &prefixes {
            close_until(&mut open, Some(prefix.first), &mut ranges);
            push(&mut ranges, (prefix.first, prefix.owner));
            open.push((prefix.first.last_of(prefix.bits), prefix.owner));
        }
        close_until(&mut open, None, &mut ranges);
        Ranges::new(ranges)
    }

    /// Lays `upper` over this table: wherever `upper` has an owner, that owner counts.
    pub(super) fn under(&self, upper: &Ranges<K>) -> Ranges<K> {
        let (mut below, mut above) = (self.iter().peekable(), upper.iter().peekable());
        let (mut owner_below, mut owner_above) = (0, 0);
        let mut merged = Vec::with_capacity(self.len().max(upper.len()));
        loop {
            let next = match (below.peek(), above.peek()) {
                (None, None) => break,
                (Some(&(at, _)), None) | (None, Some(&(at, _))) => at,
                (Some(&(a, _)), Some(&(b, _))) => a.min(b),
            };
            if let Some((_, owner)) = below.next_if(|&(at, _)| at == next) {
                owner_below = owner;
            }
            if let Some((_, owner)) = above.next_if(|&(at, _)| at == next) {
                owner_above = owner;
            }
            merged.push((next, if owner_above == 0 { owner_below } else { owner_above }));
        }
        Ranges::new(merged)
    }

    /// The same ranges, but nobody owns what lies in `blocks` (first and last address of each),
    /// unless its owner `stays`. `None`: nothing would change.
    pub(super) fn cleared(&self, blocks: &[(K, K)], stays: impl Fn(Owner) -> bool) -> Option<Ranges<K>> {
        let goes = |owner: Owner| owner != 0 && !stays(owner);
        let concerned = |&(first, last): &(K, K)| {
            self.owners[self.position(first)..=self.position(last)].iter().any(|&owner| goes(owner))
        };
        if !blocks.iter().any(concerned) {
            return None;
        }
        let mut starts = self.starts.to_vec();
        starts.extend(blocks.iter().map(|&(first, _)| first));
        starts.extend(blocks.iter().filter_map(|&(_, last)| last.successor()));
        starts.sort_unstable();
        starts.dedup();
        let inside = |at: K| blocks.iter().any(|&(first, last)| first <= at && at <= last);
        let owner = |at: K| Some(self.owner(at)).filter(|&owner| !(goes(owner) && inside(at))).unwrap_or(0);
        Some(Ranges::new(starts.into_iter().map(|at| (at, owner(at)))))
    }

    /// The same ranges with other numbers for their owners. A range without an owner stays so.
    pub(super) fn renumbered(&self, owner: impl Fn(Owner) -> Owner) -> Ranges<K> {
        Ranges::new(self.iter().map(|(start, old)| (start, if old == 0 { 0 } else { owner(old) })))
    }

    fn position(&self, address: K) -> usize {
        let top = address.top_sixteen();
        let (from, to) = (self.index[top] as usize, self.index[top.saturating_add(1)] as usize);
        // The range may have begun before the addresses with these sixteen bits. There always is
        // one: the lowest address begins a range.
        let begun = self.starts[from..to].partition_point(|&start| start <= address);
        from.saturating_add(begun).saturating_sub(1)
    }

    /// The owner of an address.
    pub(super) fn owner(&self, address: K) -> Owner {
        self.owners[self.position(address)]
    }

    /// The range an address lies in: its first and last address, and its owner.
    pub(super) fn range(&self, address: K) -> (K, K, Owner) {
        let at = self.position(address);
        (self.starts[at], self.last(at), self.owners[at])
    }

    /// The last address of a range: the one before the next range, or the highest there is.
    fn last(&self, at: usize) -> K {
        let next = self.starts.get(at.saturating_add(1));
        next.map_or_else(|| K::ZERO.last_of(0), |next| next.predecessor())
    }

    /// Every range, from the lowest address on: its first and last address, and its owner.
    pub(super) fn spans(&self) -> impl Iterator<Item = (K, K, Owner)> {
        self.iter().enumerate().map(|(at, (first, owner))| (first, self.last(at), owner))
    }

    /// Every range, from the lowest address on.
    pub(super) fn iter(&self) -> impl Iterator<Item = Start<K>> {
        self.starts.iter().copied().zip(self.owners.iter().copied())
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Number of ranges that have an owner.
    pub(super) fn owned(&self) -> usize {
        self.owners.iter().filter(|&&owner| owner != 0).count()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        [size_of_val(&*self.starts), size_of_val(&*self.owners), size_of_val(&*self.index)].into_iter().sum()
    }
}

/// Appends a range. An empty range at the end is replaced.
fn push<K: Address>(ranges: &mut Vec<Start<K>>, range: Start<K>) {
    if ranges.last().is_some_and(|&(start, _)| start == range.0) {
        ranges.pop();
    }
    ranges.push(range);
}

/// Ends the open prefixes that lie wholly before `before` (`None`: all). The addresses after such a
/// prefix belong to the prefix around it.
fn close_until<K: Address>(open: &mut Vec<(K, Owner)>, before: Option<K>, ranges: &mut Vec<Start<K>>) {
    while let Some((last, _)) = open.pop_if(|&mut (last, _)| before.is_none_or(|before| last < before)) {
        // Prefixes inside that end here, too, were closed a moment ago, at the same place.
        if let Some(next) = last.successor() {
            push(ranges, (next, open.last().map_or(0, |&(_, owner)| owner)));
        }
    }
}

/// For each sixteen bits the first range that starts there or later, plus one entry at the end.
fn index_of<K: Address>(starts: &[K]) -> Box<[u32]> {
    let mut index = vec![0; (1 << 16) + 1];
    let mut at = 0_usize;
    for (top, entry) in (0..1 << 16).zip(&mut index) {
        let first = K::with_top_sixteen(top);
        while starts.get(at).is_some_and(|&start| start < first) {
            at = at.saturating_add(1);
        }
        *entry = to_u32(at);
    }
    index[1 << 16] = to_u32(starts.len());
    index.into()
}

/// The prefixes that together are exactly the addresses from `first` to `last`.
pub(super) fn cut<K: Address>(first: K, last: K) -> Vec<(K, u8)> {
    let mut prefixes = Vec::new();
    let mut from = Some(first).filter(|&first| first <= last);
    while let Some(start) = from {
        // The shortest prefix that begins here and does not reach beyond the end.
        let fits = |bits: &u8| starts_prefix(start, *bits) && start.last_of(*bits) <= last;
        let bits = (0..=to_u8(K::BITS)).find(fits).unwrap_or(to_u8(K::BITS));
        prefixes.push((start, bits));
        from = start.last_of(bits).successor().filter(|&next| next <= last);
    }
    prefixes
}

/// Whether a prefix of this length can begin here.
fn starts_prefix<K: Address>(start: K, bits: u8) -> bool {
    let host = K::ZERO.last_of(bits).to_u128();
    start.to_u128() & host == 0
}
