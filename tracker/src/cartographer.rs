//! The task that brings the newest atlas to the node, the directory and, at its own pace, the
//! public.

use std::{sync::Arc, time::Duration};

use nearcast_core::atlas::Atlas;
use nearcast_node::{Node, directory::AtlasOffer};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{health::Health, publishing::Publisher};

/// Pause after publishing failed: the missing resource does not come back at once.
const RETRY: Duration = Duration::from_secs(60);

/// An atlas and its origin.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    pub(crate) atlas: Arc<Atlas>,
    /// It was loaded from a file and is not one of a series: publish it at once.
    pub(crate) loaded: bool,
}

/// The state and inputs of the task.
pub(crate) struct Cartographer {
    pub(crate) node: Node,
    pub(crate) health: Arc<Health>,
    /// `None`: nothing is published.
    pub(crate) publisher: Option<Publisher>,
    pub(crate) atlases: watch::Receiver<Option<Current>>,
    /// The shortest time between two publications of a changed atlas.
    pub(crate) interval: watch::Receiver<Duration>,
}

impl Cartographer {
    /// Runs until no further atlas can come.
    pub(crate) async fn run(mut self) {
        let mut published_at: Option<Instant> = None;
        let mut waiting: Option<Current> = None;
        self.atlases.mark_changed();
        loop {
            let due = match (&waiting, published_at) {
                (Some(current), Some(at)) if !current.loaded => Some(at + *self.interval.borrow()),
                (Some(_), _) => Some(Instant::now()),
                (None, _) => None,
            };
            tokio::select! {
                changed = self.atlases.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let current = self.atlases.borrow_and_update().clone();
                    if let Some(current) = current {
                        self.use_at_once(&current.atlas).await;
                        // A loaded atlas must be published, however soon another one follows.
                        let loaded = current.loaded || waiting.is_some_and(|waiting| waiting.loaded);
                        waiting = self.publisher.is_some().then_some(Current { loaded, ..current });
                    }
                }
                Ok(()) = self.interval.changed() => {}
                () = until(due) => if let Some(current) = waiting.take() {
                    published_at = Some(Instant::now());
                    if !self.publish(current.atlas.clone()).await {
                        waiting = Some(Current { loaded: false, ..current });
                        let wait = RETRY.min(*self.interval.borrow());
                        published_at = Instant::now().checked_sub(self.interval.borrow().saturating_sub(wait));
                    }
                },
            }
        }
    }

    async fn use_at_once(&self, atlas: &Arc<Atlas>) {
        self.node.set_atlas(atlas.clone()).await;
        self.health.set_atlas(atlas);
    }

    async fn publish(&mut self, atlas: Arc<Atlas>) -> bool {
        let Some(publisher) = &mut self.publisher else { return true };
        let version = atlas.version();
        match publisher.publish(atlas).await {
            Ok(Some(link)) => {
                tracing::info!("atlas {version} published: {link}");
                if let Some(directory) = self.node.directory()
                    && let Err(error) = directory.offer_atlas(AtlasOffer { version, link: link.to_string() })
                {
                    tracing::warn!("{error}");
                }
                self.health.on_published(version);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!("cannot publish atlas {version}: {error}");
                return false;
            }
        }
        true
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
