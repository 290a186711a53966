//! Ratios as bars to both sides of one, with logarithmic lengths: half is as far as double.

use maud::{Markup, html};

use super::{Caption, LINE, RIGHT, empty, figure, number, shortened};

/// Where a quarter lies.
const START: f64 = 138.0;
/// Where four lies.
const END: f64 = RIGHT - 52.0;
/// The height of a row.
const ROW: f64 = 20.0;
/// The most that is drawn, in doublings. What is beyond ends in an arrow.
const DOUBLINGS_MAX: f64 = 2.0;
/// The most letters beside a bar.
const LETTERS_MAX: usize = 18;

/// One ratio.
pub(crate) struct RatioRow {
    /// Of what.
    pub(crate) name: String,
    /// The ratio. One that is not positive is left out.
    pub(crate) ratio: f64,
    /// The ratio in words.
    pub(crate) words: String,
}

/// A row for each ratio. `axis` says what is divided by what.
pub(crate) fn ratios(caption: &Caption<'_>, axis: &str, rows: &[RatioRow]) -> Markup {
    let rows: Vec<&RatioRow> = rows.iter().filter(|row| row.ratio.is_finite() && row.ratio > 0.0).collect();
    if rows.is_empty() {
        return empty(caption);
    }
    let bottom = 6.0 + rows.len() as f64 * ROW;
    let inside = html! {
        g.axis {
            @for (value, words) in [(0.25, "¼"), (0.5, "½"), (1.0, "1"), (2.0, "2"), (4.0, "4")] {
                line.grid x1=(number(at(value))) x2=(number(at(value))) y1="4" y2=(number(bottom)) {}
                text x=(number(at(value))) y=(number(bottom + LINE)) text-anchor="middle" { (words) }
            }
            text x=(number(f64::midpoint(START, END))) y=(number(bottom + 2.2 * LINE)) text-anchor="middle" { (axis) }
        }
        @for (index, row) in rows.iter().enumerate() { (ratio(row, 6.0 + index as f64 * ROW)) }
        line.mark x1=(number(at(1.0))) x2=(number(at(1.0))) y1="4" y2=(number(bottom)) {}
    };
    figure(caption, bottom + 2.8 * LINE, &inside)
}

fn at(ratio: f64) -> f64 {
    let doublings = ratio.log2().clamp(-DOUBLINGS_MAX, DOUBLINGS_MAX);
    f64::midpoint(START, END) + doublings / DOUBLINGS_MAX * (END - START) / 2.0
}

fn ratio(row: &RatioRow, y: f64) -> Markup {
    let (one, end, middle) = (at(1.0), at(row.ratio), y + ROW / 2.0);
    let beyond = row.ratio.log2().abs() > DOUBLINGS_MAX;
    let tip = if row.ratio > 1.0 { 8.0 } else { -8.0 };
    html! {
        text x=(number(START - 14.0)) y=(number(middle + 4.0)) text-anchor="end" {
            title { (row.name) }
            (shortened(&row.name, LETTERS_MAX))
        }
        rect.bar x=(number(one.min(end))) y=(number(middle - 6.0)) width=(number((one - end).abs())) height="12" {}
        @if beyond { path.bar d=(format!("M{} {}l{tip} 6l{} 6Z", number(end), number(middle - 6.0), -tip)) {} }
        text x=(number(RIGHT + 10.0)) y=(number(middle + 4.0)) text-anchor="end" { (row.words) }
    }
}
