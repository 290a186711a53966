//! Names from strangers: what may become a file on our disk, and what may reach a terminal.
//!
//! Invariant: a [`SafeName`] is exactly one normal path component on Unix, and a [`RelativePath`]
//! is a chain of them, so joining one to a folder never leaves that folder by name. (Symbolic links
//! that lie on the disk already are the store's business: it follows none.)
//!
//! A name that only some other system or disk cannot have goes from one machine to the next
//! unchanged. A machine that cannot have it gives the file its [stand-in](stand_in), which is such
//! a component on every system.

mod elsewhere;
mod portable;

pub use self::{
    elsewhere::Elsewhere,
    portable::{Unportable, stand_in},
};

use std::{
    cmp::Ordering,
    fmt::{self, Write as _},
    path::PathBuf,
};

/// The most bytes of one component: as many as file systems hold.
pub const NAME_BYTES_MAX: usize = 255;
/// The most bytes of a path. Bounds memory for paths; also `PATH_MAX` on Linux.
pub const PATH_BYTES_MAX: usize = 4096;
/// The most components of one path.
pub const PATH_DEPTH_MAX: usize = 100;

/// One file or folder name that is safe to create.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafeName(String);

/// A name that must not become a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name \"{name}\" is not usable: {fault}")]
pub struct NameError {
    /// The name, made [`printable`], and cut if it is long.
    pub name: String,
    /// What is wrong with it.
    pub fault: NameFault,
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// No bytes.
    #[error("it is empty")]
    Empty,
    /// `.` or `..`.
    #[error("it means another folder")]
    Dots,
    /// Over [`NAME_BYTES_MAX`].
    #[error("it has {0} bytes; file systems take {NAME_BYTES_MAX}")]
    TooLong(usize),
    /// Not UTF-8: some file systems and every terminal need text.
    #[error("it is not valid UTF-8")]
    NotUtf8,
    /// It contains `/`.
    #[error("it contains a path separator")]
    Separator,
    /// It contains C0, C1, DEL, or a line or paragraph separator.
    #[error("it contains a control character")]
    Control,
    /// It contains a character that turns text around, so that a name shows as another one.
    #[error("it contains a character that turns the direction of text")]
    Bidi,
}

impl SafeName {
    /// Checks one name.
    ///
    /// # Errors
    /// See [`NameFault`].
    pub fn parse(name: &[u8]) -> Result<SafeName, NameError> {
        check(name)
            .map(|text| SafeName(text.to_owned()))
            .map_err(|fault| NameError { name: excerpt(name), fault })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Why Windows, or a disk of its kind, lacks this name, if it does.
    pub fn unportable(&self) -> Option<Unportable> {
        Unportable::of(&self.0)
    }
}

impl fmt::Display for SafeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check(name: &[u8]) -> Result<&str, NameFault> {
    if name.len() > NAME_BYTES_MAX {
        return Err(NameFault::TooLong(name.len()));
    }
    let text = std::str::from_utf8(name).map_err(|_| NameFault::NotUtf8)?;
    let fault = match text {
        "" => Some(NameFault::Empty),
        "." | ".." => Some(NameFault::Dots),
        _ => text.chars().find_map(character_fault),
    };
    match fault {
        Some(fault) => Err(fault),
        None => Ok(text),
    }
}

fn character_fault(character: char) -> Option<NameFault> {
    match character {
        '/' => Some(NameFault::Separator),
        _ if turns_text(character) => Some(NameFault::Bidi),
        _ if is_control(character) => Some(NameFault::Control),
        _ => None,
    }
}

fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

fn is_bidi(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character makes Latin letters run the other way, so that `exe.jpg` may be `gpj.exe`.
/// Marks and embeddings from left to right do not: they are in names that phones and spreadsheets
/// made, and are shown escaped.
fn turns_text(character: char) -> bool {
    matches!(character, '\u{202b}' | '\u{202d}' | '\u{202e}' | '\u{2067}' | '\u{2068}')
}

/// The start of a hostile name, for error messages.
fn excerpt(name: &[u8]) -> String {
    const BYTES_SHOWN_MAX: usize = 80;
    let shown = &name[..name.len().min(BYTES_SHOWN_MAX)];
    let mut text = printable(&String::from_utf8_lossy(shown));
    if shown.len() < name.len() {
        text.push('…');
    }
    text
}

/// A path below some folder: 1 to [`PATH_DEPTH_MAX`] safe names. Ordered by component, as the
/// dictionaries of a v2 file tree are, not as the joined text would be.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RelativePath(String);

/// A path that must not be created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// One of its names is bad.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Over [`PATH_DEPTH_MAX`].
    #[error("a path is more than {PATH_DEPTH_MAX} folders deep")]
    TooDeep,
    /// Over [`PATH_BYTES_MAX`].
    #[error("a path is longer than {PATH_BYTES_MAX} bytes")]
    TooLong,
}

impl RelativePath {
    /// Reads a path written with `/`.
    ///
    /// # Errors
    /// See [`PathError`]; a leading, trailing or double `/` is an empty name.
    pub fn parse(text: &str) -> Result<RelativePath, PathError> {
        let mut names = text.split('/').map(|name| SafeName::parse(name.as_bytes()));
        let first = names.next().expect("split gives at least one part")?;
        names.try_fold(RelativePath::from(first), |path, name| path.join(&name?))
    }

    /// The path of `name` in this folder.
    ///
    /// # Errors
    /// If the result is too deep or too long.
    pub fn join(&self, name: &SafeName) -> Result<RelativePath, PathError> {
        if self.0.len().saturating_add(1).saturating_add(name.0.len()) > PATH_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        if self.components().count() >= PATH_DEPTH_MAX {
            return Err(PathError::TooDeep);
        }
        Ok(RelativePath(format!("{}/{}", self.0, name.0)))
    }

    /// This path moved into the folder `name`. The result may have one component more than the
    /// limits say, so that every path of a content still fits below the content's own name.
    pub fn below(&self, name: &SafeName) -> RelativePath {
        RelativePath(format!("{}/{}", name.0, self.0))
    }

    /// Its names, outermost first; never empty.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> + '_ {
        self.0.split('/')
    }

    /// The last name.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The path as text, with `/`; safe to print.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as the system writes it.
    pub fn to_path_buf(&self) -> PathBuf {
        self.components().collect()
    }
}

impl From<SafeName> for RelativePath {
    fn from(name: SafeName) -> Self {
        RelativePath(name.0)
    }
}

impl Ord for RelativePath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.components().cmp(other.components())
    }
}

impl PartialOrd for RelativePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Text that may go to a terminal or a log: characters that could move the cursor, change colours,
/// forge a line or reorder text are shown escaped, as in `\u{1b}`. At most ten times as long as
/// `text`.
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_control(character) || is_bidi(character) {
            // Writing to a String cannot fail.
            let _ = write!(safe, "{}", character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Like [`printable`], for a text that is JSON already and stays JSON: `\u001b`. In JSON such
/// characters can only stand inside of strings.
pub fn printable_json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_control(character) || is_bidi(character) {
            // Writing to a String cannot fail. All of them lie below U+FFFF.
            let _ = write!(safe, "\\u{:04x}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    safe
}

#[cfg(test)]
mod tests;
