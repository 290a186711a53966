//! Gives other names to files whose names this disk cannot have.

use nearcast_core::paths::printable;

use super::{
    super::{alike, open::storage, resume::Resume},
    Opening,
};
use crate::error::DownloadError;

impl Opening {
    /// Finds out which names this disk cannot have, and gives those files stand-in names. Returns
    /// whether these differ from those known before.
    pub(super) fn tell_names_apart(&self, resume: &Resume) -> Result<bool, DownloadError> {
        let mut disk = alike::Disk { state: resume.folder() };
        match alike::find(&self.manifest, &mut disk).map_err(storage(&self.target.folder))? {
            Err(alike::Alike { one, other }) => {
                Err(DownloadError::SameName { folder: self.target.folder.clone(), one, other })
            }
            Ok(renamed) => {
                self.tell_of(&renamed);
                Ok(self.files.set_renamed(renamed))
            }
        }
    }

    fn tell_of(&self, renamed: &alike::Renamed) {
        let mut wanted = renamed.iter().filter(|(file, _)| self.wants(**file));
        let Some((&file, place)) = wanted.next() else { return };
        tracing::warn!(
            "this disk cannot have the names of some files ({} of them), which are stored under others: {} as {}",
            wanted.count().saturating_add(1),
            printable(self.manifest.target(file).as_str()),
            printable(place.as_str())
        );
    }
}
