//! Words of strangers, made fit for the screen: they send no commands to the terminal, and take the
//! columns that we count.

use nearcast_core::paths::printable;

use super::theme::Glyphs;
use crate::layout::{cut, width, width_of};

/// The most characters of a name that are looked at. No terminal is wider.
const CHARACTERS_MAX: usize = 400;
/// Marks above and below one letter. More would grow into other lines.
const MARKS_MAX: usize = 2;

/// A name or sentence from elsewhere, safe to draw. Characters that command a terminal or turn text
/// around are escaped; those that join or change others without a width of their own are left out,
/// because terminals disagree about them.
pub(crate) fn clean(text: &str) -> String {
    let short: String = text.chars().take(CHARACTERS_MAX).collect();
    let mut marks = 0;
    printable(&short)
        .chars()
        .filter(|&letter| {
            marks = if width_of(letter) == 0 { marks + 1 } else { 0 };
            marks <= MARKS_MAX && !joins(letter)
        })
        .collect()
}

/// Whether a character has no shape of its own, and may change those around it.
fn joins(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}'
            | '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200d}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{1f3fb}'..='\u{1f3ff}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// A clean text in at most `columns` columns, with these glyphs. A mark shows where it was cut.
pub(crate) fn fitted(text: &str, columns: usize, glyphs: &Glyphs) -> String {
    let text = if glyphs.wide { text.to_owned() } else { in_ascii(text) };
    if width(&text) <= columns {
        return text;
    }
    match glyphs.wide {
        true => cut(&text, columns),
        false => cut(&text, columns).replace('…', &glyphs.cut.to_string()),
    }
}

/// A text with a question mark for each letter that ASCII lacks.
fn in_ascii(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii() { letter } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::theme::Theme;

    #[test]
    fn no_character_commands_turns_or_joins() {
        for letter in (0..=0x2_ffff).filter_map(char::from_u32) {
            let shown = clean(&format!("a{letter}b"));
            let bad = shown.chars().find(|&c| {
                c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}'..='\u{200f}' | '\u{fe0f}')
            });
            assert_eq!(bad, None, "{:x}", u32::from(letter));
        }
    }

    #[test]
    fn a_tower_of_marks_is_cut_to_two() {
        let tower = format!("z{}x", "\u{301}".repeat(50));
        assert_eq!(clean(&tower), "z\u{301}\u{301}x");
        assert_eq!(clean(&"x".repeat(10_000)).len(), CHARACTERS_MAX);
    }

    #[test]
    fn texts_fit_and_cuts_are_marked() {
        let glyphs = |name: &str| Theme::named(name).unwrap().glyphs;
        assert_eq!(fitted("非常に長い", 6, glyphs("mono")), "非常…");
        assert_eq!(fitted("a very long name", 6, glyphs("ascii")), "a ver~");
        assert_eq!(fitted("Füße", 6, glyphs("ascii")), "F??e");
        assert_eq!(fitted("abc", 0, glyphs("mono")), "");
    }
}
