//! What is there already decides how a content is opened: anew, where it was left, complete as it
//! is, or not at all. Nothing on disk changes before that is decided.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use nearcast_core::{
    layout::{FileIndex, PieceIndex},
    manifest::Manifest,
    run_set::RunSet,
};

use super::{
    DiskStore, Store, StoreError,
    check::Check,
    disk::Ledger,
    files::{Files, Standing},
    folder::{Folder, Found},
    held::Held,
    journal::{Noted, Record},
    medium::Medium,
    receipt::{Receipt, ReceiptPlace},
    resume::{Left, Resume},
};
use crate::error::{DownloadError, ShareError};

/// Where a download goes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The folder that gets the content's file or folder; made if it is not there.
    pub(crate) folder: PathBuf,
    /// Replace files that are there and differ.
    pub(crate) overwrite: bool,
    /// The files wanted; none = all. The others are not made.
    pub(crate) selected: Option<BTreeSet<FileIndex>>,
    /// Nearcast's own state directory (`$XDG_STATE_HOME/nearcast`), for receipts; none = no receipts.
    pub(crate) state_dir: Option<PathBuf>,
}

/// A content ready to be downloaded or served.
pub(crate) struct Opened {
    /// The store.
    pub(crate) store: Arc<DiskStore>,
    /// Runs that are there.
    pub(crate) have: RunSet,
    /// Everything wanted is there under its own name: there is nothing to download nor to finish.
    pub(crate) complete: bool,
}

/// One file, as it was found.
struct Sight {
    file: FileIndex,
    own: Found,
    partial: Found,
}

/// What is believed of the files on disk, before and after hashing.
struct Findings {
    /// Runs a trustworthy state calls durable, in files that are as they were left.
    trusted: RunSet,
    /// Files whose bytes must be hashed.
    doubtful: BTreeSet<FileIndex>,
    /// Files under their own name that an earlier run of ours put there.
    ours: BTreeSet<FileIndex>,
}

impl DiskStore {
    /// Opens a content for download. Hashes only what no state or receipt vouches for; `progress` is
    /// told the bytes hashed and to be hashed.
    ///
    /// # Errors
    /// [`DownloadError::Exists`] if a wanted file is there, differs, and may not be overwritten;
    /// [`DownloadError::Busy`] if another process has it open; [`DownloadError::Stopped`] if
    /// `cancelled` was set. Nothing was changed then.
    pub(crate) fn open(
        manifest: Arc<Manifest>,
        target: Target,
        progress: &dyn Fn(u64, u64),
        cancelled: &AtomicBool,
    ) -> Result<Opened, DownloadError> {
        let folder = Folder::create(&target.folder).map_err(refused(&target.folder))?;
        let opening = Opening {
            receipt: receipt_place(&target, &manifest),
            files: Files::of_download(manifest.clone(), folder),
            manifest,
            target,
        };
        opening.open(progress, cancelled)
    }

    /// Opens complete data to share it. `data_root` is the folder that holds the content's file or
    /// folder; it is never written to. Sizes are checked, bytes only when they are read.
    ///
    /// # Errors
    /// [`ShareError::Incomplete`] names the first file that is missing or of another size.
    pub(crate) fn open_seed(
        manifest: Arc<Manifest>,
        data_root: PathBuf,
    ) -> Result<Arc<DiskStore>, ShareError> {
        let files = Files::of_seed(manifest.clone(), data_root);
        let layout = manifest.layout();
        for file in (0..layout.files()).filter_map(|file| layout.file_index(file)) {
            let path = || files.path(file);
            match files.find(file, false) {
                Ok(Found::File(stamp)) if stamp.bytes == layout.file_bytes(file) => {}
                Ok(_) => return Err(ShareError::Incomplete(path())),
                Err(source) => return Err(ShareError::Io { path: path(), source }),
            }
        }
        let runs = layout.runs();
        let ledger = Ledger::new(Held::All(runs), Held::All(runs));
        let mut store = DiskStore::new(manifest, Box::new(files), ledger);
        store.read_only = true;
        Ok(Arc::new(store))
    }
}

/// A download being opened.
struct Opening {
    manifest: Arc<Manifest>,
    target: Target,
    files: Files,
    receipt: Option<ReceiptPlace>,
}

impl Opening {
    fn open(self, progress: &dyn Fn(u64, u64), cancelled: &AtomicBool) -> Result<Opened, DownloadError> {
        let mut resume = self.resume_left()?;
        let sights = self.look(resume.is_some())?;
        if resume.is_none() && self.receipt_matches(&sights) {
            let full = Ledger::new(self.selected_held(), self.selected_held());
            return Ok(self.complete(full, &sights));
        }
        let left = match &mut resume {
            Some(resume) => resume.load(&self.manifest).map_err(self.refused())?,
            None => Left {
                durable: None,
                noted: Noted::default(),
            },
        };
        let findings = self.judge(&sights, &left);
        self.take_standings(&sights);
        let pieces = self.pieces_of(&findings.doubtful);
        let check = Check {
            manifest: &self.manifest,
            medium: &self.files,
            pieces: &pieces,
            trees: &left.noted.trees,
        };
        let checked = check.run(progress, cancelled).map_err(self.refused())?;
        let good = checked.ok_or(DownloadError::Stopped)?;
        let wrong = self.wrong_files(&sights, &findings, &good)?;
        if resume.is_none() && wrong.is_empty() && self.all_complete(&sights) {
            let opened = self.complete(Ledger::new(Held::Some(good.clone()), Held::Some(good)), &sights);
            opened.store.write_receipt();
            return Ok(opened);
        }
        let resume = match resume {
            Some(resume) => resume,
            None => self.begin()?,
        };
        self.go_on(resume, left, &findings, good, &wrong)
    }

    fn refused(&self) -> impl Fn(io::Error) -> DownloadError + use<> {
        refused(&self.target.folder.join(self.manifest.name()))
    }

    fn parent(&self) -> Result<Folder, DownloadError> {
        Folder::open(&self.target.folder).map_err(refused(&self.target.folder))
    }

    /// The locked state of an earlier run, if there is one.
    fn resume_left(&self) -> Result<Option<Resume>, DownloadError> {
        let parent = self.parent()?;
        let there = Resume::is_in(&parent, &self.manifest).map_err(self.refused())?;
        if there {
            self.lock(&parent).map(Some)
        } else {
            Ok(None)
        }
    }

    fn lock(&self, parent: &Folder) -> Result<Resume, DownloadError> {
        let resume = Resume::lock(parent, &self.manifest).map_err(refused(&self.target.folder))?;
        resume.ok_or_else(|| DownloadError::Busy(self.target.folder.join(self.manifest.name())))
    }

    /// A new, empty state.
    fn begin(&self) -> Result<Resume, DownloadError> {
        let mut resume = self.lock(&self.parent()?)?;
        resume
            .load(&self.manifest)
            .map_err(storage(&self.target.folder))?;
        Ok(resume)
    }

    fn wants(&self, file: FileIndex) -> bool {
        self.target
            .selected
            .as_ref()
            .is_none_or(|files| files.contains(&file))
    }

    /// Looks at the wanted files, and at the others too if an earlier run may have made them.
    fn look(&self, others_too: bool) -> Result<Vec<Sight>, DownloadError> {
        let layout = self.manifest.layout();
        let files = (0..layout.files()).filter_map(|file| layout.file_index(file));
        let see = |file| {
            let error = refused(&self.files.path(file));
            Ok(Sight {
                file,
                own: self.files.find(file, false).map_err(&error)?,
                partial: self.files.find(file, true).map_err(&error)?,
            })
        };
        files
            .filter(|&file| others_too || self.wants(file))
            .map(see)
            .collect()
    }

    fn receipt_matches(&self, sights: &[Sight]) -> bool {
        let receipt: Option<Receipt> = self.receipt.as_ref().and_then(ReceiptPlace::read);
        let layout = self.manifest.layout();
        receipt.is_some_and(|receipt| {
            sights.iter().all(|sight| match sight.own {
                Found::File(stamp) => {
                    stamp.bytes == layout.file_bytes(sight.file) && receipt.knows(sight.file, &stamp)
                }
                _ => false,
            })
        })
    }

    fn selected_held(&self) -> Held {
        let layout = self.manifest.layout();
        let Some(selected) = &self.target.selected else {
            return Held::All(layout.runs());
        };
        let mut set = RunSet::empty(layout.runs());
        let runs = selected.iter().flat_map(|&file| layout.file_runs(file));
        for run in runs.filter_map(|run| layout.run_index(run)) {
            set.insert(run);
        }
        Held::Some(set)
    }

    fn complete(self, ledger: Ledger, sights: &[Sight]) -> Opened {
        self.take_standings(sights);
        let have = ledger.have.to_set();
        let store = Arc::new(self.into_store(ledger));
        Opened {
            store,
            have,
            complete: true,
        }
    }

    fn into_store(self, ledger: Ledger) -> DiskStore {
        let mut store = DiskStore::new(self.manifest, Box::new(self.files), ledger);
        store.selected = self.target.selected;
        store.receipt = self.receipt;
        store
    }

    fn judge(&self, sights: &[Sight], left: &Left) -> Findings {
        let layout = self.manifest.layout();
        let mut findings = Findings {
            trusted: RunSet::empty(layout.runs()),
            doubtful: BTreeSet::new(),
            ours: BTreeSet::new(),
        };
        for sight in sights {
            let runs = || {
                layout
                    .file_runs(sight.file)
                    .filter_map(|run| layout.run_index(run))
            };
            let whole = |set: &RunSet| runs().all(|run| set.contains(run));
            let noted = left.noted.finished.get(&sight.file);
            let length = layout.file_bytes(sight.file);
            let as_left = match (sight.own, sight.partial) {
                (Found::File(stamp), _) => {
                    if noted.is_some() || left.durable.as_ref().is_some_and(whole) {
                        findings.ours.insert(sight.file);
                    }
                    stamp.bytes == length && noted == Some(&stamp.modified_ns)
                }
                (_, Found::File(stamp)) => stamp.bytes == length,
                _ => continue,
            };
            let Some(durable) = left.durable.as_ref().filter(|_| as_left) else {
                findings.doubtful.insert(sight.file);
                continue;
            };
            for run in runs().filter(|&run| durable.contains(run)) {
                findings.trusted.insert(run);
            }
        }
        findings
    }

    fn take_standings(&self, sights: &[Sight]) {
        for sight in sights {
            let standing = match (sight.own, sight.partial) {
                (Found::File(_), _) => Standing::Complete,
                (_, Found::File(_)) => Standing::Partial,
                _ => Standing::Absent,
            };
            self.files.set_standing(sight.file, standing);
        }
    }

    fn pieces_of(&self, files: &BTreeSet<FileIndex>) -> Vec<PieceIndex> {
        let layout = self.manifest.layout();
        let pieces = files.iter().flat_map(|&file| layout.file_pieces(file));
        pieces.filter_map(|piece| layout.piece_index(piece)).collect()
    }

    /// Files under their own name that are not what they should be, and may be replaced.
    fn wrong_files(
        &self,
        sights: &[Sight],
        findings: &Findings,
        good: &RunSet,
    ) -> Result<Vec<FileIndex>, DownloadError> {
        let layout = self.manifest.layout();
        let mut wrong = Vec::new();
        for sight in sights {
            let path = || self.files.path(sight.file);
            let stamp = match sight.own {
                Found::Nothing => continue,
                Found::File(stamp) => stamp,
                Found::Other if self.wants(sight.file) => return Err(DownloadError::Exists(path())),
                Found::Other => continue,
            };
            let right = |set: &RunSet| {
                let mut runs = layout.file_runs(sight.file);
                runs.all(|run| layout.run_index(run).is_some_and(|run| set.contains(run)))
            };
            let same_size = stamp.bytes == layout.file_bytes(sight.file);
            if same_size && (right(good) || right(&findings.trusted)) {
                continue;
            }
            if findings.ours.contains(&sight.file) || (self.target.overwrite && self.wants(sight.file)) {
                wrong.push(sight.file);
            } else if self.wants(sight.file) {
                return Err(DownloadError::Exists(path()));
            }
        }
        Ok(wrong)
    }

    fn all_complete(&self, sights: &[Sight]) -> bool {
        sights.iter().all(|sight| matches!(sight.own, Found::File(_)))
    }

    /// Continues from what was found, be it nothing.
    fn go_on(
        self,
        resume: Resume,
        left: Left,
        findings: &Findings,
        good: RunSet,
        wrong: &[FileIndex],
    ) -> Result<Opened, DownloadError> {
        self.prepare_files(findings, wrong)?;
        let finished = still_finished(&self.files, &left.noted);
        let ledger = self.ledger(left, &findings.trusted, &good);
        let store = self.into_store(ledger);
        store.start_resume(resume, finished)?;
        let have = store.have();
        let complete = !store.wanted().has_beyond(&have);
        if complete {
            store.finish()?;
        }
        Ok(Opened {
            store: Arc::new(store),
            have,
            complete,
        })
    }

    fn prepare_files(&self, findings: &Findings, wrong: &[FileIndex]) -> Result<(), DownloadError> {
        for &file in wrong {
            let path = self.files.path(file);
            self.files.reopen(file).map_err(storage(&path))?;
        }
        for &file in &findings.doubtful {
            if self.files.standing(file) == Standing::Partial {
                let path = self.files.path(file);
                self.files.fit(file).map_err(storage(&path))?;
            }
        }
        Ok(())
    }

    /// Trusted runs are durable; what was only found right by hashing may still be on its way to the disk.
    fn ledger(&self, left: Left, trusted: &RunSet, good: &RunSet) -> Ledger {
        let layout = self.manifest.layout();
        let mut have = trusted.clone();
        for run in good.iter() {
            have.insert(run);
        }
        let mut trees = left.noted.trees;
        for piece in (0..layout.pieces()).filter_map(|piece| layout.piece_index(piece)) {
            let runs = || layout.piece_runs(piece).filter_map(|run| layout.run_index(run));
            if runs().all(|run| have.contains(run)) {
                trees.remove(&piece);
                continue;
            }
            for (index, run) in (0..).zip(runs()) {
                let single = nearcast_core::merkle::proof_length(layout, run) == 0;
                let known = trees
                    .get(&piece)
                    .is_some_and(|tree| tree.run_root(index).is_some());
                if !single && !known {
                    // Nobody could be shown that it is right, nor could we tell when it rots.
                    have.remove(run);
                }
            }
        }
        let mut durable = trusted.clone();
        let dropped: Vec<_> = durable.iter().filter(|&run| !have.contains(run)).collect();
        for run in dropped {
            durable.remove(run);
        }
        let mut ledger = Ledger::new(Held::Some(have.clone()), Held::Some(durable.clone()));
        ledger.trees = trees;
        for run in have.iter().filter(|&run| !durable.contains(run)) {
            ledger.add_unsynced(layout.run(run).file, run, layout.run_length(run));
        }
        ledger
    }
}

/// The finished files that still are.
fn still_finished(files: &Files, noted: &Noted) -> Vec<Record> {
    let finished = noted
        .finished
        .iter()
        .map(|(&file, &modified_ns)| (file, modified_ns));
    finished
        .filter(|&(file, _)| files.standing(file) == Standing::Complete)
        .map(|(file, modified_ns)| Record::Finished { file, modified_ns })
        .collect()
}

fn receipt_place(target: &Target, manifest: &Manifest) -> Option<ReceiptPlace> {
    let state_dir = target.state_dir.as_ref()?;
    ReceiptPlace::new(state_dir, manifest, &target.folder.join(manifest.name())).ok()
}

/// The file system refused before anything was written.
fn refused(path: &Path) -> impl Fn(io::Error) -> DownloadError + use<> {
    let path = path.to_owned();
    move |source| DownloadError::Io {
        path: path.clone(),
        source,
    }
}

/// The file system refused to write.
fn storage(path: &Path) -> impl Fn(io::Error) -> DownloadError + use<> {
    let path = path.to_owned();
    move |source| StoreError::from_io(path.clone(), source).into()
}

impl From<StoreError> for DownloadError {
    fn from(error: StoreError) -> DownloadError {
        match error {
            StoreError::Full { path, .. } => DownloadError::DiskFull(path),
            StoreError::Io { path, source } => DownloadError::Io { path, source },
            StoreError::Rotten { path, .. } => DownloadError::Io {
                path,
                source: io::Error::new(io::ErrorKind::InvalidData, "its data has changed on disk"),
            },
            StoreError::Missing => DownloadError::Io {
                path: PathBuf::new(),
                source: io::Error::new(io::ErrorKind::NotFound, "a part that was there is gone"),
            },
        }
    }
}
