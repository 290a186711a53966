//! The files of one content in a folder: `DIR/NAME` for a single file, `DIR/NAME/path…` for several.
//! A file that is not complete carries a suffix, `.part` if no file of the content ends in that.
//!
//! Files are made when first written to, at once with their full length (sparse: blocks are taken as
//! they are written), and opened when first used. What is open stays so for a while: see [`held_open`](super::held_open).

use std::{
    collections::BTreeSet,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use nearcast_core::{layout::FileIndex, manifest::Manifest, merkle::sha256};

use super::{
    folder::{FileStamp, Folder, Found},
    held_open::HeldOpen,
    locked,
    medium::Medium,
};

/// With more files than this to make durable, one call for the whole file system is cheaper.
const SYNCED_ALONE_MAX: usize = 64;
/// A name's bytes at most, on every common file system.
const NAME_BYTES_MAX: usize = 255;

/// Where a file of the content stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not there.
    Absent,
    /// There, with the suffix.
    Partial,
    /// There, under its own name.
    Complete,
}

#[derive(Debug)]
enum Base {
    /// A download holds its folder open, so that nobody can swap it meanwhile.
    Held(Folder),
    /// A seed opens it when it reads: thousands of idle contents cost no descriptor.
    Named(PathBuf),
}

/// The files of one content.
#[derive(Debug)]
pub(crate) struct Files {
    open: HeldOpen,
    manifest: Arc<Manifest>,
    base: Base,
    suffix: String,
    /// By file index; empty for a seed, all of whose files are complete.
    standing: Mutex<Box<[Standing]>>,
    /// Folders whose names changed since they were last made durable.
    changed_folders: Mutex<BTreeSet<PathBuf>>,
}

impl Files {
    /// The files of a download in an open folder; none is touched before [`Files::set_standing`] or a write.
    pub(crate) fn of_download(manifest: Arc<Manifest>, folder: Folder) -> Files {
        let standing = vec![Standing::Absent; manifest.layout().files() as usize];
        let suffix = partial_suffix(&manifest);
        Files::new(manifest, Base::Held(folder), standing, suffix)
    }

    /// The complete files of a seed, only ever read.
    pub(crate) fn of_seed(manifest: Arc<Manifest>, folder: PathBuf) -> Files {
        Files::new(manifest, Base::Named(folder), Vec::new(), String::new())
    }

    fn new(manifest: Arc<Manifest>, base: Base, standing: Vec<Standing>, suffix: String) -> Files {
        static KEYS: AtomicU64 = AtomicU64::new(0);
        Files {
            open: HeldOpen::of(KEYS.fetch_add(1, Ordering::Relaxed)),
            manifest,
            base,
            suffix,
            standing: Mutex::new(standing.into()),
            changed_folders: Mutex::default(),
        }
    }

    /// The folder that the content's own folder or file lies in.
    pub(crate) fn base(&self) -> &Path {
        match &self.base {
            Base::Held(folder) => folder.path(),
            Base::Named(path) => path,
        }
    }

    /// What lies where the file belongs, under its own name or (`partial`) with the suffix.
    pub(crate) fn find(&self, file: FileIndex, partial: bool) -> io::Result<Found> {
        let folder = match self.folder_of(file, false) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(Found::Other),
            Err(error) => return Err(error),
        };
        folder.find(&self.name(file, partial))
    }

    /// What lies where the folder of several files belongs; none for a single file.
    pub(crate) fn find_top(&self) -> io::Result<Option<Found>> {
        match &self.base {
            Base::Held(base) if !self.manifest.is_single_file() => base.find(self.manifest.name()).map(Some),
            _ => Ok(None),
        }
    }

    /// Where a file stands; a seed's are complete.
    pub(crate) fn standing(&self, file: FileIndex) -> Standing {
        let standing = locked(&self.standing);
        let known = standing.get(file.get() as usize);
        known.copied().unwrap_or(Standing::Complete)
    }

    /// Says what was found on disk.
    pub(crate) fn set_standing(&self, file: FileIndex, now: Standing) {
        if let Some(standing) = locked(&self.standing).get_mut(file.get() as usize) {
            *standing = now;
        }
    }

    /// Gives a file that is there under its own name the suffix, and its proper length.
    pub(crate) fn reopen(&self, file: FileIndex) -> io::Result<()> {
        let folder = self.folder_of(file, false)?;
        let (own, partial) = (self.name(file, false), self.name(file, true));
        // If there is a partial file too, it goes: what was looked at is the other one.
        folder.rename_over(&own, &partial)?;
        self.set_standing(file, Standing::Partial);
        self.note_changed(&folder);
        self.fit(file)
    }

    /// Cuts or extends a partial file to its length: it may come from somebody else.
    pub(crate) fn fit(&self, file: FileIndex) -> io::Result<()> {
        let length = self.manifest.layout().file_bytes(file);
        let handle = self.handle(file, true)?;
        if handle.metadata()?.len() != length {
            handle.set_len(length)?;
        }
        Ok(())
    }

    fn name(&self, file: FileIndex, partial: bool) -> String {
        let target = self.manifest.target(file);
        let name = target.file_name();
        if partial { partial_name(name, &self.suffix) } else { name.to_owned() }
    }

    fn folder_of(&self, file: FileIndex, make: bool) -> io::Result<Arc<Folder>> {
        let path = self.path(file);
        if let Some(folder) = path.parent().and_then(|path| self.open.folder(path)) {
            return Ok(folder);
        }
        let folder = Arc::new(self.open_folder_of(file, make)?);
        self.open.keep_folder(folder.clone());
        Ok(folder)
    }

    fn open_folder_of(&self, file: FileIndex, make: bool) -> io::Result<Folder> {
        let target = self.manifest.target(file);
        let components: Vec<&str> = target.components().collect();
        let inside = &components[..components.len() - 1];
        let named;
        let base = match &self.base {
            Base::Held(folder) => folder,
            Base::Named(path) => {
                named = Folder::open(path)?;
                &named
            }
        };
        if make { base.make_folder(inside) } else { base.folder(inside) }
    }

    fn handle(&self, file: FileIndex, writable: bool) -> io::Result<Arc<File>> {
        if let Some(handle) = self.open.file(file, writable) {
            return Ok(handle);
        }
        let handle = Arc::new(self.open(file, writable)?);
        self.open.keep_file(file, writable, handle.clone());
        Ok(handle)
    }

    fn open(&self, file: FileIndex, writable: bool) -> io::Result<File> {
        let standing = self.standing(file);
        if standing == Standing::Absent && writable {
            return self.create(file);
        }
        let folder = self.folder_of(file, false)?;
        folder.open_file(&self.name(file, standing != Standing::Complete), writable)
    }

    fn create(&self, file: FileIndex) -> io::Result<File> {
        let name = self.name(file, true);
        let mut folder = self.folder_of(file, true)?;
        let handle = match folder.create_file(&name) {
            // Somebody removed the folder that we hold open: it is made again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.open.forget_folder();
                folder = self.folder_of(file, true)?;
                folder.create_file(&name)
            }
            other => other,
        }?;
        handle.set_len(self.manifest.layout().file_bytes(file))?;
        self.set_standing(file, Standing::Partial);
        self.note_changed(&folder);
        Ok(handle)
    }

    fn note_changed(&self, folder: &Folder) {
        locked(&self.changed_folders).insert(folder.path().to_owned());
    }

    /// The folders below the base that lead to `changed`, base first: each may be new in the one above.
    fn chain(&self, changed: &Path) -> Vec<Vec<String>> {
        let inside = changed.strip_prefix(self.base()).unwrap_or(Path::new(""));
        let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        (0..=parts.len()).map(|depth| parts[..depth].to_vec()).collect()
    }

    fn sync_folders(&self) -> io::Result<()> {
        let changed = std::mem::take(&mut *locked(&self.changed_folders));
        let result = self.sync_each_folder(&changed);
        if result.is_err() {
            // What is open may not lie there any more.
            self.open.forget();
            locked(&self.changed_folders).extend(changed);
        }
        result
    }

    fn sync_each_folder(&self, changed: &BTreeSet<PathBuf>) -> io::Result<()> {
        let Base::Held(base) = &self.base else {
            return Ok(());
        };
        if changed.len() > SYNCED_ALONE_MAX {
            return base.sync_file_system();
        }
        let folders: BTreeSet<_> = changed.iter().flat_map(|path| self.chain(path)).collect();
        for inside in folders {
            let inside: Vec<&str> = inside.iter().map(String::as_str).collect();
            base.folder(&inside)?.sync()?;
        }
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        match &self.base {
            Base::Held(base) => base.sync_file_system(),
            Base::Named(_) => Ok(()),
        }
    }
}

impl Medium for Files {
    fn read_at(&self, file: FileIndex, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.handle(file, false)?.read_exact_at(into, offset)
    }

    fn write_at(&self, file: FileIndex, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.handle(file, true)?.write_all_at(bytes, offset)
    }

    fn sync(&self, files: &[FileIndex]) -> Vec<(FileIndex, io::Error)> {
        let all = |error: &io::Error| {
            let same = || io::Error::new(error.kind(), error.to_string());
            files.iter().map(|&file| (file, same())).collect()
        };
        let mut failed = Vec::new();
        if files.len() > SYNCED_ALONE_MAX {
            if let Err(error) = self.sync_all() {
                return all(&error);
            }
        } else {
            for &file in files {
                // A complete file may be read-only; it is synced all the same.
                let writable = !self.is_complete(file);
                let synced = self.handle(file, writable).and_then(|handle| handle.sync_data());
                failed.extend(synced.err().map(|error| (file, error)));
            }
        }
        match self.sync_folders() {
            Ok(()) => failed,
            Err(error) => all(&error),
        }
    }

    fn complete(&self, file: FileIndex) -> io::Result<()> {
        match self.standing(file) {
            Standing::Complete => return Ok(()),
            Standing::Absent => drop(self.create(file)?),
            Standing::Partial => {}
        }
        let folder = self.folder_of(file, false)?;
        folder.rename_new(&self.name(file, true), &self.name(file, false))?;
        self.set_standing(file, Standing::Complete);
        self.note_changed(&folder);
        Ok(())
    }

    fn is_complete(&self, file: FileIndex) -> bool {
        self.standing(file) == Standing::Complete
    }

    fn settle(&self) -> io::Result<()> {
        self.sync_folders()
    }

    fn stamp(&self, file: FileIndex) -> io::Result<FileStamp> {
        match self.find(file, !self.is_complete(file))? {
            Found::File(stamp) => Ok(stamp),
            Found::Nothing => Err(io::ErrorKind::NotFound.into()),
            Found::Other => Err(io::Error::other("it is not a regular file")),
        }
    }

    fn path(&self, file: FileIndex) -> PathBuf {
        self.base().join(self.manifest.target(file).to_path_buf())
    }
}

/// A suffix that no file of the content has, so that no partial file can be taken for another.
fn partial_suffix(manifest: &Manifest) -> String {
    let taken = |suffix: &str| {
        manifest.name().ends_with(suffix)
            || manifest.files().iter().any(|file| file.path.file_name().ends_with(suffix))
    };
    let numbered = (2u32..).map(|number| format!(".part{number}"));
    std::iter::once(".part".to_owned()).chain(numbered).find(|suffix| !taken(suffix)).unwrap_or_default()
}

/// `name` with `suffix`; a name too long for that is cut, and told from its like by its hash.
fn partial_name(name: &str, suffix: &str) -> String {
    if name.len() + suffix.len() <= NAME_BYTES_MAX {
        return format!("{name}{suffix}");
    }
    let hash = sha256(name.as_bytes());
    let mark = format!("~{:016x}{suffix}", u64::from_be_bytes(hash[..8].try_into().unwrap_or([0; 8])));
    format!("{}{mark}", cut(name, NAME_BYTES_MAX.saturating_sub(mark.len())))
}

/// The longest beginning of `text` of at most `bytes_max` bytes that ends with a whole character.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_name_is_never_too_long_nor_taken_for_another() {
        assert_eq!(partial_name("film.mkv", ".part"), "film.mkv.part");
        let (one, two) = ("é".repeat(127) + "1", "é".repeat(127) + "2");
        let (one, two) = (partial_name(&one, ".part"), partial_name(&two, ".part"));
        assert!(one.len() <= NAME_BYTES_MAX && one.ends_with(".part"));
        assert_ne!(one, two);
    }
}
