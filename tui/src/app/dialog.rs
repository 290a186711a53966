//! Questions to the user, in a box above the view.

use std::{collections::BTreeSet, sync::Arc};

use nearcast_core::{id::ContentId, magnet::FileSelection, manifest::Manifest};
use nearcast_node::DownloadLimits;
use nearcast_service::units::parse_rate;

use super::{cursor::Cursor, field::Field, message::Looked, words::clean};
use crate::source::Named;

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) enum Dialog {
    /// Nothing: the keys are shown, from this line on.
    Help(usize),
    /// What to add.
    Add(Box<Add>),
    /// How fast.
    Limits(Limits),
    /// Whether to remove this download, of this name.
    Remove(ContentId, String),
    /// Whether to quit while this many downloads run.
    Quit(usize),
}

/// What to add, and where to.
#[derive(Clone, Debug)]
pub(crate) struct Add {
    /// The link, path or URL.
    pub(crate) text: Field,
    /// The folder that receives it.
    pub(crate) folder: Field,
    /// How far it is.
    pub(crate) stage: Stage,
    /// Whether keys go to the folder.
    pub(crate) on_folder: bool,
    /// Why it does not go on.
    pub(crate) error: Option<String>,
}

/// How far an [`Add`] is.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// The user writes.
    Writing,
    /// What is written is read, or fetched.
    Looking,
    /// The user chooses files.
    Choosing(Box<Choice>),
}

/// The files of a content, and which of them are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// The content.
    pub(crate) named: Named,
    /// Its metainfo. `None`: peers are asked for it.
    pub(crate) manifest: Option<Arc<Manifest>>,
    /// The files that are not wanted.
    unwanted: BTreeSet<u32>,
    /// The place in the list of files.
    pub(crate) cursor: Cursor,
}

impl Add {
    /// The first question.
    pub(crate) fn new(text: &str, folder: &str) -> Add {
        Add {
            text: Field::new(text),
            folder: Field::new(folder),
            stage: Stage::Writing,
            on_folder: false,
            error: None,
        }
    }

    /// The field that keys go to.
    pub(crate) fn field(&mut self) -> &mut Field {
        if self.on_folder { &mut self.folder } else { &mut self.text }
    }

    /// Takes what the text names.
    pub(crate) fn on_looked(&mut self, looked: Result<Looked, String>) {
        match (looked, &mut self.stage) {
            (Ok(Looked { named, manifest }), Stage::Choosing(choice)) => {
                if choice.named.content() == named.content() {
                    choice.learn(manifest);
                }
            }
            (Ok(Looked { named, manifest }), stage @ Stage::Looking) => {
                let mut choice =
                    Choice { named, manifest: None, unwanted: BTreeSet::new(), cursor: Cursor::default() };
                choice.learn(manifest);
                *stage = Stage::Choosing(Box::new(choice));
                self.error = None;
            }
            (Ok(_), Stage::Writing) => {}
            (Err(error), Stage::Choosing(_)) => self.error = Some(clean(&error)),
            (Err(error), stage) => {
                *stage = Stage::Writing;
                self.error = Some(clean(&error));
            }
        }
    }
}

impl Choice {
    fn learn(&mut self, manifest: Option<Arc<Manifest>>) {
        let Some(manifest) = manifest else { return };
        if let Named::Link(magnet) = &self.named
            && let Some(selection) = &magnet.selection
        {
            let files = 0..manifest.files().len() as u32;
            self.unwanted = files.filter(|&file| !selection.contains(file)).collect();
        }
        self.manifest = Some(manifest);
    }

    /// The number of files. 0: not known.
    pub(crate) fn files(&self) -> usize {
        self.manifest.as_ref().map_or(0, |manifest| manifest.files().len())
    }

    /// Whether a file is wanted.
    pub(crate) fn wants(&self, file: usize) -> bool {
        !self.unwanted.contains(&(file as u32))
    }

    /// Wants the chosen file, or no longer.
    pub(crate) fn turn(&mut self) {
        let file = self.cursor.at as u32;
        if (file as usize) < self.files() && !self.unwanted.remove(&file) {
            self.unwanted.insert(file);
        }
    }

    /// Wants all files; none, if all are wanted.
    pub(crate) fn turn_all(&mut self) {
        self.unwanted = match self.unwanted.is_empty() {
            true => (0..self.files() as u32).collect(),
            false => BTreeSet::new(),
        };
    }

    /// The number of wanted files, and their bytes.
    pub(crate) fn wanted(&self) -> (usize, u64) {
        let files = self.manifest.iter().flat_map(|manifest| manifest.files().iter().enumerate());
        let wanted = files.filter(|(at, _)| self.wants(*at));
        wanted.fold((0, 0), |(count, bytes), (_, file)| (count + 1, bytes + file.length))
    }

    /// What to ask for. `None`: all files, or what the link says.
    pub(crate) fn selection(&self) -> Option<FileSelection> {
        let is_all = self.unwanted.is_empty();
        let all = (0..self.files() as u32).filter(|file| !self.unwanted.contains(file));
        self.manifest.as_ref().and_then(|_| match (is_all, &self.named) {
            (true, Named::Torrent(_)) => None,
            _ => FileSelection::from_indices(all),
        })
    }
}

/// Limits as text: down and up of all downloads, and of the chosen one.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// The download that the last two are about, and its name.
    pub(crate) one: Option<(ContentId, String)>,
    /// The texts.
    pub(crate) fields: [Field; 4],
    /// Where the cursor is.
    pub(crate) at: usize,
    /// What is wrong.
    pub(crate) error: Option<String>,
}

impl Limits {
    /// A dialog with the limits that hold.
    pub(crate) fn new(all: DownloadLimits, one: Option<(ContentId, String, DownloadLimits)>) -> Limits {
        let text = |limit: Option<u64>| Field::new(limit.map(written).unwrap_or_default());
        let of = one.as_ref().map(|(_, _, limits)| *limits).unwrap_or_default();
        Limits {
            one: one.map(|(content, name, _)| (content, name)),
            fields: [text(all.down), text(all.up), text(of.down), text(of.up)],
            at: 0,
            error: None,
        }
    }

    /// The number of fields in use.
    pub(crate) fn count(&self) -> usize {
        if self.one.is_some() { 4 } else { 2 }
    }

    /// The limits as written: of all, and of the one.
    ///
    /// # Errors
    /// The field that is wrong, and a sentence.
    pub(crate) fn read(&self) -> Result<[DownloadLimits; 2], (usize, String)> {
        let limit = |at: usize| match self.fields[at].text().trim() {
            "" => Ok(None),
            text => parse_rate(text).map(Some).map_err(|error| (at, error.to_string())),
        };
        Ok([
            DownloadLimits { down: limit(0)?, up: limit(1)? },
            DownloadLimits { down: limit(2)?, up: limit(3)? },
        ])
    }
}

/// A rate as the user would write it.
fn written(rate: u64) -> String {
    let units = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    let fits = units.into_iter().find(|(unit, _)| rate.is_multiple_of(*unit) && rate > 0);
    fits.map_or_else(|| rate.to_string(), |(unit, letter)| format!("{}{letter}", rate / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_as_they_are_read() {
        for rate in [1, 999, 1_000, 1_500, 5_000_000, 2_000_000_000, 1 << 20] {
            assert_eq!(parse_rate(&written(rate)), Ok(rate));
        }
        let mut limits = Limits::new(DownloadLimits { down: Some(5_000_000), up: None }, None);
        assert_eq!((limits.fields[0].text(), limits.count()), ("5M", 2));
        limits.fields[1] = Field::new("fast");
        assert_eq!(limits.read().unwrap_err().0, 1);
        limits.fields[1] = Field::new(" 8Mbit ");
        assert_eq!(limits.read().unwrap()[0], DownloadLimits { down: Some(5_000_000), up: Some(1_000_000) });
    }
}
