//! The folders that the last look found, so that changes in them are noticed before the next look
//! by time: at once where the system tells of them, else by their stamps.
//!
//! Invariant: a folder is noted before its names are read. So what changes while a look goes on is
//! noticed after it. (A clock that ticks coarsely can hide a change from the stamp that happens
//! within a tick of the look. The next look finds it.)

use std::{
    future,
    path::{Path, PathBuf},
};

use nearcast_node::publish::{Folder, Stamp};

use crate::watch::Watch;

/// Folders that are noted. A watch takes the kernel about a kilobyte. Changes in further folders are
/// found by looks alone.
const FOLDERS_MAX: usize = 65_536;

/// The folders below a root, and the root itself.
#[derive(Debug)]
pub(crate) struct Folders {
    /// With their paths below the root.
    noted: Vec<(PathBuf, Stamp)>,
    /// `None`: the system does not tell of changes.
    watch: Option<Watch>,
}

impl Folders {
    /// None yet. Must be called inside a tokio runtime.
    pub(crate) fn new() -> Folders {
        let told = |error| {
            tracing::info!("the system does not tell of changes ({error}); they are found by looking");
        };
        Folders { noted: Vec::new(), watch: Watch::new().map_err(told).ok() }
    }

    /// Forgets the folders of the last look, as another begins.
    pub(crate) fn begin_look(&mut self) {
        self.noted.clear();
    }

    /// Notes a folder by its path below the root, before its names are read.
    pub(crate) fn note(&mut self, path: &Path, folder: &Folder) {
        if self.noted.len() == FOLDERS_MAX {
            return;
        }
        if let Some(watch) = &mut self.watch {
            watch.add(folder);
        }
        if let Ok(stamp) = folder.stamp() {
            self.noted.push((path.to_owned(), stamp));
        }
    }

    /// Ends a look: folders that it has not noted are watched no longer.
    pub(crate) fn end_look(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.end_look();
        }
    }

    /// Whether a name in one of the folders has come, gone, or been replaced since the last look, or
    /// a folder itself. Blocks.
    pub(crate) fn have_changed(&self, root: &Folder) -> bool {
        let stamp = |path: &Path| root.folder(path).and_then(|folder| folder.stamp()).ok();
        self.noted.iter().any(|(path, noted)| stamp(path) != Some(*noted))
    }

    /// Resolves when the system tells of a change.
    pub(crate) async fn changed(&self) {
        match &self.watch {
            Some(watch) if watch.changed().await.is_ok() => {}
            _ => future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    /// Looks at these folders below a root.
    fn look(folders: &mut Folders, root: &Folder, paths: &[&str]) {
        folders.begin_look();
        for path in paths.iter().map(Path::new) {
            folders.note(path, &root.folder(path).unwrap());
        }
        folders.end_look();
    }

    /// Waits until the clock that stamps files has ticked, so that the next change shows.
    fn tick(folder: &Path) {
        let stamp = |name: &str| {
            fs::write(folder.join(name), "x").unwrap();
            fs::metadata(folder.join(name)).unwrap().modified().unwrap()
        };
        let first = stamp("clock");
        while stamp("clock") == first {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[tokio::test]
    async fn a_name_that_comes_goes_or_is_replaced_shows_without_notifications() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("root");
        fs::create_dir_all(path.join("x/y")).unwrap();
        fs::write(path.join("x/y/file"), "x").unwrap();
        let root = Folder::open(&path).unwrap();
        let mut folders = Folders { noted: Vec::new(), watch: None };
        let changes: [(&str, &dyn Fn()); 4] = [
            ("a new file", &|| fs::write(path.join("x/y/new"), "x").unwrap()),
            ("a file replaced", &|| fs::rename(path.join("x/y/new"), path.join("x/y/file")).unwrap()),
            ("a file gone", &|| fs::remove_file(path.join("x/y/file")).unwrap()),
            ("a folder gone", &|| fs::remove_dir(path.join("x/y")).unwrap()),
        ];
        for (name, change) in changes {
            tick(outer.path());
            look(&mut folders, &root, &["", "x", "x/y"]);
            assert!(!folders.have_changed(&root), "before: {name}");
            tick(outer.path());
            change();
            assert!(folders.have_changed(&root), "{name}");
        }
    }

    #[tokio::test]
    async fn a_change_during_a_look_is_told_after_it() {
        let outer = tempfile::tempdir().unwrap();
        let root = Folder::open(outer.path()).unwrap();
        let mut folders = Folders::new();
        folders.begin_look();
        folders.note(Path::new(""), &root);
        fs::write(outer.path().join("file"), "x").unwrap();
        folders.end_look();
        tokio::time::timeout(Duration::from_secs(30), folders.changed()).await.unwrap();
    }
}
