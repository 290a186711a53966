//! Opens one download: look, judge, hash what is doubtful, decide, and only then write.

mod belief;
mod naming;

use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
};

use nearcast_core::{
    layout::{FileIndex, PieceIndex, RunIndex},
    manifest::Manifest,
    merkle::proof_length,
    run_set::RunSet,
};

use self::belief::Belief;
use super::{
    DiskStore, Store,
    disk::Ledger,
    files::Files,
    findings::{Basis, Finding, Judge, Sight},
    folder::{FileStamp, Folder, Found},
    held::Held,
    journal::{Noted, Record},
    made::{self, Identity},
    medium::Medium,
    open::{Opened, Target, refused, storage},
    receipt::{Receipt, ReceiptPlace},
    resume::{Left, Resume, Rival},
    salvage::{Replaced, Salvage},
    standing::{Place, Standing},
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

/// What to write, once we know that it may be written.
#[derive(Default)]
struct Plan {
    /// Existing files that are replaced once the new ones are whole.
    replaced: Vec<(FileIndex, FileStamp)>,
    /// Partial files that are continued under their name but do not have their proper length.
    adopted: Vec<FileIndex>,
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

    /// Names of the current downloads of other contents to the same place.
    fn list_rivals(&self) -> Result<Vec<String>, DownloadError> {
        let parent = self.parent()?;
        let mut rivals = Vec::new();
        for name in Resume::rivals(&parent, &self.manifest).map_err(self.refused())? {
            if Resume::find_rival(&parent, &name).map_err(self.refused())? != Rival::Gone {
                rivals.push(name);
            }
        }
        Ok(rivals)
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

    /// Fails if a download of another content began since we looked: it may not have seen us, and
    /// our decisions did not consider it. Of two downloads that begin at the same moment, at least
    /// one sees the other, because each looks again once its own folder is there.
    fn heed_newcomers(&self) -> Result<(), DownloadError> {
        if self.list_rivals()?.iter().all(|name| self.rivals.contains(name)) {
            return Ok(());
        }
        Err(DownloadError::Busy(self.target.folder.join(self.manifest.name())))
    }

    /// Another content of the same name goes to the same place. While it is being downloaded, no
    /// other content may be. What is left of it unfinished stays where it is.
    fn heed_rivals(&self, parent: &Folder) -> Result<(), DownloadError> {
        let io_error = refused(&self.target.folder);
        let path = || self.target.folder.join(self.manifest.name());
        for name in &self.rivals {
            match Resume::find_rival(parent, name).map_err(&io_error)? {
                Rival::Running => return Err(DownloadError::Busy(path())),
                Rival::Left if !self.target.overwrite => return Err(DownloadError::Unfinished(path())),
                Rival::Left | Rival::Gone => {}
            }
        }
        Ok(())
    }

    fn wants(&self, file: FileIndex) -> bool {
        self.target.selected.as_ref().is_none_or(|files| files.contains(&file))
    }

    /// Looks at the wanted files. `others_too`: an earlier run may have made the other files, so it
    /// looks at those too.
    fn look(&self, others_too: bool) -> Result<Vec<Sight>, DownloadError> {
        let layout = self.manifest.layout();
        let files = (0..layout.files()).filter_map(|file| layout.file_index(file));
        let top = self.files.find_top().map_err(self.refused())?;
        let see = |file| {
            let nothing =
                Sight { file, own: Found::Nothing, partial: Found::Nothing, beside: Found::Nothing };
            if top == Some(Found::Nothing) {
                // Without the content's folder there are no files, so no need to look for each.
                return Ok(nothing);
            }
            let find = |place| self.files.find(file, place).map_err(refused(&self.files.path(file)));
            Ok(Sight {
                file,
                own: find(Place::Own)?,
                partial: find(Place::Partial)?,
                beside: find(Place::Beside)?,
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

    /// Judges all files, and sets where each is read from.
    fn judge(&self, sights: &[Sight], left: Option<&Left>) -> Result<Vec<Finding>, DownloadError> {
        let judge = Judge { manifest: &self.manifest, left, overwrite: self.target.overwrite };
        let findings: Vec<Finding> = sights.iter().map(|sight| judge.judge(sight)).collect();
        for finding in &findings {
            let file = finding.file;
            match finding.basis {
                Basis::Blocked if self.wants(file) => {
                    return Err(DownloadError::Exists(self.files.path(file)));
                }
                Basis::PartialBlocked if self.wants(file) => self.avoid(file, sights)?,
                // With a rival, do not make the file under the usual name, where the contents would
                // be mixed up.
                Basis::Nothing if !self.rivals.is_empty() => self.files.build_beside(file, None),
                Basis::Nothing | Basis::Blocked | Basis::PartialBlocked => {}
                Basis::Own { .. } => self.files.set_standing(file, Standing::Complete),
                Basis::Partial { beside, .. } => {
                    if beside {
                        self.files.build_beside(file, finding.original);
                    } else if let Some(original) = finding.original {
                        self.files.replace(file, original);
                    }
                    self.files.set_standing(file, Standing::Partial);
                }
            }
        }
        Ok(findings)
    }

    /// Something that is not ours lies under the partial name. It stays as it is. If the user chose
    /// to overwrite, the file is made under our own partial name instead.
    fn avoid(&self, file: FileIndex, sights: &[Sight]) -> Result<(), DownloadError> {
        let blocked = beside_of(sights, file) == Found::Other;
        self.heed_rivals(&self.parent()?)?;
        if !self.target.overwrite || blocked {
            if blocked {
                self.files.build_beside(file, None);
            }
            return Err(DownloadError::InTheWay(self.files.partial_path(file)));
        }
        self.files.build_beside(file, None);
        self.files.set_standing(file, Standing::Absent);
        Ok(())
    }

    fn runs_of(&self, file: FileIndex) -> impl Iterator<Item = RunIndex> {
        let layout = self.manifest.layout();
        layout.file_runs(file).filter_map(|run| layout.run_index(run))
    }

    /// Decides what to write, and whether we may. Nothing is written here, nor after an error.
    fn decide(&self, findings: &[Finding], belief: &mut Belief) -> Result<Plan, DownloadError> {
        let layout = self.manifest.layout();
        let mut plan = Plan::default();
        for finding in findings {
            let (file, length) = (finding.file, layout.file_bytes(finding.file));
            let wanted = self.wants(file);
            match finding.basis {
                Basis::Own { stamp, ours } => {
                    let right = stamp.bytes == length && self.runs_of(file).all(|run| belief.is_right(run));
                    if right || (!wanted && !ours) {
                        continue;
                    }
                    if !ours && !self.target.overwrite {
                        return Err(DownloadError::Exists(self.files.path(file)));
                    }
                    self.check_replaceable(file)?;
                    plan.replaced.push((file, stamp));
                }
                Basis::Partial { ours: false, .. } if !self.is_adoptable(file, belief) => {
                    self.files.set_standing(file, Standing::Absent);
                    if wanted {
                        self.avoid(file, &[])?;
                    }
                    for run in self.runs_of(file) {
                        belief.good.remove(run);
                    }
                }
                Basis::Partial { stamp, .. } if stamp.bytes != length => plan.adopted.push(file),
                Basis::Nothing | Basis::Blocked | Basis::PartialBlocked | Basis::Partial { .. } => {}
            }
        }
        self.check_room(belief, &plan)?;
        Ok(plan)
    }

    /// Whether a partial file of another program may be continued: some of it is right, and no
    /// download of another content relies on it.
    fn is_adoptable(&self, file: FileIndex, belief: &Belief) -> bool {
        self.rivals.is_empty() && self.runs_of(file).any(|run| belief.is_right(run))
    }

    /// Fails if the file's owner made it read-only, or if its folder takes no new files. Such a
    /// file stays as it is.
    fn check_replaceable(&self, file: FileIndex) -> Result<(), DownloadError> {
        let path = self.files.path(file);
        match self.files.may_write(file, true).map_err(refused(&path))? {
            true => Ok(()),
            false => Err(DownloadError::ReadOnly(path)),
        }
    }

    /// Checks beforehand whether the disk has room for all of it. If not, either fails or warns.
    fn check_room(&self, belief: &Belief, plan: &Plan) -> Result<(), DownloadError> {
        let path = self.target.folder.join(self.manifest.name());
        let bytes = self.missing_bytes(belief);
        let room = self.files.room_bytes().map_err(refused(&path))?;
        let Some(room) = room.filter(|&room| room < bytes) else { return Ok(()) };
        if !self.target.wait_for_room && plan.replaced.is_empty() {
            return Err(DownloadError::NoRoom { path, bytes, room });
        }
        tracing::warn!(
            path = %path.display(), needed_bytes = bytes, room_bytes = room, missing_bytes = bytes.saturating_sub(room),
            "this disk has no room for all of it: {} bytes are missing. The download will pause when the disk is full, \
             and go on when there is room",
            bytes.saturating_sub(room)
        );
        Ok(())
    }

    fn missing_bytes(&self, belief: &Belief) -> u64 {
        let layout = self.manifest.layout();
        let files = (0..layout.files()).filter_map(|file| layout.file_index(file));
        let runs = files.filter(|&file| self.wants(file)).flat_map(|file| self.runs_of(file));
        runs.filter(|&run| !belief.is_right(run)).map(|run| u64::from(layout.run_length(run))).sum()
    }

    fn all_complete(&self, findings: &[Finding]) -> bool {
        findings.iter().all(|finding| matches!(finding.basis, Basis::Own { .. }))
    }

    /// Notes which partial files are continued. From now on they are ours, whoever made them.
    fn note_ours(&self, resume: &Resume, survey: &Survey) -> Result<(), DownloadError> {
        let mut noted = made::Noted::new();
        for finding in &survey.findings {
            if let Basis::Partial { stamp, .. } = finding.basis
                && self.files.standing(finding.file) == Standing::Partial
            {
                noted.insert(finding.file, Identity::of(&stamp));
            }
        }
        for &(file, _) in &survey.plan.replaced {
            if let Found::File(stamp) = beside_of(&survey.sights, file) {
                noted.insert(file, Identity::of(&stamp));
            }
        }
        let made = resume.start_made(&self.manifest, &noted).map_err(storage(&self.target.folder))?;
        self.files.note_in(made);
        Ok(())
    }

    /// Carries out what was decided.
    fn write(&self, survey: &mut Survey, left: &Left, watch: &Watch<'_>) -> Result<(), DownloadError> {
        let Survey { sights, belief, plan, .. } = survey;
        let missing_bytes = self.missing_bytes(belief);
        let replaced = self.begin_replacing(plan, sights, left, belief, watch)?;
        let salvage = Salvage { manifest: &self.manifest, files: &self.files, cancelled: watch.cancelled };
        salvage.run(&replaced, missing_bytes, &mut belief.good)?;
        // Last: if nothing is begun, an adopted file must not have become longer.
        for &file in &plan.adopted {
            self.files.adopt(file).map_err(storage(&self.files.path(file)))?;
        }
        Ok(())
    }

    /// Switches from the old files to the new ones. Right runs of an old file are not in the new
    /// file yet, so they leave `belief`. A new file that an earlier run began is hashed.
    fn begin_replacing(
        &self,
        plan: &Plan,
        sights: &[Sight],
        left: &Left,
        belief: &mut Belief,
        watch: &Watch<'_>,
    ) -> Result<Vec<Replaced>, DownloadError> {
        let mut replaced = Vec::new();
        for &(file, original) in &plan.replaced {
            let right: Vec<RunIndex> = self.runs_of(file).filter(|&run| belief.is_right(run)).collect();
            for &run in &right {
                belief.trusted.remove(run);
                belief.good.remove(run);
            }
            let begun = matches!(beside_of(sights, file), Found::File(_));
            self.files.build_beside(file, Some(original));
            self.files.set_standing(file, if begun { Standing::Partial } else { Standing::Absent });
            if begun {
                self.files.adopt(file).map_err(storage(&self.files.path(file)))?;
            }
            replaced.push(Replaced { file, original, begun, right });
        }
        let begun = replaced.iter().filter(|one| one.begun);
        let pieces: Vec<PieceIndex> = begun.flat_map(|one| self.pieces_of(one.file)).collect();
        for run in self.hash(&pieces, left, watch)?.iter() {
            belief.good.insert(run);
        }
        for one in &mut replaced {
            one.right.retain(|&run| !belief.good.contains(run));
        }
        Ok(replaced)
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

    /// Trusted runs are durable. Runs that only hashing found right may still be on their way to
    /// the disk.
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
                    // Without its proof we could neither serve the run nor notice when it rots.
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

/// What lies under the partial name that only we use. `sights` is sorted by file.
fn beside_of(sights: &[Sight], file: FileIndex) -> Found {
    let at = sights.binary_search_by_key(&file, |sight| sight.file);
    at.ok().and_then(|at| sights.get(at)).map_or(Found::Nothing, |sight| sight.beside)
}

/// Records of the finished files that are still complete.
fn still_finished(files: &Files, noted: &Noted) -> Vec<Record> {
    let finished = noted.finished.iter().map(|(&file, &modified_ns)| (file, modified_ns));
    finished
        .filter(|&(file, _)| files.standing(file) == Standing::Complete)
        .map(|(file, modified_ns)| Record::Finished { file, modified_ns })
        .collect()
}
