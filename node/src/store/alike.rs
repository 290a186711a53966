//! Names that are two for a manifest and one for the disk: `A` and `a`, `ß` and `ss`, `é` written in two ways. Which
//! names these are differs from file system to file system, and from folder to folder even. So nobody's table is
//! asked but the disk at hand: all names are made there once, in a folder of our own, as empty files.
//!
//! That is only done where a disk takes two names for one at all, which two small files tell.

use std::{collections::BTreeMap, io};

use nearcast_core::{layout::FileIndex, manifest::Manifest};

use super::folder::{Folder, Found};

/// The folder of the names that are tried, in the state's folder.
const TRIED: &str = "names";
/// A name that is lower case, and composed: `aé`. And what a disk that folds takes for the same.
const PROBE: &str = "a\u{e9}";
const FOLDED: [&str; 3] = ["A\u{e9}", "ae\u{301}", "A\u{c9}"];

/// Two files that would be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alike {
    pub(super) one: String,
    pub(super) other: String,
}

/// A disk on which names are tried.
pub(super) trait Ground {
    /// Makes an empty file of this path, and its folders. Its identity, and whether it is new.
    fn make(&mut self, path: &[&str]) -> io::Result<(u64, bool)>;
    /// Removes what was made.
    fn clear(&mut self) -> io::Result<()>;
}

/// The first two of the wanted files that are one file on this disk.
pub(super) fn find(
    manifest: &Manifest,
    wanted: &dyn Fn(FileIndex) -> bool,
    ground: &mut impl Ground,
) -> io::Result<Option<Alike>> {
    if manifest.is_single_file() || !folds(ground)? {
        return Ok(None);
    }
    let mut made = BTreeMap::new();
    let layout = manifest.layout();
    for file in (0..layout.files()).filter_map(|file| layout.file_index(file)).filter(|&file| wanted(file)) {
        let path = &manifest.files()[file.get() as usize].path;
        let components: Vec<&str> = path.components().collect();
        let (identity, new) = ground.make(&components)?;
        if !new {
            // A name that is a folder for another file has no identity of a file.
            let other = made.remove(&identity).map_or_else(String::new, str::to_owned);
            return Ok(Some(Alike { one: path.as_str().to_owned(), other }));
        }
        made.insert(identity, path.as_str());
    }
    Ok(None)
}

/// Whether the disk takes some names for others.
fn folds(ground: &mut impl Ground) -> io::Result<bool> {
    ground.make(&[PROBE])?;
    for name in FOLDED {
        let (_, new) = ground.make(&[name])?;
        if !new {
            ground.clear()?;
            return Ok(true);
        }
    }
    ground.clear()?;
    Ok(false)
}

/// Removes from a state's folder what a run that was killed meanwhile has left there.
pub(super) fn forget(state: &Folder) {
    drop(Disk { state });
}

/// The disk below the folder of the state.
pub(super) struct Disk<'a> {
    pub(super) state: &'a Folder,
}

#[cfg(test)]
thread_local! {
    /// Set while this thread's disk takes upper case for lower case.
    static FOLDS_CASE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Does something with a disk that folds case.
#[cfg(test)]
pub(super) fn with_folding<T>(does: impl FnOnce() -> T) -> T {
    FOLDS_CASE.set(true);
    let result = does();
    FOLDS_CASE.set(false);
    result
}

impl Ground for Disk<'_> {
    fn make(&mut self, path: &[&str]) -> io::Result<(u64, bool)> {
        #[cfg(test)]
        let folded: Vec<String> = path.iter().map(|part| part.to_lowercase()).collect();
        #[cfg(test)]
        let folded: Vec<&str> = folded.iter().map(String::as_str).collect();
        #[cfg(test)]
        let path = if FOLDS_CASE.get() { folded.as_slice() } else { path };
        let (name, folders) = path.split_last().ok_or(io::ErrorKind::InvalidInput)?;
        let inside: Vec<&str> = [TRIED].iter().chain(folders).copied().collect();
        let folder = match self.state.make_folder(&inside) {
            // A file lies where a folder should be.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok((0, false)),
            other => other?,
        };
        let new = match folder.create_new_file(name) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(error),
        };
        match folder.find(name)? {
            Found::File(stamp) => Ok((stamp.inode, new)),
            _ => Ok((0, new)),
        }
    }

    /// Nothing but what was made here lies below the state's folder, and no link is followed.
    fn clear(&mut self) -> io::Result<()> {
        self.state.remove_tree(TRIED)
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        // The state's folder stays then, with empty files in it.
        if let Err(error) = self.clear() {
            tracing::debug!(%error, "names that were tried stay");
        }
    }
}

#[cfg(test)]
mod tests {
    use nearcast_core::{
        manifest::NewFile,
        merkle::sha256,
        paths::{RelativePath, SafeName},
    };

    use super::*;

    /// A disk that takes `fold(path)` for the path.
    struct Folding(fn(&str) -> String, BTreeMap<String, u64>);

    impl Ground for Folding {
        fn make(&mut self, path: &[&str]) -> io::Result<(u64, bool)> {
            let (folded, number) = (self.0(&path.join("/")), self.1.len() as u64 + 1);
            let known = self.1.get(&folded).copied();
            Ok((*self.1.entry(folded).or_insert(number), known.is_none()))
        }

        fn clear(&mut self) -> io::Result<()> {
            self.1.clear();
            Ok(())
        }
    }

    fn manifest(paths: &[&str]) -> Manifest {
        let files = paths.iter().map(|path| NewFile {
            path: RelativePath::parse(path).unwrap(),
            length: 1,
            piece_hashes: vec![sha256(path.as_bytes())],
        });
        let name = SafeName::parse(b"things").unwrap();
        Manifest::build(&name, 16384, files.collect(), Vec::new()).unwrap()
    }

    fn decompose(path: &str) -> String {
        path.replace('\u{e9}', "e\u{301}")
    }

    fn fold_case(path: &str) -> String {
        path.to_lowercase().replace('ß', "ss").replace('ſ', "s")
    }

    fn found(paths: &[&str], fold: fn(&str) -> String) -> Option<Alike> {
        find(&manifest(paths), &|_| true, &mut Folding(fold, BTreeMap::new())).unwrap()
    }

    #[test]
    fn two_names_that_are_one_on_this_disk_are_both_named() {
        type Fold = fn(&str) -> String;
        let cases: [(&[&str], Fold); 4] = [
            (&["x/caf\u{e9}", "x/cafe\u{301}"], decompose),
            (&["Name", "name"], fold_case),
            (&["Straße", "Strasse"], fold_case),
            (&["ſo", "so"], fold_case),
        ];
        for (paths, fold) in cases {
            let alike = found(paths, fold).unwrap();
            let mut names = [alike.one.as_str(), alike.other.as_str()];
            names.sort();
            let mut expected = paths.to_vec();
            expected.sort();
            assert_eq!(names.as_slice(), expected, "{paths:?}");
            assert_eq!(found(paths, str::to_owned), None, "on a disk that tells them apart both are made");
        }
        assert_eq!(found(&["A/x", "a/y"], fold_case), None, "two folders may be one");
    }

    #[test]
    fn a_disk_that_tells_names_apart_is_asked_only_once_and_nothing_stays_there() {
        let temp = tempfile::tempdir().unwrap();
        let state = Folder::open(temp.path()).unwrap();
        let paths = ["Name", "name", "Straße", "Strasse", "caf\u{e9}", "cafe\u{301}"];
        let found = find(&manifest(&paths), &|_| true, &mut Disk { state: &state }).unwrap();
        assert_eq!(found, None);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_cleared_is_what_was_made_though_the_folder_was_swapped_for_a_link() {
        let (temp, precious) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let victim = precious.path().join(TRIED);
        std::fs::create_dir(&victim).unwrap();
        std::fs::write(victim.join("letter"), "dear").unwrap();
        let (path, aside) = (temp.path().join("state"), temp.path().join("aside"));
        std::fs::create_dir(&path).unwrap();
        let state = Folder::open(&path).unwrap();
        let mut disk = Disk { state: &state };
        disk.make(&["a", "b", "c"]).unwrap();
        std::os::unix::fs::symlink(&victim, aside.with_file_name("link")).unwrap();
        std::fs::rename(aside.with_file_name("link"), path.join(TRIED).join("a/link")).unwrap();
        std::fs::rename(&path, &aside).unwrap();
        std::os::unix::fs::symlink(precious.path(), &path).unwrap();
        disk.clear().unwrap();
        assert_eq!(std::fs::read(victim.join("letter")).unwrap(), b"dear");
        assert_eq!(std::fs::read_dir(&aside).unwrap().count(), 0);
    }

    #[test]
    fn what_is_made_on_a_real_disk_is_known_again() {
        let temp = tempfile::tempdir().unwrap();
        let state = Folder::open(temp.path()).unwrap();
        let mut disk = Disk { state: &state };
        let (first, new) = disk.make(&["a", "b"]).unwrap();
        assert!(new);
        assert_eq!(disk.make(&["a", "b"]).unwrap(), (first, false));
        assert_eq!(disk.make(&["a", "b", "c"]).unwrap(), (0, false), "a file is no folder");
        drop(disk);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }
}
