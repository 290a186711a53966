//! Plots as inline SVG: pure functions from numbers to markup.
//!
//! Invariant: every coordinate is finite and lies in the drawing. Values that are not finite are
//! left out, and [`Scale`] clamps the others.
//!
//! A drawing is [`WIDTH`] units wide and scales with the page. It is so narrow that its letters can
//! be read on a phone, too. Colours come from classes, so that the style of the page chooses them
//! for light and dark.

mod bars;
mod line;
mod lines;
mod ratios;
mod scale;
mod spread;
mod stack;

use std::fmt::Write as _;

use maud::{Markup, html};

pub(super) use self::{
    bars::{Bar, Mark, bars},
    line::{Rule, Shape, line},
    lines::{Curve, lines},
    ratios::{RatioRow, ratios},
    scale::Scale,
    spread::{SpreadPoint, spread},
    stack::{Band, stack},
};

/// The width of every drawing, in its own units.
const WIDTH: f64 = 400.0;
/// The height of a drawing with two axes, without a legend.
const HEIGHT: f64 = 250.0;
/// What is left of the y axis.
const LEFT: f64 = 56.0;
/// Where the plane ends on the right.
const RIGHT: f64 = WIDTH - 14.0;
/// Where the plane begins.
const TOP: f64 = 12.0;
/// Where the x axis lies.
const BOTTOM: f64 = HEIGHT - 46.0;
/// The most steps between the marks of an axis.
const STEPS_MAX: usize = 7;
/// The width of a letter, on average.
const LETTER: f64 = 6.7;
/// The height of a line of text.
const LINE: f64 = 16.0;

/// What names a plot, for those who see it and for those who do not.
pub(super) struct Caption<'a> {
    /// Unique in the page; letters and dashes.
    pub(super) id: &'a str,
    /// What is shown.
    pub(super) title: &'a str,
    /// What can be seen in it, in a sentence or two.
    pub(super) description: String,
    /// How what is shown was simulated: exact, pulled or fluid. Empty: that is said elsewhere.
    pub(super) mode: &'a str,
}

/// The words of both axes, with units.
pub(super) struct Labels<'a> {
    /// Below the x axis.
    pub(super) x: &'a str,
    /// Beside the y axis.
    pub(super) y: &'a str,
}

/// A figure with a heading, and a drawing that names itself to screen readers.
fn figure(caption: &Caption<'_>, height: f64, inside: &Markup) -> Markup {
    let (title, description) = (format!("{}-title", caption.id), format!("{}-desc", caption.id));
    html! {
        figure {
            figcaption {
                (caption.title)
                @if !caption.mode.is_empty() { " " span.mode { (caption.mode) } }
            }
            svg viewBox=(format!("0 0 {WIDTH} {}", number(height))) role="img"
                aria-labelledby=(format!("{title} {description}")) {
                title id=(title) { (caption.title) }
                desc id=(description) { (caption.description) }
                (inside)
            }
        }
    }
}

/// A figure that says why there is nothing to see.
fn empty(caption: &Caption<'_>) -> Markup {
    let words = html! {
        text.faint x=(number(WIDTH / 2.0)) y="34" text-anchor="middle" { "No data" }
    };
    figure(caption, 60.0, &words)
}

/// Both axes with marks, and lines of a grid for the marks of the y axis.
fn axes(x: &[(f64, String)], y: &[(f64, String)], labels: &Labels<'_>) -> Markup {
    html! {
        g.axis {
            @for (at, text) in y {
                line.grid x1=(number(LEFT)) x2=(number(RIGHT)) y1=(number(*at)) y2=(number(*at)) {}
                text x=(number(LEFT - 6.0)) y=(number(at + 4.0)) text-anchor="end" { (text) }
            }
            line x1=(number(LEFT)) x2=(number(RIGHT)) y1=(number(BOTTOM)) y2=(number(BOTTOM)) {}
            @for (at, text) in x {
                line x1=(number(*at)) x2=(number(*at)) y1=(number(BOTTOM)) y2=(number(BOTTOM + 4.0)) {}
                text x=(number(*at)) y=(number(BOTTOM + LINE)) text-anchor="middle" { (text) }
            }
            text x=(number((LEFT + RIGHT) / 2.0)) y=(number(BOTTOM + 2.2 * LINE)) text-anchor="middle" { (labels.x) }
            text x="12" y=(number((TOP + BOTTOM) / 2.0)) text-anchor="middle"
                transform=(format!("rotate(-90 12 {})", number((TOP + BOTTOM) / 2.0))) { (labels.y) }
        }
    }
}

/// A coordinate: a tenth of a unit is finer than anybody sees.
fn number(value: f64) -> String {
    debug_assert!(value.is_finite(), "a coordinate is finite");
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// The way through `points`, as the attribute `d` of a path.
fn way(points: &[(f64, f64)]) -> String {
    let mut d = String::with_capacity(points.len() * 12);
    for (index, (x, y)) in points.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(d, "{}{} {}", if index == 0 { 'M' } else { 'L' }, number(*x), number(*y));
    }
    d
}

/// `text`, cut to so many characters.
fn shortened(text: &str, characters_max: usize) -> String {
    if text.chars().count() <= characters_max {
        return text.to_owned();
    }
    text.chars().take(characters_max.saturating_sub(1)).chain(['\u{2026}']).collect()
}

#[cfg(test)]
mod tests;
