//! The list of what a node takes part in.

use nearcast_core::{id::ContentKey, layout::Layout, run_set::RunSet, swarm::Swarm};

use super::{Driver, content::Content, fetch_state::bytes_of};
use crate::listed::{ContentState, Listed};

impl Driver {
    /// All contents, in the order in which they were added. Looks at each once.
    pub(super) fn listed(&self) -> Vec<Listed> {
        self.contents.iter().map(|(&key, content)| self.listed_one(key, content)).collect()
    }

    fn listed_one(&self, key: ContentKey, content: &Content) -> Listed {
        let name = content.manifest.as_ref().map(|manifest| manifest.name().to_owned());
        if let Some(state) = &content.fetch {
            // What was reported last: several times a second, and at once when the owner changes
            // something.
            let told = state.progress.borrow();
            return Listed {
                content: content.id,
                name,
                state: ContentState::Download(told.phase.clone()),
                bytes_have: told.bytes_have,
                bytes_total: told.bytes_total,
            };
        }
        let layout = content.manifest.as_ref().map(|manifest| manifest.layout());
        let bytes_total = layout.map_or(0, Layout::bytes);
        let have = self.engine.swarm(key).and_then(Swarm::have);
        let bytes_have = match (layout, have.filter(|have| !RunSet::is_full(have))) {
            (Some(layout), Some(have)) => bytes_of(layout, have.iter()),
            // Nothing has rotted.
            _ => bytes_total,
        };
        Listed { content: content.id, name, state: ContentState::Share, bytes_have, bytes_total }
    }
}
