//! The task that fetches newer atlases while the node runs.
//!
//! Offers come from strangers. Several are tried at once, the highest versions first. An offer that
//! shows nothing gives its place to those that wait.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use nearcast_core::{atlas::Atlas, id::ContentId, magnet::Magnet, paths::printable, signature::PublisherKey};
use nearcast_node::{Download, Node, atlas_offers::AtlasOffers};
use tokio::{
    sync::watch,
    task::{Id, JoinError, JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};

use super::{
    age::{Age, Today},
    attempt::{Fetched, Means, Refusal, Surroundings},
    cache::Cache,
    judged::{Due, Judged},
    known::Known,
};

/// Offers tried at the same time. Each may download 8 MiB.
const ATTEMPTS_MAX: usize = 4;
/// How often the log repeats that the atlas is old.
const OLD_SAID_EVERY: Duration = Duration::from_secs(86_400);

/// An atlas that has come into use.
#[derive(Clone, Debug)]
pub struct News {
    /// The atlas.
    pub atlas: Arc<Atlas>,
    /// The link to it; we seed it, too.
    pub link: Magnet,
}

/// What to follow, and with which limits.
pub struct Follow {
    /// The node that hears of atlases and fetches them.
    pub node: Node,
    /// The cache of the last good atlas.
    pub cache: Cache,
    /// The key that must have signed the atlas.
    pub key: PublisherKey,
    /// The peers to ask for the atlas. They tell us of further peers. Addresses in an offered link
    /// are not dialled: the peer that offers it must be one that is asked already.
    pub known: Known,
    /// The version in use; 0: none.
    pub version: u64,
    /// An older atlas is not used as the first one; when it is in use, the log says so. See
    /// [`super::ATLAS_AGE_MAX`].
    pub age_max: Duration,
}

/// A running follower task.
pub struct Following {
    task: JoinHandle<Option<()>>,
    busy: watch::Receiver<bool>,
    news: watch::Receiver<Option<News>>,
}

impl Following {
    /// Reports each atlas that comes into use from now on.
    pub fn news(&self) -> watch::Receiver<Option<News>> {
        self.news.clone()
    }

    /// Gives a running download up to `patience` to finish, then ends the task. A later run
    /// continues an unfinished download.
    pub async fn finish(mut self, patience: Duration) {
        // Both errors mean that there is nothing to wait for.
        let _ = timeout(patience, self.busy.wait_for(|busy| !busy)).await;
        self.task.abort();
        let _ = self.task.await;
    }
}

impl Follow {
    /// Starts the task. It ends with the node, or by [`Following::finish`].
    pub fn start(self) -> Following {
        let vital = self.node.vital().clone();
        let (busy, busy_seen) = watch::channel(false);
        let (news, news_seen) = watch::channel(None);
        let Follow { node, cache, key, known, version, age_max } = self;
        // An atlas dated in the future would keep out all others for good.
        let credible = !matches!(Today::now().age(version), Age::Ahead(_));
        let in_use = if credible { version } else { 0 };
        let follower = Follower {
            means: Means { node, cache, key, known, age_max },
            version,
            around: watch::Sender::new(Surroundings { in_use, crowded: false }),
            busy,
            news,
            judged: Judged::default(),
            attempts: JoinSet::new(),
            under_way: BTreeMap::new(),
            download: None,
        };
        let following = vital.guard("What follows atlases", follower.run());
        Following { task: tokio::spawn(following), busy: busy_seen, news: news_seen }
    }
}

/// How an attempt ended.
type Ended = Result<(Id, Result<Fetched, Refusal>), JoinError>;

struct Follower {
    means: Means,
    /// The version in use, plausible or not.
    version: u64,
    around: watch::Sender<Surroundings>,
    busy: watch::Sender<bool>,
    news: watch::Sender<Option<News>>,
    judged: Judged,
    attempts: JoinSet<Result<Fetched, Refusal>>,
    /// The offer that each running attempt is for.
    under_way: BTreeMap<Id, Due>,
    /// The download of the last atlas, which seeds it as long as the node runs.
    download: Option<Download>,
}

impl Follower {
    async fn run(mut self) {
        let mut offers = self.means.node.atlas_offers();
        let mut old = interval(OLD_SAID_EVERY);
        old.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let heard = offers.borrow_and_update().clone();
            let next = self.begin(&heard);
            let wait = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = offers.changed() => if changed.is_err() {
                    return;
                },
                Some(ended) = self.attempts.join_next_with_id() => self.on_ended(ended).await,
                _ = old.tick() => self.say_if_old(),
                () = wait => {}
            }
        }
    }

    /// Starts attempts as far as there is room. Returns when to look again.
    fn begin(&mut self, offers: &AtlasOffers) -> Option<Instant> {
        let (today, now) = (Today::now(), Instant::now());
        let (offers, in_use) = (offers.in_order(), self.around.borrow().in_use);
        let mut due = self.judged.due(&offers, in_use, today, now);
        due.retain(|due| self.under_way.values().all(|under_way| under_way.content != due.content));
        let waiting = due.split_off(due.len().min(ATTEMPTS_MAX.saturating_sub(self.under_way.len())));
        self.around.send_if_modified(|around| {
            let was = std::mem::replace(&mut around.crowded, !waiting.is_empty());
            was != around.crowded
        });
        for due in due {
            tracing::info!("atlas {} is offered; fetching it", due.version);
            let attempt = self.means.clone().attempt(due, self.around.subscribe());
            let id = self.attempts.spawn(attempt).id();
            self.under_way.insert(id, due);
        }
        self.busy.send_if_modified(|busy| {
            let was = std::mem::replace(busy, !self.under_way.is_empty());
            was != *busy
        });
        self.judged.next(&offers, in_use, today).filter(|next| *next > now)
    }

    async fn on_ended(&mut self, ended: Ended) {
        let (id, result) = match ended {
            Ok(ended) => ended,
            // A panic counts as a refusal.
            Err(error) => (error.id(), Err(Refusal::Bad(error.to_string()))),
        };
        let Some(Due { content, version, .. }) = self.under_way.remove(&id) else { return };
        match result {
            Ok(fetched) => self.take(content, fetched).await,
            Err(Refusal::Bad(reason)) => {
                tracing::warn!("the atlas {version} that was offered is refused: {}", printable(&reason));
                self.judged.refuse(content);
            }
            Err(Refusal::NotNow(reason)) => {
                tracing::info!("the atlas {version} cannot be had now: {}", printable(&reason));
                self.judged.put_off(content, Instant::now());
            }
        }
    }

    /// Stores and uses an atlas, unless a newer one came in the meantime.
    async fn take(&mut self, content: ContentId, fetched: Fetched) {
        let Fetched { atlas, bytes, name, download } = fetched;
        let version = atlas.version();
        if version <= self.around.borrow().in_use {
            download.stop().await;
            return self.judged.refuse(content);
        }
        let cache = self.means.cache.clone();
        // Partial downloads of other attempts lie in the same folder.
        let alone = self.under_way.is_empty();
        let kept = self.means.node.vital().blocking("What keeps atlases", move || {
            let stored = cache.store(&bytes, version);
            if alone {
                cache.remove_others(&name);
            }
            stored
        });
        if let Some(Err(error)) = kept.await {
            tracing::warn!("the next run begins without this atlas: {error}");
        }
        self.means.node.set_atlas(atlas.clone()).await;
        self.version = version;
        self.around.send_modify(|around| around.in_use = version);
        tracing::info!("atlas {version} is in use");
        if let Some(old) = self.download.replace(download) {
            old.stop().await;
        }
        let name = Some(format!("nearcast-{version}.atlas"));
        self.news.send_replace(Some(News { atlas, link: Magnet { name, ..Magnet::new(content) } }));
        self.say_if_old();
    }

    fn say_if_old(&self) {
        if let Some(warning) = Today::now().age(self.version).warning(self.means.age_max) {
            tracing::warn!("{warning}");
        }
    }
}
