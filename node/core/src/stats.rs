//! Bytes moved, and from how near: every payload byte is counted once, by its source.

use std::ops::AddAssign;

use crate::place::tier::Tier;

/// The source of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Giver {
    /// An ordinary peer of this tier.
    Peer(Tier),
    /// The operator's own server, whatever its tier.
    Origin,
    /// An HTTP origin.
    WebSeed,
}

/// Payload bytes received, by source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From ordinary peers, by tier (index: `Tier as usize`).
    pub by_tier: [u64; Tier::COUNT],
    /// From the operator's own servers, whatever their tier.
    pub origin: u64,
    /// From HTTP origins.
    pub web_seed: u64,
    /// Bytes among all these that crossed the border of our own AS, as far as the ASes of both ends
    /// are known. 0 while our own AS is unknown: see [`crate::engine::Engine::locality`].
    pub imported: u64,
    /// Bytes among `imported` that a reader could not wait for, and that came out of turn.
    pub imported_late: u64,
}

/// How reading while downloading goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streaming {
    /// Readers.
    pub readers: u8,
    /// What is here from the place of the reader who has least, in milliseconds of reading. `None`:
    /// all of them have everything to the end.
    pub buffer_ms: Option<u32>,
    /// Runs taken over because they would have come too late.
    pub rescued: u32,
    /// Part of `rescued`: runs that may come twice, as there was no time to wait for either.
    pub doubled: u32,
    /// Bytes asked of origins because peers do not bring enough for readers.
    pub topped_up: u64,
    /// What origins may be asked for beyond what only they have, in bytes a second.
    pub top_up_rate: u32,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Traffic) {
        let add = |sum: &mut u64, bytes| *sum = sum.saturating_add(bytes);
        self.by_tier.iter_mut().zip(other.by_tier).for_each(|(sum, bytes)| add(sum, bytes));
        add(&mut self.origin, other.origin);
        add(&mut self.web_seed, other.web_seed);
        add(&mut self.imported, other.imported);
        add(&mut self.imported_late, other.imported_late);
    }
}

impl Traffic {
    /// What came since an earlier count.
    pub fn since(&self, earlier: &Traffic) -> Traffic {
        let mut by_tier = self.by_tier;
        by_tier.iter_mut().zip(earlier.by_tier).for_each(|(now, then)| *now = now.saturating_sub(then));
        Traffic {
            by_tier,
            origin: self.origin.saturating_sub(earlier.origin),
            web_seed: self.web_seed.saturating_sub(earlier.web_seed),
            imported: self.imported.saturating_sub(earlier.imported),
            imported_late: self.imported_late.saturating_sub(earlier.imported_late),
        }
    }

    /// Bytes from ordinary peers, all tiers.
    pub fn from_peers(&self) -> u64 {
        self.by_tier.iter().sum()
    }

    /// Bytes from all sources.
    pub fn total(&self) -> u64 {
        self.from_peers().saturating_add(self.origin).saturating_add(self.web_seed)
    }

    /// Counts `bytes` from a source.
    pub fn add(&mut self, giver: Giver, bytes: u64) {
        let counter = match giver {
            Giver::Peer(tier) => &mut self.by_tier[tier as usize],
            Giver::Origin => &mut self.origin,
            Giver::WebSeed => &mut self.web_seed,
        };
        *counter = counter.saturating_add(bytes);
    }
}
