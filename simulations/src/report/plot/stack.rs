//! Bands on top of each other over spans of time.

use maud::{Markup, html};

use super::{
    BOTTOM, Caption, HEIGHT, LEFT, LETTER, LINE, Labels, RIGHT, STEPS_MAX, Scale, TOP, WIDTH, axes, empty,
    figure, number, way,
};
use crate::report::number::share;

/// A band must be so thick for words inside it.
const WORDS_IN: f64 = 18.0;

/// One band.
pub(crate) struct Band<'a> {
    /// What it is.
    pub(crate) words: &'a str,
    /// The class of its colour, which also names its pattern.
    pub(crate) class: &'a str,
    /// Its height over each span; never negative.
    pub(crate) values: Vec<f64>,
    /// Its part of everything, for the legend.
    pub(crate) sum: f64,
}

/// Bands from the bottom up. `edges` are the ends of the spans, one more than each band has values.
/// Bands without any height are left out. Each band has a colour, a pattern, and words inside it
/// where it is thick enough; the legend has all of them.
pub(crate) fn stack(caption: &Caption<'_>, labels: &Labels<'_>, edges: &[f64], bands: &[Band<'_>]) -> Markup {
    let spans = edges.len().saturating_sub(1);
    let bands: Vec<&Band<'_>> =
        bands.iter().filter(|band| band.values.iter().any(|value| positive(*value) > 0.0)).collect();
    if spans == 0 || bands.is_empty() {
        return empty(caption);
    }
    let mut floors = vec![vec![0.0; spans]];
    for band in &bands {
        let below = &floors[floors.len() - 1];
        let above = (0..spans).map(|span| below[span] + band.values.get(span).map_or(0.0, |v| positive(*v)));
        let above = above.collect();
        floors.push(above);
    }
    let tallest = floors[bands.len()].iter().copied().fold(0.0, f64::max);
    let x = Scale::new(edges.iter().copied().fold(0.0, f64::max), STEPS_MAX, LEFT, RIGHT);
    let y = Scale::new(tallest, STEPS_MAX, BOTTOM, TOP);
    let edges: Vec<f64> = edges.iter().map(|edge| x.at(*edge)).collect();
    let floors: Vec<Vec<f64>> =
        floors.iter().map(|floor| floor.iter().map(|value| y.at(*value)).collect()).collect();
    let inside = html! {
        defs { @for band in &bands { (pattern(caption.id, band.class)) } }
        (axes(&x.marks(), &y.marks(), labels))
        @for (band, floor) in bands.iter().zip(floors.windows(2)) {
            (area(caption.id, band.class, &outline(&edges, &floor[0], &floor[1])))
        }
        @for (band, floor) in bands.iter().zip(floors.windows(2)) {
            @if let Some((x, y)) = room(&edges, &floor[0], &floor[1], band.words) {
                text.over x=(number(x)) y=(number(y + 4.0)) text-anchor="middle" { (band.words) }
            }
        }
        (legend(caption.id, &bands))
    };
    let rows = bands.len().div_ceil(2) as f64;
    figure(caption, HEIGHT + rows * LINE + 4.0, &inside)
}

fn positive(value: f64) -> f64 {
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

/// The edge of a band: along its upper side, and back along its lower side.
fn outline(edges: &[f64], below: &[f64], above: &[f64]) -> String {
    let mut points = Vec::with_capacity(edges.len() * 4);
    for (ends, y) in edges.windows(2).zip(above) {
        points.extend([(ends[0], *y), (ends[1], *y)]);
    }
    for (ends, y) in edges.windows(2).zip(below).rev() {
        points.extend([(ends[1], *y), (ends[0], *y)]);
    }
    way(&points) + "Z"
}

fn area(id: &str, class: &str, d: &str) -> Markup {
    html! {
        path.band.(class) d=(d) {}
        path d=(d) fill=(format!("url(#{id}-{class})")) {}
    }
}

/// The middle of the widest place in a band that is high enough for its words.
fn room(edges: &[f64], below: &[f64], above: &[f64], words: &str) -> Option<(f64, f64)> {
    let need = words.chars().count() as f64 * LETTER + 8.0;
    let mut best: Option<(f64, (f64, f64))> = None;
    for from in 0..below.len() {
        // What is free over all spans from here: between the highest floor and the lowest ceiling.
        let (mut ceiling, mut floor) = (f64::MIN, f64::MAX);
        for to in from..below.len() {
            (ceiling, floor) = (ceiling.max(above[to]), floor.min(below[to]));
            if floor - ceiling < WORDS_IN {
                break;
            }
            if edges[to + 1] - edges[from] >= need {
                let free = floor - ceiling;
                if best.is_none_or(|(most, _)| free > most) {
                    best = Some((
                        free,
                        (f64::midpoint(edges[from], edges[to + 1]), f64::midpoint(ceiling, floor)),
                    ));
                }
                break;
            }
        }
    }
    best.map(|(_, place)| place)
}

/// Two columns below the axis, in the order of the bands.
fn legend(id: &str, bands: &[&Band<'_>]) -> Markup {
    let whole: f64 = bands.iter().map(|band| positive(band.sum)).sum();
    let rows = bands.len().div_ceil(2);
    html! {
        @for (index, band) in bands.iter().enumerate() {
            @let x = 10.0 + (index / rows) as f64 * (WIDTH / 2.0 - 4.0);
            @let y = HEIGHT + (index % rows) as f64 * LINE;
            g transform=(format!("translate({} {})", number(x), number(y))) {
                (area(id, band.class, "M0 -2H18V10H0Z"))
                text x="24" y="8" { (band.words) ": " (share(positive(band.sum), whole)) }
            }
        }
    }
}

/// A pattern for those who tell colours apart badly. The class says which.
fn pattern(id: &str, class: &str) -> Markup {
    let d = match class {
        "tier-0" => "",
        "tier-1" => "M-2 2L2 -2M0 8L8 0M6 10L10 6",
        "tier-2" => "M-2 6L2 10M0 0L8 8M6 -2L10 2",
        "tier-3" => "M3 4H5",
        "tier-4" => "M0 4H8",
        "tier-5" => "M4 0V8",
        "tier-6" => "M0 4H8M4 0V8",
        _ => "M0 0L8 8M8 0L0 8",
    };
    html! {
        pattern id=(format!("{id}-{class}")) width="8" height="8" patternUnits="userSpaceOnUse" {
            path.hatch d=(d) {}
        }
    }
}
