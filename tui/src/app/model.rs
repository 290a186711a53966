//! The screen as a pure state machine: a message comes in, and what is to be done goes out.
//!
//! Invariant: nothing here reads a clock, a file, the network or the terminal, and drawing takes
//! `&Model`. So every state can be made, drawn and asserted in a test.

mod acting;
mod answering;
mod news;
mod pointing;

use std::collections::BTreeMap;

use nearcast_core::{asn::Asn, id::ContentId};
use nearcast_node::DownloadLimits;

use super::{
    catalogue::Catalogue,
    dialog::Dialog,
    downloads::Downloads,
    effect::Effect,
    entry::{Entry, Standing},
    field::Field,
    history::{History, Second},
    journal::Journal,
    keys::{self, Scope},
    message::Message,
    plan::{Plan, View},
    saved::{Saved, SavedDownload},
    theme::Theme,
    words::clean,
};

/// Removed downloads that can be taken back.
const REMOVED_MAX: usize = 32;
/// Seconds of rest after which graphs stop moving.
const QUIET_SECONDS: usize = 5;

/// The whole state of the screen.
#[derive(Debug)]
pub(crate) struct Model {
    /// Columns and rows of the terminal.
    pub(crate) size: (u16, u16),
    /// What is shown.
    pub(crate) view: View,
    /// The downloads.
    pub(crate) downloads: Downloads,
    /// The place in the details, and what "where from" is about.
    pub(crate) focus: Focus,
    /// What could be added.
    pub(crate) catalogue: Catalogue,
    /// The log.
    pub(crate) journal: Journal,
    /// A question to the user.
    pub(crate) dialog: Option<Dialog>,
    /// One sentence at the lower edge, until the next key.
    pub(crate) notice: Option<String>,
    /// What the list is filtered by, while it is written.
    pub(crate) typing: Option<Field>,
    /// How it looks, and what holds for all downloads.
    pub(crate) settings: Settings,
    /// Whether the node is up.
    pub(crate) node: NodeState,
    /// Names of networks, clean.
    pub(crate) networks: BTreeMap<Asn, String>,
    /// What came in each second, over all downloads.
    pub(crate) history: History,
    /// Removed downloads, the last one at the end.
    removed: Vec<Entry>,
}

/// How the screen looks, and what holds for all downloads.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The theme.
    pub(crate) theme: &'static Theme,
    /// Whether the user chose it here.
    pub(crate) theme_chosen: bool,
    /// Whether themes with colours may be chosen.
    pub(crate) colours: bool,
    /// Limits on all downloads together.
    pub(crate) limits: DownloadLimits,
    /// Whether the user set them here.
    pub(crate) limits_chosen: bool,
    /// The folder to download to.
    pub(crate) folder: String,
    /// Whether what is open goes on the next time.
    pub(crate) is_kept: bool,
    /// Whether there is a program that plays a content while it comes.
    pub(crate) can_play: bool,
}

/// The place in the views about one download.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Focus {
    /// The files are shown, and not the peers.
    pub(crate) files: bool,
    /// Rows of peers or files above what is shown.
    pub(crate) top: usize,
    /// "Where from" is about the chosen download, and not about all.
    pub(crate) one: bool,
}

/// Whether the node is up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum NodeState {
    /// It starts.
    #[default]
    Starting,
    /// It is up.
    Up,
    /// It cannot go on. The sentence is clean.
    Down(String),
}

impl Model {
    /// A screen with nothing on it.
    pub(crate) fn new(size: (u16, u16), settings: Settings) -> Model {
        Model {
            size,
            view: View::Downloads,
            downloads: Downloads::default(),
            focus: Focus::default(),
            catalogue: Catalogue::default(),
            journal: Journal::default(),
            dialog: None,
            notice: None,
            typing: None,
            settings,
            node: NodeState::Starting,
            networks: BTreeMap::new(),
            history: History::default(),
            removed: Vec::new(),
        }
    }

    /// Opens what was written down. Returns what is to be begun.
    pub(crate) fn open(&mut self, saved: Saved) -> Vec<Effect> {
        let chosen = saved.theme.as_deref().and_then(Theme::named);
        if let Some(theme) = chosen.filter(|theme| self.settings.colours || !theme.is_coloured()) {
            (self.settings.theme, self.settings.theme_chosen) = (theme, true);
        }
        let mut effects = Vec::new();
        if let Some(limits) = saved.limits {
            (self.settings.limits, self.settings.limits_chosen) = (limits, true);
            effects.push(Effect::Limit(limits));
        }
        self.downloads.sort = saved.sort;
        let entries = (0..).zip(saved.downloads).map(|(added, one)| {
            let mut entry = Entry::new(one.wish, added);
            entry.limits = one.limits;
            one.manifest.into_iter().for_each(|manifest| entry.on_manifest(manifest));
            (entry.progress.bytes_have, entry.progress.bytes_total) = one.seen;
            if one.paused {
                entry.standing = Standing::Paused;
            }
            entry
        });
        self.downloads.extend(entries);
        for entry in self.downloads.by_age() {
            effects.extend((entry.standing != Standing::Paused).then(|| Effect::Begin(entry.to_begin())));
            if entry.limits != DownloadLimits::default() {
                effects.push(Effect::LimitOne(entry.content(), entry.limits));
            }
        }
        effects
    }

    /// What is to be written down.
    pub(crate) fn saved(&self) -> Saved {
        let one = |entry: &Entry| SavedDownload {
            wish: entry.wish.clone(),
            manifest: entry.manifest.clone(),
            paused: entry.standing == Standing::Paused,
            limits: entry.limits,
            seen: (entry.have(), entry.total()),
        };
        Saved {
            theme: self.settings.theme_chosen.then(|| self.settings.theme.name.to_owned()),
            limits: self.settings.limits_chosen.then_some(self.settings.limits),
            sort: self.downloads.sort,
            downloads: self.downloads.by_age().into_iter().map(one).collect(),
        }
    }

    /// Takes one message. Returns what is to be done.
    pub(crate) fn update(&mut self, message: Message) -> Vec<Effect> {
        let watched = self.watched();
        let mut effects = match message {
            Message::Key(key) => self.on_key(key),
            Message::Mouse(mouse) => self.on_mouse(mouse),
            Message::Paste(text) => self.on_paste(&text),
            Message::Size(columns, rows) => {
                self.size = (columns, rows);
                Vec::new()
            }
            Message::Second => self.on_second(),
            Message::News(news) => self.on_news(news),
            Message::Log(lines) => {
                lines.iter().for_each(|line| self.journal.add(line));
                Vec::new()
            }
            Message::Found(offers) => {
                self.catalogue.found(offers);
                Vec::new()
            }
            Message::Played(content, ended) => self.on_played(content, ended),
            Message::NotSaved(why) => {
                self.notice = Some(clean(&why));
                Vec::new()
            }
        };
        self.settle();
        if self.watched() != watched {
            effects.push(Effect::Watch(self.watched()));
        }
        effects
    }

    /// Whether graphs move, so that messages about seconds are wanted.
    pub(crate) fn wants_seconds(&self) -> bool {
        let active = self.downloads.all().any(|entry| entry.down().is_some() || entry.up().is_some());
        active || !self.history.is_quiet(QUIET_SECONDS)
    }

    /// The plan for the present size.
    pub(crate) fn plan(&self) -> Plan {
        Plan::of(self.size)
    }

    /// The download of which the map is drawn.
    fn watched(&self) -> Option<ContentId> {
        let is_shown = self.view == View::Details;
        self.downloads.chosen().filter(|_| is_shown).map(Entry::content)
    }

    /// Where a key has its meaning at present.
    pub(crate) fn scope(&self) -> Scope {
        match self.view {
            View::Downloads | View::Details | View::WhereFrom => Scope::Downloads,
            View::Catalogue => Scope::Catalogue,
            View::Log => Scope::Everywhere,
        }
    }

    /// Keeps every cursor where it can be seen.
    fn settle(&mut self) {
        let room = usize::from(self.plan().list().height);
        self.downloads.cursor.follow(self.downloads.shown(), room);
        self.catalogue.cursor.follow(self.catalogue.shown(), room);
        if let Some(Dialog::Add(add)) = &mut self.dialog
            && let super::dialog::Stage::Choosing(choice) = &mut add.stage
        {
            let (files, room) = (choice.files(), room.saturating_sub(8).max(1));
            choice.cursor.follow(files, room);
        }
        let rows = self.downloads.chosen().map_or(0, |entry| match self.focus.files {
            true => entry.manifest.as_ref().map_or(0, |manifest| manifest.files().len()),
            false => entry.progress.neighbours.len(),
        });
        self.focus.top = self.focus.top.min(rows.saturating_sub(1));
        if self.view == View::Log && self.journal.back == 0 {
            self.journal.unread = 0;
        }
    }

    fn on_second(&mut self) -> Vec<Effect> {
        let mut all = Second::default();
        for entry in self.downloads.all_mut() {
            let received = entry.progress.received;
            entry.history.note(&received);
            let second = entry.history.last();
            all.peers = all.peers.saturating_add(second.peers);
            all.servers = all.servers.saturating_add(second.servers);
        }
        self.history.push(all);
        Vec::new()
    }

    fn on_key(&mut self, key: ratatui::crossterm::event::KeyEvent) -> Vec<Effect> {
        self.notice = None;
        // These have their meaning whatever is asked.
        match keys::action(key, Scope::Everywhere) {
            Some(keys::Action::Interrupt) => return self.act(keys::Action::Interrupt),
            Some(keys::Action::Suspend) => return self.act(keys::Action::Suspend),
            _ => {}
        }
        if self.dialog.is_some() {
            return self.answer(key);
        }
        if self.typing.is_some() {
            return self.on_typed(key);
        }
        match keys::action(key, self.scope()) {
            Some(action) => self.act(action),
            None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
