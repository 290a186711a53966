//! A comparison as a page.

use maud::{Markup, html};

use super::{Comparison, Traces, text};
use crate::report::{
    number::significant,
    page::{self, Place, section, words},
    plot::{Caption, RatioRow, ratios},
};

/// The page as HTML.
pub(super) fn page(comparison: &Comparison) -> String {
    let heading = html! {
        h1 { "B beside A" }
        p.about {
            "A: " (words(&text::side(&comparison.a))) ". B: " (words(&text::side(&comparison.b))) "."
            @if comparison.traces == Traces::Same { " The traces are the same." }
        }
    };
    let sections = html! {
        (section("figures", "Figures", Place::Tall, &figures(comparison)))
        (page::plot(Place::Next, &plot(comparison)))
        (section("settings", "Settings that differ", Place::Next, &settings(comparison)))
        (section("checks", "Checks that failed", Place::Next, &checks(comparison)))
    };
    let footer = html! { p { "Figures are medians over the runs of a side, each on its own." } };
    page::document("B beside A", &heading, &sections, &footer)
}

fn figures(comparison: &Comparison) -> Markup {
    let rows: Vec<Vec<Markup>> = comparison.figures.iter().map(|figure| row(&text::figure(figure))).collect();
    page::table("Medians over runs", &["Figure", "A", "B", "B/A"], &rows)
}

fn row<const CELLS: usize>(cells: &[String; CELLS]) -> Vec<Markup> {
    cells.iter().map(|cell| words(cell)).collect()
}

fn plot(comparison: &Comparison) -> Markup {
    let rows: Vec<RatioRow> = comparison
        .figures
        .iter()
        .filter_map(|figure| {
            let ratio = figure.ratio?;
            Some(RatioRow { name: figure.words.to_owned(), ratio, words: significant(ratio) })
        })
        .collect();
    let far = rows.iter().map(|row| row.ratio.log2().abs()).filter(|far| far.is_finite()).fold(0.0, f64::max);
    let (a, b) = (&comparison.a.modes, &comparison.b.modes);
    let modes = if a == b { a.clone() } else { format!("{a} / {b}") };
    let caption = Caption {
        mode: &modes,
        id: "ratios",
        title: "B divided by A",
        description: format!(
            "{} figures, each as the ratio of the medians. The furthest from one differs by a factor of {}.",
            rows.len(),
            significant(far.exp2())
        ),
    };
    ratios(&caption, "B/A, without a unit; each grid line is a factor of two", &rows)
}

fn settings(comparison: &Comparison) -> Markup {
    let rows: Vec<Vec<Markup>> = comparison
        .settings
        .iter()
        .map(|(name, difference)| {
            row(&[name.clone(), text::values(&difference.a), text::values(&difference.b)])
        })
        .collect();
    html! {
        @if rows.is_empty() { p { "None." } }
        @else { (page::table("All values of each side", &["Setting", "A", "B"], &rows)) }
    }
}

fn checks(comparison: &Comparison) -> Markup {
    let rows: Vec<Vec<Markup>> = comparison
        .checks
        .iter()
        .map(|(name, failures)| {
            row(&[name.replace('_', " "), failures.a.to_string(), failures.b.to_string()])
        })
        .collect();
    html! {
        @if rows.is_empty() { p { "None." } }
        @else { (page::table("In how many runs", &["Check", "A", "B"], &rows)) }
    }
}
