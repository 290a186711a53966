//! Where a file of a download stands, under which of its names it lies, and what is unusual about it.

use super::folder::FileStamp;

/// Where a file of the content stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not there.
    Absent,
    /// There, under a partial name.
    Partial,
    /// There, under its own name.
    Complete,
}

/// One of the names under which a file may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its own.
    Own,
    /// The usual partial name, which other programs use too.
    Partial,
    /// The partial name that only we use.
    Beside,
}

/// What is unusual about a file that is not complete.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unusual {
    /// It lies in [`Place::Beside`].
    pub(super) beside: bool,
    /// What it will replace, as that looked when it was decided.
    pub(super) original: Option<FileStamp>,
    /// It was adopted, and is longer than it will be. It keeps all its bytes until it is whole.
    pub(super) longer: bool,
    /// This process made it.
    pub(super) made: bool,
}
