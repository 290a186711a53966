//! What a node gives of each content, and to how many. Who they are is not told.

use nearcast_core::{id::ContentId, tier::Tier};

/// What a node gives of one content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Giving {
    /// The content.
    pub content: ContentId,
    /// Its suggested name. A stranger may have chosen it: not yet made safe for a terminal or a page.
    pub name: String,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Peers linked at the moment that lack something of it.
    pub fetching: u32,
    /// Peers linked at the moment that say they hold all of it.
    pub complete: u32,
    /// What was given since it was opened.
    pub given: Given,
}

/// What was given of one content since it was opened. A peer that goes and comes again is counted once, as long as it keeps its
/// key and few others came meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Peers that took something.
    pub takers: u64,
    /// Peers that lacked something when they came and said, while they were linked, that they hold all of it. What happens when they are
    /// linked to others only is not known, and nobody can prove what a peer says.
    pub completed: u64,
    /// Payload sent, in bytes.
    pub sent: u64,
    /// Of that, by tier of the receiver (index: `Tier as usize`).
    pub by_tier: [u64; Tier::COUNT],
    /// Of that, what crossed the border of our own AS; 0 while it is not known.
    pub exported: u64,
}

/// The contents that were busiest lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Givings {
    /// The busiest first: those with more peers that fetch, then those that gave something last.
    pub busiest: Vec<Giving>,
    /// How many more there are.
    pub left_out: usize,
}
