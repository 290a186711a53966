//! Disks: what was received made durable, what is complete finished, and what goes wrong there.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use nearcast_core::{id::ContentKey, input::Event, layout::RunIndex, swarm::Swarm};
use tokio::time::Instant;

use super::Driver;
use crate::{
    error::DownloadError,
    exchange::TaskEvent,
    store::{DiskStore, Durable, Store, StoreError, Workers},
};

/// How long a full disk is left alone before writing is tried again.
const DISK_RETRY: Duration = Duration::from_secs(5);

impl Driver {
    /// Starts what is due for a content's store: finishing, or a checkpoint.
    pub(super) fn look_after_store(&mut self, key: ContentKey) {
        let Some(content) = self.contents.get_mut(&key) else { return };
        let (Some(store), Some(state)) = (content.store.clone(), &mut content.fetch) else { return };
        if state.disk_full_until.is_some_and(|until| Instant::now() >= until) {
            state.disk_full_until = None;
            self.input(key, Event::DiskFull(false));
            return;
        }
        if state.storing || state.disk_full_until.is_some() {
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
                TaskEvent::Finished { content: key, result }
            } else {
                let result = workers.run(move || store.checkpoint()).await;
                let result = result.unwrap_or(Err(StoreError::Missing));
                TaskEvent::Checkpointed { content: key, result }
            };
            // The driver is gone only when the node stops.
            let _ = events.send(event).await;
        });
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
                    state.to_finish = false;
                    // A later repair of rotten runs is finished by checkpoints alone.
                    state.was_complete = true;
                }
                self.succeed(key, Some(path));
            }
            Err(StoreError::Full { .. }) => self.pause_for_room(key),
            Err(error) => {
                // A failed sync: what was lost is fetched again, then it is finished anew.
                let lost = self.lost_runs(key);
                if lost.is_empty() {
                    return self.on_store_failed(key, error);
                }
                if let Some(state) = self.fetch_state(key) {
                    state.to_finish = false;
                }
                self.on_runs_lost(key, lost);
            }
        }
    }

    /// Runs the engine believes in and the store no longer has.
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
            StoreError::Full { .. } => self.pause_for_room(key),
            StoreError::Rotten { lost, .. } => self.on_runs_lost(key, lost),
            StoreError::Missing => {}
            StoreError::Io { path, source } => self.fail(key, DownloadError::Io { path, source }),
        }
    }

    pub(super) fn pause_for_room(&mut self, key: ContentKey) {
        let Some(state) = self.fetch_state(key) else { return };
        if state.disk_full_until.replace(Instant::now() + DISK_RETRY).is_none() {
            tracing::warn!("the disk is full; waiting for room");
            self.input(key, Event::DiskFull(true));
        }
    }

    pub(super) fn checkpoint_and_forget(&mut self, key: ContentKey) {
        let Some(store) = self.contents.get(&key).and_then(|content| content.store.clone()) else { return };
        let workers = self.parts.workers.clone();
        self.parts.tasks.spawn(async move { checkpoint(&store, &workers).await });
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

/// Makes durable what was received.
pub(super) async fn checkpoint(store: &Arc<DiskStore>, workers: &Workers) {
    let store = store.clone();
    match workers.run(move || store.checkpoint()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(%error, "what was received last could not be made durable"),
        Err(error) => tracing::error!(%error, "what was received last could not be made durable"),
    }
}
