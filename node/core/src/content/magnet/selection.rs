//! Which files of a content are wanted (BEP 53): `0,2,4-6`.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use crate::content::manifest::FILES_MAX;

/// The most ranges in one selection.
const RANGES_MAX: usize = 4096;

/// Files by their number in the content, from 0. Invariant: ranges ascend, with gaps between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSelection(Vec<RangeInclusive<u32>>);

/// A text that selects no files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a file selection is written like so=0,2,4-6, with numbers below {FILES_MAX} and at most {RANGES_MAX} ranges"
)]
pub struct SelectionError;

impl FileSelection {
    /// Selects files by number. `None`: there are none, a number is too large, or there are too
    /// many gaps for a link.
    pub fn from_indices(indices: impl IntoIterator<Item = u32>) -> Option<FileSelection> {
        let ranges = indices.into_iter().map(|index| index..=index).collect();
        FileSelection::merge(ranges).ok()
    }

    /// Whether file `index` is selected.
    pub fn contains(&self, index: u32) -> bool {
        let after = self.0.partition_point(|range| *range.start() <= index);
        after.checked_sub(1).is_some_and(|last| self.0[last].contains(&index))
    }

    fn merge(mut ranges: Vec<RangeInclusive<u32>>) -> Result<FileSelection, SelectionError> {
        ranges.sort_by_key(|range| *range.start());
        let mut merged: Vec<RangeInclusive<u32>> = Vec::new();
        for range in ranges {
            if range.is_empty() || *range.end() >= FILES_MAX {
                return Err(SelectionError);
            }
            match merged.last_mut() {
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => merged.push(range),
            }
        }
        match merged.len() {
            1..=RANGES_MAX => Ok(FileSelection(merged)),
            _ => Err(SelectionError),
        }
    }
}

impl FromStr for FileSelection {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse().map_err(|_| SelectionError),
            false => Err(SelectionError),
        };
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Ok(number(first)?..=number(last)?)
        };
        FileSelection::merge(text.split(',').map(range).collect::<Result<_, _>>()?)
    }
}

impl fmt::Display for FileSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match range.start() == range.end() {
                true => write!(f, "{comma}{}", range.start())?,
                false => write!(f, "{comma}{}-{}", range.start(), range.end())?,
            }
        }
        Ok(())
    }
}
