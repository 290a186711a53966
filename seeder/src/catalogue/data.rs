//! Looks at the data of a content without reading it, and at the file systems it lies on.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use nearcast_core::manifest::Manifest;
use nearcast_node::publish::{Folder, Kind, Mount, Stamp};

/// Opens folders below the root, and keeps the last one open: the next file is usually in the same
/// folder.
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

    /// A folder by its path below the root, and its file system.
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

/// A file of a content that cannot be served.
#[derive(Debug)]
pub(super) struct Missing {
    /// Its path below the root.
    pub(super) path: PathBuf,
    /// What is there instead.
    pub(super) why: Lack,
}

/// What is found in place of a file of a content.
#[derive(Debug)]
pub(super) enum Lack {
    /// Nothing.
    Absent,
    /// A file of another size.
    Size { found: u64, expected: u64 },
    /// A link: it could lead anywhere, and change its target at any time.
    Link,
    /// A link or a file stands where the path needs a folder.
    NoFolder,
    /// Not a file: a folder, a socket, a device or the like.
    NoFile,
    /// An error of the system.
    Unreadable(io::Error),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::Absent => f.write_str("is missing"),
            Lack::Size { found, expected } => write!(f, "has {found} bytes instead of {expected}"),
            Lack::Link => f.write_str(
                "is a symbolic link, and links are not followed; put the file itself there, a hard link to it, or a bind mount",
            ),
            Lack::NoFolder => f.write_str(
                "cannot be reached, as a symbolic link or a file stands where one of its folders should be",
            ),
            Lack::NoFile => f.write_str("is no regular file"),
            Lack::Unreadable(error) => write!(f, "cannot be looked at: {error}"),
        }
    }
}

/// Detects that data may have changed, without reading it: a hash of the inode numbers and times of
/// all files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DataStamp(u64);

impl DataStamp {
    /// The stamp of a content's files, and their file systems. The error is the first file that is
    /// missing or has another size.
    pub(super) fn of(
        manifest: &Manifest,
        opened: &mut Opened<'_>,
        folder: &Path,
    ) -> Result<(DataStamp, Vec<Mount>), Missing> {
        let layout = manifest.layout();
        let (mut hasher, mut mounts) = (DefaultHasher::new(), Vec::new());
        for file in (0..layout.files()).filter_map(|index| layout.file_index(index)) {
            let path = folder.join(manifest.target(file).to_path_buf());
            let expected = layout.file_bytes(file);
            let found = look(opened, &path, expected).or_else(|why| {
                // A download to a disk that cannot store this name has used a stand-in.
                let mut others = manifest.stand_ins(file).map(|place| folder.join(place.to_path_buf()));
                others.find_map(|place| look(opened, &place, expected).ok()).ok_or(why)
            });
            match found {
                Ok((stamp, mount)) => {
                    (stamp.inode, stamp.modified).hash(&mut hasher);
                    if !mounts.contains(&mount) {
                        mounts.push(mount);
                    }
                }
                Err(why) => return Err(Missing { path, why }),
            }
        }
        Ok((DataStamp(hasher.finish()), mounts))
    }
}

fn look(opened: &mut Opened<'_>, path: &Path, expected: u64) -> Result<(Stamp, Mount), Lack> {
    let name = Path::new(path.file_name().unwrap_or_default());
    let parent = path.parent().unwrap_or(Path::new(""));
    let (folder, mount) = opened.folder(parent).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Lack::Absent,
        io::ErrorKind::InvalidInput => Lack::NoFolder,
        _ => Lack::Unreadable(error),
    })?;
    match folder.look(name) {
        Ok((Kind::File, stamp)) if stamp.bytes == expected => Ok((stamp, mount)),
        Ok((Kind::File, stamp)) => Err(Lack::Size { found: stamp.bytes, expected }),
        Ok(_) if folder.is_link(name.as_os_str()) => Err(Lack::Link),
        Ok(_) => Err(Lack::NoFile),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Lack::Absent),
        Err(error) => Err(Lack::Unreadable(error)),
    }
}

/// The file system of the deepest folder on the way to `path` that still exists below the root.
pub(super) fn mount_of_what_is_left(root: &Folder, path: &Path) -> Option<Mount> {
    path.ancestors().skip(1).find_map(|above| root.folder(above).ok())?.mount().ok()
}
