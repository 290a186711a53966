//! How the screen looks: themes as tables of roles, and the glyphs that each of them draws with.
//!
//! Drawing names a role and never a colour. Words and glyphs say the same as the colours, so the
//! theme without colours loses nothing.

use std::env;

use ratatui::style::{Color, Modifier, Style};

/// What a piece of the screen is, for its look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Ordinary text.
    Text,
    /// Text that matters less: headings of columns, units, hints.
    Dim,
    /// Text that matters more.
    Strong,
    /// The name of the view that is shown, and titles of dialogs.
    Title,
    /// The row that keys act on.
    Selected,
    /// A key in a hint.
    Key,
    /// Something complete.
    Good,
    /// Something that may need the user.
    Warn,
    /// Something that failed.
    Bad,
    /// What comes from peers: bars, graphs and the map.
    Peers,
    /// What comes from the origin and from web seeds.
    Origin,
    /// The empty part of a bar.
    Track,
}

/// The number of roles.
const ROLES: usize = 12;

/// A theme: a look for each role, in the order of [`Role`], and glyphs.
#[derive(Debug)]
pub(crate) struct Theme {
    /// The name that the user chooses it by.
    pub(crate) name: &'static str,
    /// What it draws with.
    pub(crate) glyphs: &'static Glyphs,
    coloured: bool,
    looks: [Style; ROLES],
}

impl Theme {
    /// The look of a role.
    pub(crate) fn look(&self, role: Role) -> Style {
        self.looks[role as usize]
    }

    /// The theme of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Theme> {
        THEMES.iter().find(|theme| theme.name == name)
    }

    /// The theme after this one. `colours`: whether themes with colours are among them.
    pub(crate) fn next(&self, colours: bool) -> &'static Theme {
        let at = THEMES.iter().position(|theme| theme.name == self.name).unwrap_or_default();
        let after = (1..=THEMES.len()).map(|step| &THEMES[(at + step) % THEMES.len()]);
        after.into_iter().find(|theme| colours || !theme.coloured).unwrap_or(&THEMES[at])
    }

    /// Whether it uses colours.
    pub(crate) fn is_coloured(&self) -> bool {
        self.coloured
    }

    /// The theme that suits a terminal, going by environment variables.
    pub(crate) fn suiting(variable: impl Fn(&str) -> Option<String>) -> &'static Theme {
        let is = |name: &str| if is_utf8(&variable) { name.to_owned() } else { "ascii".to_owned() };
        let kind = variable("TERM").unwrap_or_default();
        let many = kind.contains("256color") || kind.contains("direct") || variable("COLORTERM").is_some();
        let name = match (is_mono(&variable), many) {
            (true, _) => is("mono"),
            (false, true) => is("dark"),
            (false, false) => is("16"),
        };
        Theme::named(&name).unwrap_or(&THEMES[0])
    }
}

/// Whether the user wants no colours: <https://no-color.org>.
pub(crate) fn is_mono(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Whether the locale is one of UTF-8. Without any locale, today's terminals are.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8") || locale == "c" || locale == "posix"
    })
}

/// An environment variable, if it is text.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// The characters that bars, graphs, marks and lines are made of.
#[derive(Debug)]
pub(crate) struct Glyphs {
    /// The done part of a bar, and the rest.
    pub(crate) bar: [char; 2],
    /// Cells of the map, from none of its runs to all of them.
    pub(crate) map: [char; 5],
    /// Where a text was cut.
    pub(crate) cut: char,
    /// No value is known.
    pub(crate) none: char,
    /// In front of rates down and up.
    pub(crate) arrows: [char; 2],
    /// A line from left to right, one from top to bottom, and the four corners of a box.
    pub(crate) lines: [char; 6],
    /// Marks of the states, in the order of `Status`.
    pub(crate) states: [char; 11],
    /// A box that is not ticked, and one that is.
    pub(crate) ticks: [&'static str; 2],
    /// Whether graphs are of braille.
    pub(crate) braille: bool,
    /// Whether letters beyond ASCII may be shown.
    pub(crate) wide: bool,
}

static UNICODE: Glyphs = Glyphs {
    bar: ['━', '─'],
    map: ['·', '░', '▒', '▓', '█'],
    cut: '…',
    none: '–',
    arrows: ['↓', '↑'],
    lines: ['─', '│', '╭', '╮', '╰', '╯'],
    states: ['·', '◌', '?', '↓', '…', '!', '=', '✓', '↑', '▶', '✗'],
    ticks: ["[ ]", "[✓]"],
    braille: true,
    wide: true,
};

static ASCII: Glyphs = Glyphs {
    bar: ['=', '-'],
    map: ['.', '-', '+', '*', '#'],
    cut: '~',
    none: '-',
    arrows: ['v', '^'],
    lines: ['-', '|', '+', '+', '+', '+'],
    states: ['.', 'o', '?', 'v', ',', '!', '=', '+', '^', '>', 'x'],
    ticks: ["[ ]", "[x]"],
    braille: false,
    wide: false,
};

const PLAIN: Style = Style::new();
const BOLD: Style = PLAIN.add_modifier(Modifier::BOLD);
const FAINT: Style = PLAIN.add_modifier(Modifier::DIM);
const TURNED: Style = PLAIN.add_modifier(Modifier::REVERSED);

const fn of(colour: u8) -> Style {
    PLAIN.fg(Color::Indexed(colour))
}

const fn ansi(colour: Color) -> Style {
    PLAIN.fg(colour)
}

const MONO: [Style; ROLES] = [
    PLAIN,
    FAINT,
    BOLD,
    BOLD.add_modifier(Modifier::UNDERLINED),
    TURNED,
    BOLD,
    PLAIN,
    BOLD,
    BOLD,
    BOLD,
    PLAIN,
    FAINT,
];

/// The themes, in the order in which the key goes through them.
static THEMES: [Theme; 6] = [
    Theme {
        name: "dark",
        glyphs: &UNICODE,
        coloured: true,
        // Text, dim, strong, title, selected, key, good, warn, bad, peers, origin, track.
        looks: [
            PLAIN,
            of(245),
            BOLD,
            of(117).add_modifier(Modifier::BOLD),
            PLAIN.bg(Color::Indexed(238)),
            of(117),
            of(114),
            of(221),
            of(210),
            of(80),
            of(179),
            of(240),
        ],
    },
    Theme {
        name: "light",
        glyphs: &UNICODE,
        coloured: true,
        looks: [
            PLAIN,
            of(242),
            BOLD,
            of(25).add_modifier(Modifier::BOLD),
            PLAIN.bg(Color::Indexed(253)),
            of(25),
            of(28),
            of(130),
            of(124),
            of(31),
            of(130),
            of(250),
        ],
    },
    Theme {
        // The colours of Okabe and Ito, which people with any colour vision tell apart.
        name: "colour-blind",
        glyphs: &UNICODE,
        coloured: true,
        looks: [
            PLAIN,
            of(245),
            BOLD,
            of(74).add_modifier(Modifier::BOLD),
            PLAIN.bg(Color::Indexed(238)),
            of(74),
            of(36),
            of(220),
            of(166).add_modifier(Modifier::BOLD),
            of(74),
            of(214),
            of(240),
        ],
    },
    Theme {
        name: "16",
        glyphs: &UNICODE,
        coloured: true,
        looks: [
            PLAIN,
            FAINT,
            BOLD,
            ansi(Color::Cyan).add_modifier(Modifier::BOLD),
            TURNED,
            ansi(Color::Cyan),
            ansi(Color::Green),
            ansi(Color::Yellow),
            ansi(Color::Red),
            ansi(Color::Cyan),
            ansi(Color::Yellow),
            FAINT,
        ],
    },
    Theme { name: "mono", glyphs: &UNICODE, coloured: false, looks: MONO },
    Theme { name: "ascii", glyphs: &ASCII, coloured: false, looks: MONO },
];

/// The names of all themes.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    THEMES.iter().map(|theme| theme.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suiting(variables: &[(&str, &str)]) -> &'static str {
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Theme::suiting(find).name
    }

    #[test]
    fn the_environment_chooses_a_theme() {
        assert_eq!(suiting(&[("TERM", "xterm-256color")]), "dark");
        assert_eq!(suiting(&[("TERM", "xterm"), ("COLORTERM", "truecolor")]), "dark");
        assert_eq!(suiting(&[("TERM", "linux")]), "16");
        assert_eq!(suiting(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]), "mono");
        assert_eq!(suiting(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]), "dark");
        assert_eq!(suiting(&[("TERM", "xterm"), ("LANG", "de_DE.ISO-8859-1")]), "ascii");
        assert_eq!(suiting(&[("LANG", "de_DE.UTF-8"), ("TERM", "linux")]), "16");
    }

    #[test]
    fn the_key_goes_through_all_themes_and_without_colours_through_those_that_have_none() {
        let mut theme = Theme::named("dark").unwrap();
        let mut seen = Vec::new();
        for _ in names() {
            seen.push(theme.name);
            theme = theme.next(true);
        }
        assert_eq!((theme.name, seen), ("dark", names().collect::<Vec<_>>()));
        assert_eq!(Theme::named("mono").unwrap().next(false).name, "ascii");
        assert_eq!(Theme::named("ascii").unwrap().next(false).name, "mono");
        assert_eq!(Theme::named("dark").unwrap().next(false).name, "mono");
    }

    #[test]
    fn themes_without_colours_have_none_and_plain_ones_are_ascii() {
        for theme in &THEMES {
            let hues = theme.looks.iter().any(|look| look.fg.is_some() || look.bg.is_some());
            assert_eq!(hues, theme.coloured, "{}", theme.name);
        }
        let Glyphs { bar, map, cut, none, arrows, lines, states, ticks, .. } = &ASCII;
        let all = [bar.as_slice(), map, &[*cut, *none], arrows, lines, states].concat();
        assert!(all.iter().all(char::is_ascii) && ticks.iter().all(|tick| tick.is_ascii()));
    }

    #[test]
    fn sixteen_colours_are_enough_for_the_theme_of_that_name() {
        let sixteen = Theme::named("16").unwrap();
        let is_basic = |colour: Option<Color>| !matches!(colour, Some(Color::Indexed(_) | Color::Rgb(..)));
        assert!(sixteen.looks.iter().all(|look| is_basic(look.fg) && is_basic(look.bg)));
    }
}
