//! The keeper's glances: what tells between two looks, at a fraction of their cost, whether another
//! look is needed.

use super::Keeper;
use crate::ingest::Due;

/// What a glance has seen.
#[derive(Debug)]
pub(super) enum Seen {
    /// Something has changed: a look is needed.
    Change,
    /// Names and folders are as they were. These entries have settled meanwhile.
    Settled(Vec<Due>),
}

impl Keeper {
    /// Glances at the root on a blocking thread, and moves the keeper there and back.
    pub(super) async fn glance(mut self) -> (Keeper, Seen) {
        let glanced = tokio::task::spawn_blocking(move || {
            let seen = self.glance_now();
            (self, seen)
        });
        glanced.await.expect("a glance neither panics nor is cancelled")
    }

    fn glance_now(&mut self) -> Seen {
        // A look says what is wrong with a root that cannot be opened.
        let Ok(root) = self.root.open() else { return Seen::Change };
        if self.folders.have_changed(&root) || self.catalogue.has_arrived(&root) {
            return Seen::Change;
        }
        let catalogue = &self.catalogue;
        let publishing = self.publishing.as_mut();
        let settled = publishing.map(|some| some.look_at_settling(&root, || catalogue.covered()));
        Seen::Settled(settled.unwrap_or_default())
    }
}
