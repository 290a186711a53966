//! Room that was promised to siblings that step down.
//!
//! Invariant: what is promised, expected and served together stays below three quarters of what a supernode splits at.

use super::children::HEARSAY_SECONDS;
use crate::id::PeerKey;

/// Promises at a time.
const PROMISES_MAX: usize = 8;

#[derive(Clone, Copy, Debug)]
struct Promise {
    to: PeerKey,
    children: u16,
    until: u32,
}

/// What was promised to whom.
#[derive(Debug, Default)]
pub(super) struct Promises(Vec<Promise>);

impl Promises {
    /// Children for which places are kept.
    pub(super) fn children(&self, now: u32) -> u16 {
        let alive = self.0.iter().filter(|promise| now < promise.until);
        alive.fold(0, |sum, promise| sum.saturating_add(promise.children))
    }

    /// Promises up to `children` places of the `room` there is. How many.
    pub(super) fn promise(&mut self, now: u32, to: PeerKey, children: u16, room: u16) -> u16 {
        self.0.retain(|promise| now < promise.until && promise.to != to);
        let granted = children.min(room);
        if granted == 0 || self.0.len() >= PROMISES_MAX {
            return 0;
        }
        self.0.push(Promise { to, children: granted, until: now.saturating_add(HEARSAY_SECONDS) });
        granted
    }

    /// The children came, or were named: what was promised is kept otherwise now.
    pub(super) fn keep(&mut self, to: PeerKey) {
        self.0.retain(|promise| promise.to != to);
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.capacity().saturating_mul(size_of::<Promise>())
    }
}
