//! Stores each path once, although many routes share it, and counts the links on them.
//!
//! Invariant: a link counts once for each different path in use that shows it. If there was no room
//! for all links of a path when it came, none of them counts.

use std::{collections::HashMap, mem::size_of, sync::Arc};

use nearcast_core::asn::Asn;

use super::SessionId;
use crate::paths::Path;

#[derive(Debug)]
struct Kept {
    /// The number of hops, the hops, then the origins unless they equal the last hop.
    words: Arc<[u32]>,
    uses: u32,
    /// The session that first brought the path; the path counts against its limits.
    session: SessionId,
    links_counted: bool,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    paths: u32,
    session: SessionId,
}

/// What counts against the limits of a session.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    words: usize,
    links: usize,
}

/// Paths by number.
#[derive(Debug)]
pub(super) struct Interned {
    words_per_session_max: usize,
    links_per_session_max: usize,
    numbers: HashMap<Arc<[u32]>, u32>,
    kept: Vec<Option<Kept>>,
    free: Vec<u32>,
    links: HashMap<(Asn, Asn), Link>,
    links_refused: u64,
    shares: HashMap<SessionId, Share>,
    last: u32,
    scratch: Vec<u32>,
    /// Words of all paths.
    words: usize,
}

impl Interned {
    pub(super) fn new(words_per_session_max: usize, links_per_session_max: usize) -> Interned {
        Interned {
            words_per_session_max,
            links_per_session_max,
            numbers: HashMap::new(),
            kept: Vec::new(),
            free: Vec::new(),
            links: HashMap::new(),
            links_refused: 0,
            shares: HashMap::new(),
            last: 0,
            scratch: Vec::new(),
            words: 0,
        }
    }

    /// The number of this path, which now has one more use. `None`: the path is new, and the
    /// session may not bring more.
    pub(super) fn intern(&mut self, path: &Path, session: SessionId) -> Option<u32> {
        self.scratch.clear();
        self.scratch.push(u32::try_from(path.hops().len()).ok()?);
        self.scratch.extend(path.hops().iter().map(|asn| asn.0));
        if path.hops().last() != path.origins().first() || path.origins().len() != 1 {
            self.scratch.extend(path.origins().iter().map(|asn| asn.0));
        }
        if let Some(&number) = self.numbers.get(self.scratch.as_slice()) {
            if let Some(kept) = &mut self.kept[number as usize] {
                kept.uses = kept.uses.saturating_add(1);
            }
            self.last = number;
            return Some(number);
        }
        let spent = self.shares.get(&session).map_or(0, |share| share.words);
        let words = spent.saturating_add(self.scratch.len());
        if words > self.words_per_session_max {
            return None;
        }
        self.shares.entry(session).or_default().words = words;
        self.words = self.words.saturating_add(self.scratch.len());
        let words: Arc<[u32]> = self.scratch.as_slice().into();
        let links_counted = self.count_links(&words, session);
        let number = self.free.pop().unwrap_or_else(|| {
            self.kept.push(None);
            // Paths consist of words, whose limit is far below.
            u32::try_from(self.kept.len().saturating_sub(1)).unwrap_or(u32::MAX)
        });
        self.numbers.insert(words.clone(), number);
        self.kept[number as usize] = Some(Kept { words, uses: 1, session, links_counted });
        self.last = number;
        Some(number)
    }

    /// The number that [`Interned::intern`] returned last.
    pub(super) fn last(&self) -> u32 {
        self.last
    }

    /// Removes one use; a path without uses is forgotten.
    pub(super) fn release(&mut self, number: u32) {
        let Some(slot) = self.kept.get_mut(number as usize) else { return };
        let Some(kept) = slot else { return };
        kept.uses = kept.uses.saturating_sub(1);
        if kept.uses > 0 {
            return;
        }
        let Some(gone) = slot.take() else { return };
        self.numbers.remove(&gone.words);
        self.free.push(number);
        self.words = self.words.saturating_sub(gone.words.len());
        if gone.links_counted {
            self.discount_links(&gone.words);
        }
        self.refund(gone.session, |share| share.words = share.words.saturating_sub(gone.words.len()));
    }

    /// The origins of this path.
    pub(super) fn origins(&self, number: u32) -> impl Iterator<Item = Asn> + '_ {
        let words = self.kept[number as usize].as_ref().map_or(&[][..], |kept| &kept.words);
        let (hops, origins) = split(words);
        let origins =
            if origins.is_empty() { hops.last().map_or(&[][..], std::slice::from_ref) } else { origins };
        origins.iter().map(|&origin| Asn(origin))
    }

    pub(super) fn paths(&self) -> usize {
        self.numbers.len()
    }

    /// Each link once, the lower AS first.
    pub(super) fn links(&self) -> impl Iterator<Item = (Asn, Asn)> + '_ {
        self.links.keys().copied()
    }

    pub(super) fn counted_links(&self) -> impl Iterator<Item = ((Asn, Asn), u32)> + '_ {
        self.links.iter().map(|(&ends, link)| (ends, link.paths))
    }

    pub(super) fn links_refused(&self) -> u64 {
        self.links_refused
    }

    pub(super) fn resident_bytes(&self) -> usize {
        // A map has room for an eighth more than its capacity, and one extra byte for each entry.
        let map = |capacity: usize, entry: usize| {
            (capacity.saturating_mul(8) / 7).saturating_mul(entry.saturating_add(1))
        };
        let parts = [
            self.words.saturating_mul(size_of::<u32>()),
            // The two reference counts of an `Arc`.
            self.numbers.len().saturating_mul(size_of::<[usize; 2]>()),
            map(self.numbers.capacity(), size_of::<(Arc<[u32]>, u32)>()),
            self.kept.capacity().saturating_mul(size_of::<Option<Kept>>()),
            map(self.links.capacity(), size_of::<((Asn, Asn), Link)>()),
        ];
        parts.into_iter().sum()
    }

    /// Counts the links of a path. Returns whether there was room.
    fn count_links(&mut self, words: &[u32], session: SessionId) -> bool {
        let fresh = links(words).filter(|ends| !self.links.contains_key(ends)).count();
        let share = self.shares.entry(session).or_default();
        if share.links.saturating_add(fresh) > self.links_per_session_max {
            self.links_refused = self.links_refused.saturating_add(1);
            return false;
        }
        for ends in links(words) {
            let link = self.links.entry(ends).or_insert_with(|| {
                share.links = share.links.saturating_add(1);
                Link { paths: 0, session }
            });
            link.paths = link.paths.saturating_add(1);
        }
        true
    }

    fn discount_links(&mut self, words: &[u32]) {
        for ends in links(words) {
            let Some(link) = self.links.get_mut(&ends) else { continue };
            link.paths = link.paths.saturating_sub(1);
            if link.paths == 0 {
                let session = link.session;
                self.links.remove(&ends);
                self.refund(session, |share| share.links = share.links.saturating_sub(1));
            }
        }
    }

    /// Gives back a share. A session with nothing left is forgotten.
    fn refund(&mut self, session: SessionId, change: impl FnOnce(&mut Share)) {
        let Some(share) = self.shares.get_mut(&session) else { return };
        change(share);
        if share.words == 0 && share.links == 0 {
            self.shares.remove(&session);
        }
    }
}

/// Splits words into hops and origins.
fn split(words: &[u32]) -> (&[u32], &[u32]) {
    match words {
        [hops, rest @ ..] => rest.split_at((*hops as usize).min(rest.len())),
        [] => (&[], &[]),
    }
}

/// The links of a path. No AS is on a path twice, so no link is.
fn links(words: &[u32]) -> impl Iterator<Item = (Asn, Asn)> + '_ {
    split(words).0.windows(2).map(|pair| (Asn(pair[0].min(pair[1])), Asn(pair[0].max(pair[1]))))
}
