//! What was moved, and from how near: every payload byte is counted once, by where it came from.

use crate::tier::Tier;

/// Payload bytes received, by source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From ordinary peers, by tier (index: `Tier as usize`).
    pub by_tier: [u64; Tier::COUNT],
    /// From the operator's own servers, whatever their tier.
    pub origin: u64,
    /// From HTTP origins.
    pub web_seed: u64,
}

impl Traffic {
    /// Bytes from ordinary peers, all tiers.
    pub fn from_peers(&self) -> u64 {
        self.by_tier.iter().sum()
    }

    /// Bytes from everybody.
    pub fn total(&self) -> u64 {
        self.from_peers() + self.origin + self.web_seed
    }

    /// Counts `bytes` from an ordinary peer of this tier, or from an origin.
    pub fn add(&mut self, tier: Tier, origin: bool, bytes: u64) {
        let counter = if origin { &mut self.origin } else { &mut self.by_tier[tier as usize] };
        *counter += bytes;
    }
}
