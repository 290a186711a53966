//! The task that fetches newer atlases while a node does whatever else it does.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nearcast_core::{atlas::Atlas, id::ContentId, magnet::Magnet, paths::printable, signature::PublisherKey};
use nearcast_node::{
    address::Address,
    config::SeedGoal,
    directory::AtlasOffer,
    error::DownloadError,
    handle::{Download, Fetch, Node, Source},
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::cache::{self, Cache};

/// Without a byte for so long, a download is given up, and tried again later.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries: at first, and at most.
const RETRY_FIRST: Duration = Duration::from_secs(15);
const RETRY_MAX: Duration = Duration::from_secs(1800);
/// A larger one is not fetched: one of the whole Internet takes half of this.
const FETCHED_BYTES_MAX: u64 = 8 << 20;
/// Contents remembered as refused, so that whoever offers one again costs nothing.
const REFUSED_MAX: usize = 64;

/// An atlas that is in use now.
#[derive(Clone, Debug)]
pub struct News {
    /// It.
    pub atlas: Arc<Atlas>,
    /// Where it can be had: from us, for one.
    pub link: Magnet,
}

/// What is followed.
pub struct Follow {
    /// The node that hears of atlases, and fetches them.
    pub node: Node,
    /// Where the last good one is kept.
    pub cache: Cache,
    /// Who must have signed it.
    pub key: PublisherKey,
    /// Directories and peers that the user named: to be asked for it. Who else has it, they tell; the addresses in an
    /// offered link are a stranger's word, and are not dialled.
    pub known: Vec<Address>,
    /// The version in use; 0 = none.
    pub version: u64,
}

/// A running task.
pub struct Following {
    task: JoinHandle<()>,
    busy: watch::Receiver<bool>,
    news: watch::Receiver<Option<News>>,
}

impl Following {
    /// Tells of each atlas that is used from now on.
    pub fn news(&self) -> watch::Receiver<Option<News>> {
        self.news.clone()
    }

    /// Gives a download that is under way a moment to finish, and ends. What is half here is continued another time.
    pub async fn finish(mut self, patience: Duration) {
        // Both ways to fail mean that there is nothing to wait for.
        let _ = timeout(patience, self.busy.wait_for(|busy| !busy)).await;
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Why an atlas was not taken.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// It will never be: not signed, not an atlas, too large, or not newer.
    #[error("{0}")]
    Bad(String),
    /// It may be, another time.
    #[error("{0}")]
    NotNow(String),
}

impl Follow {
    /// Starts following. It ends with the node, or by [`Following::finish`].
    pub fn start(self) -> Following {
        let (busy, busy_seen) = watch::channel(false);
        let (news, news_seen) = watch::channel(None);
        let follower = Follower { follow: self, busy, news, refused: VecDeque::new(), download: None };
        Following { task: tokio::spawn(follower.run()), busy: busy_seen, news: news_seen }
    }
}

struct Follower {
    follow: Follow,
    busy: watch::Sender<bool>,
    news: watch::Sender<Option<News>>,
    refused: VecDeque<ContentId>,
    /// The last atlas: it is given to others as long as the node runs.
    download: Option<Download>,
}

impl Follower {
    async fn run(mut self) {
        let mut offers = self.follow.node.atlas_offers();
        let mut retry = RETRY_FIRST;
        loop {
            let offer = offers.borrow_and_update().clone();
            let link = offer.as_ref().and_then(|offer| self.wanted(offer));
            let tried = match (&offer, link) {
                (Some(offer), Some(link)) => {
                    self.busy.send_replace(true);
                    let taken = self.take(offer.version, link).await;
                    self.busy.send_replace(false);
                    taken
                }
                _ => {
                    self.busy.send_replace(false);
                    Ok(())
                }
            };
            let again = match tried {
                Ok(()) => {
                    retry = RETRY_FIRST;
                    None
                }
                Err(Refusal::Bad(_)) => None,
                Err(Refusal::NotNow(_)) => {
                    let wait = retry;
                    retry = (retry * 2).min(RETRY_MAX);
                    Some(wait)
                }
            };
            let wait = async {
                match again {
                    Some(wait) => sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = offers.changed() => match changed {
                    Ok(()) => {
                        // Under way from now on: a short download must not end before its fetching has begun.
                        let offer = offers.borrow().clone();
                        self.busy.send_replace(offer.is_some_and(|offer| self.wanted(&offer).is_some()));
                        // Whoever offers one thing after another is not followed any faster.
                        sleep(Duration::from_millis(250)).await;
                    }
                    Err(_) => return,
                },
                () = wait => {}
            }
        }
    }

    /// The content of an offer that is newer, and was not refused before.
    fn wanted(&self, offer: &AtlasOffer) -> Option<ContentId> {
        let link: Magnet = offer.link.parse().ok()?;
        let wanted = offer.version > self.follow.version && !self.refused.contains(&link.content);
        wanted.then_some(link.content)
    }

    async fn take(&mut self, version: u64, content: ContentId) -> Result<(), Refusal> {
        tracing::info!("atlas {version} is offered; fetching it");
        let taken = self.fetch(content).await;
        match &taken {
            Ok(()) => tracing::info!("atlas {} is in use", self.follow.version),
            Err(Refusal::Bad(reason)) => {
                tracing::warn!("the atlas {version} that was offered is refused: {}", printable(reason));
                self.refused.truncate(REFUSED_MAX - 1);
                self.refused.push_front(content);
            }
            Err(Refusal::NotNow(reason)) => {
                tracing::info!("the atlas {version} cannot be had now: {}", printable(reason));
            }
        }
        taken
    }

    async fn fetch(&mut self, content: ContentId) -> Result<(), Refusal> {
        let not_now = |reason: &dyn std::fmt::Display| Refusal::NotNow(reason.to_string());
        let cache = self.follow.cache.clone();
        let folder = tokio::task::spawn_blocking(move || cache.make_fetching()).await;
        let folder = folder.map_err(|error| not_now(&error))?.map_err(|error| not_now(&error))?;
        let fetch = self.wish(content, folder);
        let mut download = self.follow.node.fetch(fetch).await.map_err(|error| not_now(&error))?;
        let finished = match download.finished().await {
            Ok(summary) => summary,
            Err(error) => {
                download.stop().await;
                return Err(refusal(&error));
            }
        };
        let (cache, known) = (self.follow.cache.clone(), self.follow.version);
        let checked = tokio::task::spawn_blocking(move || check(&cache, &finished.path, known)).await;
        let atlas = match checked.map_err(|error| not_now(&error)).flatten() {
            Ok(atlas) => atlas,
            Err(refusal) => {
                download.stop().await;
                return Err(refusal);
            }
        };
        self.follow.node.set_atlas(atlas.clone()).await;
        self.follow.version = atlas.version();
        if let Some(old) = self.download.replace(download) {
            old.stop().await;
        }
        let name = Some(format!("nearcast-{}.atlas", atlas.version()));
        self.news.send_replace(Some(News { atlas, link: Magnet { name, ..Magnet::new(content) } }));
        Ok(())
    }

    fn wish(&self, content: ContentId, folder: PathBuf) -> Fetch {
        Fetch {
            source: Source::Magnet(Magnet::new(content)),
            folder,
            overwrite: true,
            select: Vec::new(),
            signed_by: vec![self.follow.key],
            peers: self.follow.known.clone(),
            web_seeds: Vec::new(),
            directories: self.follow.known.clone(),
            ask_directories: true,
            exchange_peers: true,
            find_on_lan: false,
            seed: SeedGoal::Forever,
            patience: PATIENCE,
            disk_wait: Some(Duration::ZERO),
            bytes_max: Some(FETCHED_BYTES_MAX),
            state_dir: None,
        }
    }
}

fn refusal(error: &DownloadError) -> Refusal {
    match error {
        DownloadError::Unsigned(reason) => {
            Refusal::Bad(format!("the pinned key has not signed it: {reason}"))
        }
        DownloadError::TooLarge { .. } | DownloadError::Manifest(_) => Refusal::Bad(error.to_string()),
        _ => Refusal::NotNow(error.to_string()),
    }
}

/// Reads what was downloaded, and keeps it if it is good and newer.
fn check(cache: &Cache, path: &Path, known: u64) -> Result<Arc<Atlas>, Refusal> {
    if path.is_dir() {
        return Err(Refusal::Bad("it is a folder, and no atlas".to_owned()));
    }
    let bytes = cache::read(path).map_err(|error| Refusal::NotNow(error.to_string()))?;
    let atlas = Atlas::decode(&bytes).map_err(|error| Refusal::Bad(error.to_string()))?;
    if atlas.version() <= known {
        let reason = format!("it is version {}, not newer than {known}, which is in use", atlas.version());
        return Err(Refusal::Bad(reason));
    }
    if let Err(error) = cache.store(&bytes, atlas.version()) {
        tracing::warn!("the next run begins without this atlas: {error}");
    }
    if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
        cache.remove_others(name);
    }
    Ok(Arc::new(atlas))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nearcast_core::atlas::AtlasBuilder;

    use super::*;

    #[test]
    fn only_what_is_sound_and_newer_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("cache"), &PublisherKey([1; 32]));
        let file = folder.path().join("nearcast-7.atlas");
        let bytes = AtlasBuilder::new(7).build().encode();
        fs::write(&file, &bytes).unwrap();
        for known in [7, 8] {
            let refused = check(&cache, &file, known).unwrap_err();
            assert!(matches!(&refused, Refusal::Bad(reason) if reason.contains("not newer")), "{refused}");
        }
        fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
        assert!(matches!(check(&cache, &file, 0), Err(Refusal::Bad(_))));
        assert!(matches!(check(&cache, folder.path(), 0), Err(Refusal::Bad(_))), "a folder is no atlas");
        assert!(matches!(check(&cache, &folder.path().join("gone"), 0), Err(Refusal::NotNow(_))));
        assert!(cache.load().unwrap().is_none(), "none of them is kept");
        fs::write(&file, &bytes).unwrap();
        assert_eq!(check(&cache, &file, 6).unwrap().version(), 7);
        assert_eq!(cache.load().unwrap().unwrap().version(), 7);
    }

    #[test]
    fn what_is_too_large_or_not_signed_is_not_tried_again() {
        let too_large =
            DownloadError::TooLarge { bytes: FETCHED_BYTES_MAX + 1, bytes_max: FETCHED_BYTES_MAX };
        for error in
            [too_large, DownloadError::Unsigned(String::new()), DownloadError::Manifest(String::new())]
        {
            assert!(matches!(refusal(&error), Refusal::Bad(_)), "{error}");
        }
        for error in [DownloadError::TimedOut(60), DownloadError::Busy("there".into())] {
            assert!(matches!(refusal(&error), Refusal::NotNow(_)), "{error}");
        }
    }
}
