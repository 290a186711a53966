//! What lies on disk under the names of the files, and what it is judged to be.

use nearcast_core::layout::FileIndex;

use super::{
    super::{
        findings::{Basis, Finding, Judge, Sight},
        folder::Found,
        medium::Medium,
        open::refused,
        receipt::{Receipt, ReceiptPlace},
        resume::Left,
        standing::{Place, Standing},
    },
    Opening,
};
use crate::error::DownloadError;

impl Opening {
    /// Looks at the wanted files. `others_too`: an earlier run may have made the other files, so it
    /// looks at those too.
    pub(super) fn look(&self, others_too: bool) -> Result<Vec<Sight>, DownloadError> {
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

    pub(super) fn receipt_matches(&self, sights: &[Sight]) -> bool {
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

    /// Judges all files, and sets where each is read from.
    pub(super) fn judge(&self, sights: &[Sight], left: Option<&Left>) -> Result<Vec<Finding>, DownloadError> {
        let judge = Judge { manifest: &self.manifest, left, overwrite: self.target.overwrite };
        let findings: Vec<Finding> = sights.iter().map(|sight| judge.judge(sight)).collect();
        for finding in &findings {
            let file = finding.file;
            match finding.basis {
                Basis::Blocked if self.wants(file) => {
                    return Err(DownloadError::Blocked(self.files.path(file)));
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
}

/// What lies under the partial name that only we use. `sights` is sorted by file.
pub(super) fn beside_of(sights: &[Sight], file: FileIndex) -> Found {
    let at = sights.binary_search_by_key(&file, |sight| sight.file);
    at.ok().and_then(|at| sights.get(at)).map_or(Found::Nothing, |sight| sight.beside)
}
