//! Several lines over one plane, told apart by colour, by dashes and by a legend.

use maud::{Markup, html};

use super::{
    BOTTOM, Caption, HEIGHT, LEFT, LINE, Labels, RIGHT, Rule, STEPS_MAX, Scale, TOP, axes, empty, figure,
    line::ruled, number, way,
};

/// One line.
pub(crate) struct Curve<'a> {
    /// What it is.
    pub(crate) words: &'a str,
    /// The classes of its colour and its dashes.
    pub(crate) class: &'a str,
    /// Its points, in the order of x.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Lines, straight from point to point. `high` is the value that the y axis reaches at least. A single line needs no
/// legend.
pub(crate) fn lines(
    caption: &Caption<'_>,
    labels: &Labels<'_>,
    curves: &[Curve<'_>],
    high: f64,
    rule: Option<&Rule>,
) -> Markup {
    let finite = |&(x, y): &(f64, f64)| x.is_finite() && y.is_finite();
    let all = || curves.iter().flat_map(|curve| curve.points.iter().copied()).filter(finite);
    if all().next().is_none() {
        return empty(caption);
    }
    let rule = rule.filter(|rule| rule.x.is_finite());
    let widest = all().map(|(x, _)| x).chain(rule.map(|rule| rule.x)).fold(0.0, f64::max);
    let x = Scale::new(widest, STEPS_MAX, LEFT, RIGHT);
    let y = Scale::new(all().map(|(_, y)| y).fold(high, f64::max), STEPS_MAX, BOTTOM, TOP);
    let drawn = |curve: &Curve<'_>| {
        let points = curve.points.iter().copied().filter(finite);
        way(&points.map(|(at, value)| (x.at(at), y.at(value))).collect::<Vec<_>>())
    };
    let legend = curves.len() > 1;
    let inside = html! {
        (axes(&x.marks(), &y.marks(), labels))
        @for curve in curves { path class=(curve.class) d=(drawn(curve)) {} }
        @if let Some(rule) = rule { (ruled(x.at(rule.x), &rule.words)) }
        @if legend {
            @for (row, curve) in curves.iter().enumerate() {
                @let at = HEIGHT + row as f64 * LINE;
                line class=(curve.class) x1=(number(LEFT)) x2=(number(LEFT + 24.0)) y1=(number(at)) y2=(number(at)) {}
                text x=(number(LEFT + 32.0)) y=(number(at + 4.0)) { (curve.words) }
            }
        }
    };
    let rows = if legend { curves.len() as f64 } else { 0.0 };
    figure(caption, HEIGHT + rows * LINE, &inside)
}
