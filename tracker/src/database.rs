//! The directory's entries on disk, so that a restarted tracker can answer at once.
//!
//! Each content has one row: its members, and how long each of them is still valid. No wall clock
//! is stored: the time between an end and the next start does not count, and a peer that is gone by
//! then is forgotten after its remaining time. Writing is one transaction: the file has either the
//! old data, or all of the new.
//!
//! Nothing read is trusted: rows are parsed with every length checked, and a directory takes them
//! back as if they were announced again, within all its limits.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

mod row;

use std::{
    fs, io, panic,
    path::{Path, PathBuf},
};

use nearcast_core::{id::ContentId, paths::printable, registry::Saved};
use redb::{Durability, ReadableDatabase, ReadableTable, TableDefinition};

/// The version of the row format; a file with another version belongs to another program.
const VERSION: u64 = 1;
/// Memory for pages of the file, in bytes. The file is written from end to end and read once.
const CACHE_BYTES: usize = 16 << 20;
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
const MEMBERS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("members");

/// An open database file.
pub struct Database {
    path: PathBuf,
    /// `None` after an error: the file must be opened again.
    file: Option<redb::Database>,
}

/// The state in which a file was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There was no file.
    Nothing,
    /// The file is intact.
    Intact,
    /// The file was unusable and was renamed; an empty one is in its place.
    MovedAside {
        /// Why it was unusable.
        reason: String,
        /// The new path of the unusable file.
        to: PathBuf,
    },
}

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Another process uses it.
    #[error("{} is in use by another tracker; give this one a --state-dir of its own", .0.display())]
    InUse(PathBuf),
    /// The system refuses access.
    #[error("cannot use {}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        reason: String,
    },
}

/// Counts of reading or writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Contents.
    pub contents: u64,
    /// Members of all contents.
    pub members: u64,
    /// Invalid rows.
    pub bad: u64,
}

/// Why a file is unusable.
enum Fault {
    /// Its content. Another file may take its place.
    Damaged(String),
    /// Another process, or missing rights. The file stays where it is.
    Closed(DatabaseError),
}

impl Database {
    /// Opens the file, or makes it. A file that is not such a database is moved aside, and an empty
    /// one is made.
    ///
    /// # Errors
    /// If another process uses the file, or the system refuses access.
    pub fn open(path: &Path) -> Result<(Database, Found), DatabaseError> {
        let found = if path.exists() { Found::Intact } else { Found::Nothing };
        let (file, found) = match attempt(path) {
            Ok(file) => (file, found),
            Err(Fault::Closed(error)) => return Err(error),
            Err(Fault::Damaged(reason)) => {
                let to = aside(path);
                fs::rename(path, &to).map_err(|error| unusable(path, error.to_string()))?;
                match attempt(path) {
                    Ok(file) => (file, Found::MovedAside { reason, to }),
                    Err(Fault::Closed(error)) => return Err(error),
                    Err(Fault::Damaged(reason)) => return Err(unusable(path, reason)),
                }
            }
        };
        Ok((Database { path: path.to_owned(), file: Some(file) }, found))
    }

    /// Passes each content's members to `take`. Damage ends the reading: the file is then moved
    /// aside and replaced by an empty one.
    ///
    /// # Errors
    /// As [`Database::open`]. Members passed on before stay valid.
    pub fn read(&mut self, mut take: impl FnMut(Vec<Saved>)) -> Result<(Tally, Found), DatabaseError> {
        let mut tally = Tally::default();
        let read = match &self.file {
            Some(file) => guarded(|| read(file, &mut tally, &mut take)),
            None => Ok(()),
        };
        match read {
            Ok(()) => Ok((tally, Found::Intact)),
            Err(reason) => {
                self.file = None;
                let to = aside(&self.path);
                fs::rename(&self.path, &to).map_err(|error| unusable(&self.path, error.to_string()))?;
                *self = Database::open(&self.path)?.0;
                Ok((tally, Found::MovedAside { reason, to }))
            }
        }
    }

    /// Replaces everything by the entries that `fill` passes to its argument, content by content.
    ///
    /// # Errors
    /// An error of the disk, such as a full one. The file keeps its old data; the next write opens
    /// it again.
    pub fn write(&mut self, fill: impl FnOnce(&mut dyn FnMut(Saved))) -> Result<Tally, DatabaseError> {
        if self.file.is_none() {
            *self = Database::open(&self.path)?.0;
        }
        let mut tally = Tally::default();
        let written = match &self.file {
            Some(file) => guarded(|| write(file, &mut tally, fill)),
            None => Ok(()),
        };
        written.map(|()| tally).map_err(|reason| {
            // After a failed write redb refuses everything until the file is opened again.
            self.file = None;
            unusable(&self.path, reason)
        })
    }
}

fn unusable(path: &Path, reason: String) -> DatabaseError {
    DatabaseError::Unusable { path: path.to_owned(), reason }
}

/// The name for an unusable file. There is at most one, so that restarts do not fill a disk.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".unusable");
    name.into()
}

fn attempt(path: &Path) -> Result<redb::Database, Fault> {
    let opened = panic::catch_unwind(|| redb::Builder::new().set_cache_size(CACHE_BYTES).create(path));
    let file = match opened {
        Ok(Ok(file)) => file,
        Ok(Err(redb::DatabaseError::DatabaseAlreadyOpen)) => {
            return Err(Fault::Closed(DatabaseError::InUse(path.to_owned())));
        }
        Ok(Err(redb::DatabaseError::Storage(redb::StorageError::Io(error)))) if !is_form(&error) => {
            return Err(Fault::Closed(unusable(path, error.to_string())));
        }
        Ok(Err(error)) => return Err(Fault::Damaged(printable(&error.to_string()))),
        Err(_) => return Err(Fault::Damaged("it is damaged".to_owned())),
    };
    guarded(|| check_version(&file)).map_err(Fault::Damaged)?;
    Ok(file)
}

/// Whether an error is about the content of a file, and not about the disk.
fn is_form(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Checks the version of the format; writes it into a new file.
fn check_version(file: &redb::Database) -> Result<(), redb::Error> {
    let transaction = file.begin_write()?;
    let found = {
        let mut about = transaction.open_table(ABOUT)?;
        let found = about.get("version")?.map(|version| version.value());
        if found.is_none() {
            about.insert("version", VERSION)?;
        }
        found
    };
    match found {
        None => Ok(transaction.commit()?),
        Some(VERSION) => Ok(transaction.abort()?),
        Some(other) => {
            Err(redb::Error::Corrupted(format!("it was written in form {other}, this is {VERSION}")))
        }
    }
}

fn read(
    file: &redb::Database,
    tally: &mut Tally,
    take: &mut impl FnMut(Vec<Saved>),
) -> Result<(), redb::Error> {
    let transaction = file.begin_read()?;
    let members = match transaction.open_table(MEMBERS) {
        Ok(members) => members,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for entry in members.iter()? {
        let (content, row) = entry?;
        match row::decode(ContentId(*content.value()), row.value()) {
            Some(members) => {
                tally.contents = tally.contents.saturating_add(1);
                tally.members = tally.members.saturating_add(members.len() as u64);
                take(members);
            }
            None => tally.bad = tally.bad.saturating_add(1),
        }
    }
    Ok(())
}

fn write(
    file: &redb::Database,
    tally: &mut Tally,
    fill: impl FnOnce(&mut dyn FnMut(Saved)),
) -> Result<(), redb::Error> {
    let mut transaction = file.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.delete_table(MEMBERS)?;
    {
        let table = transaction.open_table(MEMBERS)?;
        let mut rows = Rows { table, members: Vec::new(), row: Vec::new(), tally, failed: None };
        fill(&mut |saved| rows.take(saved));
        rows.end()?;
    }
    Ok(transaction.commit()?)
}

/// Turns a sequence of members into rows. All members of one content come together.
struct Rows<'a> {
    table: redb::Table<'a, &'static [u8; 32], &'static [u8]>,
    members: Vec<Saved>,
    row: Vec<u8>,
    tally: &'a mut Tally,
    /// The first error; after it nothing more is written.
    failed: Option<redb::StorageError>,
}

impl Rows<'_> {
    fn take(&mut self, saved: Saved) {
        if self.members.first().is_some_and(|first| first.said.content != saved.said.content) {
            self.flush();
        }
        self.members.push(saved);
    }

    fn flush(&mut self) {
        let Some(first) = self.members.first().filter(|_| self.failed.is_none()) else { return };
        self.row.clear();
        row::encode(&self.members, &mut self.row);
        match self.table.insert(&first.said.content.0, self.row.as_slice()) {
            Ok(_) => {
                self.tally.contents = self.tally.contents.saturating_add(1);
                self.tally.members = self.tally.members.saturating_add(self.members.len() as u64);
            }
            Err(error) => self.failed = Some(error),
        }
        self.members.clear();
    }

    fn end(mut self) -> Result<(), redb::StorageError> {
        self.flush();
        self.failed.map_or(Ok(()), Err)
    }
}

/// Runs `act`. Damage that the library does not foresee makes it panic, which counts as an error
/// here.
fn guarded(act: impl FnOnce() -> Result<(), redb::Error>) -> Result<(), String> {
    match panic::catch_unwind(panic::AssertUnwindSafe(act)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(printable(&error.to_string())),
        Err(_) => Err("it is damaged".to_owned()),
    }
}

#[cfg(test)]
mod tests;
