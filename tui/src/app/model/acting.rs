//! What keys do outside of dialogs.

use nearcast_node::DownloadLimits;
use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::{Model, REMOVED_MAX};
use crate::{
    app::{
        catalogue::Search,
        dialog::{Add, Dialog, Limits, Stage},
        effect::Effect,
        entry::{Entry, Standing, Status},
        field::Field,
        keys::Action,
        plan::View,
        wish::Wish,
    },
    exit::Exit,
};

impl Model {
    /// Does what a key asks for.
    pub(super) fn act(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Step(rows) => self.step(rows),
            Action::Page(pages) => {
                let room = isize::from(self.plan().list().height.max(2) as i16) - 1;
                self.step(pages.saturating_mul(room));
            }
            Action::First => self.step(isize::MIN),
            Action::Last => self.step(isize::MAX),
            Action::View(number) => {
                let view = View::ALL.get(usize::from(number).wrapping_sub(1)).copied();
                return self.show(view.unwrap_or_default());
            }
            Action::NextView => return self.show(self.view.step(1)),
            Action::PreviousView => return self.show(self.view.step(-1)),
            Action::Open => return self.open_chosen(),
            Action::Back => return self.back(),
            Action::Other => match self.view {
                View::WhereFrom => self.focus.one = !self.focus.one,
                _ => (self.focus.files, self.focus.top) = (!self.focus.files, 0),
            },
            Action::Pause => return self.turn_pause(),
            Action::Add => self.ask_what_to_add(""),
            Action::Remove => {
                let chosen = self.downloads.chosen();
                self.dialog = chosen.map(|entry| Dialog::Remove(entry.content(), entry.name.clone()));
            }
            Action::Undo => return self.undo(),
            Action::Play => return self.play(),
            Action::Retry => return self.retry(),
            Action::Limits => self.ask_for_limits(),
            Action::Filter => self.filter_from_now_on(),
            Action::Sort | Action::Reverse => return self.sort(action == Action::Reverse),
            Action::Theme => {
                let next = self.settings.theme.next(self.settings.colours);
                (self.settings.theme, self.settings.theme_chosen) = (next, true);
                self.notice = Some(format!("theme: {}", next.name));
                return vec![Effect::Save, Effect::Redraw];
            }
            Action::Help => self.dialog = Some(Dialog::Help(0)),
            Action::Redraw => return vec![Effect::Redraw],
            Action::Suspend => return vec![Effect::Suspend],
            Action::Quit => return self.quit(),
            Action::Interrupt => return vec![Effect::Quit(Exit::Interrupted)],
        }
        Vec::new()
    }

    /// Moves in what is shown.
    pub(super) fn step(&mut self, rows: isize) {
        match self.view {
            View::Downloads => self.downloads.cursor.step(rows, self.downloads.shown()),
            View::Catalogue => self.catalogue.cursor.step(rows, self.catalogue.shown()),
            View::Details => self.focus.top = self.focus.top.saturating_add_signed(rows),
            View::WhereFrom => {
                self.downloads.cursor.step(rows, self.downloads.shown());
                self.focus.one = true;
            }
            View::Log => self.journal.step(rows, usize::from(self.plan().list().height)),
        }
    }

    /// Shows a view.
    pub(super) fn show(&mut self, view: View) -> Vec<Effect> {
        self.view = view;
        self.focus.top = 0;
        if view == View::Catalogue && self.catalogue.state == Search::Never {
            self.catalogue.state = Search::Running;
            return vec![Effect::Scan];
        }
        Vec::new()
    }

    /// What Enter and a second click do.
    pub(super) fn open_chosen(&mut self) -> Vec<Effect> {
        match self.view {
            View::Downloads if self.downloads.chosen().is_some() => self.show(View::Details),
            View::Catalogue => self.add_offer(),
            View::Downloads | View::Details | View::WhereFrom | View::Log => Vec::new(),
        }
    }

    fn back(&mut self) -> Vec<Effect> {
        match self.view {
            View::Downloads => self.downloads.filter(""),
            View::Catalogue if !self.catalogue.filtered().is_empty() => self.catalogue.filter(""),
            _ => return self.show(View::Downloads),
        }
        Vec::new()
    }

    /// Asks what to add. A text that is given is read at once.
    pub(super) fn ask_what_to_add(&mut self, text: &str) {
        self.dialog = Some(Dialog::Add(Box::new(Add::new(text, &self.settings.folder))));
    }

    fn add_offer(&mut self) -> Vec<Effect> {
        let Some(item) = self.catalogue.chosen() else { return Vec::new() };
        let content = item.offer.content;
        if self.downloads.get(content).is_some() {
            self.downloads.choose(content);
            return self.show(View::Details);
        }
        let path = item.offer.path.to_string_lossy().into_owned();
        self.ask_what_to_add(&path);
        if let Some(Dialog::Add(add)) = &mut self.dialog {
            add.stage = Stage::Looking;
        }
        vec![Effect::Look(path)]
    }

    /// Begins a download, unless there is one of this content.
    pub(super) fn begin(&mut self, wish: Wish) -> Vec<Effect> {
        let up = self.is_up();
        let content = wish.content();
        let Some(entry) = self.downloads.add(wish.clone()) else {
            self.downloads.choose(content);
            self.notice = Some("this is in the list already".to_owned());
            return Vec::new();
        };
        entry.standing = if up { Standing::Running } else { Standing::Waiting };
        self.downloads.choose(content);
        vec![Effect::Begin(wish), Effect::Save]
    }

    /// Begins once more what is in the list.
    pub(super) fn begin_again(&mut self, content: nearcast_core::id::ContentId) -> Vec<Effect> {
        let up = self.is_up();
        let Some(entry) = self.downloads.get_mut(content) else { return Vec::new() };
        entry.standing = if up { Standing::Running } else { Standing::Waiting };
        entry.progress.phase = nearcast_node::Phase::Checking;
        entry.progress.rate_down = None;
        let (wish, limits) = (entry.to_begin(), entry.limits);
        self.downloads.arrange();
        let mut effects = vec![Effect::Begin(wish), Effect::Save];
        if limits != DownloadLimits::default() {
            effects.push(Effect::LimitOne(content, limits));
        }
        effects
    }

    fn turn_pause(&mut self) -> Vec<Effect> {
        let Some(entry) = self.downloads.chosen() else { return Vec::new() };
        let content = entry.content();
        match entry.standing {
            Standing::Played => {
                self.notice = Some("it is being played; close the player first".to_owned());
                Vec::new()
            }
            Standing::Failed(_) => self.begin_again(content),
            Standing::Paused if entry.begun => {
                self.set_standing(content, Standing::Running);
                vec![Effect::Pause(content, false), Effect::Save]
            }
            Standing::Paused => self.begin_again(content),
            Standing::Waiting | Standing::Running => {
                self.set_standing(content, Standing::Paused);
                vec![Effect::Pause(content, true), Effect::Save]
            }
        }
    }

    pub(super) fn set_standing(&mut self, content: nearcast_core::id::ContentId, standing: Standing) {
        if let Some(entry) = self.downloads.get_mut(content) {
            entry.standing = standing;
            self.downloads.arrange();
        }
    }

    /// Removes a download, so that it can be taken back.
    pub(super) fn remove(&mut self, content: nearcast_core::id::ContentId) -> Vec<Effect> {
        let Some(entry) = self.downloads.remove(content) else { return Vec::new() };
        self.notice = Some(format!("removed {}; u takes it back", entry.name));
        if self.removed.len() == REMOVED_MAX {
            self.removed.remove(0);
        }
        self.removed.push(entry);
        if self.view == View::Details {
            self.view = View::Downloads;
        }
        vec![Effect::Stop(content), Effect::Save]
    }

    fn undo(&mut self) -> Vec<Effect> {
        let Some(mut entry) = self.removed.pop() else {
            self.notice = Some("nothing was removed".to_owned());
            return Vec::new();
        };
        let content = entry.content();
        let was_paused = entry.standing == Standing::Paused;
        (entry.begun, entry.holding) = (false, None);
        if !self.downloads.put(entry) {
            self.notice = Some("this is in the list already".to_owned());
            return Vec::new();
        }
        self.downloads.choose(content);
        if was_paused { vec![Effect::Save] } else { self.begin_again(content) }
    }

    fn play(&mut self) -> Vec<Effect> {
        let Some(entry) = self.downloads.chosen() else { return Vec::new() };
        if !self.settings.can_play {
            self.notice =
                Some("this nearcast has no command that plays: nearcast play is missing".to_owned());
            return Vec::new();
        }
        let (content, wish) = (entry.content(), entry.wish.clone());
        let (was_begun, played) = (entry.begun, entry.standing == Standing::Played);
        if played {
            self.notice = Some("it is being played already".to_owned());
            return Vec::new();
        }
        self.set_standing(content, Standing::Played);
        // Two programs cannot have one download. Ours leaves it first, and then the player begins.
        if was_begun { vec![Effect::Stop(content)] } else { vec![Effect::Play(wish)] }
    }

    fn retry(&mut self) -> Vec<Effect> {
        if self.view == View::Catalogue {
            self.catalogue.state = Search::Running;
            return vec![Effect::Scan];
        }
        match self.downloads.chosen() {
            Some(entry) if entry.status() == Status::Failed => {
                let content = entry.content();
                self.begin_again(content)
            }
            _ => {
                self.notice = Some("only what failed is tried again".to_owned());
                Vec::new()
            }
        }
    }

    fn ask_for_limits(&mut self) {
        let one = self.downloads.chosen().filter(|_| self.scope() == super::Scope::Downloads);
        let one = one.map(|entry: &Entry| (entry.content(), entry.name.clone(), entry.limits));
        self.dialog = Some(Dialog::Limits(Limits::new(self.settings.limits, one)));
    }

    fn filter_from_now_on(&mut self) {
        let filtered = match self.view {
            View::Catalogue => self.catalogue.filtered(),
            _ => self.downloads.filtered(),
        };
        self.typing = Some(Field::new(filtered));
        if !matches!(self.view, View::Downloads | View::Catalogue) {
            self.view = View::Downloads;
        }
    }

    fn sort(&mut self, turn: bool) -> Vec<Effect> {
        let (sort, reversed) = &mut self.downloads.sort;
        match turn {
            true => *reversed = !*reversed,
            false => *sort = sort.next(),
        }
        let way = if *reversed { ", the other way round" } else { "" };
        self.notice = Some(format!("sorted by {}{way}", sort.word()));
        self.downloads.arrange();
        vec![Effect::Save]
    }

    fn quit(&mut self) -> Vec<Effect> {
        match self.downloads.sums().unfinished {
            0 => vec![Effect::Quit(Exit::Ok)],
            running => {
                self.dialog = Some(Dialog::Quit(running));
                Vec::new()
            }
        }
    }

    /// Takes a key while the filter is written.
    pub(super) fn on_typed(&mut self, key: KeyEvent) -> Vec<Effect> {
        match (key.code, &mut self.typing) {
            (KeyCode::Enter, typing) => *typing = None,
            (KeyCode::Esc, typing) => {
                *typing = None;
                self.filter("");
            }
            (KeyCode::Up, _) => self.step(-1),
            (KeyCode::Down, _) => self.step(1),
            (_, Some(field)) => {
                field.press(key);
                let text = field.text().to_owned();
                self.filter(&text);
            }
            (_, None) => {}
        }
        Vec::new()
    }

    pub(super) fn filter(&mut self, text: &str) {
        match self.view {
            View::Catalogue => self.catalogue.filter(text),
            _ => self.downloads.filter(text),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.node == super::NodeState::Up
    }
}
