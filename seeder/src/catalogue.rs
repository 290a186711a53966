//! The catalogue of contents under the root: each `.torrent` with the data beside it.
//!
//! Invariants: a content is served from one place only; nothing is reported twice; an unchanged
//! `.torrent` is not read again. A scan compares sizes and hashes nothing: thousands of contents
//! must not cost hours of disk time at each start, and every run is verified when it is read to be
//! sent.

mod data;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use nearcast_core::{id::ContentId, manifest::Manifest, paths::printable};
use nearcast_node::publish::{Folder, Kind, Mount};

use self::data::{DataStamp, Lack, Missing, Opened, mount_of_what_is_left};
use crate::ingest::hashing::read_torrent;

/// Depth of folders below the root that a scan enters.
pub const DEPTH_MAX: usize = 16;
/// `.torrent` files that a scan takes. A scan that finds more warns and ignores the rest.
pub const TORRENTS_MAX: usize = 65_536;
/// Directory entries that one scan looks at. This bounds the time for a scan of a wrong root.
pub const ENTRIES_MAX: usize = 4_000_000;

/// A difference between this scan and the last.
#[derive(Debug)]
pub enum Change {
    /// A content is now present.
    Serve {
        /// Its `.torrent`.
        torrent: PathBuf,
        /// The manifest in the `.torrent`.
        manifest: Arc<Manifest>,
        /// The folder that contains the data.
        root: PathBuf,
        /// The data was served before and has changed since.
        changed: bool,
    },
    /// A content that was served is gone or was replaced.
    Stop {
        /// Its `.torrent`.
        torrent: PathBuf,
        /// The content that was served.
        content: ContentId,
    },
    /// A `.torrent` cannot be served, for a reason not reported before.
    Refuse {
        /// The `.torrent`.
        torrent: PathBuf,
        /// The sentence, safe for terminals and logs.
        reason: String,
        /// The kind of refusal.
        kind: Refusal,
    },
}

/// Why a `.torrent` is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// None of its data is present: it was removed, or has not arrived yet.
    Gone,
    /// Its data lies directly in the root and has another size. The publisher publishes it again.
    Changed,
    /// Something is wrong.
    Wrong,
}

/// Contents of the catalogue to look for in a folder that may be the root. One match is enough, and
/// this many misses are proof enough.
const KNOWN_LOOKED_FOR_MAX: usize = 1_000;

/// Detects that a file has changed, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: (i64, u32),
}

#[derive(Debug)]
enum State {
    Served {
        manifest: Arc<Manifest>,
        data: DataStamp,
        /// The file systems of its `.torrent` and its data.
        torrent_mount: Mount,
        data_mounts: Vec<Mount>,
    },
    /// The file itself is unusable. It is examined again only when it changes.
    Unusable,
    /// The file is good, but its data is missing or is served from elsewhere. It is examined again
    /// at each scan.
    Waiting,
}

#[derive(Debug)]
struct Entry {
    stamp: Stamp,
    state: State,
    /// The last reason reported for not serving it.
    said: Option<String>,
    /// The name of the file or folder it describes. `None`: it could not be read.
    about: Option<String>,
    /// The stamp of its data when last served. If the data returns changed, that is reported.
    before: Option<DataStamp>,
}

/// What the last scan found under the root.
#[derive(Debug)]
pub struct Catalogue {
    root: PathBuf,
    /// Entries by path below the root.
    entries: BTreeMap<PathBuf, Entry>,
    /// The path that each content is served from.
    served: BTreeMap<ContentId, PathBuf>,
    truncated: bool,
    /// Contents that are kept although their file system is gone.
    vanished: usize,
}

impl Catalogue {
    /// An empty catalogue of a root. Reads nothing yet.
    pub fn new(root: PathBuf) -> Catalogue {
        Catalogue { root, entries: BTreeMap::new(), served: BTreeMap::new(), truncated: false, vanished: 0 }
    }

    /// Number of contents served.
    pub fn len(&self) -> usize {
        self.served.len()
    }

    /// `.torrent` files that are not served.
    pub fn refused(&self) -> usize {
        self.entries.len() - self.served.len()
    }

    /// For each file and folder directly in the root that has a `.torrent` there: that `.torrent`.
    pub fn covered(&self) -> BTreeMap<String, OsString> {
        let here = self.entries.iter().filter(|(path, _)| parent(path).as_os_str().is_empty());
        here.filter_map(|(path, entry)| Some((entry.about.clone()?, path.clone().into_os_string()))).collect()
    }

    /// The number of contents kept although a file system with their files is gone. An unmounted
    /// disk must not unpublish its contents.
    pub fn vanished(&self) -> usize {
        self.vanished
    }

    /// Whether a folder has a file that is served from the root. Then it is the root, whatever its
    /// inode.
    pub fn is_known_in(&self, folder: &Folder) -> bool {
        let entries = self.served.values().take(KNOWN_LOOKED_FOR_MAX);
        entries.filter_map(|path| Some((path, self.entries.get(path)?))).any(|(path, entry)| {
            matches!(folder.look(path), Ok((Kind::File, stamp)) if Stamp::of(&stamp) == entry.stamp)
        })
    }

    /// Whether nothing is served.
    pub fn is_empty(&self) -> bool {
        self.served.is_empty()
    }

    /// Scans the root again. Blocks. Stops come before starts, so that a moved content continues to
    /// be served. `entered` hears of each folder, with its path below the root, before its names are
    /// read.
    ///
    /// # Errors
    /// If the root itself cannot be read; the catalogue stays unchanged.
    pub fn scan(
        &mut self,
        root: &Folder,
        entered: &mut dyn FnMut(&Path, &Folder),
    ) -> io::Result<Vec<Change>> {
        let found = walk(root, entered)?;
        if found.truncated && !self.truncated {
            tracing::warn!(
                "{} holds more than {TORRENTS_MAX} torrents or {ENTRIES_MAX} files; the rest is ignored",
                self.root.display()
            );
        }
        self.truncated = found.truncated;
        let (mut changes, mut opened) = (Vec::new(), Opened::below(root));
        self.drop_gone(&mut opened, &found.torrents, &mut changes);
        for (path, stamp) in found.torrents {
            self.examine(&mut opened, path, stamp, None, &mut changes);
        }
        Ok(changes)
    }

    /// Whether a `.torrent` that was waiting for its data could be served now. A scan then serves
    /// it. The data of others is not looked at. Blocks.
    pub fn has_arrived(&self, root: &Folder) -> bool {
        let mut opened = Opened::below(root);
        let waiting = self.entries.iter().filter(|(_, entry)| matches!(entry.state, State::Waiting));
        let mut judged = waiting.map(|(path, _)| self.judge(&mut opened, path, None));
        judged.any(|(state, ..)| matches!(state, State::Served { .. }))
    }

    /// Examines only one `.torrent`, which lies directly in the root and which we have just
    /// written.
    pub fn take_written(&mut self, root: &Folder, torrent: &Path, manifest: Arc<Manifest>) -> Vec<Change> {
        let Ok((Kind::File, stamp)) = root.look(torrent) else { return Vec::new() };
        let (stamp, mut changes) = (Stamp::of(&stamp), Vec::new());
        let is_served = |entry: &Entry| {
            let State::Served { manifest: served, .. } = &entry.state else { return false };
            entry.stamp == stamp && served.content() == manifest.content()
        };
        if self.entries.get(torrent).is_some_and(is_served) {
            // A scan found it first.
            return changes;
        }
        if let Some(entry) = self.entries.remove(torrent)
            && let State::Served { manifest, .. } = &entry.state
        {
            let content = manifest.content();
            self.served.remove(&content);
            changes.push(Change::Stop { torrent: self.root.join(torrent), content });
        }
        let mut opened = Opened::below(root);
        self.examine(&mut opened, torrent.to_owned(), stamp, Some(manifest), &mut changes);
        changes
    }

    /// Notes that a content of the last scan could not be shared; the next scan tries again.
    /// Returns whether this reason is new for it.
    pub fn on_refused(&mut self, torrent: &Path, reason: &str) -> bool {
        let inside = torrent.strip_prefix(&self.root).unwrap_or(torrent);
        let Some(entry) = self.entries.get_mut(inside) else {
            return true;
        };
        if let State::Served { manifest, .. } = &entry.state {
            self.served.remove(&manifest.content());
        }
        entry.state = State::Waiting;
        entry.say(reason)
    }

    /// Drops everything that ended first, so that a replacement is not reported as a duplicate.
    fn drop_gone(
        &mut self,
        opened: &mut Opened<'_>,
        found: &BTreeMap<PathBuf, Stamp>,
        changes: &mut Vec<Change>,
    ) {
        let (served, root) = (&mut self.served, &self.root);
        let mut vanished = 0;
        self.entries.retain(|path, entry| {
            let torrent = found.get(path);
            let State::Served { manifest, data, torrent_mount, data_mounts } = &mut entry.state else {
                return torrent == Some(&entry.stamp);
            };
            let (ends, kept) = match torrent {
                Some(stamp) if *stamp == entry.stamp => match DataStamp::of(manifest, opened, parent(path)) {
                    Ok((found, mounts)) if found == *data => {
                        // The disk may have been mounted again.
                        *data_mounts = mounts;
                        if let Ok((_, mount)) = opened.folder(parent(path)) {
                            *torrent_mount = mount;
                        }
                        return true;
                    }
                    // Serve it as new, so that earlier verification is no longer trusted.
                    Ok(_) => (true, true),
                    Err(missing) => {
                        let left = mount_of_what_is_left(opened.root(), &missing.path);
                        (left.is_some_and(|left| data_mounts.contains(&left)), true)
                    }
                },
                Some(_) => (true, false),
                None => (mount_of_what_is_left(opened.root(), path) == Some(*torrent_mount), false),
            };
            if !ends {
                vanished += 1;
                return true;
            }
            let (content, data) = (manifest.content(), *data);
            served.remove(&content);
            changes.push(Change::Stop { torrent: root.join(path), content });
            (entry.state, entry.before) = (State::Waiting, Some(data));
            kept
        });
        self.vanished = vanished;
    }

    /// Examines a `.torrent`. `manifest`: its manifest, if known.
    fn examine(
        &mut self,
        opened: &mut Opened<'_>,
        path: PathBuf,
        stamp: Stamp,
        manifest: Option<Arc<Manifest>>,
        changes: &mut Vec<Change>,
    ) {
        let (said, before) = match self.entries.remove(&path) {
            Some(entry) if !matches!(entry.state, State::Waiting) => {
                self.entries.insert(path, entry);
                return;
            }
            Some(waiting) => (waiting.said, waiting.before),
            None => (None, None),
        };
        let (state, about, reason) = self.judge(opened, &path, manifest);
        let mut entry = Entry { stamp, state, said, about, before };
        let torrent = self.root.join(&path);
        if let State::Served { manifest, data, .. } = &entry.state {
            let changed = entry.before.is_some_and(|before| before != *data);
            entry.before = None;
            self.served.insert(manifest.content(), path.clone());
            changes.push(Change::Serve {
                torrent: torrent.clone(),
                manifest: Arc::clone(manifest),
                root: parent(&torrent).to_owned(),
                changed,
            });
        }
        if let Some((kind, reason)) = reason.filter(|(_, reason)| entry.say(reason)) {
            changes.push(Change::Refuse { torrent, reason, kind });
        }
        self.entries.insert(path, entry);
    }

    /// The state of a `.torrent`, the name it describes, and the reason if it is not served.
    fn judge(
        &self,
        opened: &mut Opened<'_>,
        path: &Path,
        manifest: Option<Arc<Manifest>>,
    ) -> (State, Option<String>, Option<(Refusal, String)>) {
        let manifest = manifest.map_or_else(|| read(opened, path).map(Arc::new), Ok);
        let manifest = match manifest {
            Ok(manifest) => manifest,
            Err(reason) => return (State::Unusable, None, Some((Refusal::Wrong, printable(&reason)))),
        };
        let about = Some(manifest.name().to_owned());
        if let Some(other) = self.served.get(&manifest.content()) {
            let other = printable(&self.root.join(other).to_string_lossy());
            let reason = format!("the same content is served from {other}");
            return (State::Waiting, about, Some((Refusal::Wrong, reason)));
        }
        let data = DataStamp::of(&manifest, opened, parent(path));
        match (data, opened.folder(parent(path)).map(|(_, mount)| mount)) {
            (Ok((data, data_mounts)), Ok(torrent_mount)) => {
                (State::Served { manifest, data, torrent_mount, data_mounts }, about, None)
            }
            (Ok(_), Err(error)) => {
                (State::Waiting, about, Some((Refusal::Wrong, printable(&error.to_string()))))
            }
            (Err(missing), _) => {
                let kind = refusal(&missing, opened.root(), path, manifest.name());
                let place = printable(&self.root.join(&missing.path).to_string_lossy());
                (State::Waiting, about, Some((kind, format!("{place} {}", missing.why))))
            }
        }
    }
}

fn refusal(missing: &Missing, root: &Folder, torrent: &Path, name: &str) -> Refusal {
    let lies_in_root = parent(torrent).as_os_str().is_empty();
    let is_gone = || matches!(root.look(&parent(torrent).join(name)), Err(error) if error.kind() == io::ErrorKind::NotFound);
    match missing.why {
        Lack::Absent if is_gone() => Refusal::Gone,
        Lack::Absent | Lack::Size { .. } if lies_in_root => Refusal::Changed,
        _ => Refusal::Wrong,
    }
}

impl Entry {
    /// Remembers a reason. Returns false if it is the last one again.
    fn say(&mut self, reason: &str) -> bool {
        let new = self.said.as_deref() != Some(reason);
        self.said = Some(reason.to_owned());
        new
    }
}

fn read(opened: &mut Opened<'_>, path: &Path) -> Result<Manifest, String> {
    let name = path.file_name().unwrap_or_default();
    if opened.folder(parent(path)).is_ok_and(|(folder, _)| folder.is_link(name)) {
        return Err(
            "it is a symbolic link, and links are not followed; put a copy or a hard link there".to_owned()
        );
    }
    read_torrent(opened.root(), path)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

impl Stamp {
    fn of(stamp: &nearcast_node::publish::Stamp) -> Stamp {
        Stamp { bytes: stamp.bytes, modified: stamp.modified }
    }
}

struct Found {
    torrents: BTreeMap<PathBuf, Stamp>,
    truncated: bool,
}

/// Walks the root without recursion and without following links. Unreadable folders are skipped, as
/// any other reader of the tree would do.
fn walk(root: &Folder, entered: &mut dyn FnMut(&Path, &Folder)) -> io::Result<Found> {
    let mut found = Found { torrents: BTreeMap::new(), truncated: false };
    let mut entries_left = ENTRIES_MAX;
    // Opened one at a time: a folder with a hundred thousand folders needs one descriptor.
    let mut folders = vec![(PathBuf::new(), 0)];
    while let Some((path, depth)) = folders.pop() {
        let opened = root.folder(&path).and_then(|folder| {
            entered(&path, &folder);
            Ok((folder.entries()?, folder))
        });
        let (entries, folder) = match opened {
            Ok(opened) => opened,
            Err(error) if depth == 0 => return Err(error),
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            if entries_left == 0 || found.torrents.len() == TORRENTS_MAX {
                found.truncated = true;
                return Ok(found);
            }
            entries_left -= 1;
            let name = Path::new(&entry.name);
            let look = || folder.look(name).ok();
            let Some(kind) = entry.kind.or_else(|| look().map(|(kind, _)| kind)) else { continue };
            if kind == Kind::Folder && depth < DEPTH_MAX {
                folders.push((path.join(name), depth + 1));
            } else if kind != Kind::Folder && name.extension().is_some_and(|end| end == "torrent") {
                // A link is not followed; reading it reports that.
                let Some((Kind::File | Kind::Other, stamp)) = look() else { continue };
                found.torrents.insert(path.join(name), Stamp::of(&stamp));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
