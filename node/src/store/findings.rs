//! What lies where the files of a content belong, and what each file can be continued from. Nothing
//! on disk is changed here.

use nearcast_core::{layout::FileIndex, manifest::Manifest, run_set::RunSet};

use super::{
    folder::{FileStamp, Found},
    made::Identity,
    resume::Left,
};

/// What lies at the places of one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub(super) file: FileIndex,
    pub(super) own: Found,
    pub(super) partial: Found,
    /// What lies under the partial name that only we use.
    pub(super) beside: Found,
}

/// What a file can be continued from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    /// Nothing: the file is made when it is first written to.
    Nothing,
    /// The file under its own name.
    Own {
        stamp: FileStamp,
        /// We finished the file, and nobody wrote to it since.
        ours: bool,
    },
    /// A partial file.
    Partial {
        stamp: FileStamp,
        /// It lies under the partial name that only we use.
        beside: bool,
        /// An unfinished download of ours made it.
        ours: bool,
    },
    /// A folder, a link or the like lies under its own name.
    Blocked,
    /// A folder, a link or the like lies under its partial name.
    PartialBlocked,
}

/// What is known of one file before anything is hashed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finding {
    pub(super) file: FileIndex,
    pub(super) basis: Basis,
    /// The file under its own name, whatever this file is continued from.
    pub(super) original: Option<FileStamp>,
    /// The runs that the state calls durable are in the file, as they were left.
    pub(super) trusted: bool,
}

/// Judges files by what was found.
pub(super) struct Judge<'a> {
    pub(super) manifest: &'a Manifest,
    /// What an earlier run left. `None`: there was no earlier run.
    pub(super) left: Option<&'a Left>,
    /// Existing files that differ may be replaced.
    pub(super) overwrite: bool,
}

impl Judge<'_> {
    pub(super) fn judge(&self, sight: &Sight) -> Finding {
        let original = match sight.own {
            Found::File(stamp) => Some(stamp),
            _ => None,
        };
        let (basis, trusted) = match sight.own {
            Found::Other => (Basis::Blocked, false),
            Found::Nothing => self.judge_partial(sight),
            Found::File(stamp) => self.judge_own(sight, stamp),
        };
        Finding { file: sight.file, basis, original, trusted }
    }

    fn judge_own(&self, sight: &Sight, stamp: FileStamp) -> (Basis, bool) {
        let noted = self.left.and_then(|left| left.noted.finished.get(&sight.file));
        let ours = noted == Some(&stamp.modified_ns) && stamp.bytes == self.bytes(sight.file);
        if ours {
            return (Basis::Own { stamp, ours }, self.durable().is_some());
        }
        // A download that was replacing this file goes on from its partial file, if it may still
        // replace it.
        match self.judge_partial(sight) {
            (basis @ Basis::Partial { ours: true, .. }, trusted) if self.overwrite && self.left.is_some() => {
                (basis, trusted)
            }
            _ => (Basis::Own { stamp, ours }, false),
        }
    }

    fn judge_partial(&self, sight: &Sight) -> (Basis, bool) {
        let has_durable = self.has_durable(sight.file);
        let length = self.bytes(sight.file);
        let (stamp, beside) = match (sight.beside, sight.partial) {
            (Found::File(stamp), _) => (stamp, true),
            (_, Found::File(stamp)) => (stamp, false),
            (Found::Other, _) | (_, Found::Other) => return (Basis::PartialBlocked, false),
            _ => return (Basis::Nothing, false),
        };
        let noted = self.is_noted(sight.file, &stamp);
        // An earlier version of the program noted nothing. Its files have their full length from
        // the start.
        let made_by_us = noted.unwrap_or(self.left.is_some() && (has_durable || stamp.bytes == length));
        let ours = beside || made_by_us || stamp.bytes == 0;
        let trusted = has_durable && stamp.bytes >= length && noted.unwrap_or(true);
        (Basis::Partial { stamp, beside, ours }, trusted)
    }

    /// Whether the earlier run noted this very file as its own. `None`: there was no earlier run,
    /// or its version noted nothing.
    fn is_noted(&self, file: FileIndex, stamp: &FileStamp) -> Option<bool> {
        let made = self.left?.made.as_ref()?;
        Some(made.get(&file) == Some(&Identity::of(stamp)))
    }

    fn bytes(&self, file: FileIndex) -> u64 {
        self.manifest.layout().file_bytes(file)
    }

    fn durable(&self) -> Option<&RunSet> {
        self.left.and_then(|left| left.durable.as_ref())
    }

    fn has_durable(&self, file: FileIndex) -> bool {
        let layout = self.manifest.layout();
        let holds = |durable: &RunSet| {
            let mut runs = layout.file_runs(file).filter_map(|run| layout.run_index(run));
            runs.any(|run| durable.contains(run))
        };
        self.durable().is_some_and(holds)
    }
}
