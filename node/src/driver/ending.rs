//! How contents end: finished, given up, failed, or stopped by their owner.

use std::path::PathBuf;

use nearcast_core::{
    id::{ContentKey, PeerKey},
    input::Event,
    output::GiveUp,
};
use tokio::sync::oneshot;

use super::{Driver, Pending, acts::tell_owner, storing::checkpoint};
use crate::{
    error::{DownloadError, Reasons},
    progress::Summary,
};

impl Driver {
    pub(super) fn succeed(&mut self, key: ContentKey, path: Option<PathBuf>) {
        let Some(content) = self.contents.get(&key) else { return };
        let path = path.or_else(|| Some(content.store.as_ref()?.target())).unwrap_or_default();
        let summary = self.summary(key, path.clone());
        let Some(state) = self.fetch_state(key) else { return };
        state.path = Some(path);
        if let Some(summary) = summary {
            state.end(Ok(summary));
        }
        self.report(key);
    }

    fn summary(&self, key: ContentKey, path: PathBuf) -> Option<Summary> {
        let content = self.contents.get(&key)?;
        let (state, swarm) = (content.fetch.as_ref()?, self.engine.swarm(key)?);
        Some(Summary {
            content: content.id,
            name: content.manifest.as_ref()?.name().to_owned(),
            path,
            signed_by: content.manifest.as_ref()?.signatures().keys().collect(),
            bytes: state.bytes_total,
            bytes_resumed: state.bytes_resumed,
            elapsed: state.started.elapsed(),
            received: *swarm.traffic(),
            imports: self.engine.locality().asn.map(|_| state.imports.clone()),
            uploaded: swarm.uploaded(),
            wasted: swarm.wasted(),
            banned: content.corrupt_peers.len() as u32,
        })
    }

    pub(super) fn on_goal_reached(&mut self, key: ContentKey) {
        if let Some(state) = self.fetch_state(key) {
            state.seeded.send_replace(true);
            self.awake.insert(key);
        }
    }

    pub(super) fn on_gave_up(&mut self, key: ContentKey, why: GiveUp) {
        self.note_unanswered(key);
        let lacks_metainfo = self.lacks_metainfo_for_web_seeds(key);
        let Some(state) = self.fetch_state(key) else { return };
        let outcomes = &state.outcomes;
        let attempts = (!outcomes.is_empty()).then(|| outcomes.attempts());
        let reasons = |others: Reasons| match &attempts {
            Some(attempts) => Reasons::Asked(attempts.clone()),
            None if lacks_metainfo => Reasons::OnlyWebSeeds,
            None => others,
        };
        let seconds = state.fetch.patience.as_secs();
        let error = match outcomes.verdict(why) {
            GiveUp::Unreachable => DownloadError::Unreachable(reasons(Reasons::NobodyToAsk)),
            GiveUp::NotFound => DownloadError::NotFound(reasons(Reasons::NobodyHasIt)),
            GiveUp::Unserved => DownloadError::Unserved { seconds, attempts },
            GiveUp::Unsigned => DownloadError::Unsigned(state.unsigned.clone().unwrap_or_default()),
            GiveUp::Silent => DownloadError::TimedOut { seconds, attempts },
        };
        self.fail(key, error);
    }

    /// Ends a download without its content. What is durable stays.
    pub(super) fn fail(&mut self, key: ContentKey, error: DownloadError) {
        if let Some(state) = self.fetch_state(key) {
            state.end(Err(error));
            state.seeded.send_replace(true);
        }
        self.checkpoint_and_forget(key);
        self.leave(key);
    }

    /// Leaves a swarm and forgets the content.
    pub(super) fn leave(&mut self, key: ContentKey) {
        self.count(key);
        self.input(key, Event::Leave);
        self.take_turn(Pending::Forget(key));
    }

    /// Forgets a content that the engine has left.
    pub(super) fn forget(&mut self, key: ContentKey) {
        self.awake.remove(&key);
        let peers: Vec<PeerKey> = self.links_of(key);
        peers.into_iter().for_each(|peer| self.take_down(key, peer, Some(3)));
        self.lift_download_limits(key);
        if let Some(content) = self.contents.remove(&key) {
            content.web_seeds.keys().for_each(|server| self.peers.release_server(*server));
            self.by_id.remove(&content.id);
            self.services.known.remove(&content.id);
            if let Some(directory) = &self.parts.directory {
                directory.remove_own(&content.id);
            }
        }
    }

    pub(super) fn stop(&mut self, key: ContentKey, reply: oneshot::Sender<()>) {
        let store = self.contents.get(&key).and_then(|content| content.store.clone());
        self.leave(key);
        let workers = self.parts.workers.clone();
        self.parts.tasks.spawn(async move {
            if let Some(store) = store {
                checkpoint(&store, &workers).await;
            }
            tell_owner(reply, ());
        });
    }
}
