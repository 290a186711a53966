//! Opens one download: look, judge, hash what is doubtful, decide, and only then write.

mod belief;
mod ledger;
mod naming;
mod plan;
mod rivals;
mod sights;
mod writing;

use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
};

use nearcast_core::{
    layout::{FileIndex, RunIndex},
    manifest::Manifest,
};

use self::{belief::Belief, ledger::still_finished, plan::Plan};
use super::{
    DiskStore, Store,
    disk::Ledger,
    files::Files,
    findings::{Finding, Sight},
    folder::{Folder, Found},
    held::Held,
    medium::Medium,
    open::{Opened, Target, refused, storage},
    receipt::ReceiptPlace,
    resume::{Left, Resume},
    standing::Standing,
};
use crate::error::DownloadError;

/// A download being opened.
pub(super) struct Opening {
    pub(super) manifest: Arc<Manifest>,
    pub(super) target: Target,
    pub(super) files: Files,
    pub(super) receipt: Option<ReceiptPlace>,
    /// Resume folders of unfinished downloads of other contents to the same place. Their partial
    /// files use the usual partial names.
    pub(super) rivals: Vec<String>,
}

/// Progress and cancellation while a content is opened.
pub(super) struct Watch<'a> {
    /// Gets the bytes hashed, and the bytes to hash.
    pub(super) progress: &'a dyn Fn(u64, u64),
    pub(super) cancelled: &'a AtomicBool,
}

/// What was found on disk, and what follows from it.
struct Survey {
    sights: Vec<Sight>,
    findings: Vec<Finding>,
    belief: Belief,
    plan: Plan,
}

impl Opening {
    /// See [`DiskStore::open`].
    pub(super) fn open(mut self, watch: &Watch<'_>) -> Result<Opened, DownloadError> {
        let mut resume = self.resume_left()?;
        match &resume {
            // The earlier run may have been killed before it tried the names.
            Some(resume) => {
                self.tell_names_apart(resume)?;
            }
            None => self.files.find_renamed().map_err(self.refused())?,
        }
        self.rivals = self.list_rivals()?;
        let sights = self.look(resume.is_some())?;
        if resume.is_none() && self.receipt_matches(&sights) {
            self.files_are_whole(&sights);
            let full = Ledger::new(self.selected_held(), self.selected_held());
            return Ok(self.complete(full, &sights));
        }
        let left = match &mut resume {
            Some(resume) => Some(resume.load(&self.manifest).map_err(storage(&self.target.folder))?),
            None => None,
        };
        let survey = self.survey(sights, left.as_ref(), watch)?;
        let untouched = survey.plan.replaced.is_empty() && self.all_complete(&survey.findings);
        if resume.is_none() && untouched {
            let held = || Held::Some(survey.belief.good.clone());
            let opened = self.complete(Ledger::new(held(), held()), &survey.sights);
            opened.store.write_receipt();
            return Ok(opened);
        }
        let (resume, new, mut survey) = match resume {
            Some(resume) => (resume, false, survey),
            None => {
                let (resume, survey) = self.begin(survey, watch)?;
                (resume, true, survey)
            }
        };
        let left = left.unwrap_or_default();
        let written = self.note_ours(&resume, &survey).and_then(|()| self.write(&mut survey, &left, watch));
        if let Err(error) = written {
            self.undo(resume, new, &error);
            return Err(error);
        }
        self.go_on(resume, left, &survey.sights, &survey.belief)
    }

    /// Judges what was found, and decides what to write. Writes nothing.
    fn survey(
        &self,
        sights: Vec<Sight>,
        left: Option<&Left>,
        watch: &Watch<'_>,
    ) -> Result<Survey, DownloadError> {
        let findings = self.judge(&sights, left)?;
        let mut belief = self.believe(&findings, left.unwrap_or(&Left::default()), watch)?;
        let plan = self.decide(&findings, &mut belief)?;
        Ok(Survey { sights, findings, belief, plan })
    }

    fn refused(&self) -> impl Fn(io::Error) -> DownloadError + use<> {
        refused(&self.target.folder.join(self.manifest.name()))
    }

    fn parent(&self) -> Result<Folder, DownloadError> {
        Folder::open(&self.target.folder).map_err(refused(&self.target.folder))
    }

    /// The state of an earlier run, locked. `None`: there is no state.
    fn resume_left(&self) -> Result<Option<Resume>, DownloadError> {
        let parent = self.parent()?;
        let there = Resume::is_in(&parent, &self.manifest).map_err(self.refused())?;
        if there { self.lock(&parent).map(Some) } else { Ok(None) }
    }

    fn lock(&self, parent: &Folder) -> Result<Resume, DownloadError> {
        let resume = Resume::lock(parent, &self.manifest).map_err(storage(&self.target.folder))?;
        resume.ok_or_else(|| DownloadError::Busy(self.target.folder.join(self.manifest.name())))
    }

    /// Makes a new, empty state, unless another content is being downloaded to the same place. If
    /// this disk cannot have all names, what was found under those names is not ours; then the
    /// files are looked for again under their stand-in names.
    fn begin(&self, survey: Survey, watch: &Watch<'_>) -> Result<(Resume, Survey), DownloadError> {
        let parent = self.parent()?;
        let mut resume = self.lock(&parent)?;
        let begun = self.heed_newcomers().and_then(|()| self.heed_rivals(&parent)).and_then(|()| {
            let renamed = self.tell_names_apart(&resume)?;
            resume.load(&self.manifest).map_err(storage(&self.target.folder))?;
            if !renamed {
                return Ok(survey);
            }
            self.files.start_over();
            self.survey(self.look(false)?, None, watch)
        });
        match begun {
            Ok(survey) => Ok((resume, survey)),
            Err(error) => {
                self.files.let_go();
                // Report the first error.
                let _ = resume.remove();
                Err(error)
            }
        }
    }

    fn wants(&self, file: FileIndex) -> bool {
        self.target.selected.as_ref().is_none_or(|files| files.contains(&file))
    }

    fn files_are_whole(&self, sights: &[Sight]) {
        sights.iter().for_each(|sight| self.files.set_standing(sight.file, Standing::Complete));
    }

    fn complete(self, ledger: Ledger, sights: &[Sight]) -> Opened {
        let have = ledger.have.to_set();
        let store = Arc::new(self.into_store(ledger, sights));
        Opened { store, have, complete: true }
    }

    fn into_store(self, mut ledger: Ledger, sights: &[Sight]) -> DiskStore {
        for sight in sights {
            if let (Found::File(stamp), Standing::Complete) = (sight.own, self.files.standing(sight.file)) {
                ledger.finished.insert(sight.file, stamp);
            }
        }
        let mut store = DiskStore::new(self.manifest, Box::new(self.files), ledger);
        store.selected = self.target.selected;
        store.receipt = self.receipt;
        store
    }

    fn runs_of(&self, file: FileIndex) -> impl Iterator<Item = RunIndex> {
        let layout = self.manifest.layout();
        layout.file_runs(file).filter_map(|run| layout.run_index(run))
    }

    /// Removes the traces of a download that could not begin. On a full disk everything stays: the
    /// download continues by itself when there is room.
    fn undo(&self, resume: Resume, new: bool, error: &DownloadError) {
        if matches!(error, DownloadError::DiskFull(_)) {
            return;
        }
        // Report the first error.
        let empty = self.files.discard().unwrap_or(false);
        self.files.let_go();
        if new && empty {
            let _ = resume.remove();
        }
    }

    /// Starts or continues the download from what was found.
    fn go_on(
        self,
        resume: Resume,
        left: Left,
        sights: &[Sight],
        belief: &Belief,
    ) -> Result<Opened, DownloadError> {
        let finished = still_finished(&self.files, &left.noted);
        let ledger = self.ledger(left, &belief.trusted, &belief.good);
        let store = self.into_store(ledger, sights);
        store.start_resume(resume, finished)?;
        let have = store.have();
        let complete = !store.wanted().has_beyond(&have);
        if complete {
            store.finish()?;
        }
        Ok(Opened { store: Arc::new(store), have, complete })
    }
}
