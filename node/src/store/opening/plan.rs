//! What to write, and whether it may be written. Nothing is written here.

use nearcast_core::layout::FileIndex;

use super::{
    super::{
        findings::{Basis, Finding, Sight},
        folder::{FileStamp, Found},
        medium::Medium,
        open::refused,
        standing::Standing,
    },
    Opening,
    belief::Belief,
    sights::beside_of,
};
use crate::error::DownloadError;

/// What to write, once we know that it may be written.
#[derive(Default)]
pub(super) struct Plan {
    /// Existing files that are replaced once the new ones are whole.
    pub(super) replaced: Vec<(FileIndex, FileStamp)>,
    /// Partial files that are continued under their name but do not have their proper length.
    pub(super) adopted: Vec<FileIndex>,
}

impl Opening {
    /// Decides what to write, and whether we may. Nothing is written here, nor after an error.
    pub(super) fn decide(&self, findings: &[Finding], belief: &mut Belief) -> Result<Plan, DownloadError> {
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

    /// Something that is not ours lies under the partial name. It stays as it is. If the user chose
    /// to overwrite, the file is made under our own partial name instead.
    pub(super) fn avoid(&self, file: FileIndex, sights: &[Sight]) -> Result<(), DownloadError> {
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

    pub(super) fn missing_bytes(&self, belief: &Belief) -> u64 {
        let layout = self.manifest.layout();
        let files = (0..layout.files()).filter_map(|file| layout.file_index(file));
        let runs = files.filter(|&file| self.wants(file)).flat_map(|file| self.runs_of(file));
        runs.filter(|&run| !belief.is_right(run)).map(|run| u64::from(layout.run_length(run))).sum()
    }

    pub(super) fn all_complete(&self, findings: &[Finding]) -> bool {
        findings.iter().all(|finding| matches!(finding.basis, Basis::Own { .. }))
    }
}
