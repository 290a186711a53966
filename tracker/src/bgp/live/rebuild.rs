//! Making the next atlas in the background: the base is prepared without the table, the table is borrowed only for the walk
//! through it, and what remains is done without it again.

use std::{future::pending, sync::Arc, time::Instant};

use nearcast_core::atlas::{Atlas, AtlasBuilder};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use crate::bgp::rib::Rib;

/// Where it is.
#[derive(Debug, Default)]
enum Stage {
    #[default]
    Idle,
    /// The base becomes a builder.
    Preparing(JoinHandle<AtlasBuilder>),
    /// The builder becomes an atlas.
    Building(JoinHandle<Atlas>),
}

/// What a stage came to.
pub(super) enum Done {
    /// The walk through the table is next.
    Prepared(Box<AtlasBuilder>),
    /// This is the new one.
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

    /// When the last one began.
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

    /// What the stage came to; never, while there is none. Loses nothing when it is dropped.
    pub(super) async fn done(&mut self) -> Result<Done, JoinError> {
        let done = match &mut self.stage {
            Stage::Idle => pending().await,
            Stage::Preparing(task) => task.await.map(|builder| Done::Prepared(Box::new(builder))),
            Stage::Building(task) => task.await.map(|atlas| Done::Built(Arc::new(atlas))),
        };
        self.stage = Stage::Idle;
        done
    }

    /// Threads cannot be stopped, only waited for.
    pub(super) async fn finish(&mut self) {
        if !self.is_idle() {
            // Nobody needs it any more.
            let _ = self.done().await;
        }
    }
}

/// The walk through the table, on a thread that may be busy for a while. The table comes back.
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
