//! The status of a file of a download, the names under which it may lie, and what is unusual about
//! it.

use super::folder::FileStamp;

/// Status of a file of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The file is not there.
    Absent,
    /// The file is there, under a partial name.
    Partial,
    /// The file is there, under its own name.
    Complete,
}

/// One of the names under which a file may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its own name.
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
    /// The file that it will replace, as that file looked when this was decided.
    pub(super) original: Option<FileStamp>,
    /// It was adopted, and is longer than its final length. It keeps all its bytes until it is
    /// whole.
    pub(super) longer: bool,
    /// This process made it.
    pub(super) made: bool,
}
