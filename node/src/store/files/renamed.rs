//! Files whose names a disk cannot have. This module finds them again under their stand-in names.

use std::io;

use nearcast_core::paths::{RelativePath, SafeName, Unportable};

use super::{
    super::{alike::Renamed, folder::Found, locked},
    Files, is_no_such_place,
};

/// Longer names may not fit: some disks encrypt names, which makes them longer.
const LONG_BYTES: usize = 140;

impl Files {
    /// Sets the stand-in names of files whose own names this disk cannot have. Returns whether they
    /// differ from those known before.
    pub(crate) fn set_renamed(&self, renamed: Renamed) -> bool {
        let mut known = locked(&self.renamed);
        let is_new = *known != renamed;
        *known = renamed;
        drop(known);
        self.open.forget();
        is_new
    }

    /// Finds files that lie under stand-in names, without making anything. If a file lies under a
    /// stand-in name, an earlier run made it there: the name is derived from the file's own name.
    pub(crate) fn find_renamed(&self) -> io::Result<()> {
        let layout = self.manifest.layout();
        let mut renamed = Renamed::new();
        let folds = self.seems_to_fold()?;
        for file in (0..layout.files()).filter_map(|file| layout.file_index(file)) {
            let target = self.manifest.target(file);
            if !folds
                && !target.components().any(|name| Unportable::of(name).is_some() || name.len() > LONG_BYTES)
            {
                continue;
            }
            for place in self.manifest.stand_ins(file) {
                if let Found::File(_) = self.find_at(&place)? {
                    renamed.insert(file, place);
                    break;
                }
            }
        }
        self.set_renamed(renamed);
        Ok(())
    }

    /// Whether a file is also found under its name with upper and lower case swapped.
    fn seems_to_fold(&self) -> io::Result<bool> {
        let swap = |c: char| match c.is_ascii_lowercase() {
            true => c.to_ascii_uppercase(),
            false => c.to_ascii_lowercase(),
        };
        let name = self.manifest.name();
        let swapped: String = name.chars().map(swap).collect();
        let (Some(one), Ok(other)) =
            (SafeName::parse(name.as_bytes()).ok(), SafeName::parse(swapped.as_bytes()))
        else {
            return Ok(false);
        };
        Ok(one != other
            && self.find_at(&one.into())? != Found::Nothing
            && self.find_at(&other.into())? != Found::Nothing)
    }

    fn find_at(&self, place: &RelativePath) -> io::Result<Found> {
        let components: Vec<&str> = place.components().collect();
        let Some((name, inside)) = components.split_last() else { return Ok(Found::Nothing) };
        match self.base_folder()?.get().folder(inside).and_then(|folder| folder.find(name)) {
            Err(error) if is_no_such_place(&error) => Ok(Found::Nothing),
            found => found,
        }
    }
}
