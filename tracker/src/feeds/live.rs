//! The live atlas: a base from a file, and over it what routers report now.
//!
//! ```text
//! BMP sessions ─┐
//! RIS Live ─────┼─ news (bounded) ─► keeper: the table ─ from time to time, frozen over the base ─► Arc<Atlas>
//! update files ─┘
//! ```
//!
//! A reader takes the current [`Atlas`] ([`Live::atlas`]), which never changes, or subscribes to
//! new ones ([`Live::subscribe`]). A change reaches the atlas after [`LiveConfig::rebuild_every`]
//! and the second or so that freezing takes.
//!
//! Invariant: the table has one owner, the keeper, and everything reaches it through one bounded
//! queue. Look-ups never wait for the keeper.

mod keeper;
mod rebuild;
mod stats;

use nearcast_bgp::rib::RibLimits;
use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use nearcast_core::atlas::Atlas;
use nearcast_node::vital::Vital;
use tokio::{sync::watch, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::stats::{FeedStats, LiveStats, Phase};
use self::{keeper::Keeper, stats::Board};
use super::{
    bmp::{BmpConfig, BmpCounters, Listener},
    ris_live::{self, RisConfig},
    updates::Updates,
};
use crate::feeds::sender::FeedSender;

/// How long to wait for tasks to end: making an atlas takes seconds and cannot be interrupted.
const END_MAX: Duration = Duration::from_secs(10);

/// What to listen to, and with which limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveConfig {
    /// The address for BMP. Port 0 is any free one ([`Live::bmp_address`]). `None`: no BMP.
    pub bmp: Option<SocketAddr>,
    /// Which routers to accept, and their limits.
    pub bmp_sessions: BmpConfig,
    /// RIS Live. `None`: not used.
    pub ris_live: Option<RisConfig>,
    /// MRT files of updates, each read once in this order. In folders, new files are read, too, as
    /// they appear.
    pub updates: Vec<PathBuf>,
    /// How long routes of a lost session still count. A longer time bridges longer restarts of
    /// routers; a shorter time drops possibly wrong routes sooner.
    pub hold: Duration,
    /// The shortest time between the starts of two rebuilds while there are changes. A rebuild of a
    /// full table keeps one core busy for a second or two.
    pub rebuild_every: Duration,
    /// The limits of the table.
    pub rib: RibLimits,
}

impl Default for LiveConfig {
    fn default() -> LiveConfig {
        LiveConfig {
            bmp: None,
            bmp_sessions: BmpConfig::default(),
            ris_live: None,
            updates: Vec::new(),
            hold: Duration::from_secs(120),
            rebuild_every: Duration::from_secs(30),
            rib: RibLimits::default(),
        }
    }
}

/// The live atlas could not start. Nothing runs.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The address is taken, or not ours.
    #[error("cannot listen for BMP on {address}: {source}; choose another with --bmp IP:PORT")]
    Bmp {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// A file or folder of updates is missing.
    #[error("cannot read updates from {}: {source}", path.display())]
    Updates {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

/// All feeds, and the atlas made from them.
pub struct Live {
    atlas: watch::Receiver<Arc<Atlas>>,
    board: Arc<Board>,
    bmp: Arc<BmpCounters>,
    bmp_address: Option<SocketAddr>,
    tasks: TaskTracker,
    stop: CancellationToken,
    vital: Vital,
}

impl Live {
    /// Starts listening. Until something is heard, the atlas is `base`. Everything ends with
    /// `shutdown`.
    ///
    /// # Errors
    /// If an address cannot be bound, or a file is missing.
    pub async fn start(
        config: LiveConfig,
        base: Arc<Atlas>,
        shutdown: &CancellationToken,
    ) -> Result<Live, LiveError> {
        let (desk, news) = FeedSender::new();
        let stop = shutdown.child_token();
        let bmp = Arc::new(BmpCounters::default());
        let listener = match config.bmp {
            Some(address) => {
                let failed = |source| LiveError::Bmp { address, source };
                let sessions = config.bmp_sessions.clone();
                let listener = Listener::bind(address, sessions, desk.clone(), Arc::clone(&bmp))
                    .await
                    .map_err(failed)?;
                Some((listener.address().map_err(failed)?, listener))
            }
            None => None,
        };
        let updates = match &config.updates[..] {
            [] => None,
            paths => Some(
                Updates::new(paths, desk.clone())
                    .map_err(|(path, source)| LiveError::Updates { path, source })?,
            ),
        };
        let bmp_address = listener.as_ref().map(|(address, _)| *address);
        let (tasks, vital) = (TaskTracker::new(), Vital::default());
        let (publish, atlas) = watch::channel(Arc::clone(&base));
        let board = Arc::new(Board::default());
        if let Some((_, listener)) = listener {
            tasks.spawn(vital.guard("What routers connect to", listener.run(stop.clone())));
        }
        if let Some(ris) = config.ris_live.clone() {
            let listening = ris_live::run(ris, desk.clone(), stop.clone());
            tasks.spawn(vital.guard("What listens to RIS Live", listening));
        }
        if let Some(updates) = updates {
            tasks.spawn(vital.guard("What reads updates", updates.run(stop.clone())));
        }
        let keeper = Keeper::new(&config, base, news, publish, Arc::clone(&board));
        tasks.spawn(vital.guard("The owner of the table of routes", keeper.run(stop.clone())));
        tasks.close();
        Ok(Live { atlas, board, bmp, bmp_address, tasks, stop, vital })
    }

    /// The current atlas. It does not change; call again for a newer one.
    pub fn atlas(&self) -> Arc<Atlas> {
        Arc::clone(&self.atlas.borrow())
    }

    /// Reports each new atlas.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Atlas>> {
        self.atlas.clone()
    }

    /// The address for BMP. `None`: no BMP.
    pub fn bmp_address(&self) -> Option<SocketAddr> {
        self.bmp_address
    }

    /// The essential tasks.
    pub fn vital(&self) -> &Vital {
        &self.vital
    }

    /// The current figures.
    pub fn stats(&self) -> LiveStats {
        let mut stats = self.board.read();
        stats.bmp_refused = self.bmp.refused.load(Ordering::Relaxed);
        stats.bmp_faults = self.bmp.faults.load(Ordering::Relaxed);
        stats
    }

    /// Ends everything. On return all tasks have ended and all connections are closed. If making an
    /// atlas or reading a file takes too long, it is abandoned and logged.
    pub async fn stop(self) {
        self.end().await;
    }

    /// As [`Live::stop`], for a shared value.
    pub async fn end(&self) {
        self.end_within(END_MAX).await;
    }

    async fn end_within(&self, most: Duration) {
        self.stop.cancel();
        if timeout(most, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                "what listens to routes did not end in time and is abandoned; nothing of it is kept anyway"
            );
        }
    }
}

#[cfg(test)]
mod tests;
