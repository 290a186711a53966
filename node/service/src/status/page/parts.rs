//! Small pieces of the page, and numbers as people read them.

use std::{collections::BTreeMap, fmt::Display, time::Duration};

use maud::{Markup, html};
use nearcast_core::{paths::printable, tier::Tier};

use crate::{
    quantity::{Bytes, Rate, Span},
    status::Timing,
};

/// Shown in place of an unknown value.
const UNKNOWN: &str = "\u{2013}";

/// A tile with an important value.
pub(super) fn tile(label: &str, value: &str) -> Markup {
    html! { div.tile { span.label { (label) } " " span.value { (value) } } }
}

/// A list of names and values.
pub(super) fn facts(rows: &[(&str, String)]) -> Markup {
    html! { dl { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } } }
}

/// A part of the page with a heading.
pub(super) fn section(id: &str, title: &str, inside: &Markup) -> Markup {
    html! { section aria-labelledby=(id) { h2 id=(id) { (title) } (inside) } }
}

/// A table. On a narrow screen each row is a block that names its columns; the roles keep it a
/// table for screen readers.
pub(super) fn table(caption: &str, columns: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        table role="table" {
            caption { (caption) }
            thead role="rowgroup" {
                tr role="row" { @for column in columns { th role="columnheader" scope="col" { (column) } } }
            }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for (number, (cell, column)) in row.iter().zip(columns).enumerate() {
                            @if number == 0 { th role="rowheader" scope="row" { (cell) } }
                            @else { td role="cell" data-label=(column) { div { (cell) } } }
                        }
                    }
                }
            }
        }
    }
}

/// A bar of `value` in `whole`, with its meaning in words.
pub(super) fn bar(value: u64, whole: u64, words: &str, label: &str) -> Markup {
    html! {
        meter min="0" max=(whole.max(1)) value=(value) aria-label=(label) {}
        " " span.beside { (words) }
    }
}

/// A cell with any displayable value.
pub(super) fn cell(value: impl Display) -> Markup {
    html! { (value.to_string()) }
}

/// Text from a stranger, with a text direction of its own.
pub(super) fn words(text: &str) -> Markup {
    html! { bdi { (printable(text)) } }
}

/// Bytes by tier, only tiers with bytes, the nearest first.
pub(super) fn tiers(bytes: &BTreeMap<&str, u64>) -> Markup {
    let some = |tier: &Tier| bytes.get(tier.name()).copied().filter(|bytes| *bytes > 0);
    let rows = Tier::ALL.iter().filter_map(|tier| Some((tier_words(*tier), some(tier)?)));
    html! {
        @for (number, (tier, bytes)) in rows.enumerate() {
            @if number > 0 { ", " }
            (Bytes(bytes)) " " (tier)
        }
    }
}

/// A tier in words.
pub(super) fn tier_words(tier: Tier) -> &'static str {
    match tier {
        Tier::Lan => "local network",
        Tier::Prefix24 => "same /24 or /48",
        Tier::Prefix16 => "same /16 or /32",
        Tier::SameAs => "same AS",
        Tier::AdjacentAs => "neighbouring AS",
        Tier::Remote => "farther away",
        Tier::Unknown => "unknown",
    }
}

/// A rate in bytes a second.
pub(super) fn rate(bytes_per_second: Option<f64>) -> String {
    bytes_per_second.map_or_else(|| UNKNOWN.to_owned(), |rate| Rate(rate).to_string())
}

/// A number that may have a fraction.
pub(super) fn number(value: Option<f64>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), |value| format!("{value:.1}"))
}

/// A duration, or how long ago something was.
pub(super) fn age(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| UNKNOWN.to_owned(), |seconds| Span(Duration::from_secs(seconds)).to_string())
}

/// A summary of durations.
pub(super) fn timing(timing: &Timing) -> String {
    let Some(mean) = timing.mean_seconds else { return "none yet".to_owned() };
    let most = match timing.p95_seconds {
        Some(bound) => format!("95 % within {}", short(bound)),
        None => "some far longer".to_owned(),
    };
    format!("{} on average, {most} ({} times)", short(mean), timing.count)
}

/// A short duration in a fitting unit.
fn short(seconds: f64) -> String {
    match seconds {
        less if less < 1e-3 => format!("{:.1} \u{b5}s", less * 1e6),
        less if less < 1.0 => format!("{:.1} ms", less * 1e3),
        more => format!("{more:.1} s"),
    }
}

/// Non-zero counts of refusals, by reason.
pub(super) fn reasons(counts: &BTreeMap<&str, u64>) -> String {
    let some: Vec<String> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(why, count)| format!("{count} {}", why.replace('_', " ")))
        .collect();
    if some.is_empty() { "none".to_owned() } else { some.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_have_units_that_fit() {
        for (seconds, text) in [(2.5e-6, "2.5 \u{b5}s"), (0.0042, "4.2 ms"), (1.0, "1.0 s"), (90.0, "90.0 s")]
        {
            assert_eq!(short(seconds), text);
        }
        assert_eq!(timing(&Timing::default()), "none yet");
        let beyond = Timing { count: 3, mean_seconds: Some(100.0), p95_seconds: None };
        assert_eq!(timing(&beyond), "100.0 s on average, some far longer (3 times)");
    }

    #[test]
    fn only_what_happened_is_named() {
        assert_eq!(reasons(&BTreeMap::from([("too_often", 2), ("full", 0)])), "2 too often");
        let bytes = BTreeMap::from([("lan", 0), ("same_as", 1_000), ("remote", 5)]);
        assert_eq!(tiers(&bytes).into_string(), "1.00 kB same AS, 5 B farther away");
    }
}
