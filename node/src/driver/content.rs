//! The state of one content that this node takes part in.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicU64},
};

use nearcast_core::{
    id::{ContentId, PeerKey},
    layout::RunIndex,
    manifest::Manifest,
    stats::Traffic,
};
use tokio::time::Instant;

use super::{fetch_state::FetchState, giving::Account, web_seeds::WebSeed};
use crate::store::DiskStore;

/// Figures of one content that are in the totals of the node already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) received: Traffic,
    pub(super) rotten_runs: u64,
}

/// A content this node takes part in.
pub(super) struct Content {
    pub(super) id: ContentId,
    pub(super) manifest: Option<Arc<Manifest>>,
    pub(super) store: Option<Arc<DiskStore>>,
    /// `None`: the data is only served.
    pub(super) fetch: Option<Box<FetchState>>,
    /// Peers that sent corrupt runs of this content.
    pub(super) corrupt_peers: BTreeSet<PeerKey>,
    /// HTTP servers that have files of this content.
    pub(super) web_seeds: BTreeMap<PeerKey, WebSeed>,
    /// Counts what we sent of this content.
    pub(super) account: Account,
    /// What of this content is in the totals of the node already.
    pub(super) counted: Counted,
    /// When something last happened to this content.
    pub(super) stirred: Instant,
}

impl Content {
    pub(super) fn run_index(&self, run: u32) -> Option<RunIndex> {
        self.manifest.as_ref()?.layout().run_index(run)
    }

    pub(super) fn run_length(&self, run: RunIndex) -> u64 {
        self.manifest.as_ref().map_or(0, |manifest| u64::from(manifest.layout().run_length(run)))
    }

    /// The directories that the user named for this content.
    pub(super) fn directories(&self) -> &[PeerKey] {
        self.fetch.as_ref().map_or(&[], |state| &state.directories)
    }

    /// The counter of bytes that arrive for this content.
    pub(super) fn arrived(&self) -> Arc<AtomicU64> {
        self.fetch.as_ref().map(|state| state.arrived.clone()).unwrap_or_default()
    }

    /// Whether the owner of the download wants it to stay away from its swarm.
    pub(super) fn is_paused(&self) -> bool {
        self.fetch.as_ref().is_some_and(|state| state.paused)
    }

    pub(super) fn asks_directories(&self) -> bool {
        self.fetch.as_ref().is_some_and(|state| state.fetch.ask_directories)
    }

    pub(super) fn exchanges_peers(&self) -> bool {
        self.fetch.as_ref().is_some_and(|state| state.fetch.exchange_peers)
    }
}
