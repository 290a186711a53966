//! Which contents a directory knows, in the large: what it writes about itself into the hash table.

use super::{Registry, entry, seconds};
use crate::{id::ContentId, place::asn::Asn, time::Timestamp};

/// Members are counted in so many ASes of a content at most.
const ASES_MAX: usize = 64;
/// Entries looked at in one call: well under a millisecond.
const ENTRIES_AT_ONCE: usize = 4_096;

/// A content that somebody announced lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surveyed {
    /// The content.
    pub content: ContentId,
    /// Members that are known.
    pub members: usize,
    /// ASes with at least as many members as was asked for.
    pub ases: Vec<Asn>,
}

impl Registry {
    /// Contents that the host itself serves.
    pub fn own(&self) -> impl Iterator<Item = ContentId> + '_ {
        self.own.iter().copied()
    }

    /// Appends to `seen` a few contents with members, starting at a place: 0 at first. Returns the
    /// place of those that follow. `None`: these were the last ones. An AS is named from
    /// `as_members_min` members on.
    pub fn survey(
        &self,
        now: Timestamp,
        from: usize,
        as_members_min: usize,
        seen: &mut Vec<Surveyed>,
    ) -> Option<usize> {
        let now = seconds(now);
        let (mut at, mut looked_at) = (from, 0_usize);
        while let Some(number) = self.contents.next_from(at) {
            at = (number as usize).saturating_add(1);
            let swarm = self.contents.get(number);
            let alive = || swarm.entries().iter().filter(|entry| entry.expires() > now);
            let mut ases = Vec::new();
            let mut group = (entry::NO_AS, 0_usize);
            // Sorted by AS: the members of one stand together.
            for entry in alive() {
                group = if entry.asn() == group.0 {
                    (group.0, group.1.saturating_add(1))
                } else {
                    (entry.asn(), 1)
                };
                if group.1 == as_members_min && group.0 != entry::NO_AS && ases.len() < ASES_MAX {
                    ases.push(Asn(group.0));
                }
            }
            let members = alive().count();
            if members > 0 {
                seen.push(Surveyed { content: swarm.content, members, ases });
            }
            looked_at = looked_at.saturating_add(swarm.len()).saturating_add(1);
            if looked_at >= ENTRIES_AT_ONCE {
                return Some(at);
            }
        }
        None
    }
}
