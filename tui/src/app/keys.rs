//! The one table of keys: what each does, and where. Keys are looked up in it, and the help and the
//! hints at the lower edge are made of it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Move in a list by this many rows.
    Step(isize),
    /// Move in a list by a screen full, up or down.
    Page(isize),
    /// The beginning of a list, or its end.
    First,
    Last,
    /// Show the view of this number, from 1.
    View(u8),
    /// Show the view after this one, or before it.
    NextView,
    PreviousView,
    /// Show more of the chosen row, or do with it what the view is for.
    Open,
    /// Back to the list of downloads.
    Back,
    /// The other half of a view.
    Other,
    Pause,
    Add,
    Remove,
    Undo,
    Play,
    Retry,
    Limits,
    Filter,
    Sort,
    Reverse,
    Theme,
    Help,
    Redraw,
    Suspend,
    Quit,
    /// End at once, as Ctrl-C does everywhere.
    Interrupt,
}

/// Where a key has its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// In every view.
    Everywhere,
    /// Where a download is chosen: the list, the details, where from.
    Downloads,
    /// In the catalogue.
    Catalogue,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    keys: &'static [Pressed],
    /// The keys as they are shown.
    pub(crate) shown: &'static str,
    /// What they do.
    pub(crate) action: Action,
    /// Where.
    pub(crate) scope: Scope,
    /// What they do, in a few words for the help.
    pub(crate) help: &'static str,
    /// One word for the lower edge. Empty: it is not shown there.
    pub(crate) hint: &'static str,
}

/// A key, with Ctrl or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pressed {
    Key(KeyCode),
    Control(char),
}

use Pressed::{Control, Key};

const fn letter(letter: char) -> Pressed {
    Key(KeyCode::Char(letter))
}

const fn row(
    keys: &'static [Pressed],
    shown: &'static str,
    action: Action,
    scope: Scope,
    (help, hint): (&'static str, &'static str),
) -> Row {
    Row { keys, shown, action, scope, help, hint }
}

const ANY: Scope = Scope::Everywhere;
const ONE: Scope = Scope::Downloads;

/// The table, in the order of the help.
pub(crate) static TABLE: [Row; 34] = [
    row(&[letter('a')], "a", Action::Add, ANY, ("add a link, a .torrent file or a URL", "add")),
    row(&[Key(KeyCode::Enter)], "Enter", Action::Open, ONE, ("details of the chosen download", "details")),
    row(
        &[Key(KeyCode::Enter)],
        "Enter",
        Action::Open,
        Scope::Catalogue,
        ("catalogue: add the chosen content", "add it"),
    ),
    row(&[letter(' ')], "Space", Action::Pause, ONE, ("pause it, or go on", "pause")),
    row(&[letter('p')], "p", Action::Play, ONE, ("play it in a player", "play")),
    row(
        &[letter('d'), Key(KeyCode::Delete)],
        "d",
        Action::Remove,
        ONE,
        ("remove it from the list; its files stay", "remove"),
    ),
    row(&[letter('u')], "u", Action::Undo, ANY, ("take the last removal back", "")),
    row(&[letter('r')], "r", Action::Retry, ONE, ("try again what failed", "")),
    row(
        &[letter('r')],
        "r",
        Action::Retry,
        Scope::Catalogue,
        ("catalogue: look for files again", "look again"),
    ),
    row(
        &[letter('l'), letter('+')],
        "l",
        Action::Limits,
        ANY,
        ("limit rates: of all, and of the chosen one", "limits"),
    ),
    row(&[letter('/')], "/", Action::Filter, ANY, ("show only names with these words", "filter")),
    row(&[letter('s')], "s", Action::Sort, ONE, ("sort by the next column", "sort")),
    row(&[letter('S')], "S", Action::Reverse, ONE, ("sort the other way round", "")),
    row(&[letter('j'), Key(KeyCode::Down)], "j ↓", Action::Step(1), ANY, ("down", "")),
    row(&[letter('k'), Key(KeyCode::Up)], "k ↑", Action::Step(-1), ANY, ("up", "")),
    row(&[Key(KeyCode::PageDown), Control('f')], "PgDn", Action::Page(1), ANY, ("a screen full down", "")),
    row(&[Key(KeyCode::PageUp), Control('b')], "PgUp", Action::Page(-1), ANY, ("a screen full up", "")),
    row(&[letter('g'), Key(KeyCode::Home)], "g", Action::First, ANY, ("to the beginning", "")),
    row(&[letter('G'), Key(KeyCode::End)], "G", Action::Last, ANY, ("to the end", "")),
    row(&[letter('1')], "1", Action::View(1), ANY, ("downloads", "")),
    row(&[letter('2')], "2", Action::View(2), ANY, ("details: map, peers, files", "")),
    row(&[letter('3')], "3", Action::View(3), ANY, ("where from: who gave how much", "")),
    row(&[letter('4')], "4", Action::View(4), ANY, ("catalogue: what could be added", "")),
    row(&[letter('5')], "5", Action::View(5), ANY, ("log", "")),
    row(&[Key(KeyCode::Tab)], "Tab", Action::NextView, ANY, ("the next view", "")),
    row(&[Key(KeyCode::BackTab)], "S-Tab", Action::PreviousView, ANY, ("the view before", "")),
    row(
        &[letter('o'), Key(KeyCode::Left), Key(KeyCode::Right)],
        "o ← →",
        Action::Other,
        ONE,
        ("peers or files; one download or all", ""),
    ),
    row(&[Key(KeyCode::Esc), Key(KeyCode::Backspace)], "Esc", Action::Back, ANY, ("back", "")),
    row(&[letter('t')], "t", Action::Theme, ANY, ("the next theme", "")),
    row(&[letter('?'), letter('h'), Key(KeyCode::F(1))], "? h F1", Action::Help, ANY, ("this help", "help")),
    row(&[Control('l')], "Ctrl-L", Action::Redraw, ANY, ("draw everything anew", "")),
    row(&[Control('z')], "Ctrl-Z", Action::Suspend, ANY, ("stop; fg goes on", "")),
    row(&[letter('q')], "q", Action::Quit, ANY, ("quit; downloads go on the next time", "quit")),
    row(&[Control('c')], "Ctrl-C", Action::Interrupt, ANY, ("quit without a question", "")),
];

/// What a key does in a scope. `None`: nothing.
pub(crate) fn action(key: KeyEvent, scope: Scope) -> Option<Action> {
    let pressed = match key.code {
        KeyCode::Char(letter) if key.modifiers.contains(KeyModifiers::CONTROL) => {
            Control(letter.to_ascii_lowercase())
        }
        _ if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => return None,
        code => Key(code),
    };
    let holds =
        |row: &&Row| row.keys.contains(&pressed) && (row.scope == scope || row.scope == Scope::Everywhere);
    TABLE.iter().find(holds).map(|row| row.action)
}

/// The keys to hint at in a scope, the most useful first.
pub(crate) fn hints(scope: Scope) -> impl Iterator<Item = (&'static str, &'static str)> {
    let here =
        move |row: &&Row| !row.hint.is_empty() && (row.scope == scope || row.scope == Scope::Everywhere);
    TABLE.iter().filter(here).map(|row| (row.shown.split(' ').next().unwrap_or(row.shown), row.hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_has_two_meanings_in_one_place() {
        for (at, row) in TABLE.iter().enumerate() {
            for other in &TABLE[at + 1..] {
                let both = row.scope == other.scope || [row.scope, other.scope].contains(&Scope::Everywhere);
                let shared = row.keys.iter().find(|key| other.keys.contains(key));
                assert!(!both || shared.is_none(), "{} and {}: {shared:?}", row.help, other.help);
            }
        }
    }

    #[test]
    fn keys_are_found_where_they_mean_something() {
        let press = |code, modifiers| KeyEvent::new(code, modifiers);
        let plain = |letter| press(KeyCode::Char(letter), KeyModifiers::NONE);
        assert_eq!(action(plain('d'), Scope::Downloads), Some(Action::Remove));
        assert_eq!(action(plain('d'), Scope::Catalogue), None);
        assert_eq!(action(plain('q'), Scope::Catalogue), Some(Action::Quit));
        assert_eq!(
            action(press(KeyCode::Char('C'), KeyModifiers::CONTROL), Scope::Downloads),
            Some(Action::Interrupt)
        );
        assert_eq!(action(press(KeyCode::Char('d'), KeyModifiers::ALT), Scope::Downloads), None);
        assert_eq!(
            action(press(KeyCode::Char('S'), KeyModifiers::SHIFT), Scope::Downloads),
            Some(Action::Reverse)
        );
    }
}
