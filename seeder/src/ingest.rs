//! Finds entries in the root that have no `.torrent` yet, waits until nobody changes them, and
//! reports them as due to be published. An entry that changes later is due again.
//!
//! Invariants: an entry is not due if it has changed since the last look, if its name looks
//! unfinished, or if a process that we can see has it open for writing. An entry is reported as due
//! once; its outcome goes to [`Ingest::on_published`], [`Ingest::on_failed`],
//! [`Ingest::on_changed`] or [`Ingest::put_back`].

pub mod hashing;
mod sighting;
mod writers;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    io,
    path::Path,
    time::{Duration, Instant},
};

use nearcast_node::{
    publish::{Folder, Include, Kind, LeftOut, looks_unfinished, torrent_name},
    unfinished::{beginning, item_of},
};

use self::{
    sighting::{Sighting, count_in_root},
    writers::Writers,
};

/// An entry counts as finished when two looks this far apart find it unchanged.
pub const QUIET: Duration = Duration::from_secs(2);
/// The wait grows for an entry that changes again and again while it is read. This is the longest
/// wait.
const QUIET_MAX: Duration = Duration::from_secs(3600);
/// An entry that is unchanged but unfinished for this long is no longer looked at more often than
/// others. If the unfinished name is inside a folder, it then counts as forgotten and is left out.
const SETTLING_TIME_MAX: Duration = Duration::from_secs(60);
/// Pause before an entry that could not be published and does not change is tried again. The pause
/// doubles each time: a failed hashing may itself take an hour.
const RETRY_MIN: Duration = Duration::from_secs(3600);
const RETRY_MAX: Duration = Duration::from_secs(8 * 3600);
/// Files and folders directly in the root that are published: as many as contents can be served.
const ITEMS_MAX: usize = 65_536;
/// Names directly in the root that a look takes, including `.torrent` files and entries that are
/// left out.
const NAMES_MAX: usize = 4 * ITEMS_MAX;

/// A file or folder directly in the root.
#[derive(Debug)]
struct Item {
    sighting: Sighting,
    state: State,
    /// How often in a row it changed while it was read.
    changes: u32,
    /// How often in a row publishing failed. Only a change of the entry resets this.
    failures: u32,
    /// The last reported reason for a failure.
    said: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It may still be changing. Unchanged since this time.
    Settling(Instant),
    /// It was reported as due, and is being hashed.
    Due,
    /// It has a matching `.torrent`, as far as we know.
    Published,
    /// It could not be published. Until this time it is tried again only if it changes.
    Failed(Instant),
}

/// A file or folder that should be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The name directly in the root.
    pub name: OsString,
    /// The name of the `.torrent` to write, directly in the root.
    pub torrent: OsString,
    /// An older `.torrent` exists and no longer matches.
    pub again: bool,
    /// How the entry looked.
    sighting: Sighting,
}

impl Due {
    /// The size in bytes when last seen.
    pub fn bytes(&self) -> u64 {
        self.sighting.bytes
    }
}

/// What is known about the entries directly in the root.
#[derive(Debug)]
pub struct Ingest {
    include: Include,
    items: BTreeMap<OsString, Item>,
    /// What the last look left out directly in the root.
    left_out: LeftOut,
    /// Prefixes of names that were being downloaded into the root at the last look.
    downloading: BTreeSet<String>,
    /// The root has more entries than are looked at.
    pub(crate) is_truncated: bool,
}

/// One look at the root.
struct Look<'a> {
    root: &'a Folder,
    now: Instant,
    /// For each name that has one, the `.torrent` directly in the root.
    covered: &'a BTreeMap<String, OsString>,
    /// Prefixes of names that are being downloaded into the root.
    downloading: BTreeSet<String>,
    /// Files open for writing. Looked up only when an entry would otherwise be due.
    writers: Option<Writers>,
}

impl Ingest {
    /// Starts without knowledge of any entry.
    pub fn new(include: Include) -> Ingest {
        Ingest {
            include,
            items: BTreeMap::new(),
            left_out: LeftOut::default(),
            downloading: BTreeSet::new(),
            is_truncated: false,
        }
    }

    /// Looks at the root and returns the entries that are now due. `covered` maps names to their
    /// `.torrent`. Blocks.
    ///
    /// # Errors
    /// If the root cannot be read; nothing is forgotten then.
    pub fn look(
        &mut self,
        root: &Folder,
        now: Instant,
        covered: &BTreeMap<String, OsString>,
    ) -> io::Result<Vec<Due>> {
        let listed = root.entries()?.take(NAMES_MAX + 1).collect::<io::Result<Vec<_>>>()?;
        let state = |name: &OsStr| item_of(name.to_str()?).map(str::to_owned);
        let downloading = listed.iter().filter_map(|entry| state(&entry.name)).collect();
        let mut look = Look { root, now, covered, downloading, writers: None };
        let (mut seen, mut due) = (BTreeSet::new(), Vec::new());
        self.left_out = LeftOut::default();
        self.is_truncated = listed.len() > NAMES_MAX;
        for name in listed.into_iter().map(|entry| entry.name) {
            if has_ending(&name, "torrent") || looks_unfinished(&name) {
                continue;
            }
            let Ok((kind, stamp)) = root.look(Path::new(&name)) else { continue };
            if let Some(reason) = self.include.leaves_out(&name, kind, &stamp) {
                count_in_root(&mut self.left_out, reason);
                continue;
            }
            if seen.len() == ITEMS_MAX {
                self.is_truncated = true;
                break;
            }
            let sighting = match kind {
                Kind::Other => None,
                Kind::File | Kind::Folder => Sighting::of_known(root, &name, self.include, kind, &stamp),
            };
            if let Some(sighting) = sighting {
                due.extend(self.judge(&mut look, &name, sighting));
                seen.insert(name);
            }
        }
        self.downloading = look.downloading;
        self.items.retain(|name, _| seen.contains(name));
        Ok(due)
    }

    /// Looks only at the entries that were not finished at the last look, and returns those that are
    /// now due. Only for a root with the names it had then: it neither reads names nor misses any.
    /// Blocks.
    pub fn look_at_settling(
        &mut self,
        root: &Folder,
        now: Instant,
        covered: &BTreeMap<String, OsString>,
    ) -> Vec<Due> {
        let settling = self.items.iter().filter(|(_, item)| matches!(item.state, State::Settling(_)));
        let names: Vec<OsString> = settling.map(|(name, _)| name.clone()).collect();
        let downloading = std::mem::take(&mut self.downloading);
        let mut look = Look { root, now, covered, downloading, writers: None };
        let mut due = Vec::new();
        for name in names {
            // What is gone or left out by now is for the next look to notice.
            if let Some(sighting) = Sighting::of(root, &name, self.include) {
                due.extend(self.judge(&mut look, &name, sighting));
            }
        }
        self.downloading = look.downloading;
        due
    }

    /// Whether an entry is not finished yet.
    pub fn has_settling(&self) -> bool {
        self.items.values().any(|item| matches!(item.state, State::Settling(_)))
    }

    /// Whether an entry may be due soon, so that extra looks at what settles are worthwhile.
    /// An entry that has been unfinished for long does not count.
    pub fn is_settling(&self, now: Instant) -> bool {
        let soon = |since: &Instant| now.saturating_duration_since(*since) < SETTLING_TIME_MAX;
        self.items.values().any(|item| matches!(&item.state, State::Settling(since) if soon(since)))
    }

    fn judge(&mut self, look: &mut Look<'_>, name: &OsStr, sighting: Sighting) -> Option<Due> {
        let torrent = look.torrent_of(name);
        let written = look.root.look(Path::new(&torrent)).ok();
        let written = written.filter(|(kind, _)| *kind == Kind::File).map(|(_, stamp)| stamp.modified_at());
        let Some(item) = self.items.get_mut(name) else {
            // A first guess: nothing records what the .torrent was made of, but newer data has
            // changed since.
            let fits = written.is_some_and(|written| sighting.modified <= written);
            let state = if fits { State::Published } else { State::Settling(look.now) };
            let item = Item { sighting, state, changes: 0, failures: 0, said: None };
            self.items.insert(name.to_owned(), item);
            return None;
        };
        // The file system of its files is gone. The old sighting still holds for the time when they
        // are back.
        if sighting.has_vanished_since(&item.sighting) {
            return None;
        }
        match item.state {
            // Its outcome is reported to us; then it is looked at again.
            State::Due => return None,
            // The .torrent was removed.
            State::Published if written.is_none() => item.settle(look.now),
            State::Published if item.sighting.has_data_of(&sighting) => {}
            State::Published => item.settle(look.now),
            State::Settling(_) | State::Failed(_) if !item.sighting.is_exactly(&sighting) => {
                item.settle(look.now);
            }
            State::Failed(until) if look.now >= until => item.state = State::Settling(look.now),
            State::Settling(since) => {
                let quiet = look.now.saturating_duration_since(since);
                if item.is_finished(&sighting, quiet) && look.is_left_alone(name) {
                    item.state = State::Due;
                }
            }
            State::Failed(_) => {}
        }
        item.sighting = sighting;
        let due = Due { name: name.to_owned(), torrent, again: written.is_some(), sighting };
        (item.state == State::Due).then_some(due)
    }

    /// Notes that a due entry now has its `.torrent`.
    pub fn on_published(&mut self, due: &Due) {
        if let Some(item) = self.told(due) {
            item.state = State::Published;
            (item.changes, item.failures, item.said) = (0, 0, None);
        }
    }

    /// Notes that a due entry could not be published. Returns whether the reason is new for it.
    pub fn on_failed(&mut self, due: &Due, now: Instant, reason: &str) -> bool {
        let Some(item) = self.told(due) else { return true };
        let wait = RETRY_MIN.saturating_mul(1 << item.failures.min(16)).min(RETRY_MAX);
        item.failures = item.failures.saturating_add(1);
        item.state = State::Failed(now + wait);
        let is_new = item.said.as_deref() != Some(reason);
        item.said = Some(reason.to_owned());
        is_new
    }

    /// Notes that a due entry changed while it was read: it is not finished.
    pub fn on_changed(&mut self, due: &Due, now: Instant) {
        if let Some(item) = self.told(due) {
            item.changes = item.changes.saturating_add(1);
            item.state = State::Settling(now);
        }
    }

    /// Notes that a due entry was not examined: it is due again soon.
    pub fn put_back(&mut self, due: &Due, now: Instant) {
        if let Some(item) = self.told(due) {
            item.state = State::Settling(now);
        }
    }

    /// The item with the sighting it had when it was due. The next look notices later changes.
    fn told(&mut self, due: &Due) -> Option<&mut Item> {
        let item = self.items.get_mut(&due.name)?;
        item.sighting = due.sighting;
        Some(item)
    }

    /// The number of entries that could not be published.
    pub fn failures(&self) -> usize {
        self.items.values().filter(|item| matches!(item.state, State::Failed(_))).count()
    }

    /// What was left out directly in the root.
    pub fn left_out_in_root(&self) -> &LeftOut {
        &self.left_out
    }

    /// The number of entries left out, in the root and below it.
    pub fn left_out(&self) -> u64 {
        let inside = self.items.values().map(|item| item.sighting.left_out);
        inside.fold(self.left_out.total(), u64::saturating_add)
    }
}

impl Item {
    /// Notes a change. Earlier failures no longer count; the number of changes does.
    fn settle(&mut self, now: Instant) {
        self.state = State::Settling(now);
        self.failures = 0;
    }

    fn is_finished(&self, sighting: &Sighting, quiet: Duration) -> bool {
        let wanted = QUIET.saturating_mul(1 << self.changes.min(16)).min(QUIET_MAX);
        let wanted = if sighting.is_unfinished { wanted.max(SETTLING_TIME_MAX) } else { wanted };
        sighting.is_something() && !sighting.is_downloading && quiet >= wanted
    }
}

impl Look<'_> {
    fn torrent_of(&self, name: &OsStr) -> OsString {
        let known = name.to_str().and_then(|name| self.covered.get(name)).cloned();
        known.unwrap_or_else(|| match name.to_str() {
            Some(name) => torrent_name(name).into(),
            // Publishing will refuse this name.
            None => {
                let mut beside = name.to_owned();
                beside.push(".torrent");
                beside
            }
        })
    }

    /// Whether nobody downloads or writes to the entry, as far as we can see.
    fn is_left_alone(&mut self, name: &OsStr) -> bool {
        if name.to_str().is_some_and(|name| self.downloading.contains(&*beginning(name))) {
            return false;
        }
        let root = self.root;
        !self.writers.get_or_insert_with(|| Writers::in_folder(root)).write_to(name)
    }
}

fn has_ending(name: &OsStr, wanted: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests;
