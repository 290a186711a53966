//! Stores: checkpoints, the finishing of complete contents, and disk errors.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use nearcast_core::{id::ContentKey, input::Event, layout::RunIndex, swarm::Swarm};
use tokio::time::Instant;

use super::Driver;
use crate::{
    error::DownloadError,
    events::{ContentEvent, report},
    store::{DiskStore, Durable, Store, StoreError, Workers},
};

impl Driver {
    /// Starts what is due for a content's store: finishing, or a checkpoint.
    pub(super) fn look_after_store(&mut self, key: ContentKey) {
        let Some(content) = self.contents.get_mut(&key) else { return };
        let (store, Some(state)) = (content.store.clone(), &mut content.fetch) else { return };
        if state.full_disk.is_full() {
            return self.look_at_full_disk(key);
        }
        let Some(store) = store else {
            // The metainfo is here and existing files are being checked: patience must not end
            // meanwhile.
            if content.manifest.is_some() {
                self.input(key, Event::Receiving);
            }
            return;
        };
        if state.storing {
            return;
        }
        let finish = state.to_finish;
        if !finish && !store.checkpoint_due() {
            return;
        }
        state.storing = true;
        let (events, workers) = (self.services.events.clone(), self.parts.workers.clone());
        self.parts.tasks.spawn(async move {
            let event = if finish {
                let result = workers.run(move || store.finish()).await;
                let result = result.unwrap_or(Err(StoreError::Missing));
                ContentEvent::Finished { content: key, result }
            } else {
                let result = workers.run(move || store.checkpoint()).await;
                let result = result.unwrap_or(Err(StoreError::Missing));
                ContentEvent::Checkpointed { content: key, result }
            };
            report(&events, event).await;
        });
    }

    /// Gives up on a full disk, tries it again, or goes on waiting.
    fn look_at_full_disk(&mut self, key: ContentKey) {
        let Some(content) = self.contents.get_mut(&key) else { return };
        let (opened, Some(state)) = (content.store.is_some(), &mut content.fetch) else { return };
        let (now, wait) = (Instant::now(), state.fetch.disk_wait);
        if state.full_disk.is_given_up(now, wait) {
            let path = state.fetch.folder.clone();
            self.fail(key, DownloadError::DiskFull(path));
        } else if state.full_disk.take_retry(now) {
            match opened {
                true => self.input(key, Event::DiskFull(false)),
                false => self.open_again(key),
            }
        }
    }

    pub(super) fn on_checkpointed(&mut self, key: ContentKey, result: Result<Durable, StoreError>) {
        if let Some(state) = self.fetch_state(key) {
            state.storing = false;
        }
        match result {
            Ok(durable) => {
                if let Some(failure) = durable.failure {
                    tracing::error!(error = %failure, runs = durable.lost.len(), "a sync failed; these runs are fetched again");
                }
                self.on_runs_lost(key, durable.lost);
            }
            Err(StoreError::Missing) => {}
            Err(error) => self.on_store_failed(key, error),
        }
    }

    pub(super) fn on_completed(&mut self, key: ContentKey) {
        let Some(state) = self.fetch_state(key) else { return };
        if state.was_complete {
            self.succeed(key, None);
        } else {
            state.to_finish = true;
            self.look_after_store(key);
        }
    }

    pub(super) fn on_finished(&mut self, key: ContentKey, result: Result<PathBuf, StoreError>) {
        if let Some(state) = self.fetch_state(key) {
            state.storing = false;
        }
        match result {
            Ok(path) => {
                if let Some(state) = self.fetch_state(key) {
                    state.full_disk.on_written();
                    state.to_finish = false;
                    // From now on checkpoints alone finish a repair of rotten runs.
                    state.was_complete = true;
                }
                self.succeed(key, Some(path));
            }
            Err(StoreError::Full { path, source }) => self.pause_for_room(key, &path, &source.to_string()),
            Err(error) => {
                // A sync failed, or a run was found to differ just now. The lost runs are fetched
                // again, and then the content is finished anew.
                let lost = self.lost_runs(key);
                if lost.is_empty() {
                    return match error {
                        StoreError::Edited { .. } => self.fail(key, error.into()),
                        error => self.on_store_failed(key, error),
                    };
                }
                if let Some(state) = self.fetch_state(key) {
                    state.to_finish = false;
                }
                self.on_runs_lost(key, lost);
            }
        }
    }

    /// Runs that the engine believes we have and the store no longer has.
    pub(super) fn lost_runs(&self, key: ContentKey) -> Vec<RunIndex> {
        let store = self.contents.get(&key).and_then(|content| content.store.as_ref());
        let have = self.engine.swarm(key).and_then(Swarm::have);
        let (Some(store), Some(have)) = (store, have) else { return Vec::new() };
        let held = store.have();
        have.iter().filter(|&run| !held.contains(run)).collect()
    }

    pub(super) fn on_runs_lost(&mut self, key: ContentKey, runs: Vec<RunIndex>) {
        if !runs.is_empty() {
            self.input(key, Event::RunsLost(runs));
        }
    }

    pub(super) fn on_store_failed(&mut self, key: ContentKey, error: StoreError) {
        match error {
            StoreError::Full { path, source } => self.pause_for_room(key, &path, &source.to_string()),
            StoreError::Rotten { lost, .. } => self.on_runs_lost(key, lost),
            StoreError::Missing => {}
            StoreError::Edited { lost, .. } => self.on_edited(key, lost),
            error @ (StoreError::Io { .. } | StoreError::InTheWay { .. }) => self.fail(key, error.into()),
        }
    }

    /// Handles a complete file that its user changed. The user keeps the file. Runs that differ are
    /// no longer served or fetched. Other missing runs are still downloaded, and in the end the
    /// store names the file.
    pub(super) fn on_edited(&mut self, key: ContentKey, runs: Vec<RunIndex>) {
        self.input(key, Event::RunsWithdrawn(runs));
    }

    /// Pauses a download while the disk is full. Nothing is lost: the download resumes when there
    /// is room.
    pub(super) fn pause_for_room(&mut self, key: ContentKey, path: &Path, why: &str) {
        let Some(state) = self.fetch_state(key) else { return };
        let known = state.full_disk.is_doubtful();
        if state.full_disk.on_full(Instant::now(), state.fetch.disk_wait) {
            if !known {
                tracing::warn!(path = %path.display(), why, "the disk is full; waiting for room");
            }
            self.input(key, Event::DiskFull(true));
        }
        self.look_at_full_disk(key);
    }

    pub(super) fn checkpoint_and_forget(&mut self, key: ContentKey) {
        let Some(store) = self.contents.get(&key).and_then(|content| content.store.clone()) else { return };
        let workers = self.parts.workers.clone();
        self.parts.tasks.spawn(async move { checkpoint(&store, &workers).await });
    }

    /// Notes that a write succeeded.
    pub(super) fn note_room(&mut self, key: ContentKey) {
        if let Some(state) = self.fetch_state(key) {
            state.full_disk.on_written();
        }
    }

    /// Makes durable what was received, before the node ends.
    pub(super) async fn save(&mut self, key: ContentKey) {
        let Some(content) = self.contents.get_mut(&key) else { return };
        let Some(state) = &content.fetch else { return };
        state.cancelled.store(true, Ordering::Relaxed);
        if let Some(store) = content.store.clone() {
            checkpoint(&store, &self.parts.workers).await;
        }
    }
}

/// Makes durable what was received, before a download is left. If nothing was received, removes
/// what the download created.
pub(super) async fn checkpoint(store: &Arc<DiskStore>, workers: &Workers) {
    let store = store.clone();
    let leave = move || {
        let durable = store.checkpoint()?;
        store.clean_up_if_empty()?;
        Ok::<_, StoreError>(durable)
    };
    match workers.run(leave).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(%error, "what was received last could not be made durable"),
        Err(error) => tracing::error!(%error, "what was received last could not be made durable"),
    }
}
