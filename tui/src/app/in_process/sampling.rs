//! Looks at the downloads of the node, and tells the screen what has changed.

use std::collections::BTreeMap;

use nearcast_core::asn::Asn;
use nearcast_node::Progress;

use super::Worker;
use crate::app::message::News;

/// Parts of a map. More than the widest terminal shows in four rows need not be.
const CELLS_MAX: usize = 1_024;
/// Looks between two maps of a download: one a second, for all runs are counted.
const LOOKS_PER_MAP: u8 = 4;

impl Worker {
    /// Tells what has changed since the last look.
    pub(super) async fn look_round(&mut self) {
        let (mut fresh, mut manifests) = (Vec::new(), Vec::new());
        for (content, kept) in &mut self.kept {
            // An error means that it has ended, which is told elsewhere.
            if kept.progress.has_changed().unwrap_or(false) {
                // Cloned, because a borrowed snapshot blocks the writer.
                fresh.push((*content, kept.progress.borrow_and_update().clone()));
            }
            if !kept.told
                && let Some(manifest) = kept.download.manifest()
            {
                kept.told = true;
                manifests.push((*content, manifest));
            }
        }
        for (content, manifest) in manifests {
            self.tell(News::Manifest(content, manifest)).await;
        }
        let names = self.unnamed(fresh.iter().map(|(_, progress)| progress));
        if !names.is_empty() {
            self.tell(News::Networks(names)).await;
        }
        if !fresh.is_empty() {
            self.tell(News::Progress(fresh)).await;
        }
        self.look_at_map().await;
    }

    /// Names of networks that were not told yet.
    fn unnamed<'a>(&mut self, all: impl Iterator<Item = &'a Progress>) -> BTreeMap<Asn, String> {
        let mut names = BTreeMap::new();
        let Some(atlas) = &self.atlas else { return names };
        for progress in all {
            let neighbours = progress.neighbours.iter().filter_map(|peer| peer.asn);
            let imports = progress.imports.iter().flat_map(|imports| imports.by_as.keys().copied());
            for asn in neighbours.chain(imports) {
                if self.named.insert(asn)
                    && let Some(name) = atlas.name(asn)
                {
                    names.insert(asn, name.to_owned());
                }
            }
        }
        names
    }

    /// Makes the map of the watched download again, if that is due and something has come.
    async fn look_at_map(&mut self) {
        let Some(watched) = &mut self.watched else { return };
        watched.wait = watched.wait.saturating_sub(1);
        if watched.wait > 0 {
            return;
        }
        let Some(kept) = self.kept.get(&watched.content) else { return };
        let have = kept.progress.borrow().bytes_have;
        if watched.have == Some(have) {
            return;
        }
        if let Some(holding) = kept.download.holding(CELLS_MAX) {
            (watched.wait, watched.have) = (LOOKS_PER_MAP, Some(have));
            let content = watched.content;
            self.tell(News::Holding(content, holding)).await;
        }
    }
}
