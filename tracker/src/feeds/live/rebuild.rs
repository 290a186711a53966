//! Makes the next atlas in the background. The base is prepared without the table, the table is
//! borrowed only for the walk through it, and the rest is again done without it.

use std::{future::pending, sync::Arc, time::Instant};

use nearcast_core::atlas::{Atlas, AtlasBuilder};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use nearcast_bgp::rib::Rib;

/// The stage of a rebuild.
#[derive(Debug, Default)]
enum Stage {
    #[default]
    Idle,
    /// The base is turned into a builder.
    Preparing(JoinHandle<AtlasBuilder>),
    /// The builder is turned into an atlas.
    Building(JoinHandle<Atlas>),
}

/// The result of a stage.
pub(super) enum Done {
    /// The builder; the walk through the table is next.
    Prepared(Box<AtlasBuilder>),
    /// The new atlas.
    Built(Arc<Atlas>),
}

/// At most one rebuild at a time.
#[derive(Debug, Default)]
pub(super) struct Rebuild {
    stage: Stage,
    began: Option<Instant>,
}

impl Rebuild {
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle)
    }

    /// When the last rebuild began.
    pub(super) fn began(&self) -> Option<Instant> {
        self.began
    }

    pub(super) fn begin(&mut self, base: Arc<Atlas>, version: u64) {
        self.began = Some(Instant::now());
        self.stage = Stage::Preparing(spawn_blocking(move || AtlasBuilder::on(&base, version)));
    }

    pub(super) fn build(&mut self, builder: Box<AtlasBuilder>) {
        self.stage = Stage::Building(spawn_blocking(move || builder.build().without_reserved()));
    }

    /// The result of the stage; pends forever while idle. Cancelling it loses nothing.
    pub(super) async fn done(&mut self) -> Result<Done, JoinError> {
        let done = match &mut self.stage {
            Stage::Idle => pending().await,
            Stage::Preparing(task) => task.await.map(|builder| Done::Prepared(Box::new(builder))),
            Stage::Building(task) => task.await.map(|atlas| Done::Built(Arc::new(atlas))),
        };
        self.stage = Stage::Idle;
        done
    }

    /// Waits for the stage: threads cannot be stopped.
    pub(super) async fn finish(&mut self) {
        if !self.is_idle() {
            // Nobody needs the result any more.
            let _ = self.done().await;
        }
    }
}

/// Walks through the table on a blocking thread, as this takes a while. Returns the table.
pub(super) async fn walk(
    mut rib: Rib,
    mut builder: Box<AtlasBuilder>,
) -> Result<(Rib, Box<AtlasBuilder>), JoinError> {
    spawn_blocking(move || {
        rib.freeze(&mut builder);
        (rib, builder)
    })
    .await
}
