//! One line over a plane, perhaps with a vertical rule beside it.

use maud::{Markup, html};

use super::{BOTTOM, Caption, LEFT, Labels, RIGHT, STEPS_MAX, Scale, TOP, axes, empty, figure, number, way};

/// How the points of a line are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Each value holds until the next point, as in a distribution.
    Steps,
    /// Straight from point to point.
    Straight,
}

/// A value of the x axis that is marked by a vertical line.
pub(crate) struct Rule {
    /// Where it stands.
    pub(crate) x: f64,
    /// What it is.
    pub(crate) words: String,
}

/// A line through `points`, in the order of x. `high` is the value that the y axis reaches at
/// least.
pub(crate) fn line(
    caption: &Caption<'_>,
    labels: &Labels<'_>,
    points: &[(f64, f64)],
    shape: Shape,
    high: f64,
    rule: Option<&Rule>,
) -> Markup {
    let points: Vec<(f64, f64)> =
        points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    if points.is_empty() {
        return empty(caption);
    }
    let rule = rule.filter(|rule| rule.x.is_finite());
    let widest = points.iter().map(|(x, _)| *x).chain(rule.map(|rule| rule.x)).fold(0.0, f64::max);
    let tallest = points.iter().map(|(_, y)| *y).fold(high, f64::max);
    let x = Scale::new(widest, STEPS_MAX, LEFT, RIGHT);
    let y = Scale::new(tallest, STEPS_MAX, BOTTOM, TOP);
    let mut drawn: Vec<(f64, f64)> = Vec::with_capacity(points.len() * 2);
    for (at, value) in points {
        let point = (x.at(at), y.at(value));
        if let (Shape::Steps, Some((_, before))) = (shape, drawn.last()) {
            drawn.push((point.0, *before));
        }
        drawn.push(point);
    }
    let inside = html! {
        (axes(&x.marks(), &y.marks(), labels))
        path.curve d=(way(&drawn)) {}
        @if let [(x, y)] = drawn[..] { circle.dot cx=(number(x)) cy=(number(y)) r="3" {} }
        @if let Some(rule) = rule { (ruled(x.at(rule.x), &rule.words)) }
    };
    figure(caption, super::HEIGHT, &inside)
}

/// The rule, with its words on the side that has more room.
pub(super) fn ruled(at: f64, words: &str) -> Markup {
    let left = at > (LEFT + RIGHT) / 2.0;
    let (beside, anchor) = if left { (at - 6.0, "end") } else { (at + 6.0, "start") };
    html! {
        line.rule x1=(number(at)) x2=(number(at)) y1=(number(TOP)) y2=(number(BOTTOM)) {}
        text.over x=(number(beside)) y=(number(TOP + 10.0)) text-anchor=(anchor) { (words) }
    }
}
