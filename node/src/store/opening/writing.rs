//! Writes what was decided: notes which partial files are ours, and begins the new files that
//! replace others.

use nearcast_core::layout::{PieceIndex, RunIndex};

use super::{
    super::{
        findings::{Basis, Sight},
        folder::Found,
        made::{self, Identity},
        medium::Medium,
        open::storage,
        resume::{Left, Resume},
        salvage::{Replaced, Salvage},
        standing::Standing,
    },
    Opening, Survey, Watch,
    belief::Belief,
    plan::Plan,
    sights::beside_of,
};
use crate::error::DownloadError;

impl Opening {
    /// Notes which partial files are continued. From now on they are ours, whoever made them.
    pub(super) fn note_ours(&self, resume: &Resume, survey: &Survey) -> Result<(), DownloadError> {
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
    pub(super) fn write(
        &self,
        survey: &mut Survey,
        left: &Left,
        watch: &Watch<'_>,
    ) -> Result<(), DownloadError> {
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
}
