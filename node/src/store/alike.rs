//! Names that this disk cannot have. There are two kinds. Some names are distinct in the manifest
//! but one and the same on the disk (`A` and `a`, `ß` and `ss`, `é` written in two ways). Other
//! names the disk refuses (`a:b`, or a name that is too long).
//!
//! Which names these are differs from file system to file system, and even from folder to folder.
//! So we use no table but ask the disk at hand: all names are made there once, in a folder of our
//! own, as empty files. A file whose name cannot be made gets a stand-in name. The stand-in follows
//! from the file's name alone, so every later run finds the file under the same stand-in.
//!
//! This full trial runs only on a disk that folds names or refuses one of a few. A few small probe
//! files tell whether the disk does.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use nearcast_core::{
    layout::FileIndex,
    manifest::Manifest,
    paths::{RelativePath, Unportable},
};

use super::folder::Folder;

/// The folder for the names that are tried, inside the state's folder.
const TRIED: &str = "names";
/// A lower-case, composed name: `aé`. The names after it are the same for a disk that folds.
const PROBE: &str = "a\u{e9}";
const FOLDED: [&str; 3] = ["A\u{e9}", "ae\u{301}", "A\u{c9}"];

/// A file for which the disk has no free name, and the file before it in the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alike {
    pub(super) one: String,
    pub(super) other: String,
}

/// Files stored under another name, because this disk cannot have their own.
pub(super) type Renamed = BTreeMap<FileIndex, RelativePath>;

/// Outcome of making a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// The name is there now.
    New,
    /// Something lies there already, under a name that the disk takes for the same.
    Taken,
    /// The disk does not accept such a name.
    Refused,
}

/// A disk on which names are tried out.
pub(super) trait Ground {
    /// Makes an empty file at this path, and its folders.
    fn make(&mut self, path: &[&str]) -> io::Result<Tried>;
    /// Removes everything that was made.
    fn clear(&mut self) -> io::Result<()>;
}

/// Finds the files that cannot have their own place on this disk, and where they lie instead. The
/// inner error: a file has no free stand-in either.
pub(super) fn find(manifest: &Manifest, ground: &mut impl Ground) -> io::Result<Result<Renamed, Alike>> {
    let mut renamed = Renamed::new();
    if !folds(ground)? && !refuses(manifest, ground)? {
        return Ok(Ok(renamed));
    }
    let layout = manifest.layout();
    let mut last = String::new();
    for file in (0..layout.files()).filter_map(|file| layout.file_index(file)) {
        let target = manifest.target(file);
        if make(ground, &target)? != Tried::New {
            let Some(place) = place_of(manifest, file, ground)? else {
                return Ok(Err(Alike { one: target.to_string(), other: last }));
            };
            renamed.insert(file, place);
        }
        last = target.to_string();
    }
    ground.clear()?;
    Ok(Ok(renamed))
}

fn place_of(
    manifest: &Manifest,
    file: FileIndex,
    ground: &mut impl Ground,
) -> io::Result<Option<RelativePath>> {
    for place in manifest.stand_ins(file) {
        if make(ground, &place)? == Tried::New {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

fn make(ground: &mut impl Ground, path: &RelativePath) -> io::Result<Tried> {
    let components: Vec<&str> = path.components().collect();
    ground.make(&components)
}

/// Whether the disk refuses a name of the content. Tries one name of each kind that some disks
/// refuse, and the longest name.
fn refuses(manifest: &Manifest, ground: &mut impl Ground) -> io::Result<bool> {
    let (mut kinds, mut suspects, mut longest) = (BTreeSet::new(), Vec::new(), manifest.name());
    let inside = manifest.files().iter().flat_map(|file| file.path.components());
    for name in [manifest.name()].into_iter().chain(inside) {
        if let Some(kind) = Unportable::of(name)
            && kinds.insert(kind)
        {
            suspects.push(name);
        }
        if name.len() > longest.len() {
            longest = name;
        }
    }
    suspects.push(longest);
    let mut refused = false;
    for name in suspects {
        refused |= ground.make(&[name])? == Tried::Refused;
    }
    ground.clear()?;
    Ok(refused)
}

/// Whether the disk takes different names for one.
fn folds(ground: &mut impl Ground) -> io::Result<bool> {
    ground.make(&[PROBE])?;
    for name in FOLDED {
        if ground.make(&[name])? == Tried::Taken {
            ground.clear()?;
            return Ok(true);
        }
    }
    ground.clear()?;
    Ok(false)
}

/// Removes from a state's folder the trial names that a killed run left there.
pub(super) fn forget(state: &Folder) {
    drop(Disk { state });
}

/// The disk below the state's folder.
pub(super) struct Disk<'a> {
    pub(super) state: &'a Folder,
}

#[cfg(test)]
thread_local! {
    /// Set while this thread's disk folds upper case to lower case.
    static FOLDS_CASE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs `does` with a disk that folds case.
#[cfg(test)]
pub(super) fn with_folding<T>(does: impl FnOnce() -> T) -> T {
    FOLDS_CASE.set(true);
    let result = does();
    FOLDS_CASE.set(false);
    result
}

impl Ground for Disk<'_> {
    fn make(&mut self, path: &[&str]) -> io::Result<Tried> {
        #[cfg(test)]
        let folded: Vec<String> = path.iter().map(|part| part.to_lowercase()).collect();
        #[cfg(test)]
        let folded: Vec<&str> = folded.iter().map(String::as_str).collect();
        #[cfg(test)]
        let path = if FOLDS_CASE.get() { folded.as_slice() } else { path };
        let (name, folders) = path.split_last().ok_or(io::ErrorKind::InvalidInput)?;
        let inside: Vec<&str> = [TRIED].iter().chain(folders).copied().collect();
        let made = self.state.make_folder(&inside).and_then(|folder| folder.create_new_file(name));
        match made {
            Ok(_) => Ok(Tried::New),
            // A file lies where a folder should be.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(Tried::Taken),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Tried::Taken),
            Err(error) if is_refusal(&error) => Ok(Tried::Refused),
            Err(error) => Err(error),
        }
    }

    /// The state's folder contains only what was made here, and no link is followed.
    fn clear(&mut self) -> io::Result<()> {
        self.state.remove_tree(TRIED)
    }
}

/// Whether the error means that the file system does not accept the name. Some file systems say
/// "not found" of a name that they cannot look up.
fn is_refusal(error: &io::Error) -> bool {
    let by_kind = matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename | io::ErrorKind::NotFound
    );
    by_kind || error.raw_os_error() == Some(rustix::io::Errno::ILSEQ.raw_os_error())
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        // On failure the state's folder stays, with empty files in it.
        if let Err(error) = self.clear() {
            tracing::debug!(%error, "names that were tried stay");
        }
    }
}

#[cfg(test)]
mod tests {
    use nearcast_core::{manifest::NewFile, merkle::sha256, paths::SafeName};

    use super::*;

    /// A disk that stores `path` as `fold(path)`, and refuses paths that contain `refused`.
    struct Folding {
        fold: fn(&str) -> String,
        refused: char,
        made: BTreeSet<String>,
    }

    impl Ground for Folding {
        fn make(&mut self, path: &[&str]) -> io::Result<Tried> {
            let folded = (self.fold)(&path.join("/"));
            let is_taken = |made: &String| {
                *made == folded
                    || folded.strip_prefix(made.as_str()).is_some_and(|rest| rest.starts_with('/'))
                    || made.strip_prefix(folded.as_str()).is_some_and(|rest| rest.starts_with('/'))
            };
            Ok(match () {
                () if folded.contains(self.refused) => Tried::Refused,
                () if self.made.iter().any(is_taken) => Tried::Taken,
                () => {
                    self.made.insert(folded);
                    Tried::New
                }
            })
        }

        fn clear(&mut self) -> io::Result<()> {
            self.made.clear();
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

    /// The renamed files: from their own path to the path of the stand-in.
    fn found(paths: &[&str], fold: fn(&str) -> String, refused: char) -> BTreeMap<String, String> {
        let manifest = manifest(paths);
        let mut disk = Folding { fold, refused, made: BTreeSet::new() };
        let renamed = find(&manifest, &mut disk).unwrap().unwrap();
        assert!(disk.made.is_empty(), "nothing stays");
        renamed.iter().map(|(&file, place)| (manifest.target(file).to_string(), place.to_string())).collect()
    }

    #[test]
    fn of_two_names_that_are_one_on_this_disk_the_second_gets_a_stand_in() {
        type Fold = fn(&str) -> String;
        let cases: [(&[&str], Fold); 5] = [
            (&["x/caf\u{e9}", "x/cafe\u{301}"], decompose),
            (&["Name", "name"], fold_case),
            (&["Straße", "Strasse"], fold_case),
            (&["ſo", "so"], fold_case),
            (&["Name/inside", "name"], fold_case),
        ];
        for (paths, fold) in cases {
            let renamed = found(paths, fold, '\0');
            assert_eq!(renamed.len(), 1, "{paths:?}");
            let (from, to) = renamed.first_key_value().unwrap();
            assert!(to.contains('~') && to != from, "{from} {to}");
            assert_eq!(found(paths, fold, '\0'), renamed, "and the next run finds it there");
            let plain = found(paths, str::to_owned, '\0');
            assert!(plain.is_empty(), "on a disk that tells them apart both are made");
        }
        assert!(found(&["A/x", "a/y"], fold_case, '\0').is_empty(), "two folders may be one");
        let folder = found(&["A", "a/x"], fold_case, '\0');
        assert!(folder["things/a/x"].contains("/a~"), "a file is where its folder would be: {folder:?}");
    }

    #[test]
    fn a_name_that_this_disk_refuses_gets_a_stand_in_whatever_it_is_the_name_of() {
        let renamed = found(&["plain", "a:b", "c:d/e"], str::to_owned, ':');
        assert_eq!(renamed.len(), 2);
        assert!(renamed["things/a:b"].starts_with("things/a_b~"));
        assert!(
            renamed["things/c:d/e"].starts_with("things/c_d~") && renamed["things/c:d/e"].ends_with("/e")
        );
    }

    #[test]
    fn a_disk_that_tells_names_apart_is_asked_only_once_and_nothing_stays_there() {
        let temp = tempfile::tempdir().unwrap();
        let state = Folder::open(temp.path()).unwrap();
        let paths = ["Name", "name", "Straße", "Strasse", "caf\u{e9}", "cafe\u{301}"];
        let found = find(&manifest(&paths), &mut Disk { state: &state }).unwrap();
        assert_eq!(found, Ok(Renamed::new()));
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
        assert_eq!(disk.make(&["a", "b"]).unwrap(), Tried::New);
        assert_eq!(disk.make(&["a", "b"]).unwrap(), Tried::Taken);
        assert_eq!(disk.make(&["a", "b", "c"]).unwrap(), Tried::Taken, "a file is no folder");
        assert_eq!(disk.make(&["d", &"n".repeat(256)]).unwrap(), Tried::Refused);
        drop(disk);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }
}
