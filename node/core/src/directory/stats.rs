//! What a directory did, counted.

use crate::{
    directory::registry::{Announced, Member},
    place::tier::Tier,
};

/// What a directory did since it was made, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectoryStats {
    /// Questions read, refused ones included.
    pub questions: u64,
    /// Questions answered with peers.
    pub answers: u64,
    /// Announcements stored, renewals included.
    pub announced: u64,
    /// Withdrawals by peers that leave.
    pub withdrawn: u64,
    /// Questions refused, by reason.
    pub refused: Refusals,
    /// Peers named in answers, by their tier as seen from the asker. Index: `Tier as usize`.
    pub told_by_tier: [u64; Tier::COUNT],
    /// Contents known.
    pub contents: u64,
    /// Entries known. An entry is one peer in one content.
    pub entries: u64,
    /// Peers known. A peer counts once for each of its addresses.
    pub peers: u64,
    /// Peers that took the connection when they were dialled back.
    pub reached: u64,
    /// Peers that did not: they are behind a NAT or a firewall.
    pub unreached: u64,
}

/// Why questions were refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// The directory does not answer for this content.
    pub not_admitted: u64,
    /// The asker's network asked too often.
    pub too_often: u64,
    /// The asker is in too many contents.
    pub peer_full: u64,
    /// The asker's network has too many entries.
    pub prefix_full: u64,
    /// The directory knows too many contents.
    pub full: u64,
    /// The question made no sense.
    pub malformed: u64,
}

impl Refusals {
    /// Each reason: its name in metrics, and its count.
    pub fn by_reason(&self) -> [(&'static str, u64); 6] {
        [
            ("not_admitted", self.not_admitted),
            ("too_often", self.too_often),
            ("peer_full", self.peer_full),
            ("prefix_full", self.prefix_full),
            ("full", self.full),
            ("malformed", self.malformed),
        ]
    }
}

impl DirectoryStats {
    /// Counts the result of an announcement. Returns whether it was refused.
    pub(super) fn note(&mut self, announced: Announced) -> bool {
        let refused = &mut self.refused;
        match announced {
            Announced::Stored | Announced::Renewed => {
                count(&mut self.announced);
                return false;
            }
            // The peer may ask and is not listed: it claims no port, or a draw went against it.
            Announced::Unreachable | Announced::Unlucky => return false,
            Announced::NotAdmitted => count(&mut refused.not_admitted),
            Announced::PeerFull => count(&mut refused.peer_full),
            Announced::PrefixFull => count(&mut refused.prefix_full),
            Announced::Full => count(&mut refused.full),
        }
        true
    }

    /// Counts the members that somebody is told of.
    pub(super) fn note_told(&mut self, members: &[Member]) {
        for member in members {
            count(&mut self.told_by_tier[member.proximity.tier() as usize]);
        }
        if !members.is_empty() {
            count(&mut self.answers);
        }
    }
}

/// Adds one.
pub(super) fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
