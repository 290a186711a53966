//! What the owner of a node asks it for: contents to download, and contents to share.

use std::{path::PathBuf, sync::Arc, time::Duration};

use nearcast_core::{
    id::ContentId,
    magnet::{FileSelection, Magnet},
    manifest::Manifest,
    signature::PublisherKey,
};

use crate::{address::Address, config::SeedGoal};

/// What to download, and how.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// The content.
    pub source: Source,
    /// The folder that receives the file or folder.
    pub folder: PathBuf,
    /// Replace an existing file or folder with other content.
    pub overwrite: bool,
    /// The wanted files, as glob patterns on their paths. Empty: all files.
    pub select: Vec<String>,
    /// The wanted files by their places in the manifest, where `select` is empty. `None`: those that
    /// the link selects, else all.
    pub files: Option<FileSelection>,
    /// One of these publishers must have signed the content. Empty: no signature is demanded.
    pub signed_by: Vec<PublisherKey>,
    /// The first peers to dial.
    pub peers: Vec<Address>,
    /// HTTP servers that have the files (BEP 19), besides those that the source names. These
    /// servers may be anywhere; those that the source names must be in the public Internet.
    pub web_seeds: Vec<String>,
    /// Directories to ask.
    pub directories: Vec<Address>,
    /// Ask directories: those named here, and neighbours that are directories of the content.
    pub ask_directories: bool,
    /// Learn of other peers from neighbours, and tell neighbours of other peers.
    pub exchange_peers: bool,
    /// Try peers that announce themselves on the local network; see [`crate::NodeConfig::lan`].
    pub find_on_lan: bool,
    /// How long to go on seeding once the download is complete.
    pub seed: SeedGoal,
    /// Give up after this long without a source and without bytes.
    pub patience: Duration,
    /// How long to wait for room on a full disk. `None`: for ever.
    pub disk_wait: Option<Duration>,
    /// The largest content to download, in bytes. `None`: no limit.
    pub bytes_max: Option<u64>,
    /// The folder that records completed downloads, so that they are recognized at once later.
    /// `None`: nothing is recorded.
    pub state_dir: Option<PathBuf>,
}

/// What a download starts from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A magnet link: the manifest comes from peers.
    Magnet(Magnet),
    /// A manifest.
    Manifest(Arc<Manifest>),
}

/// Complete data to serve.
#[derive(Clone, Debug)]
pub struct Share {
    /// The content's manifest.
    pub manifest: Arc<Manifest>,
    /// The folder that contains the content's file or folder. Never written to.
    pub root: PathBuf,
}

/// A content that is being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Its id.
    pub content: ContentId,
}

/// Patience of a download whose owner names none.
const PATIENCE: Duration = Duration::from_secs(60);

impl Fetch {
    /// A download to a folder with the usual settings: all files, nothing that exists is replaced, peers
    /// are found in every way there is, given up after 60 s without a source and without bytes, and
    /// seeded to nobody once it is complete. Change what should be otherwise:
    ///
    /// ```
    /// # use nearcast_node::{Fetch, SeedGoal};
    /// # fn other(magnet: nearcast_node::Magnet) -> Fetch {
    /// Fetch { seed: SeedGoal::Forever, ..Fetch::new(magnet, "downloads") }
    /// # }
    /// ```
    pub fn new(source: impl Into<Source>, folder: impl Into<PathBuf>) -> Fetch {
        Fetch {
            source: source.into(),
            folder: folder.into(),
            overwrite: false,
            select: Vec::new(),
            files: None,
            signed_by: Vec::new(),
            peers: Vec::new(),
            web_seeds: Vec::new(),
            directories: Vec::new(),
            ask_directories: true,
            exchange_peers: true,
            find_on_lan: true,
            seed: SeedGoal::None,
            patience: PATIENCE,
            disk_wait: None,
            bytes_max: None,
            state_dir: None,
        }
    }
}

impl From<Magnet> for Source {
    fn from(magnet: Magnet) -> Source {
        Source::Magnet(magnet)
    }
}

impl From<Arc<Manifest>> for Source {
    fn from(manifest: Arc<Manifest>) -> Source {
        Source::Manifest(manifest)
    }
}

impl From<Manifest> for Source {
    fn from(manifest: Manifest) -> Source {
        Source::Manifest(Arc::new(manifest))
    }
}
