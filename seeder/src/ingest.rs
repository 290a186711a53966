//! What is put into the root and has no `.torrent` yet: noticed, waited for until nobody changes it, and named
//! as due to be published. What changes after that is due again.
//!
//! Invariants: nothing is due that was changed since the look before, that looks unfinished by its name, or
//! that some process we can see has open for writing. A thing is due once; what became of it is told to
//! [`Ingest::on_published`], [`Ingest::on_failed`], [`Ingest::on_changed`] or [`Ingest::put_back`].

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

/// Unchanged for this long, at two looks, before it is taken to be finished.
pub const QUIET: Duration = Duration::from_secs(2);
/// What changes again and again while it is read is waited for longer and longer, up to this.
const QUIET_MAX: Duration = Duration::from_secs(3600);
/// What is not finished after this long without a change is not looked at more often than everything else. What is
/// called unfinished inside of a folder is taken to be forgotten then, and left out.
const SETTLING_TIME_MAX: Duration = Duration::from_secs(60);
/// What could not be published, and does not change, is tried again after this long, doubled with each time: hashing
/// it in vain may take as long as an hour itself.
const RETRY_MIN: Duration = Duration::from_secs(3600);
const RETRY_MAX: Duration = Duration::from_secs(8 * 3600);
/// Files and folders directly in the root that are published: as many as contents that are served.
const ITEMS_MAX: usize = 65_536;
/// Names directly in the root that are looked at, `.torrent` files and what is left out among them.
const NAMES_MAX: usize = 4 * ITEMS_MAX;

/// A thing in the root.
#[derive(Debug)]
struct Item {
    sighting: Sighting,
    state: State,
    /// How often in a row it changed while it was read.
    changes: u32,
    /// How often in a row it could not be published; only a change of it begins anew.
    failures: u32,
    /// Why it could not be, as it was said last.
    said: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It may still be changing; unchanged since then.
    Settling(Instant),
    /// It was said to be due, and is being hashed.
    Due,
    /// It has a `.torrent` that fits, as far as we know.
    Published,
    /// It could not be published; until then it is left alone unless it changes.
    Failed(Instant),
}

/// A file or folder that should be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// What it is called, directly in the root.
    pub name: OsString,
    /// The `.torrent` to write, directly in the root.
    pub torrent: OsString,
    /// There is one, which no longer fits.
    pub again: bool,
    /// What it looked like.
    sighting: Sighting,
}

impl Due {
    /// Its size in bytes, when it was seen last.
    pub fn bytes(&self) -> u64 {
        self.sighting.bytes
    }
}

/// What is known of the things directly in the root.
#[derive(Debug)]
pub struct Ingest {
    include: Include,
    items: BTreeMap<OsString, Item>,
    /// What was left out directly in the root, at the last look.
    left_out: LeftOut,
    /// There were more things than are looked at.
    pub(crate) is_truncated: bool,
}

/// One look at the root.
struct Look<'a> {
    root: &'a Folder,
    now: Instant,
    /// The `.torrent` directly in the root for each name that has one.
    covered: &'a BTreeMap<String, OsString>,
    /// The beginnings of names of what is being downloaded into the root.
    downloading: BTreeSet<String>,
    /// Asked for when something would be due otherwise.
    writers: Option<Writers>,
}

impl Ingest {
    /// Nothing is known yet.
    pub fn new(include: Include) -> Ingest {
        Ingest { include, items: BTreeMap::new(), left_out: LeftOut::default(), is_truncated: false }
    }

    /// Looks at the root. `covered` names the `.torrent` of what has one. Blocking.
    ///
    /// # Errors
    /// When the root cannot be read; nothing is forgotten then.
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
        self.items.retain(|name, _| seen.contains(name));
        Ok(due)
    }

    /// Whether something may be due soon, so that a look is worth while before the next ordinary one. What has
    /// been about to be finished for long is waited for at leisure.
    pub fn is_settling(&self, now: Instant) -> bool {
        let soon = |since: &Instant| now.saturating_duration_since(*since) < SETTLING_TIME_MAX;
        self.items.values().any(|item| matches!(&item.state, State::Settling(since) if soon(since)))
    }

    fn judge(&mut self, look: &mut Look<'_>, name: &OsStr, sighting: Sighting) -> Option<Due> {
        let torrent = look.torrent_of(name);
        let written = look.root.look(Path::new(&torrent)).ok();
        let written = written.filter(|(kind, _)| *kind == Kind::File).map(|(_, stamp)| stamp.modified_at());
        let Some(item) = self.items.get_mut(name) else {
            // A first guess: nothing remembers what a .torrent was made of, but data that is newer was changed since.
            let fits = written.is_some_and(|written| sighting.modified <= written);
            let state = if fits { State::Published } else { State::Settling(look.now) };
            let item = Item { sighting, state, changes: 0, failures: 0, said: None };
            self.items.insert(name.to_owned(), item);
            return None;
        };
        // The file system of its files went away: what it was is what it will be when they are back.
        if sighting.has_vanished_since(&item.sighting) {
            return None;
        }
        match item.state {
            // What comes of it is told; then it is looked at again.
            State::Due => return None,
            // Somebody took the .torrent away.
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

    /// Something due has its `.torrent` now.
    pub fn on_published(&mut self, due: &Due) {
        if let Some(item) = self.told(due) {
            item.state = State::Published;
            (item.changes, item.failures, item.said) = (0, 0, None);
        }
    }

    /// Something due could not be published; whether this reason was not said of it before.
    pub fn on_failed(&mut self, due: &Due, now: Instant, reason: &str) -> bool {
        let Some(item) = self.told(due) else { return true };
        let wait = RETRY_MIN.saturating_mul(1 << item.failures.min(16)).min(RETRY_MAX);
        item.failures = item.failures.saturating_add(1);
        item.state = State::Failed(now + wait);
        let is_new = item.said.as_deref() != Some(reason);
        item.said = Some(reason.to_owned());
        is_new
    }

    /// Something due changed while it was read: it is not finished after all.
    pub fn on_changed(&mut self, due: &Due, now: Instant) {
        if let Some(item) = self.told(due) {
            item.changes = item.changes.saturating_add(1);
            item.state = State::Settling(now);
        }
    }

    /// Something due was not looked at: it is due again soon.
    pub fn put_back(&mut self, due: &Due, now: Instant) {
        if let Some(item) = self.told(due) {
            item.state = State::Settling(now);
        }
    }

    /// The item as it was when it was due: what changed since is noticed by the next look.
    fn told(&mut self, due: &Due) -> Option<&mut Item> {
        let item = self.items.get_mut(&due.name)?;
        item.sighting = due.sighting;
        Some(item)
    }

    /// Things that could not be published.
    pub fn failures(&self) -> usize {
        self.items.values().filter(|item| matches!(item.state, State::Failed(_))).count()
    }

    /// What was left out directly in the root.
    pub fn left_out_in_root(&self) -> &LeftOut {
        &self.left_out
    }

    /// How many things were left out, in the root and in everything in it.
    pub fn left_out(&self) -> u64 {
        let inside = self.items.values().map(|item| item.sighting.left_out);
        inside.fold(self.left_out.total(), u64::saturating_add)
    }
}

impl Item {
    /// It changed: whatever was learnt of it does not count any more, but how often it changes does.
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
            // It is refused for its name.
            None => {
                let mut beside = name.to_owned();
                beside.push(".torrent");
                beside
            }
        })
    }

    /// Whether nobody downloads to it or writes to it, as far as can be seen.
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
