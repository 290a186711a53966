//! The contents of this node, for tasks that read a stranger's first message without asking the
//! driver.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use nearcast_core::id::ContentId;

/// The contents for which links may be offered, with their number of runs. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Known(Arc<RwLock<BTreeMap<ContentId, u32>>>);

impl Known {
    /// The number of runs of a content. `None`: the content is not known.
    pub(crate) fn runs(&self, content: &ContentId) -> Option<u32> {
        // A map of numbers stays sound after a panic elsewhere.
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(content).copied()
    }

    /// Adds a content that is ready for exchange.
    pub(crate) fn insert(&self, content: ContentId, runs: u32) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(content, runs);
    }

    /// Removes a content that was left.
    pub(crate) fn remove(&self, content: &ContentId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(content);
    }
}
