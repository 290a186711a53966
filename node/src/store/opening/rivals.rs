//! Downloads of other contents to the same place: found, and heeded.

use super::{
    super::{
        folder::Folder,
        open::refused,
        resume::{Resume, Rival},
    },
    Opening,
};
use crate::error::DownloadError;

impl Opening {
    /// Names of the current downloads of other contents to the same place.
    pub(super) fn list_rivals(&self) -> Result<Vec<String>, DownloadError> {
        let parent = self.parent()?;
        let mut rivals = Vec::new();
        for name in Resume::rivals(&parent, &self.manifest).map_err(self.refused())? {
            if Resume::find_rival(&parent, &name).map_err(self.refused())? != Rival::Gone {
                rivals.push(name);
            }
        }
        Ok(rivals)
    }

    /// Fails if a download of another content began since we looked: it may not have seen us, and
    /// our decisions did not consider it. Of two downloads that begin at the same moment, at least
    /// one sees the other, because each looks again once its own folder is there.
    pub(super) fn heed_newcomers(&self) -> Result<(), DownloadError> {
        if self.list_rivals()?.iter().all(|name| self.rivals.contains(name)) {
            return Ok(());
        }
        Err(DownloadError::Busy(self.target.folder.join(self.manifest.name())))
    }

    /// Another content of the same name goes to the same place. While it is being downloaded, no
    /// other content may be. What is left of it unfinished stays where it is.
    pub(super) fn heed_rivals(&self, parent: &Folder) -> Result<(), DownloadError> {
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
}
