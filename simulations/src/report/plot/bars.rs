//! Horizontal bars, one a row, perhaps with a mark on each.

use maud::{Markup, html};

use super::{Caption, LETTER, LINE, Scale, WIDTH, empty, figure, number, shortened};

/// The most steps of the axis, which is shorter than others.
const STEPS_MAX: usize = 4;
/// The height of a row.
const ROW: f64 = 20.0;
/// The height of a bar.
const THICK: f64 = 12.0;
/// The most letters before a bar.
const LETTERS_MAX: usize = 17;
/// There is room for so many letters behind a bar.
const WORDS_MAX: usize = 16;

/// One row.
pub(crate) struct Bar {
    /// What it is.
    pub(crate) name: String,
    /// Its length.
    pub(crate) value: f64,
    /// A value to compare with.
    pub(crate) mark: Option<f64>,
    /// What stands behind the bar.
    pub(crate) words: String,
    /// Whether the axis must be long enough for it. A bar that is not, and is longer than the
    /// axis, ends in an arrow.
    pub(crate) scaled: bool,
}

/// What bars and marks are.
pub(crate) struct Mark<'a> {
    /// The words of the axis, with units.
    pub(crate) axis: &'a str,
    /// What a mark is, when there are any.
    pub(crate) mark: &'a str,
}

/// Bars from the top down.
pub(crate) fn bars(caption: &Caption<'_>, words: &Mark<'_>, rows: &[Bar]) -> Markup {
    let rows: Vec<&Bar> = rows.iter().filter(|row| row.value.is_finite()).collect();
    if rows.is_empty() {
        return empty(caption);
    }
    let longest = rows
        .iter()
        .filter(|row| row.scaled)
        .flat_map(|row| [row.value, row.mark.unwrap_or(0.0)])
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    let (start, end) = plane(&rows);
    let scale = Scale::new(longest, STEPS_MAX, start, end);
    let bottom = 6.0 + rows.len() as f64 * ROW;
    let marked = rows.iter().any(|row| row.mark.is_some());
    let inside = html! {
        g.axis {
            @for (at, words) in scale.marks() {
                line.grid x1=(number(at)) x2=(number(at)) y1="4" y2=(number(bottom)) {}
                text x=(number(at)) y=(number(bottom + LINE)) text-anchor="middle" { (words) }
            }
            text x=(number(f64::midpoint(start, end))) y=(number(bottom + 2.2 * LINE)) text-anchor="middle" { (words.axis) }
        }
        @for (index, row) in rows.iter().enumerate() { (bar(row, &scale, 6.0 + index as f64 * ROW)) }
        @if marked {
            g transform=(format!("translate({} {})", number(12.0), number(bottom + 3.4 * LINE))) {
                line.mark x1="0" x2="0" y1="-11" y2="3" {}
                text x="8" y="0" { (words.mark) }
            }
        }
    };
    figure(caption, bottom + if marked { 4.0 } else { 2.8 } * LINE, &inside)
}

/// Where bars begin, and where the longest ends: names stand before, and words behind.
fn plane(rows: &[&Bar]) -> (f64, f64) {
    let longest = |text: fn(&Bar) -> &str, letters_max: usize| {
        let letters = rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0);
        letters.min(letters_max) as f64 * LETTER
    };
    (12.0 + longest(|row| &row.name, LETTERS_MAX), WIDTH - 18.0 - longest(|row| &row.words, WORDS_MAX))
}

fn bar(row: &Bar, scale: &Scale, y: f64) -> Markup {
    let (start, end, middle) = (scale.at(0.0), scale.at(row.value), y + ROW / 2.0);
    let beyond = row.value > scale.high() * 1.000_001;
    let mark = row.mark.filter(|mark| mark.is_finite() && *mark <= scale.high() * 1.000_001);
    let mark = mark.map(|mark| scale.at(mark));
    let words = end.max(mark.unwrap_or(0.0)) + if beyond { 12.0 } else { 5.0 };
    html! {
        text x=(number(start - 6.0)) y=(number(middle + 4.0)) text-anchor="end" {
            title { (row.name) }
            (shortened(&row.name, LETTERS_MAX))
        }
        rect.bar x=(number(start)) y=(number(middle - THICK / 2.0)) width=(number(end - start)) height=(number(THICK)) {}
        @if beyond {
            path.bar d=(format!("M{} {}l8 {}l-8 {}Z", number(end), number(middle - THICK / 2.0), number(THICK / 2.0), number(THICK / 2.0))) {}
        }
        @if let Some(mark) = mark {
            line.mark x1=(number(mark)) x2=(number(mark)) y1=(number(y + 1.0)) y2=(number(y + ROW - 1.0)) {}
        }
        text.over x=(number(words.min(WIDTH - 10.0))) y=(number(middle + 4.0)) { (row.words) }
    }
}
