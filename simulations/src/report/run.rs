//! The page of a run.

pub(super) mod charts;
mod extras;
mod reasons;

use maud::{Markup, html};

use super::{
    measure::{IMPORTS, IMPORTS_TO_FRONTIER, Unit},
    number,
    page::{self, Place, section, tile, verdict, words},
};
use crate::outcome::{Group, Outcome, Summary};

/// The most groups in the table of the page. `groups.csv` has all.
const GROUPS_SHOWN_MAX: usize = 100;
/// A longer table of groups is folded until somebody opens it.
const GROUPS_OPEN_MAX: usize = 12;
/// A plot of more groups is higher than two others.
const GROUPS_BESIDE_MAX: usize = 16;

/// The page as HTML.
pub(super) fn page(outcome: &Outcome) -> String {
    let summary = &outcome.summary;
    let title = format!("{}, seed {}", summary.scenario, summary.seed);
    let imports = if summary.groups.len() > GROUPS_BESIDE_MAX { Place::Tall } else { Place::Next };
    let sections = html! {
        (tiles(summary))
        @if let Some(seen) = &summary.viewing { (extras::tiles(seen)) }
        (checks(summary))
        (page::plot(Place::Next, &charts::completion(outcome)))
        @if let Some(seen) = &summary.viewing { (extras::plot(outcome, seen)) }
        (page::plot(Place::Next, &charts::tiers(outcome)))
        (page::plot(Place::Next, &charts::origin_share(outcome)))
        (page::plot(imports, &charts::groups(summary)))
        (page::plot(Place::Next, &charts::waste(outcome)))
        (extras::kinds(outcome))
        (extras::links(summary))
        (page::plot(Place::Next, &reasons::imports(summary)))
        (page::plot(Place::Next, &reasons::wasted(summary)))
        (page::plot(Place::Next, &reasons::taken_over(summary)))
        (page::plot(Place::Next, &reasons::stalls(summary)))
        (page::plot(Place::Next, &reasons::idle_uplinks(summary)))
        (groups(&summary.groups))
        (settings(summary))
    };
    let footer = html! {
        p { "One copy is the whole content once. Times are those of the simulated world, if nothing else is said." }
        p { "As files: " a href="summary.json" { "summary" } ", "
            a href="peers.csv" { "peers" } ", " a href="timeline.csv" { "timeline" } ", "
            a href="groups.csv" { "groups" } ", " a href="imports.csv" { "imports" } ", "
            a href="reasons.csv" { "reasons" } "." }
    };
    page::document(&title, &heading(summary), &sections, &footer)
}

fn heading(summary: &Summary) -> Markup {
    let failed = summary.checks.values().filter(|held| !**held).count();
    html! {
        h1 {
            (words(&summary.scenario)) ", seed " (summary.seed) " "
            @match (failed, summary.checks.len()) {
                (0, 0) => span.state { "no checks" },
                (0, _) => span.state.good { "all checks held" },
                (1, _) => span.state.bad { "1 check failed" },
                (more, _) => span.state.bad { (more) " checks failed" },
            }
        }
        p.about {
            (number::count(summary.peers.into())) " peers, " (number::bytes(summary.bytes as f64)) " in "
            (number::count(summary.runs.into())) " runs. Trace " code { (words(&summary.trace_hash)) } "."
        }
    }
}

/// The most important values.
fn tiles(summary: &Summary) -> Markup {
    let spread = summary.completion_seconds;
    let times = |seconds: f64| {
        let bound = summary.bound_seconds.filter(|bound| *bound > 0.0);
        bound.map_or_else(String::new, |bound| {
            format!("{} \u{d7} the bound", number::significant(seconds / bound))
        })
    };
    let done = number::share(f64::from(summary.completed), f64::from(summary.peers));
    let speed = number::significant(summary.inputs as f64 / summary.wall_seconds);
    let pace = format!(
        "{} here for {} there",
        number::seconds(summary.wall_seconds),
        number::seconds(summary.simulated_seconds)
    );
    let each = format!(
        "{} for each peer",
        number::bytes(summary.peak_rss_bytes as f64 / f64::from(summary.peers.max(1)))
    );
    let wasted = format!("{} not needed", number::bytes(summary.wasted_copies * summary.bytes as f64));
    let fewest = IMPORTS_TO_FRONTIER.of(summary).map_or_else(
        || "over borders of ASes".to_owned(),
        |ratio| format!("{} \u{d7} the fewest possible", number::significant(ratio)),
    );
    let bound = summary.bound_seconds.map_or(number::UNKNOWN.to_owned(), number::seconds);
    let bound_words = if summary.bound_seconds.is_some() {
        "the soonest possible (Kumar, Ross 2006)"
    } else {
        "none is known"
    };
    html! {
        section.tiles aria-label="Key figures" {
            (tile("Half were done in", &number::seconds(spread.p50), &times(spread.p50)))
            (tile("95 % were done in", &number::seconds(spread.p95), &times(spread.p95)))
            (tile("The last was done in", &number::seconds(spread.last), &times(spread.last)))
            (tile("Bound for the last", &bound, bound_words))
            (tile("Peers done", &number::count(summary.completed.into()), &format!("{done} of all")))
            (tile("Origin copies", &number::significant(summary.origin_copies), "sent by the origins"))
            (tile("Wasted copies", &number::significant(summary.wasted_copies), &wasted))
            (tile("Imported copies", &Unit::Copies.words(IMPORTS.of(summary)), &fewest))
            (tile("Inputs a second", &speed, &pace))
            (tile("Memory", &number::bytes(summary.peak_rss_bytes as f64), &each))
        }
    }
}

/// All checks, those that failed first.
fn checks(summary: &Summary) -> Markup {
    let mut checks: Vec<(&String, bool)> = summary.checks.iter().map(|(name, held)| (name, *held)).collect();
    checks.sort_by_key(|(_, held)| *held);
    let inside = html! {
        @if checks.is_empty() { p { "Nothing was checked." } }
        @else {
            ul.checks {
                @for (name, held) in checks { li { (verdict(held)) " " (words(&name.replace('_', " "))) } }
            }
        }
    };
    section("checks", "Checks", Place::Wide, &inside)
}

fn groups(groups: &[Group]) -> Markup {
    let columns = ["AS", "Members", "Imports, copies", "Fewest possible, copies", "Last done"];
    let rows: Vec<Vec<Markup>> = groups.iter().take(GROUPS_SHOWN_MAX).map(group_row).collect();
    let table = page::table("The last is counted from the group's first member", &columns, &rows);
    let inside = html! {
        @if groups.is_empty() { p { "No AS is known." } }
        @else if groups.len() > GROUPS_OPEN_MAX {
            details { summary { (rows.len()) " of " (number::count(groups.len() as u64)) " groups" } (table) }
        }
        @else { (table) }
        @if groups.len() > GROUPS_SHOWN_MAX { p.note { a href="groups.csv" { "All groups" } } }
    };
    section("groups", "Groups", Place::Wide, &inside)
}

fn group_row(group: &Group) -> Vec<Markup> {
    let or_unknown =
        |value: Option<f64>, show: fn(f64) -> String| value.map_or(number::UNKNOWN.to_owned(), show);
    [
        charts::as_name(group.asn),
        number::count(group.members.into()),
        number::significant(group.imports),
        or_unknown(group.frontier_imports, number::significant),
        or_unknown(group.last_seconds, number::seconds),
    ]
    .map(|text| html! { (text) })
    .to_vec()
}

/// Every setting, and the command that repeats the run.
fn settings(summary: &Summary) -> Markup {
    let rows: Vec<(String, String)> =
        summary.options.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let inside = html! {
        @if !rows.is_empty() { (page::facts(&rows)) }
        @if !summary.again.is_empty() {
            p.note { "The same run again:" }
            pre { code { (nearcast_core::paths::printable(&summary.again)) } }
        }
    };
    section("settings", "Settings", Place::Wide, &inside)
}
