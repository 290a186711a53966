//! The files of one content in a folder: `DIR/NAME` for a single file, `DIR/NAME/path…` for
//! several. A file that is not complete lies beside its place: see [`names`](super::names).
//!
//! Invariants:
//! - An existing file under its own name is never opened for writing unless it is ours. A whole new
//!   file replaces it in one step, and only if it is still the file that the user allowed us to
//!   replace.
//! - A file under a partial name is written to only if we made it, or if we adopted it because some
//!   of it is right.
//!
//! Files are made when first written to, at once with their full length (sparse: the disk allots
//! blocks as they are written). Files are opened when first used and stay open for a while: see
//! [`held_open`](super::held_open).

mod data;
mod handles;
mod placing;
mod renamed;
mod syncing;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    ops::Range,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use nearcast_core::{layout::FileIndex, manifest::Manifest, paths::RelativePath};

use super::{
    alike::Renamed,
    folder::{FileStamp, Folder, Found},
    held_open::HeldOpen,
    locked,
    made::Made,
    medium::Medium,
    names::PartialNames,
    room::Room,
    standing::{Place, Standing, Unusual},
};

/// The unit in which the system counts a file's blocks.
const BLOCK_BYTES: u64 = 512;

#[derive(Debug)]
enum Base {
    /// A download holds its folder open, so that nothing can be swapped in for the folder
    /// meanwhile.
    Held(Folder),
    /// A seed opens its folder for each read, so that thousands of idle contents cost no
    /// descriptor.
    Named(PathBuf),
}

/// Whether the error says that a name is not there, or cannot be there at all.
fn is_no_such_place(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    matches!(error.kind(), InvalidFilename | InvalidInput | NotADirectory | NotFound)
}

/// The files of one content.
#[derive(Debug)]
pub(crate) struct Files {
    open: HeldOpen,
    manifest: Arc<Manifest>,
    base: Base,
    names: PartialNames,
    /// Files whose names this disk cannot have, and their stand-ins.
    renamed: Mutex<Renamed>,
    /// Room on the disk, shared by all downloads to it. Unused by a seed, which writes nothing.
    room: Arc<Room>,
    unusual: Mutex<BTreeMap<FileIndex, Unusual>>,
    /// By file index. Empty for a seed, all of whose files are complete.
    standing: Mutex<Box<[Standing]>>,
    /// Held from the look at a file's standing until the file is open or has its new name. Several
    /// disk threads use a file at once, and what one of them saw must still hold when it acts.
    naming: Mutex<()>,
    /// The list that notes the partial files we make.
    made: Mutex<Option<Made>>,
    /// Folders in which names changed since the folder was last made durable.
    changed_folders: Mutex<BTreeSet<PathBuf>>,
}

impl Files {
    /// The files of a download in an open folder. No file is touched before [`Files::set_standing`]
    /// or a write.
    pub(crate) fn of_download(manifest: Arc<Manifest>, folder: Folder) -> io::Result<Files> {
        let standing = vec![Standing::Absent; manifest.layout().files() as usize];
        let room = Room::of_disk(&folder)?;
        Ok(Files { room, ..Files::new(manifest, Base::Held(folder), standing) })
    }

    /// The complete files of a seed, which are only read.
    pub(crate) fn of_seed(manifest: Arc<Manifest>, folder: PathBuf) -> Files {
        Files::new(manifest, Base::Named(folder), Vec::new())
    }

    fn new(manifest: Arc<Manifest>, base: Base, standing: Vec<Standing>) -> Files {
        static KEYS: AtomicU64 = AtomicU64::new(0);
        Files {
            open: HeldOpen::of(KEYS.fetch_add(1, Ordering::Relaxed)),
            names: PartialNames::of(&manifest),
            renamed: Mutex::default(),
            room: Arc::default(),
            unusual: Mutex::default(),
            manifest,
            base,
            standing: Mutex::new(standing.into()),
            naming: Mutex::default(),
            made: Mutex::default(),
            changed_folders: Mutex::default(),
        }
    }

    /// The folder that contains the content's own folder or file.
    pub(crate) fn base(&self) -> &Path {
        match &self.base {
            Base::Held(folder) => folder.path(),
            Base::Named(path) => path,
        }
    }

    /// What lies at a place of the file.
    pub(crate) fn find(&self, file: FileIndex, place: Place) -> io::Result<Found> {
        let folder = match self.folder_of(file, false) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(Found::Other),
            Err(error) if is_no_such_place(&error) => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        match folder.find(&self.name_at(file, place)) {
            Err(error) if is_no_such_place(&error) => Ok(Found::Nothing),
            found => found,
        }
    }

    /// What lies where the content's own folder belongs. `None`: the content is a single file, or
    /// the answer would not hold for all files.
    pub(crate) fn find_top(&self) -> io::Result<Option<Found>> {
        match &self.base {
            // With stand-ins, not all files lie below the folder of that name.
            _ if !locked(&self.renamed).is_empty() => Ok(None),
            Base::Held(base) if !self.manifest.is_single_file() => match base.find(self.manifest.name()) {
                Err(error) if is_no_such_place(&error) => Ok(Some(Found::Nothing)),
                found => found.map(Some),
            },
            _ => Ok(None),
        }
    }

    /// The file's path below the base, on this disk.
    fn target(&self, file: FileIndex) -> RelativePath {
        let stand_in = locked(&self.renamed).get(&file).cloned();
        stand_in.unwrap_or_else(|| self.manifest.target(file))
    }

    /// The standing of a file. A file of a seed is complete.
    pub(crate) fn standing(&self, file: FileIndex) -> Standing {
        let standing = locked(&self.standing);
        let known = standing.get(file.get() as usize);
        known.copied().unwrap_or(Standing::Complete)
    }

    /// Sets the standing of a file, as found on disk; later reads go by it.
    pub(crate) fn set_standing(&self, file: FileIndex, now: Standing) {
        if let Some(standing) = locked(&self.standing).get_mut(file.get() as usize) {
            *standing = now;
        }
        self.open.forget_file(file);
    }

    /// Forgets all that was found, before a search in other places.
    pub(crate) fn start_over(&self) {
        locked(&self.standing).fill(Standing::Absent);
        locked(&self.unusual).clear();
        self.open.forget();
    }

    /// From now on, partial files are noted as ours when they are made.
    pub(crate) fn note_in(&self, made: Made) {
        *locked(&self.made) = Some(made);
    }

    /// How many bytes the disk has room for. `None`: the disk does not say, or the content is a
    /// seed.
    pub(crate) fn room_bytes(&self) -> io::Result<Option<u64>> {
        match &self.base {
            Base::Held(folder) => Ok(folder.free()?.map(|free| self.room.beside(free))),
            Base::Named(_) => Ok(None),
        }
    }

    fn mark(&self, file: FileIndex, change: impl FnOnce(&mut Unusual)) {
        change(locked(&self.unusual).entry(file).or_default());
    }

    fn unusual(&self, file: FileIndex) -> Unusual {
        locked(&self.unusual).get(&file).copied().unwrap_or_default()
    }

    fn name_at(&self, file: FileIndex, place: Place) -> String {
        let target = self.target(file);
        let name = target.file_name();
        match place {
            Place::Own => name.to_owned(),
            Place::Partial => self.names.partial(name, false),
            Place::Beside => self.names.partial(name, true),
        }
    }

    fn name(&self, file: FileIndex, partial: bool) -> String {
        self.name_at(file, if partial { self.partial_place(file) } else { Place::Own })
    }

    fn partial_place(&self, file: FileIndex) -> Place {
        if self.unusual(file).beside { Place::Beside } else { Place::Partial }
    }

    /// Writes if there is room. A file that has all its blocks already needs no room.
    fn write_with_room(&self, file: FileIndex, handle: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let Base::Held(folder) = &self.base else { return handle.write_all_at(bytes, offset) };
        let length = bytes.len() as u64;
        if let Err(full) = self.room.take(folder, length) {
            let has_its_blocks = handle.metadata()?.blocks().saturating_mul(BLOCK_BYTES);
            if has_its_blocks < self.manifest.layout().file_bytes(file) {
                return Err(full);
            }
            return handle.write_all_at(bytes, offset);
        }
        let written = handle.write_all_at(bytes, offset);
        self.room.written(length);
        written
    }
}

impl Medium for Files {
    fn read_at(&self, file: FileIndex, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.handle(file, false)?.read_exact_at(into, offset)
    }

    fn write_at(&self, file: FileIndex, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let handle = self.handle(file, true)?;
        self.write_with_room(file, &handle, offset, bytes)
    }

    fn sync(&self, files: &[FileIndex]) -> Vec<(FileIndex, io::Error)> {
        self.make_durable(files)
    }

    fn fit(&self, file: FileIndex) -> io::Result<()> {
        if !self.unusual(file).longer {
            return Ok(());
        }
        let handle = self.handle(file, true)?;
        handle.set_len(self.manifest.layout().file_bytes(file))?;
        handle.sync_data()?;
        self.mark(file, |unusual| unusual.longer = false);
        Ok(())
    }

    fn complete(&self, file: FileIndex) -> io::Result<()> {
        match self.standing(file) {
            Standing::Complete => return Ok(()),
            Standing::Absent => drop(self.create(file)?),
            Standing::Partial => self.fit(file)?,
        }
        let folder = self.folder_of(file, false)?;
        let _naming = locked(&self.naming);
        self.put_in_place(file, &folder)?;
        if let Some(standing) = locked(&self.standing).get_mut(file.get() as usize) {
            *standing = Standing::Complete;
        }
        locked(&self.unusual).remove(&file);
        self.note_changed(&folder);
        Ok(())
    }

    fn discard(&self) -> io::Result<bool> {
        let made: Vec<FileIndex> =
            locked(&self.unusual).iter().filter(|(_, unusual)| unusual.made).map(|(&file, _)| file).collect();
        for file in made {
            if self.standing(file) == Standing::Partial {
                self.open.forget_file(file);
                self.folder_of(file, false)?.remove_file(&self.name(file, true))?;
                self.set_standing(file, Standing::Absent);
            }
            self.mark(file, |unusual| unusual.made = false);
        }
        Ok(!locked(&self.standing).contains(&Standing::Partial))
    }

    fn is_complete(&self, file: FileIndex) -> bool {
        self.standing(file) == Standing::Complete
    }

    fn settle(&self) -> io::Result<()> {
        self.sync_folders()
    }

    fn let_go(&self) {
        *locked(&self.made) = None;
        self.open.forget();
    }

    fn data_in(&self, file: FileIndex) -> io::Result<Vec<Range<u64>>> {
        data::ranges(&*self.handle(file, false)?)
    }

    fn stamp(&self, file: FileIndex) -> io::Result<FileStamp> {
        let place = if self.is_complete(file) { Place::Own } else { self.partial_place(file) };
        match self.find(file, place)? {
            Found::File(stamp) => Ok(stamp),
            Found::Nothing => Err(io::ErrorKind::NotFound.into()),
            Found::Other => Err(io::Error::other("it is not a regular file")),
        }
    }

    fn path(&self, file: FileIndex) -> PathBuf {
        self.base().join(self.target(file).to_path_buf())
    }

    fn partial_path(&self, file: FileIndex) -> PathBuf {
        self.path(file).with_file_name(self.name(file, true))
    }
}
