//! One download being opened: look, judge, hash what is doubtful, decide, and only then write.

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, atomic::AtomicBool},
};

use nearcast_core::{
    layout::{FileIndex, PieceIndex},
    manifest::Manifest,
    merkle::proof_length,
    run_set::RunSet,
};

use super::{
    DiskStore, Store,
    check::Check,
    disk::Ledger,
    files::{Files, Standing},
    folder::{Folder, Found},
    held::Held,
    journal::{Noted, Record},
    medium::Medium,
    open::{Opened, Target, refused, storage},
    receipt::{Receipt, ReceiptPlace},
    resume::{Left, Resume},
};
use crate::error::DownloadError;

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

/// A download being opened.
pub(super) struct Opening {
    pub(super) manifest: Arc<Manifest>,
    pub(super) target: Target,
    pub(super) files: Files,
    pub(super) receipt: Option<ReceiptPlace>,
}

impl Opening {
    /// See [`DiskStore::open`].
    pub(super) fn open(
        self,
        progress: &dyn Fn(u64, u64),
        cancelled: &AtomicBool,
    ) -> Result<Opened, DownloadError> {
        let mut resume = self.resume_left()?;
        let sights = self.look(resume.is_some())?;
        if resume.is_none() && self.receipt_matches(&sights) {
            let full = Ledger::new(self.selected_held(), self.selected_held());
            return Ok(self.complete(full, &sights));
        }
        let left = match &mut resume {
            Some(resume) => resume.load(&self.manifest).map_err(storage(&self.target.folder))?,
            None => Left { durable: None, noted: Noted::default() },
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
        self.go_on(resume, left, &findings, &good, &wrong)
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
        if there { self.lock(&parent).map(Some) } else { Ok(None) }
    }

    fn lock(&self, parent: &Folder) -> Result<Resume, DownloadError> {
        let resume = Resume::lock(parent, &self.manifest).map_err(storage(&self.target.folder))?;
        resume.ok_or_else(|| DownloadError::Busy(self.target.folder.join(self.manifest.name())))
    }

    /// A new, empty state, once no other content is being written to the same files.
    fn begin(&self) -> Result<Resume, DownloadError> {
        let parent = self.parent()?;
        let mut resume = self.lock(&parent)?;
        if let Err(error) = self.oust_rivals(&parent) {
            resume.remove().map_err(refused(&self.target.folder))?;
            return Err(error);
        }
        if let Err(error) = resume.load(&self.manifest) {
            // The first error is the one to tell.
            let _ = resume.remove();
            return Err(storage(&self.target.folder)(error));
        }
        Ok(resume)
    }

    /// Another content of the same name would be written to the same partial files. While it is being
    /// downloaded it stays; when it was left unfinished it goes only if it may be overwritten.
    fn oust_rivals(&self, parent: &Folder) -> Result<(), DownloadError> {
        let io_error = refused(&self.target.folder);
        let path = || self.target.folder.join(self.manifest.name());
        for name in Resume::rivals(parent, &self.manifest).map_err(&io_error)? {
            let rival = Resume::lock_rival(parent, name, self.manifest.content()).map_err(&io_error)?;
            let rival = rival.ok_or_else(|| DownloadError::Busy(path()))?;
            if !self.target.overwrite {
                return Err(DownloadError::Exists(path()));
            }
            rival.remove().map_err(&io_error)?;
        }
        Ok(())
    }

    fn wants(&self, file: FileIndex) -> bool {
        self.target.selected.as_ref().is_none_or(|files| files.contains(&file))
    }

    /// Looks at the wanted files, and at the others too if an earlier run may have made them.
    fn look(&self, others_too: bool) -> Result<Vec<Sight>, DownloadError> {
        let layout = self.manifest.layout();
        let files = (0..layout.files()).filter_map(|file| layout.file_index(file));
        let top = self.files.find_top().map_err(self.refused())?;
        let see = |file| {
            if top == Some(Found::Nothing) {
                // Without the folder of all of them there is no file: no need to look for each.
                return Ok(Sight { file, own: Found::Nothing, partial: Found::Nothing });
            }
            let error = refused(&self.files.path(file));
            Ok(Sight {
                file,
                own: self.files.find(file, false).map_err(&error)?,
                partial: self.files.find(file, true).map_err(&error)?,
            })
        };
        files.filter(|&file| others_too || self.wants(file)).map(see).collect()
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
        Opened { store, have, complete: true }
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
            let runs = || layout.file_runs(sight.file).filter_map(|run| layout.run_index(run));
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
        good: &RunSet,
        wrong: &[FileIndex],
    ) -> Result<Opened, DownloadError> {
        self.prepare_files(findings, wrong)?;
        let finished = still_finished(&self.files, &left.noted);
        let ledger = self.ledger(left, &findings.trusted, good);
        let store = self.into_store(ledger);
        store.start_resume(resume, finished)?;
        let have = store.have();
        let complete = !store.wanted().has_beyond(&have);
        if complete {
            store.finish()?;
        }
        Ok(Opened { store: Arc::new(store), have, complete })
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
                let single = proof_length(layout, run) == 0;
                let known = trees.get(&piece).is_some_and(|tree| tree.run_root(index).is_some());
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
    let finished = noted.finished.iter().map(|(&file, &modified_ns)| (file, modified_ns));
    finished
        .filter(|&(file, _)| files.standing(file) == Standing::Complete)
        .map(|(file, modified_ns)| Record::Finished { file, modified_ns })
        .collect()
}
