//! One attempt to get an offered atlas: download, check, or give up.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nearcast_core::{atlas::Atlas, id::ContentId, signature::PublisherKey};
use nearcast_node::{Download, Fetch, Node, config::SeedGoal, error::DownloadError, progress::Progress};
use tokio::{sync::watch, time::sleep};

use super::{
    age::Today,
    cache::{self, Cache},
    judged::Due,
    known::Known,
};

/// A download without a byte for this long is given up and tried again later.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest duration of an attempt. An atlas takes minutes at most, and the next attempt
/// continues with the data that arrived.
const ATTEMPT_MAX: Duration = Duration::from_secs(600);
/// A larger atlas is not downloaded. An atlas of the whole Internet takes half of this.
const FETCHED_BYTES_MAX: u64 = 8 << 20;
/// Pause after a refusal: a peer that offers one bad atlas after another is not followed any
/// faster.
const REFUSED_PAUSE: Duration = Duration::from_millis(250);

/// Why an atlas was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Never: the atlas is unsigned, malformed, too large, too old, or not newer.
    #[error("{0}")]
    Bad(String),
    /// Not now; a later attempt may succeed.
    #[error("{0}")]
    NotNow(String),
}

impl Refusal {
    fn not_now(reason: &dyn std::fmt::Display) -> Refusal {
        Refusal::NotNow(reason.to_string())
    }
}

/// What an attempt must know about the other attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Surroundings {
    /// The version in use; 0: none.
    pub(super) in_use: u64,
    /// Other offers wait for a free attempt.
    pub(super) crowded: bool,
}

/// What every attempt needs.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) node: Node,
    pub(super) cache: Cache,
    pub(super) key: PublisherKey,
    pub(super) known: Known,
    pub(super) age_max: Duration,
}

/// An atlas that is signed, valid and newer. It is neither kept nor used yet.
pub(super) struct Fetched {
    pub(super) atlas: Arc<Atlas>,
    pub(super) bytes: Vec<u8>,
    /// The name of the atlas file.
    pub(super) name: String,
    /// The download, which can seed the atlas to others.
    pub(super) download: Download,
}

impl Means {
    /// Runs one attempt.
    pub(super) async fn attempt(
        self,
        due: Due,
        around: watch::Receiver<Surroundings>,
    ) -> Result<Fetched, Refusal> {
        let fetched = self.fetch(due, around).await;
        if let Err(Refusal::Bad(_)) = &fetched {
            sleep(REFUSED_PAUSE).await;
        }
        fetched
    }

    async fn fetch(self, due: Due, around: watch::Receiver<Surroundings>) -> Result<Fetched, Refusal> {
        let cache = self.cache.clone();
        let folder = tokio::task::spawn_blocking(move || cache.make_fetching()).await;
        let folder =
            folder.map_err(|error| Refusal::not_now(&error))?.map_err(|error| Refusal::not_now(&error))?;
        let fetch = self.wish(due.content, folder);
        let download = self.node.fetch(fetch).await.map_err(|error| Refusal::not_now(&error))?;
        let (progress, in_use) = (download.progress(), around.clone());
        let finished = tokio::select! {
            finished = download.finished() => finished.map_err(|error| refusal(&error)),
            refusal = belied(progress.clone(), in_use.clone(), self.age_max) => Err(refusal),
            refusal = outlasted(due, progress, around) => Err(refusal),
        };
        let known = in_use.borrow().in_use;
        let checked = match finished {
            Ok(summary) => {
                let check = move || check(&summary.path, known, self.age_max, Today::now());
                // The task fails only if the check panicked, and it would panic again.
                let checked = tokio::task::spawn_blocking(check).await;
                checked.map_err(|error| Refusal::Bad(error.to_string())).flatten()
            }
            Err(refusal) => Err(refusal),
        };
        match checked {
            Ok(Checked { atlas, bytes, name }) => Ok(Fetched { atlas, bytes, name, download }),
            Err(refusal) => {
                download.stop().await;
                Err(refusal)
            }
        }
    }

    fn wish(&self, content: ContentId, folder: PathBuf) -> Fetch {
        Fetch {
            overwrite: true,
            signed_by: vec![self.key],
            peers: self.known.peers(),
            directories: self.known.directories.clone(),
            find_on_lan: false,
            seed: SeedGoal::Forever,
            patience: PATIENCE,
            disk_wait: Some(Duration::ZERO),
            bytes_max: Some(FETCHED_BYTES_MAX),
            ..Fetch::new(self.known.link(content), folder)
        }
    }
}

/// Resolves when the signed name shows that the atlas is not worth downloading. The name is signed
/// by the pinned key together with the rest. The version that the offer claims does not count here:
/// a peer could lie about an honest atlas and have it refused.
async fn belied(
    mut progress: watch::Receiver<Progress>,
    in_use: watch::Receiver<Surroundings>,
    age_max: Duration,
) -> Refusal {
    let shown =
        progress.wait_for(|progress| progress.bytes_total > 0).await.map(|progress| progress.name.clone());
    let Ok(name) = shown else { return std::future::pending().await };
    let known = in_use.borrow().in_use;
    let judged = match version_of(&name) {
        Some(version) => judge(version, known, age_max, Today::now()),
        None => Err(Refusal::Bad(format!("it is named {name}, as no atlas is"))),
    };
    match judged {
        Ok(()) => std::future::pending().await,
        Err(refusal) => refusal,
    }
}

/// The version in the file name that trackers give to an atlas.
fn version_of(name: &str) -> Option<u64> {
    name.strip_prefix("nearcast-")?.strip_suffix(".atlas")?.parse().ok()
}

/// Decides whether an atlas of a verified version replaces the `known` version.
fn judge(version: u64, known: u64, age_max: Duration, today: Today) -> Result<(), Refusal> {
    if version <= known {
        return Err(Refusal::Bad(format!(
            "it is version {version}, not newer than {known}, which is in use"
        )));
    }
    today.age(version).refusal(known == 0, age_max).map_or(Ok(()), |reason| Err(Refusal::Bad(reason)))
}

/// Resolves when an attempt is no longer worth its place.
async fn outlasted(
    due: Due,
    mut progress: watch::Receiver<Progress>,
    mut around: watch::Receiver<Surroundings>,
) -> Refusal {
    let mut crowd = around.clone();
    let idle = async {
        sleep(due.show_within).await;
        if crowd.wait_for(|around| around.crowded).await.is_err() {
            std::future::pending().await
        }
    };
    // The size is known once metainfo signed by the key has arrived. Then the offer is real and may
    // take its time.
    let shown = async {
        let _ = progress.wait_for(|progress| progress.bytes_total > 0).await;
    };
    let bluff = async {
        tokio::select! {
            biased;
            () = shown => std::future::pending().await,
            () = idle => {}
        }
    };
    let beaten = async {
        let _ = around.wait_for(|around| around.in_use >= due.version).await;
    };
    tokio::select! {
        () = beaten => Refusal::NotNow("a newer one is in use already".to_owned()),
        () = bluff => Refusal::NotNow(format!("nobody showed it within {:?}, and others wait", due.show_within)),
        () = sleep(ATTEMPT_MAX) => Refusal::NotNow(format!("it did not come within {ATTEMPT_MAX:?}")),
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

/// The content of a downloaded atlas file.
#[derive(Debug)]
struct Checked {
    atlas: Arc<Atlas>,
    bytes: Vec<u8>,
    name: String,
}

/// Reads the downloaded atlas if it is valid, newer than `known`, and of a plausible age.
fn check(path: &Path, known: u64, age_max: Duration, today: Today) -> Result<Checked, Refusal> {
    if path.is_dir() {
        return Err(Refusal::Bad("it is a folder, and no atlas".to_owned()));
    }
    let bytes = cache::read(path).map_err(|error| Refusal::NotNow(error.to_string()))?;
    let atlas = Atlas::decode(&bytes).map_err(|error| Refusal::Bad(error.to_string()))?;
    judge(atlas.version(), known, age_max, today)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Checked { atlas: Arc::new(atlas), bytes, name })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nearcast_core::atlas::AtlasBuilder;
    use tokio::time::timeout;

    use super::{super::age::ATLAS_AGE_MAX, *};

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 86_400;

    #[test]
    fn only_what_is_sound_newer_and_of_a_credible_age_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nearcast.atlas");
        let judge = |version: u64, known: u64| {
            fs::write(&file, AtlasBuilder::new(version).build().encode()).unwrap();
            check(&file, known, ATLAS_AGE_MAX, Today::at(NOW)).map(|checked| checked.atlas.version())
        };
        let refused = |judged: Result<u64, Refusal>| match judged {
            Err(Refusal::Bad(reason)) => reason,
            other => panic!("{other:?}"),
        };
        assert!(refused(judge(7, 7)).contains("not newer"));
        assert!(refused(judge(7, 8)).contains("not newer"));
        assert_eq!(judge(7, 6), Ok(7));
        assert!(refused(judge(NOW - 31 * DAY, 0)).contains("31 days old"), "held back from a newcomer");
        assert_eq!(judge(NOW - 31 * DAY, NOW - 40 * DAY), Ok(NOW - 31 * DAY), "better than ours");
        assert!(refused(judge(NOW + 3 * DAY, NOW)).contains("ahead"));
        let bytes = AtlasBuilder::new(9).build().encode();
        fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
        let damaged = check(&file, 0, ATLAS_AGE_MAX, Today::at(NOW));
        assert!(matches!(damaged, Err(Refusal::Bad(_))));
        let of_folder = check(folder.path(), 0, ATLAS_AGE_MAX, Today::at(NOW));
        assert!(matches!(of_folder, Err(Refusal::Bad(_))), "a folder is no atlas");
        let gone = check(&folder.path().join("gone"), 0, ATLAS_AGE_MAX, Today::at(NOW));
        assert!(matches!(gone, Err(Refusal::NotNow(_))));
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
        for error in
            [DownloadError::TimedOut { seconds: 60, attempts: None }, DownloadError::Busy("there".into())]
        {
            assert!(matches!(refusal(&error), Refusal::NotNow(_)), "{error}");
        }
    }

    #[tokio::test]
    async fn a_signed_name_says_at_once_that_it_is_old_and_a_lie_about_an_honest_one_does_it_no_harm() {
        let (around, around_seen) = watch::channel(Surroundings { in_use: 1_000, crowded: false });
        let judged = async |name: &str| {
            let progress = Progress { bytes_total: 1, name: name.to_owned(), ..Progress::default() };
            let (_kept, seen) = watch::channel(progress);
            timeout(Duration::from_millis(300), belied(seen, around_seen.clone(), ATLAS_AGE_MAX)).await.ok()
        };
        for worthless in
            ["nearcast-1000.atlas", "nearcast-7.atlas", "film.mkv", "nearcast-.atlas", "nearcast-1e9.atlas"]
        {
            assert!(matches!(judged(worthless).await, Some(Refusal::Bad(_))), "{worthless}");
        }
        assert_eq!(judged("nearcast-1001.atlas").await, None, "whatever its teller called it");
        around.send_replace(Surroundings { in_use: 0, crowded: false });
        let of_2020 = judged("nearcast-1580000000.atlas").await;
        assert!(matches!(of_2020, Some(Refusal::Bad(reason)) if reason.contains("old")));
    }

    struct Try {
        progress: watch::Sender<Progress>,
        around: watch::Sender<Surroundings>,
    }

    /// How an attempt ends that may keep others waiting for a short time only. `None`: it goes on.
    async fn ends(within: Duration, prepare: impl FnOnce(&Try)) -> Option<Refusal> {
        let due = Due { content: ContentId([1; 32]), version: 9, show_within: Duration::from_millis(10) };
        let (progress, progress_seen) = watch::channel(Progress::default());
        let (around, around_seen) = watch::channel(Surroundings::default());
        let made = Try { progress, around };
        prepare(&made);
        timeout(within, outlasted(due, progress_seen, around_seen)).await.ok()
    }

    #[tokio::test]
    async fn a_bluff_gives_its_place_up_while_others_wait_and_what_is_signed_keeps_it() {
        let (long, moment) = (Duration::from_secs(60), Duration::from_millis(300));
        let crowded = Surroundings { in_use: 0, crowded: true };
        let bluff = ends(long, |made| {
            made.around.send_replace(crowded);
        });
        assert!(matches!(bluff.await, Some(Refusal::NotNow(reason)) if reason.contains("others wait")));
        assert_eq!(ends(moment, |_| {}).await, None, "nobody waits");
        let signed = ends(moment, |made| {
            made.around.send_replace(crowded);
            made.progress.send_replace(Progress { bytes_total: 1, ..Progress::default() });
        });
        assert_eq!(signed.await, None);
        let beaten = ends(long, |made| {
            made.around.send_replace(Surroundings { in_use: 9, crowded: false });
        });
        assert!(matches!(beaten.await, Some(Refusal::NotNow(reason)) if reason.contains("in use already")));
    }
}
