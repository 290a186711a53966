//! What a node sends of each content, and to how many peers. The peers are not named.

use nearcast_core::{id::ContentId, tier::Tier};

/// What a node sends of one content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Giving {
    /// The content.
    pub content: ContentId,
    /// The suggested name. A stranger may have chosen it, so it is unsafe for a terminal or a page.
    pub name: String,
    /// The size of all files, in bytes.
    pub bytes: u64,
    /// Linked peers that lack something of the content.
    pub fetching: u32,
    /// Linked peers that say they hold all of the content.
    pub complete: u32,
    /// What was sent since the content was opened.
    pub given: Given,
}

/// What was sent of one content since it was opened. A peer that leaves and comes back counts once,
/// as long as it keeps its key and few other peers came meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Peers that received something.
    pub takers: u64,
    /// Peers that lacked something when they were linked and said, while they were linked, that
    /// they hold all of it. Completion while linked to other peers only is not seen, and a peer's
    /// word cannot be proved.
    pub completed: u64,
    /// Payload sent, in bytes.
    pub sent: u64,
    /// Part of `sent`: bytes by tier of the receiver. Index: `Tier as usize`.
    pub by_tier: [u64; Tier::COUNT],
    /// Part of `sent`: bytes that left our own AS. 0 while our AS is unknown.
    pub exported: u64,
}

/// The contents that were busiest lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Givings {
    /// The busiest first: by the number of fetching peers, then by the time of the last send.
    pub busiest: Vec<Giving>,
    /// How many more contents there are.
    pub left_out: usize,
}
