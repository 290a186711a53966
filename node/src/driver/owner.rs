//! What the owner of a download changes while it runs: whether it is paused, and its limits.
//!
//! The engine leaves the swarm and comes back; here is what it does not know of.

use nearcast_core::{
    id::{ContentId, ContentKey},
    input::Event,
};
use tokio_util::sync::CancellationToken;

use super::Driver;
use crate::{command::DownloadParts, config::DownloadLimits};

impl Driver {
    /// Pauses or resumes a download. Before it has joined its swarm, the engine hears of it when it
    /// joins.
    pub(super) fn set_paused(&mut self, key: ContentKey, paused: bool) {
        let Some(state) = self.fetch_state(key) else { return };
        if std::mem::replace(&mut state.paused, paused) == paused {
            return;
        }
        // Peers that are being asked for the metainfo are no longer listened to.
        std::mem::replace(&mut state.metainfo_wanted, CancellationToken::new()).cancel();
        self.input(key, if paused { Event::Pause } else { Event::Resume });
        self.report(key);
    }

    pub(super) fn limit_download(&mut self, key: ContentKey, limits: DownloadLimits) {
        let Some(state) = self.fetch_state(key) else { return };
        state.limits = limits;
        self.apply_download_limits(key, limits);
    }

    /// The limits of a content go with it.
    pub(super) fn lift_download_limits(&mut self, key: ContentKey) {
        let limits = self.fetch_state(key).map(|state| std::mem::take(&mut state.limits));
        if limits.is_some_and(|limits| limits != DownloadLimits::default()) {
            self.apply_download_limits(key, DownloadLimits::default());
        }
    }

    fn apply_download_limits(&self, key: ContentKey, DownloadLimits { down, up }: DownloadLimits) {
        self.services.down.set_content(key, down);
        self.services.up.set_content(key, up);
    }

    /// The download of a content. `None`: it is not being downloaded.
    pub(super) fn download(&self, id: ContentId) -> Option<DownloadParts> {
        let key = *self.by_id.get(&id)?;
        Some(self.contents.get(&key)?.fetch.as_ref()?.parts(id, key))
    }
}
