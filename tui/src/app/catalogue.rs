//! What could be added: the `.torrent` files that lie at hand.

use super::{cursor::Cursor, message::Offer, words::clean};

/// What could be added, and which of it is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalogue {
    offers: Vec<Item>,
    order: Vec<usize>,
    filter: String,
    /// The place in what is shown.
    pub(crate) cursor: Cursor,
    /// Whether the files were looked for at all.
    pub(crate) state: Search,
}

/// Whether files were looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Search {
    /// Not yet.
    #[default]
    Never,
    /// They are looked for.
    Running,
    /// They were.
    Done,
}

/// A content that could be added.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// What it is.
    pub(crate) offer: Offer,
    /// Its name, clean.
    pub(crate) name: String,
    /// The folder of its `.torrent`, clean.
    pub(crate) folder: String,
}

impl Catalogue {
    /// Takes what was found.
    pub(crate) fn found(&mut self, offers: Vec<Offer>) {
        let folder =
            |offer: &Offer| offer.path.parent().unwrap_or(&offer.path).to_string_lossy().into_owned();
        let item = |offer: Offer| Item { name: clean(&offer.name), folder: clean(&folder(&offer)), offer };
        self.offers = offers.into_iter().map(item).collect();
        self.offers.sort_by(|one, other| (&one.name, &one.offer.path).cmp(&(&other.name, &other.offer.path)));
        self.state = Search::Done;
        self.arrange();
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

    fn arrange(&mut self) {
        let words: Vec<&str> = self.filter.split_whitespace().collect();
        let wanted = |&at: &usize| {
            let name = self.offers[at].name.to_lowercase();
            words.iter().all(|word| name.contains(word))
        };
        self.order = (0..self.offers.len()).filter(wanted).collect();
        self.cursor.at = self.cursor.at.min(self.order.len().saturating_sub(1));
    }

    /// How many are shown.
    pub(crate) fn shown(&self) -> usize {
        self.order.len()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.offers.len()
    }

    /// Some of those that are shown.
    pub(crate) fn rows(&self, from: usize, count: usize) -> impl Iterator<Item = &Item> {
        self.order.iter().skip(from).take(count).map(|&at| &self.offers[at])
    }

    /// The one that the cursor is on.
    pub(crate) fn chosen(&self) -> Option<&Item> {
        self.order.get(self.cursor.at).map(|&at| &self.offers[at])
    }
}
