//! The data of a content, looked at without reading it, and the file systems it lies on.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use nearcast_core::manifest::Manifest;
use nearcast_node::publish::{Folder, Kind, Mount};

/// Folders below the root, the last of which stays open: what comes next is mostly in the same one.
pub(super) struct Opened<'a> {
    root: &'a Folder,
    last: Option<(PathBuf, Folder, Mount)>,
}

impl<'a> Opened<'a> {
    pub(super) fn below(root: &'a Folder) -> Opened<'a> {
        Opened { root, last: None }
    }

    pub(super) fn root(&self) -> &'a Folder {
        self.root
    }

    /// A folder, by its path below the root, and the file system it lies on.
    pub(super) fn folder(&mut self, path: &Path) -> io::Result<(&Folder, Mount)> {
        if self.last.as_ref().is_none_or(|(last, ..)| last != path) {
            let folder = self.root.folder(path)?;
            let mount = folder.mount()?;
            self.last = Some((path.to_owned(), folder, mount));
        }
        match &self.last {
            Some((_, folder, mount)) => Ok((folder, *mount)),
            None => unreachable!("it was opened above"),
        }
    }
}

/// Tells whether data may have changed, without reading it: all its files' numbers and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DataStamp(u64);

impl DataStamp {
    /// The stamp of a content's files and the file systems they lie on, or the path below the root of the first that
    /// is not there with the size it must have.
    pub(super) fn of(
        manifest: &Manifest,
        opened: &mut Opened<'_>,
        folder: &Path,
    ) -> Result<(DataStamp, Vec<Mount>), PathBuf> {
        let layout = manifest.layout();
        let (mut hasher, mut mounts) = (DefaultHasher::new(), Vec::new());
        for file in (0..layout.files()).filter_map(|index| layout.file_index(index)) {
            let path = folder.join(manifest.target(file).to_path_buf());
            let name = Path::new(path.file_name().unwrap_or_default());
            let parent = path.parent().unwrap_or(Path::new(""));
            let seen = opened.folder(parent).and_then(|(folder, mount)| Ok((folder.look(name)?, mount)));
            match seen {
                Ok(((Kind::File, stamp), mount)) if stamp.bytes == layout.file_bytes(file) => {
                    (stamp.inode, stamp.modified).hash(&mut hasher);
                    if !mounts.contains(&mount) {
                        mounts.push(mount);
                    }
                }
                _ => return Err(path),
            }
        }
        Ok((DataStamp(hasher.finish()), mounts))
    }
}

/// The file system of the deepest folder on the way to `path`, below the root, that is still there.
pub(super) fn mount_of_what_is_left(root: &Folder, path: &Path) -> Option<Mount> {
    path.ancestors().skip(1).find_map(|above| root.folder(above).ok())?.mount().ok()
}
