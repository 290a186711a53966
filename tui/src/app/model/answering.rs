//! What keys and pasted text do in dialogs.

use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::Model;
use crate::{
    app::{
        dialog::{Add, Dialog, Limits, Stage},
        effect::Effect,
        keys::{self, Action, Scope},
        wish::Wish,
    },
    exit::Exit,
};

impl Model {
    /// Takes a key while a question is open.
    pub(super) fn answer(&mut self, key: KeyEvent) -> Vec<Effect> {
        let Some(dialog) = self.dialog.take() else { return Vec::new() };
        match dialog {
            Dialog::Help(line) => self.answer_help(line, key),
            Dialog::Add(add) => return self.answer_add(add, key),
            Dialog::Limits(limits) => return self.answer_limits(limits, key),
            Dialog::Remove(content, name) => match key.code {
                KeyCode::Char('y' | 'd') | KeyCode::Enter => return self.remove(content),
                KeyCode::Char('n' | 'q') | KeyCode::Esc => {}
                _ => self.dialog = Some(Dialog::Remove(content, name)),
            },
            Dialog::Quit(running) => match key.code {
                KeyCode::Char('y' | 'q') | KeyCode::Enter => return vec![Effect::Quit(Exit::Ok)],
                KeyCode::Char('n') | KeyCode::Esc => {}
                _ => self.dialog = Some(Dialog::Quit(running)),
            },
        }
        Vec::new()
    }

    fn answer_help(&mut self, line: usize, key: KeyEvent) {
        let most = keys::TABLE.len();
        let page = usize::from(self.plan().list().height / 2).max(1);
        self.dialog = match keys::action(key, Scope::Everywhere) {
            Some(Action::Step(rows)) => Some(Dialog::Help(line.saturating_add_signed(rows).min(most))),
            Some(Action::Page(1..)) => Some(Dialog::Help((line + page).min(most))),
            Some(Action::Page(_)) => Some(Dialog::Help(line.saturating_sub(page))),
            Some(Action::First) => Some(Dialog::Help(0)),
            Some(Action::Last) => Some(Dialog::Help(most)),
            Some(Action::Redraw | Action::Theme) => Some(Dialog::Help(line)),
            _ => None,
        };
    }

    fn answer_add(&mut self, mut add: Box<Add>, key: KeyEvent) -> Vec<Effect> {
        let mut effects = Vec::new();
        let is_choosing = matches!(add.stage, Stage::Choosing(_));
        match key.code {
            KeyCode::Esc if add.on_folder && is_choosing => add.on_folder = false,
            KeyCode::Esc => return vec![Effect::LookAway],
            KeyCode::Tab | KeyCode::BackTab => add.on_folder = !add.on_folder,
            KeyCode::Enter if add.on_folder && is_choosing => add.on_folder = false,
            KeyCode::Enter if is_choosing => return self.begin_chosen(add),
            KeyCode::Enter if !add.text.text().trim().is_empty() => {
                let text = meant(add.text.text());
                (add.stage, add.error) = (Stage::Looking, None);
                effects.push(Effect::Look(text));
            }
            KeyCode::Enter => {}
            _ if add.on_folder || matches!(add.stage, Stage::Writing) => {
                add.field().press(key);
            }
            _ => choose(&mut add, key),
        }
        self.dialog = Some(Dialog::Add(add));
        effects
    }

    /// Begins the download that the dialog is about.
    fn begin_chosen(&mut self, mut add: Box<Add>) -> Vec<Effect> {
        let Stage::Choosing(choice) = &add.stage else { return Vec::new() };
        if choice.manifest.is_some() && choice.files() > 0 && choice.wanted().0 == 0 {
            add.error = Some("no file is chosen; Space chooses one".to_owned());
            self.dialog = Some(Dialog::Add(add));
            return Vec::new();
        }
        let wish = Wish {
            named: choice.named.clone(),
            folder: at_home(add.folder.text().trim()).into(),
            files: choice.selection(),
        };
        let mut effects = vec![Effect::LookAway];
        effects.extend(self.begin(wish));
        effects
    }

    fn answer_limits(&mut self, mut limits: Limits, key: KeyEvent) -> Vec<Effect> {
        let count = limits.count();
        match key.code {
            KeyCode::Esc => return Vec::new(),
            KeyCode::Tab | KeyCode::Down => limits.at = (limits.at + 1) % count,
            KeyCode::BackTab | KeyCode::Up => limits.at = (limits.at + count - 1) % count,
            KeyCode::Enter => match limits.read() {
                Ok([all, one]) => {
                    let mut effects = vec![Effect::Limit(all)];
                    (self.settings.limits, self.settings.limits_chosen) = (all, true);
                    if let Some((content, _)) = limits.one {
                        if let Some(entry) = self.downloads.get_mut(content) {
                            entry.limits = one;
                        }
                        effects.push(Effect::LimitOne(content, one));
                    }
                    effects.push(Effect::Save);
                    return effects;
                }
                Err((at, error)) => (limits.at, limits.error) = (at, Some(error)),
            },
            _ => {
                limits.error = None;
                limits.fields[limits.at].press(key);
            }
        }
        self.dialog = Some(Dialog::Limits(limits));
        Vec::new()
    }

    /// Takes text that was pasted. Outside of a field it is what to add.
    pub(super) fn on_paste(&mut self, text: &str) -> Vec<Effect> {
        match (&mut self.dialog, &mut self.typing) {
            (Some(Dialog::Add(add)), _) if add.on_folder || matches!(add.stage, Stage::Writing) => {
                add.field().insert(text)
            }
            (Some(Dialog::Limits(limits)), _) => limits.fields[limits.at].insert(text),
            (Some(_), _) => {}
            (None, Some(field)) => {
                field.insert(text);
                let text = field.text().to_owned();
                self.filter(&text);
            }
            (None, None) => self.ask_what_to_add(text),
        }
        Vec::new()
    }
}

/// Chooses files.
fn choose(add: &mut Add, key: KeyEvent) {
    let Stage::Choosing(choice) = &mut add.stage else { return };
    add.error = None;
    let files = choice.files();
    match key.code {
        KeyCode::Char(' ') => choice.turn(),
        KeyCode::Char('a') => choice.turn_all(),
        _ => match keys::action(key, Scope::Everywhere) {
            Some(Action::Step(rows)) => choice.cursor.step(rows, files),
            Some(Action::Page(pages)) => choice.cursor.step(pages.saturating_mul(10), files),
            Some(Action::First) => choice.cursor.step(isize::MIN, files),
            Some(Action::Last) => choice.cursor.step(isize::MAX, files),
            _ => {}
        },
    }
}

/// What a text means that was dragged here or copied from a shell: without quotes, as a path.
fn meant(text: &str) -> String {
    let text = text.trim().trim_matches(['\'', '"']);
    at_home(text.strip_prefix("file://").unwrap_or(text))
}

/// A path in which `~` at the beginning stands for the home folder, as in a shell.
fn at_home(path: &str) -> String {
    let home = super::super::theme::variable("HOME");
    match (path.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => home + rest,
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dragged_or_copied_names_its_file() {
        for text in ["/a b/c.torrent", "'/a b/c.torrent'", " \"file:///a b/c.torrent\" "] {
            assert_eq!(meant(text), "/a b/c.torrent");
        }
        let home = std::env::var("HOME").unwrap_or_default();
        assert_eq!(meant("~/x.torrent"), format!("{home}/x.torrent"));
        assert_eq!((meant("~x"), meant("magnet:?xt=a")), ("~x".to_owned(), "magnet:?xt=a".to_owned()));
    }
}
