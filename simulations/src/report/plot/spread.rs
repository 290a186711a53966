//! Medians with their ranges, over values that may not be numbers.

use maud::{Markup, html};

use super::{
    BOTTOM, Caption, HEIGHT, LEFT, Labels, RIGHT, STEPS_MAX, Scale, TOP, axes, empty, figure, number,
    shortened, way,
};

/// The most letters of all marks of the x axis together.
const LETTERS_MAX: usize = 48;

/// What several runs with one value gave.
pub(crate) struct SpreadPoint {
    /// The value.
    pub(crate) name: String,
    /// The least.
    pub(crate) low: f64,
    /// The median.
    pub(crate) median: f64,
    /// The largest.
    pub(crate) high: f64,
}

/// Medians joined by a line, each with a bar from its least to its largest. The points stand at
/// equal distances: values of settings often grow by factors, or are words.
pub(crate) fn spread(caption: &Caption<'_>, labels: &Labels<'_>, points: &[SpreadPoint]) -> Markup {
    let finite = |point: &&SpreadPoint| [point.low, point.median, point.high].iter().all(|v| v.is_finite());
    let points: Vec<&SpreadPoint> = points.iter().filter(finite).collect();
    if points.is_empty() {
        return empty(caption);
    }
    let y = Scale::new(points.iter().map(|point| point.high).fold(0.0, f64::max), STEPS_MAX, BOTTOM, TOP);
    let apart = (RIGHT - LEFT) / points.len() as f64;
    let places: Vec<f64> = (0..points.len()).map(|index| LEFT + (index as f64 + 0.5) * apart).collect();
    let names: Vec<String> = points.iter().map(|point| shortened(&point.name, 12)).collect();
    let longest = names.iter().map(|name| name.chars().count() + 1).max().unwrap_or(1);
    let every = (longest * names.len()).div_ceil(LETTERS_MAX).max(1);
    let marks: Vec<(f64, String)> = places.iter().copied().zip(names).step_by(every).collect();
    let medians: Vec<(f64, f64)> =
        places.iter().zip(&points).map(|(at, point)| (*at, y.at(point.median))).collect();
    let inside = html! {
        (axes(&marks, &y.marks(), labels))
        path.curve d=(way(&medians)) {}
        @for (at, point) in places.iter().zip(&points) {
            @let (low, high) = (y.at(point.low), y.at(point.high));
            path.range d=(format!("M{0} {1}H{2}M{3} {1}V{4}M{0} {4}H{2}",
                number(at - 4.0), number(low), number(at + 4.0), number(*at), number(high))) {}
        }
        @for (x, y) in &medians { circle.dot cx=(number(*x)) cy=(number(*y)) r="3.5" {} }
    };
    figure(caption, HEIGHT, &inside)
}
