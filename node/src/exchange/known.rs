//! Which contents there are: looked at by whoever reads a stranger's first words, without asking the driver.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use nearcast_core::id::ContentId;

/// Contents that links may be offered for, and how many runs they have. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Known(Arc<RwLock<BTreeMap<ContentId, u32>>>);

impl Known {
    /// How many runs a content has, if it is known.
    pub(crate) fn runs(&self, content: &ContentId) -> Option<u32> {
        // A map of numbers stays sound whatever panicked beside it.
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(content).copied()
    }

    /// It is ready to be exchanged.
    pub(crate) fn insert(&self, content: ContentId, runs: u32) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(content, runs);
    }

    /// It was left.
    pub(crate) fn remove(&self, content: &ContentId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(content);
    }
}
