//! Which contents lie under the root: a `.torrent`, and beside it the data it names.
//!
//! Invariants: a content is served from one place only; nothing is said twice; a `.torrent` that did
//! not change is not read again. Sizes are compared, nothing is hashed: thousands of contents must
//! not cost hours of disk at each start, and every run is verified when it is read to be sent.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use nearcast_core::{
    id::ContentId,
    manifest::{Manifest, TORRENT_BYTES_MAX},
    paths::printable,
};

/// Folders below the root that are looked into.
pub const DEPTH_MAX: usize = 16;
/// `.torrent` files taken up; what is beyond is said and ignored.
pub const TORRENTS_MAX: usize = 65_536;
/// Directory entries looked at in one scan: bounds the time a scan of a wrong root takes.
pub const ENTRIES_MAX: usize = 4_000_000;

/// What a scan found to be different from the last.
#[derive(Debug)]
pub enum Change {
    /// A content is there now.
    Serve {
        /// Its `.torrent`.
        torrent: PathBuf,
        /// What is in it.
        manifest: Arc<Manifest>,
        /// The folder that contains the data.
        root: PathBuf,
    },
    /// A content that was served is gone, or another.
    Stop {
        /// Its `.torrent`.
        torrent: PathBuf,
        /// What was in it.
        content: ContentId,
    },
    /// A `.torrent` cannot be served, for a reason not said before.
    Refuse {
        /// The file.
        torrent: PathBuf,
        /// The sentence, safe for terminals and logs.
        reason: String,
    },
}

/// Tells whether a file changed without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
}

#[derive(Debug)]
enum State {
    Served {
        manifest: Arc<Manifest>,
        data: DataStamp,
    },
    /// The file itself is unusable: looked at again only when it changes.
    Unusable,
    /// The file is fine, but its data is not there or is served from elsewhere: looked at again each scan.
    Waiting,
}

#[derive(Debug)]
struct Entry {
    stamp: Stamp,
    state: State,
    /// The last reason given for not serving it.
    said: Option<String>,
    /// The file or folder it is about, if it could be read.
    about: Option<String>,
}

/// What is known about the root after the last scan.
#[derive(Debug)]
pub struct Catalogue {
    root: PathBuf,
    entries: BTreeMap<PathBuf, Entry>,
    /// The path each content is served from.
    served: BTreeMap<ContentId, PathBuf>,
    truncated: bool,
}

impl Catalogue {
    /// An empty catalogue of a root; nothing is read yet.
    pub fn new(root: PathBuf) -> Catalogue {
        Catalogue { root, entries: BTreeMap::new(), served: BTreeMap::new(), truncated: false }
    }

    /// Number of contents served.
    pub fn len(&self) -> usize {
        self.served.len()
    }

    /// `.torrent` files that are not served.
    pub fn refused(&self) -> usize {
        self.entries.len() - self.served.len()
    }

    /// The root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The `.torrent` directly in the root for each file and folder there that has one.
    pub fn covered(&self) -> BTreeMap<String, PathBuf> {
        let here = self.entries.iter().filter(|(path, _)| path.parent() == Some(&self.root));
        here.filter_map(|(path, entry)| Some((entry.about.clone()?, path.clone()))).collect()
    }

    /// Nothing is served.
    pub fn is_empty(&self) -> bool {
        self.served.is_empty()
    }

    /// Looks at the root again. Blocking; stops come before starts, so a moved content is served on.
    ///
    /// # Errors
    /// When the root itself cannot be read; the catalogue stays as it was.
    pub fn scan(&mut self) -> io::Result<Vec<Change>> {
        let found = walk(&self.root)?;
        if found.truncated && !self.truncated {
            tracing::warn!(
                "{} holds more than {TORRENTS_MAX} torrents or {ENTRIES_MAX} files; the rest is ignored",
                self.root.display()
            );
        }
        self.truncated = found.truncated;
        let mut changes = Vec::new();
        self.drop_gone(&found.torrents, &mut changes);
        for (path, stamp) in found.torrents {
            self.examine(path, stamp, &mut changes);
        }
        Ok(changes)
    }

    /// Takes note that a content of the last scan could not be shared after all; it is tried again at
    /// the next. True when this reason was not given for it before.
    pub fn on_refused(&mut self, torrent: &Path, reason: &str) -> bool {
        let Some(entry) = self.entries.get_mut(torrent) else {
            return true;
        };
        if let State::Served { manifest, .. } = &entry.state {
            self.served.remove(&manifest.content());
        }
        entry.state = State::Waiting;
        entry.say(reason)
    }

    /// First everything that ends, so that what takes its place is not called a duplicate.
    fn drop_gone(&mut self, found: &BTreeMap<PathBuf, Stamp>, changes: &mut Vec<Change>) {
        let served = &mut self.served;
        self.entries.retain(|path, entry| {
            let unchanged = found.get(path) == Some(&entry.stamp);
            if let State::Served { manifest, data } = &entry.state {
                let found = if unchanged { Some(stamp_of_data(manifest, parent(path))) } else { None };
                if found.as_ref().is_some_and(|found| found.as_ref() == Ok(data)) {
                    return true;
                }
                if let Some(Ok(_)) = found {
                    // Served anew, so that nothing that was verified before the change is trusted.
                    let name = printable(manifest.name());
                    tracing::warn!(
                        "{name} has changed since its .torrent was made; what no longer fits is not sent"
                    );
                }
                let content = manifest.content();
                served.remove(&content);
                changes.push(Change::Stop { torrent: path.clone(), content });
                return false;
            }
            unchanged
        });
    }

    fn examine(&mut self, torrent: PathBuf, stamp: Stamp, changes: &mut Vec<Change>) {
        let said = match self.entries.remove(&torrent) {
            Some(entry) if !matches!(entry.state, State::Waiting) => {
                self.entries.insert(torrent, entry);
                return;
            }
            Some(waiting) => waiting.said,
            None => None,
        };
        let (state, about, reason) = self.judge(&torrent);
        let mut entry = Entry { stamp, state, said, about };
        if let State::Served { manifest, .. } = &entry.state {
            self.served.insert(manifest.content(), torrent.clone());
            changes.push(Change::Serve {
                torrent: torrent.clone(),
                manifest: Arc::clone(manifest),
                root: parent(&torrent).to_owned(),
            });
        }
        if let Some(reason) = reason.filter(|reason| entry.say(reason)) {
            let torrent = torrent.clone();
            changes.push(Change::Refuse { torrent, reason });
        }
        self.entries.insert(torrent, entry);
    }

    /// What becomes of a `.torrent`, what it is about, and the sentence when it is not served.
    fn judge(&self, torrent: &Path) -> (State, Option<String>, Option<String>) {
        let manifest = match read_torrent(torrent) {
            Ok(manifest) => manifest,
            Err(reason) => return (State::Unusable, None, Some(printable(&reason))),
        };
        let about = Some(manifest.name().to_owned());
        if let Some(other) = self.served.get(&manifest.content()) {
            let other = printable(&other.to_string_lossy());
            return (State::Waiting, about, Some(format!("the same content is served from {other}")));
        }
        match stamp_of_data(&manifest, parent(torrent)) {
            Ok(data) => (State::Served { manifest: Arc::new(manifest), data }, about, None),
            Err(missing) => {
                let missing = printable(&missing.to_string_lossy());
                (State::Waiting, about, Some(format!("{missing} is missing or has another size")))
            }
        }
    }
}

impl Entry {
    /// Remembers a reason; false when it is the one given last.
    fn say(&mut self, reason: &str) -> bool {
        let new = self.said.as_deref() != Some(reason);
        self.said = Some(reason.to_owned());
        new
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

fn read_torrent(path: &Path) -> Result<Manifest, String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(TORRENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Manifest::parse(&bytes).map_err(|error| error.to_string())
}

/// Tells whether data may have changed, without reading it: all its files' numbers and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DataStamp(u64);

/// The stamp of a content's files, or the first that is not there with the size it must have.
fn stamp_of_data(manifest: &Manifest, root: &Path) -> Result<DataStamp, PathBuf> {
    let layout = manifest.layout();
    let mut hasher = DefaultHasher::new();
    for file in (0..layout.files()).filter_map(|index| layout.file_index(index)) {
        let path = root.join(manifest.target(file).to_path_buf());
        let data = fs::symlink_metadata(&path).ok();
        let fits = |data: &Metadata| data.is_file() && data.len() == layout.file_bytes(file);
        match data.filter(fits) {
            Some(data) => (data.ino(), data.mtime(), data.mtime_nsec()).hash(&mut hasher),
            None => return Err(path),
        }
    }
    Ok(DataStamp(hasher.finish()))
}

struct Found {
    torrents: BTreeMap<PathBuf, Stamp>,
    truncated: bool,
}

/// Walks the root without following links and without recursion; unreadable folders are passed over,
/// as they are for every other reader of the tree.
fn walk(root: &Path) -> io::Result<Found> {
    let mut found = Found { torrents: BTreeMap::new(), truncated: false };
    let mut entries_left = ENTRIES_MAX;
    let mut folders = vec![(fs::read_dir(root)?, 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in folder.flatten() {
            if entries_left == 0 || found.torrents.len() == TORRENTS_MAX {
                found.truncated = true;
                return Ok(found);
            }
            entries_left -= 1;
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && depth < DEPTH_MAX {
                folders.extend(fs::read_dir(entry.path()).ok().map(|below| (below, depth + 1)));
            } else if kind.is_file() && entry.path().extension().is_some_and(|end| end == "torrent") {
                let Ok(data) = entry.metadata() else { continue };
                let stamp = Stamp { bytes: data.len(), modified: data.modified().ok() };
                found.torrents.insert(entry.path(), stamp);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
