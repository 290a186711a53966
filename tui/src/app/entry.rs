//! One download on the screen.

use std::{sync::Arc, time::Duration};

use nearcast_core::{id::ContentId, manifest::Manifest};
use nearcast_node::{DownloadLimits, Holding, Phase, Progress};

use super::{history::History, theme::Role, wish::Wish, words::clean};
use crate::source::Named;

/// One download: what the user wants, what the node last told, and what is drawn of it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// What the user wants.
    pub(crate) wish: Wish,
    /// The name, clean.
    pub(crate) name: String,
    /// What the user last did with it, or what came of it.
    pub(crate) standing: Standing,
    /// The node has it, also while it is paused.
    pub(crate) begun: bool,
    /// What the node last told.
    pub(crate) progress: Progress,
    /// The metainfo, once it is known.
    pub(crate) manifest: Option<Arc<Manifest>>,
    /// Which parts are here. `None`: not asked for, or not known yet.
    pub(crate) holding: Option<Holding>,
    /// What came in each second.
    pub(crate) history: History,
    /// Limits on this download alone.
    pub(crate) limits: DownloadLimits,
    /// Its place in the order of adding.
    pub(crate) added: u64,
}

/// What the user last did with a download, or what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It will be begun when the node is up.
    Waiting,
    /// The node has it.
    Running,
    /// The user has paused it.
    Paused,
    /// `nearcast play` has it.
    Played,
    /// It ended without its content. The sentence says why; it is clean.
    Failed(String),
}

/// What is shown as the state of a download. In the order of the glyphs of the states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// The node is not up yet.
    Starting,
    /// Files on disk are checked.
    Checking,
    /// Peers are asked for the metainfo.
    Asking,
    /// Runs come.
    Getting,
    /// Nothing comes.
    Waiting,
    /// The disk is full.
    DiskFull,
    /// The user has paused it.
    Paused,
    /// Everything is here.
    Done,
    /// Everything is here, and given to others.
    Giving,
    /// Another program plays it.
    Playing,
    /// It ended without its content.
    Failed,
}

impl Status {
    /// One word, or two.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Status::Starting => "starting",
            Status::Checking => "checking",
            Status::Asking => "asking",
            Status::Getting => "getting",
            Status::Waiting => "waiting",
            Status::DiskFull => "disk full",
            Status::Paused => "paused",
            Status::Done => "done",
            Status::Giving => "giving",
            Status::Playing => "playing",
            Status::Failed => "failed",
        }
    }

    /// How it is painted.
    pub(crate) fn role(self) -> Role {
        match self {
            Status::Done | Status::Giving => Role::Good,
            Status::Failed => Role::Bad,
            Status::DiskFull | Status::Waiting => Role::Warn,
            Status::Paused | Status::Starting => Role::Dim,
            Status::Checking | Status::Asking | Status::Getting | Status::Playing => Role::Text,
        }
    }
}

/// A longer time left than this is no forecast.
const LEFT_MAX: Duration = Duration::from_secs(100 * 86_400);

impl Entry {
    /// A download that the node does not have yet.
    pub(crate) fn new(wish: Wish, added: u64) -> Entry {
        let manifest = wish.named.manifest().cloned();
        let mut entry = Entry {
            wish,
            name: String::new(),
            standing: Standing::Waiting,
            begun: false,
            progress: Progress::default(),
            manifest,
            holding: None,
            history: History::default(),
            limits: DownloadLimits::default(),
            added,
        };
        entry.rename();
        entry
    }

    /// The content.
    pub(crate) fn content(&self) -> ContentId {
        self.wish.content()
    }

    /// The wish to begin it with. What a link names and is complete needs no peers: its metainfo is
    /// known. What is not complete is begun by its link, for the sake of the peers that the link
    /// names.
    pub(crate) fn to_begin(&self) -> Wish {
        let is_complete = self.total() > 0 && self.have() == self.total();
        match (&self.wish.named, &self.manifest) {
            (Named::Link(magnet), Some(manifest)) if is_complete => Wish {
                named: Named::Torrent(Arc::clone(manifest)),
                folder: self.wish.folder.clone(),
                files: self.wish.files.clone().or_else(|| magnet.selection.clone()),
            },
            _ => self.wish.clone(),
        }
    }

    /// Takes what the node tells.
    pub(crate) fn on_progress(&mut self, progress: Progress) {
        let renamed = progress.name != self.progress.name;
        self.progress = progress;
        if renamed {
            self.rename();
        }
    }

    /// Takes the metainfo.
    pub(crate) fn on_manifest(&mut self, manifest: Arc<Manifest>) {
        self.manifest = Some(manifest);
        self.rename();
    }

    fn rename(&mut self) {
        let told = Some(self.progress.name.as_str()).filter(|name| !name.is_empty());
        let known = self.manifest.as_ref().map(|manifest| manifest.name());
        let name = told.or(known).or(self.wish.named.name());
        self.name = match name {
            Some(name) => clean(name),
            None => self.content().to_string().chars().take(16).collect(),
        };
    }

    /// What is shown as its state.
    pub(crate) fn status(&self) -> Status {
        match (&self.standing, &self.progress.phase) {
            (Standing::Waiting, _) => Status::Starting,
            (Standing::Paused, _) => Status::Paused,
            (Standing::Played, _) => Status::Playing,
            (Standing::Failed(_), _) => Status::Failed,
            (Standing::Running, phase) => match phase {
                Phase::Checking => Status::Checking,
                Phase::FetchingManifest => Status::Asking,
                Phase::Downloading => Status::Getting,
                Phase::Stalled(_) => Status::Waiting,
                Phase::DiskFull => Status::DiskFull,
                Phase::Paused => Status::Paused,
                Phase::Complete => Status::Done,
                Phase::Seeding => Status::Giving,
            },
        }
    }

    /// A sentence about its state. `None`: its word says it all.
    pub(crate) fn reason(&self) -> Option<String> {
        match (&self.standing, &self.progress.phase) {
            (Standing::Failed(why), _) => Some(why.clone()),
            (Standing::Played, _) => Some("nearcast play has it, and gives it back at its end".to_owned()),
            (Standing::Running, Phase::Stalled(why)) => Some(why.to_string()),
            (Standing::Running, Phase::DiskFull) => Some("it goes on when there is room".to_owned()),
            (Standing::Running, Phase::FetchingManifest) => {
                Some("peers are asked for the list of files".to_owned())
            }
            (Standing::Waiting, _) => Some("it begins when the node is up".to_owned()),
            _ => None,
        }
    }

    /// Bytes wanted. 0: not known yet.
    pub(crate) fn total(&self) -> u64 {
        match (self.progress.bytes_total, &self.manifest, &self.wish.files) {
            (0, Some(manifest), None) => manifest.layout().bytes(),
            (total, ..) => total,
        }
    }

    /// Bytes here.
    pub(crate) fn have(&self) -> u64 {
        self.progress.bytes_have.min(self.total())
    }

    /// Whether bytes may come or go.
    pub(crate) fn is_active(&self) -> bool {
        self.standing == Standing::Running && self.progress.phase != Phase::Paused
    }

    /// Whether something of it is still to come, and the node works at that.
    pub(crate) fn is_unfinished(&self) -> bool {
        let is_done = matches!(self.progress.phase, Phase::Complete | Phase::Seeding);
        self.is_active() && !is_done
    }

    /// Bytes a second that come. `None`: nothing is expected to come.
    pub(crate) fn down(&self) -> Option<f64> {
        let comes = self.status() == Status::Getting;
        self.progress.rate_down.filter(|rate| comes && *rate >= 1.0)
    }

    /// Bytes a second that go.
    pub(crate) fn up(&self) -> Option<f64> {
        self.progress.rate_up.filter(|rate| self.is_active() && *rate >= 1.0)
    }

    /// The time until everything is here. `None`: not known.
    pub(crate) fn left(&self) -> Option<Duration> {
        let missing = self.total().checked_sub(self.have()).filter(|&missing| missing > 0)?;
        let left = Duration::try_from_secs_f64(missing as f64 / self.down()?).ok()?;
        Some(left).filter(|left| *left < LEFT_MAX)
    }

    /// The share of what was received that peers gave. `None`: nothing was received.
    pub(crate) fn peers_share(&self) -> Option<(u64, u64)> {
        let received = &self.progress.received;
        Some((received.from_peers(), received.total())).filter(|(_, total)| *total > 0)
    }

    /// Whether a file is wanted, by its place in the manifest.
    pub(crate) fn wants(&self, file: u32) -> bool {
        let by_link = match &self.wish.named {
            Named::Link(magnet) => magnet.selection.as_ref(),
            Named::Torrent(_) => None,
        };
        self.wish.files.as_ref().or(by_link).is_none_or(|files| files.contains(file))
    }

    /// Neighbours that are near (in our AS or nearer), other neighbours, and servers.
    pub(crate) fn neighbours(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for one in &self.progress.neighbours {
            let place = match one {
                _ if one.origin || one.web_seed => 2,
                _ if one.tier <= nearcast_core::tier::Tier::SameAs => 0,
                _ => 1,
            };
            counts[place] += 1;
        }
        counts
    }
}
