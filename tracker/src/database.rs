//! Who was known, on disk, so that a tracker that starts again can answer at once.
//!
//! One row a content: its members, and how long each would still have counted. No clock is written down: the time
//! between an end and the next start does not count, and whoever is gone by then is forgotten after what was left.
//! Writing is one transaction: the file has either what it had, or all that is new.
//!
//! Nothing read is trusted: rows are taken apart with every length checked, and a directory takes them back as if
//! they were announced anew, under every bound it has.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

mod row;

use std::{
    fs, io, panic,
    path::{Path, PathBuf},
};

use nearcast_core::{id::ContentId, paths::printable, registry::Saved};
use redb::{Durability, ReadableDatabase, ReadableTable, TableDefinition};

/// The form of rows; another number is another program's file.
const VERSION: u64 = 1;
/// Pages of the file kept in memory. It is written from end to end and read once.
const CACHE_BYTES: usize = 16 << 20;
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
const MEMBERS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("members");

/// An open file.
pub struct Database {
    path: PathBuf,
    /// None after an error: the file must be opened anew.
    file: Option<redb::Database>,
}

/// How it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There was none.
    Nothing,
    /// As it was left.
    Intact,
    /// It could not be used, and lies under another name now; an empty one is in its place.
    MovedAside {
        /// Why.
        reason: String,
        /// Where it is.
        to: PathBuf,
    },
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Another process has it.
    #[error("{} is in use by another tracker; give this one a --state-dir of its own", .0.display())]
    InUse(PathBuf),
    /// The system does not let us.
    #[error("cannot use {}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

/// What reading or writing came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Contents.
    pub contents: u64,
    /// Members of all of them.
    pub members: u64,
    /// Rows that were none.
    pub bad: u64,
}

/// Why a file is of no use.
enum Fault {
    /// What is in it. Another may take its place.
    Damaged(String),
    /// Who has it, or what the system lets us. It stays where it is.
    Closed(DatabaseError),
}

impl Database {
    /// Opens the file, or makes it. What is no database of ours is moved aside, and an empty one begun.
    ///
    /// # Errors
    /// When another process has it, or the system does not let us.
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

    /// Hands each content's members to `take`. What is damaged ends it: then the file is moved aside, and empty.
    ///
    /// # Errors
    /// As [`Database::open`]. What was handed out before stays good.
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

    /// Replaces everything by what `fill` hands to its argument, content by content.
    ///
    /// # Errors
    /// What the disk said, as when it is full. The file keeps what it had; the next try opens it anew.
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
            // After a failed write redb refuses everything until the file is opened anew.
            self.file = None;
            unusable(&self.path, reason)
        })
    }
}

fn unusable(path: &Path, reason: String) -> DatabaseError {
    DatabaseError::Unusable { path: path.to_owned(), reason }
}

/// The name for a file that could not be used. There is one such at most, so that restarts do not fill a disk.
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

/// Errors that are about what is in a file, and not about the disk.
fn is_form(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// The number of the form, written where there is none yet.
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

/// Makes rows of members that come one after another, those of one content together.
struct Rows<'a> {
    table: redb::Table<'a, &'static [u8; 32], &'static [u8]>,
    members: Vec<Saved>,
    row: Vec<u8>,
    tally: &'a mut Tally,
    /// After an error nothing more is written.
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

/// Damage that the library does not foresee makes it panic: that is an error here like any other.
fn guarded(act: impl FnOnce() -> Result<(), redb::Error>) -> Result<(), String> {
    match panic::catch_unwind(panic::AssertUnwindSafe(act)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(printable(&error.to_string())),
        Err(_) => Err("it is damaged".to_owned()),
    }
}

#[cfg(test)]
mod tests;
