//! The downloads on the screen: all of them, and those that are shown, in order.
//!
//! Invariant: `order` holds ids of `entries`, each at most once; the cursor stays on the download
//! that it was on, whatever else comes and goes.

use std::{cmp::Ordering, collections::BTreeMap, time::Duration};

use nearcast_core::id::ContentId;
use serde::{Deserialize, Serialize};

use super::{cursor::Cursor, entry::Entry, wish::Wish};

/// By what the list is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sort {
    /// When it was added, the oldest first.
    #[default]
    Added,
    Name,
    State,
    /// The share that is here.
    Progress,
    Size,
    /// The rate down, the fastest first.
    Down,
    /// The time left, the shortest first.
    Left,
}

impl Sort {
    const ALL: [Sort; 7] =
        [Sort::Added, Sort::Name, Sort::State, Sort::Progress, Sort::Size, Sort::Down, Sort::Left];

    /// The next one, round and round.
    pub(crate) fn next(self) -> Sort {
        Sort::ALL[(self as usize + 1) % Sort::ALL.len()]
    }

    /// The word for the notice.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Sort::Added => "the order of adding",
            Sort::Name => "name",
            Sort::State => "state",
            Sort::Progress => "progress",
            Sort::Size => "size",
            Sort::Down => "rate",
            Sort::Left => "time left",
        }
    }

    fn compare(self, one: &Entry, other: &Entry) -> Ordering {
        let share = |entry: &Entry| entry.have() as f64 / entry.total().max(1) as f64;
        let by = match self {
            Sort::Added => Ordering::Equal,
            Sort::Name => one.name.cmp(&other.name),
            Sort::State => one.status().cmp(&other.status()),
            Sort::Progress => share(one).total_cmp(&share(other)),
            Sort::Size => other.total().cmp(&one.total()),
            Sort::Down => other.down().unwrap_or(-1.0).total_cmp(&one.down().unwrap_or(-1.0)),
            Sort::Left => {
                let left = |entry: &Entry| entry.left().unwrap_or(Duration::MAX);
                left(one).cmp(&left(other))
            }
        };
        by.then(one.added.cmp(&other.added))
    }
}

/// Sums over all downloads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    /// Bytes a second that come, and that go.
    pub(crate) rates: [f64; 2],
    /// Downloads that are unfinished and run.
    pub(crate) unfinished: usize,
    /// Bytes here, and bytes wanted.
    pub(crate) have: u64,
    /// Bytes wanted.
    pub(crate) total: u64,
}

/// All downloads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Downloads {
    entries: BTreeMap<ContentId, Entry>,
    order: Vec<ContentId>,
    /// Only names with all these words are shown; in small letters.
    filter: String,
    /// By what they are sorted, and whether the other way round.
    pub(crate) sort: (Sort, bool),
    /// The place in what is shown.
    pub(crate) cursor: Cursor,
    added: u64,
}

impl Downloads {
    /// Adds a download. `None`: there is one of this content already.
    pub(crate) fn add(&mut self, wish: Wish) -> Option<&mut Entry> {
        let entry = Entry::new(wish, self.added);
        let content = entry.content();
        self.put(entry).then(|| self.entries.get_mut(&content)).flatten()
    }

    /// Adds a download as it is. False: there is one of this content already.
    pub(crate) fn put(&mut self, entry: Entry) -> bool {
        let content = entry.content();
        if self.entries.contains_key(&content) {
            return false;
        }
        self.added = self.added.max(entry.added + 1);
        self.entries.insert(content, entry);
        self.arrange();
        true
    }

    /// Adds many downloads, and sorts once.
    pub(crate) fn extend(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            self.added = self.added.max(entry.added + 1);
            self.entries.entry(entry.content()).or_insert(entry);
        }
        self.arrange();
    }

    /// Takes a download out.
    pub(crate) fn remove(&mut self, content: ContentId) -> Option<Entry> {
        let removed = self.entries.remove(&content);
        self.arrange();
        removed
    }

    /// One download.
    pub(crate) fn get(&self, content: ContentId) -> Option<&Entry> {
        self.entries.get(&content)
    }

    /// One download, to be changed. Call [`Downloads::arrange`] afterwards.
    pub(crate) fn get_mut(&mut self, content: ContentId) -> Option<&mut Entry> {
        self.entries.get_mut(&content)
    }

    /// All downloads, to be changed.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.values_mut()
    }

    /// All downloads, in no order that means anything.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// All downloads, in the order of adding.
    pub(crate) fn by_age(&self) -> Vec<&Entry> {
        let mut all: Vec<&Entry> = self.entries.values().collect();
        all.sort_unstable_by_key(|entry| entry.added);
        all
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many are shown.
    pub(crate) fn shown(&self) -> usize {
        self.order.len()
    }

    /// Some of those that are shown.
    pub(crate) fn rows(&self, from: usize, count: usize) -> impl Iterator<Item = &Entry> {
        self.order.iter().skip(from).take(count).filter_map(|content| self.entries.get(content))
    }

    /// The one that the cursor is on.
    pub(crate) fn chosen(&self) -> Option<&Entry> {
        self.entries.get(self.order.get(self.cursor.at)?)
    }

    /// Puts the cursor on a download, if it is shown.
    pub(crate) fn choose(&mut self, content: ContentId) {
        if let Some(at) = self.order.iter().position(|shown| *shown == content) {
            self.cursor.at = at;
        }
    }

    /// Shows only names with all words of a text.
    pub(crate) fn filter(&mut self, text: &str) {
        self.filter = text.to_lowercase();
        self.arrange();
    }

    /// What the names are filtered by.
    pub(crate) fn filtered(&self) -> &str {
        &self.filter
    }

    /// Sorts again, after entries have changed.
    pub(crate) fn arrange(&mut self) {
        let chosen = self.order.get(self.cursor.at).copied();
        let words: Vec<&str> = self.filter.split_whitespace().collect();
        let wanted = |entry: &&Entry| {
            words.is_empty() || {
                let name = entry.name.to_lowercase();
                words.iter().all(|word| name.contains(word))
            }
        };
        let mut shown: Vec<&Entry> = self.entries.values().filter(wanted).collect();
        let (sort, reversed) = self.sort;
        shown.sort_unstable_by(|one, other| match reversed {
            true => sort.compare(other, one),
            false => sort.compare(one, other),
        });
        self.order = shown.iter().map(|entry| entry.content()).collect();
        match chosen {
            Some(content) => self.choose(content),
            None => self.cursor = Cursor::default(),
        }
        self.cursor.at = self.cursor.at.min(self.order.len().saturating_sub(1));
    }

    /// Whether the order may change while downloads go on.
    pub(crate) fn is_moving(&self) -> bool {
        !matches!(self.sort.0, Sort::Added | Sort::Size)
    }

    /// Sums over all downloads.
    pub(crate) fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for entry in self.entries.values() {
            sums.rates[0] += entry.down().unwrap_or_default();
            sums.rates[1] += entry.up().unwrap_or_default();
            sums.unfinished += usize::from(entry.is_unfinished());
            sums.have = sums.have.saturating_add(entry.have());
            sums.total = sums.total.saturating_add(entry.total());
        }
        sums
    }
}
