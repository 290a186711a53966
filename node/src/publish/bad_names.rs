//! Names that cannot be published. All of them are reported at once, so that the user does not
//! rename one, wait, and learn of the next.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use nearcast_core::paths::{PathError, printable};

/// Names listed, at most. The rest are only counted.
const SHOWN_MAX: usize = 20;

/// Files and folders whose names others could not create.
#[derive(Debug, Default)]
pub struct BadNames {
    shown: Vec<(PathBuf, PathError)>,
    count: u64,
}

impl BadNames {
    pub(super) fn add(&mut self, path: &Path, fault: PathError) {
        self.count += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push((path.to_owned(), fault));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Number of bad names.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first twenty bad names, and what is wrong with each.
    pub fn shown(&self) -> &[(PathBuf, PathError)] {
        &self.shown
    }
}

/// One line, safe for terminals.
impl fmt::Display for BadNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.count == 1 { "this name" } else { "these names" };
        write!(f, "cannot publish {what}; rename what bears it: ")?;
        let mut between = "";
        for (path, fault) in &self.shown {
            let reason = match fault {
                PathError::Name(error) => error.fault.to_string(),
                deep => deep.to_string(),
            };
            write!(f, "{between}{} ({reason})", printable(&path.to_string_lossy()))?;
            between = "; ";
        }
        match self.count.saturating_sub(self.shown.len() as u64) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}
