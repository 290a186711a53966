//! What a directory knows as plain data, so that a restart need not begin with an empty one.

use std::time::Duration;

use super::{Announced, Announcement, Locator, Registry, entry::Entry, seconds};
use crate::time::Timestamp;

/// An entry, and how long it would still have counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// What was said.
    pub said: Announcement,
    /// Life left.
    pub left: Duration,
}

impl Registry {
    /// Appends to `saved` the entries of a few contents, starting at a place: 0 at first. Gives the place of those that
    /// follow; none when all are told. So nobody waits until a million entries are copied. What changes meanwhile may or
    /// may not be told.
    pub fn snapshot(&self, now: Timestamp, from: usize, saved: &mut Vec<Saved>) -> Option<usize> {
        const ENTRIES_AT_ONCE: usize = 4096;
        let (now, enough) = (seconds(now), saved.len().saturating_add(ENTRIES_AT_ONCE));
        let mut at = from;
        while let Some(number) = self.contents.next_from(at) {
            at = (number as usize).saturating_add(1);
            let swarm = self.contents.get(number);
            let alive = swarm.entries().iter().filter(|entry| entry.expires() > now);
            saved.extend(alive.map(|entry| self.saved(now, number, entry)));
            if saved.len() >= enough {
                return Some(at);
            }
        }
        None
    }

    /// An entry of a content, at second `now`.
    pub(super) fn saved(&self, now: u32, number: u32, entry: &Entry) -> Saved {
        let host = self.hosts.get(entry.host);
        let said = Announcement {
            content: self.contents.get(number).content,
            name: host.name,
            endpoint: host.endpoint(),
            complete: entry.is_complete(),
        };
        Saved { said, left: Duration::from_secs(entry.expires().saturating_sub(now).into()) }
    }

    /// Takes an entry back as if it were announced, with the life it had left: every bound and every rule holds for it.
    pub fn restore(&mut self, now: Timestamp, saved: &Saved, locator: &dyn Locator) -> Announced {
        let life = saved.left.min(self.life(saved.said.complete));
        self.enter(now, &saved.said, life, locator)
    }
}
