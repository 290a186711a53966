//! What is put into the root and has no `.torrent` yet: noticed, waited for until nobody changes it, and named
//! as due to be published. What changes after that is due again.
//!
//! Invariants: nothing is due that was changed since the look before, that looks unfinished by its name, or
//! that some process we can see has open for writing. A thing is due once; what became of it is told to
//! [`Ingest::on_published`] or [`Ingest::on_failed`].

pub mod hashing;
mod sighting;
mod writers;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use self::sighting::{Sighting, sight};

/// Unchanged for this long, at two looks, before it is taken to be finished.
pub const QUIET: Duration = Duration::from_secs(2);
/// What is not finished after this long without a change is not looked at more often than everything else.
const SETTLING_TIME_MAX: Duration = Duration::from_secs(60);
/// What could not be published is tried again after this long, even if it did not change: a disk may be back.
const RETRY: Duration = Duration::from_secs(60);
/// Files and folders directly in the root that are looked at.
const NAMES_MAX: usize = 65_536;
/// Endings that programs give to what they have not finished.
const UNFINISHED: [&str; 9] =
    ["part", "partial", "tmp", "temp", "crdownload", "download", "aria2", "!qb", "swp"];

/// A thing in the root.
#[derive(Debug)]
struct Item {
    sighting: Sighting,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It may still be changing; unchanged since then.
    Settling(Instant),
    /// It was said to be due, and is being hashed.
    Due,
    /// It has a `.torrent` that fits, as far as we know.
    Published,
    /// It could not be published, at that time.
    Failed(Instant),
}

/// A file or folder that should be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Where it lies.
    pub path: PathBuf,
    /// The `.torrent` to write.
    pub torrent: PathBuf,
    /// There is one, which no longer fits.
    pub again: bool,
    /// What it looked like; for [`Ingest::on_published`].
    sighting: Sighting,
}

/// What is known of the things directly in the root.
#[derive(Debug)]
pub struct Ingest {
    root: PathBuf,
    items: BTreeMap<OsString, Item>,
}

impl Ingest {
    /// Nothing is known yet.
    pub fn new(root: PathBuf) -> Ingest {
        Ingest { root, items: BTreeMap::new() }
    }

    /// Looks at the root. `covered` names the `.torrent` of what has one. Blocking.
    ///
    /// # Errors
    /// When the root cannot be read; nothing is forgotten then.
    pub fn look(&mut self, now: Instant, covered: &BTreeMap<String, PathBuf>) -> io::Result<Vec<Due>> {
        let mut seen = BTreeSet::new();
        let mut due = Vec::new();
        for entry in fs::read_dir(&self.root)?.flatten().take(NAMES_MAX) {
            let name = entry.file_name();
            if entry.file_type().is_ok_and(|kind| kind.is_symlink()) || is_passed_over(&name) {
                continue;
            }
            let Some(sighting) = sight(&entry.path()) else { continue };
            due.extend(self.judge(now, &name, sighting, covered));
            seen.insert(name);
        }
        self.items.retain(|name, _| seen.contains(name));
        Ok(due)
    }

    /// Whether something may be due soon, so that a look is worth while before the next ordinary one. What has
    /// been about to be finished for long is waited for at leisure.
    pub fn is_settling(&self, now: Instant) -> bool {
        let soon = |since: &Instant| now.duration_since(*since) < SETTLING_TIME_MAX;
        self.items.values().any(|item| matches!(&item.state, State::Settling(since) if soon(since)))
    }

    fn judge(
        &mut self,
        now: Instant,
        name: &OsStr,
        sighting: Sighting,
        covered: &BTreeMap<String, PathBuf>,
    ) -> Option<Due> {
        let path = self.root.join(name);
        let mut beside = name.to_owned();
        beside.push(".torrent");
        let known = name.to_str().and_then(|name| covered.get(name)).cloned();
        let torrent = known.unwrap_or_else(|| self.root.join(beside));
        let written = fs::symlink_metadata(&torrent).and_then(|data| data.modified()).ok();
        let state = match self.items.get(name) {
            None if fits(&sighting, written) => State::Published,
            None => State::Settling(now),
            // What comes of it is told; then it is looked at again.
            Some(Item { state: State::Due, .. }) => return None,
            Some(item) if item.sighting != sighting => State::Settling(now),
            // Somebody took the .torrent away.
            Some(Item { state: State::Published, .. }) if written.is_none() => State::Settling(now),
            Some(Item { state: State::Failed(at), .. }) if now.duration_since(*at) >= RETRY => {
                State::Settling(now)
            }
            Some(Item { state: State::Settling(since), .. })
                if now.duration_since(*since) >= QUIET
                    && sighting.is_finished()
                    && !writers::has_open(&path) =>
            {
                State::Due
            }
            Some(item) => item.state,
        };
        let due = (state == State::Due).then(|| Due {
            path,
            again: written.is_some(),
            torrent,
            sighting: sighting.clone(),
        });
        self.items.insert(name.to_owned(), Item { sighting, state });
        due
    }

    /// Something due has its `.torrent` now.
    pub fn on_published(&mut self, due: &Due) {
        self.set(due, State::Published);
    }

    /// Something due could not be published.
    pub fn on_failed(&mut self, due: &Due, now: Instant) {
        self.set(due, State::Failed(now));
    }

    /// Something due changed while it was read: it is not finished after all.
    pub fn on_changed(&mut self, due: &Due, now: Instant) {
        self.set(due, State::Settling(now));
    }

    fn set(&mut self, due: &Due, state: State) {
        if let Some(item) = due.path.file_name().and_then(|name| self.items.get_mut(name)) {
            // As it was when it was due: what changed since is noticed by the next look.
            *item = Item { sighting: due.sighting.clone(), state };
        }
    }

    /// Things that could not be published.
    pub fn failures(&self) -> usize {
        self.items.values().filter(|item| matches!(item.state, State::Failed(_))).count()
    }
}

/// Whether a `.torrent` of that time can be of data of this one, as a first guess: nothing remembers what it
/// was made of, but data that is newer was changed since.
fn fits(sighting: &Sighting, written: Option<SystemTime>) -> bool {
    written.is_some_and(|written| sighting.modified <= written)
}

/// Whether a name in the root says that it is not meant to be published, or not yet.
fn is_passed_over(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.starts_with(b".") || bytes.ends_with(b"~") || bytes.ends_with(b".torrent") || looks_unfinished(name)
}

/// Whether a name says that more is to come, in the root or in a folder.
fn looks_unfinished(name: &OsStr) -> bool {
    let ending = Path::new(name).extension().and_then(OsStr::to_str).map(str::to_lowercase);
    ending.is_some_and(|ending| UNFINISHED.contains(&&*ending))
}

#[cfg(test)]
mod tests;
