//! The results of a run of the overlay: a page, and tables for programs.

use std::{
    io::{self, Write},
    path::Path,
};

use maud::{Markup, html};

use super::{
    REPORT_FILE, SUMMARY_FILE,
    folder::{self, Part},
    number,
    page::{self, Place, section, tile, verdict, words},
    plot::{Caption, Curve, Labels, Rule, lines},
};
use crate::overlay::{
    course::{Course, Point},
    run::{OverlayFigures, OverlayRun},
};

/// The figures of a run.
pub const OVERLAY_FILE: &str = "overlay.json";
/// Our policy over time.
const TIMELINE: &str = "timeline.csv";
/// The old rule over time.
const OLD_TIMELINE: &str = "old-rule.csv";

/// Makes a folder for results if it is missing, and refuses one that holds something else.
///
/// # Errors
/// If the folder cannot be made, or holds another's results.
pub fn claim(folder: &Path) -> io::Result<()> {
    if folder.join(SUMMARY_FILE).is_file() {
        let text = format!("{} holds the results of a run with contents", folder.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    if folder.join(OVERLAY_FILE).is_file() { Ok(()) } else { folder::take(folder) }
}

/// Writes `overlay.json`, `timeline.csv`, `report.html`, and `old-rule.csv` if it ran, into a folder.
///
/// # Errors
/// As [`super::write()`].
pub fn write(run: &OverlayRun, folder: &Path) -> io::Result<()> {
    claim(folder)?;
    let mut parts = vec![
        Part::write(folder, OVERLAY_FILE, |file| {
            serde_json::to_writer_pretty(&mut *file, &run.figures)?;
            file.write_all(b"\n")
        })?,
        Part::write(folder, TIMELINE, |file| timeline(&run.course, file))?,
        Part::write(folder, REPORT_FILE, |file| file.write_all(page(run).as_bytes()))?,
    ];
    if let Some(old) = &run.old {
        parts.push(Part::write(folder, OLD_TIMELINE, |file| timeline(old, file))?);
    }
    parts.into_iter().try_for_each(Part::keep)
}

fn timeline(course: &Course, to: &mut impl Write) -> io::Result<()> {
    writeln!(to, "at,nodes,supernodes,leaves,attached,networks,largest,of_one_version,messages,shed")?;
    for point in &course.points {
        let Point { at, nodes, supernodes, leaves, attached, networks, largest, .. } = point;
        let Point { of_one_version, messages, shed, .. } = point;
        writeln!(
            to,
            "{at},{nodes},{supernodes},{leaves},{attached},{networks},{largest},{of_one_version},{messages},{shed}"
        )?;
    }
    Ok(())
}

fn page(run: &OverlayRun) -> String {
    let figures = &run.figures;
    let heading = html! {
        h1 { (words(&figures.scenario)) ", seed " (figures.seed) }
        p.about { (words(&run.about)) ". Trace " code { (words(&figures.trace_hash)) } "." }
    };
    let sections = html! {
        (tiles(figures))
        (checks(figures))
        (page::plot(Place::Next, &attached(run)))
        (page::plot(Place::Next, &supernodes(run)))
        (page::plot(Place::Next, &networks(run)))
        (page::plot(Place::Next, &messages(run)))
        (section("settings", "Settings", Place::Wide, &settings(figures)))
    };
    let footer = html! {
        @if run.old.is_some() {
            p { "The old rule: a supernode with too many children, or too many questions at once, shuts itself off. It is "
                "a script, made after what was published of the failure of Skype in December 2010." }
        }
        p { "As files: " a href=(OVERLAY_FILE) { "figures" } ", " a href=(TIMELINE) { "timeline" }
            @if run.old.is_some() { ", " a href=(OLD_TIMELINE) { "the old rule" } } "." }
    };
    page::document(&figures.scenario, &heading, &sections, &footer)
}

fn tiles(figures: &OverlayFigures) -> Markup {
    let or_none =
        |figure: Option<f64>, show: fn(f64) -> String| figure.map_or(number::UNKNOWN.to_owned(), show);
    let percent = |figure: f64| format!("{} %", number::significant(figure));
    let ratio = match (figures.nodes_a_supernode_least, figures.nodes_a_supernode_most) {
        (Some(least), Some(most)) => format!("{} to {}", least.round(), most.round()),
        _ => number::UNKNOWN.to_owned(),
    };
    let supernodes = format!("{} at the end", number::count(figures.supernodes.into()));
    let affected = format!("of {} nodes", number::count(figures.affected.into()));
    let bytes = format!("{} B a second", number::significant(figures.bytes_a_node_second));
    let pace = format!("{} here", number::seconds(figures.wall_seconds));
    html! {
        section.tiles aria-label="Key figures" {
            (tile("Nodes", &number::count(figures.nodes.into()), "at most"))
            (tile("Nodes a supernode", &ratio, &supernodes))
            (tile("Attached again in time", &or_none(figures.attached_again_percent, percent), &affected))
            (tile("99 % attached again after", &or_none(figures.attached_again_seconds, number::seconds), ""))
            (tile("One network after", &or_none(figures.one_network_seconds, number::seconds), "the last cut ended"))
            (tile("Attached at the end", &percent(figures.attached_at_end_percent), "of all leaves"))
            (tile("Under the old rule", &or_none(figures.old_attached_at_end_percent, percent), "at the end"))
            (tile("Children of the largest", &number::count(figures.children_most.into()), ""))
            (tile("Messages a node a minute", &number::significant(figures.messages_a_node_minute), &bytes))
            (tile("Memory", &number::bytes(figures.peak_rss_bytes as f64), &pace))
        }
    }
}

/// All checks, those that failed first.
fn checks(figures: &OverlayFigures) -> Markup {
    let mut checks: Vec<(&String, bool)> = figures.checks.iter().map(|(name, held)| (name, *held)).collect();
    checks.sort_by_key(|(_, held)| *held);
    let inside = html! {
        ul.checks { @for (name, held) in checks { li { (verdict(held)) " " (words(&name.replace('_', " "))) } } }
    };
    section("checks", "Checks", Place::Wide, &inside)
}

fn settings(figures: &OverlayFigures) -> Markup {
    let rows: Vec<(String, String)> =
        figures.options.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    html! {
        (page::facts(&rows))
        @if !figures.again.is_empty() {
            p.note { "The same run again:" }
            pre { code { (nearcast_core::paths::printable(&figures.again)) } }
        }
    }
}

/// A figure of each point over time, in the unit that fits.
fn over_time(course: &Course, unit: f64, figure: impl Fn(&Point) -> f64) -> Vec<(f64, f64)> {
    course.points.iter().map(|point| (point.at / unit, figure(point))).collect()
}

fn unit(run: &OverlayRun) -> (f64, String) {
    let (unit, words) = number::seconds_unit(run.course.points.last().map_or(0.0, |point| point.at));
    (unit, format!("time, in {words}"))
}

/// When supernodes failed, or a cut ended.
fn rule(run: &OverlayRun, unit: f64) -> Option<Rule> {
    let seconds = |name: &str| run.figures.options.get(name).and_then(|text| text.parse::<f64>().ok());
    let at = |name| seconds(name).filter(|&at: &f64| at > 0.0);
    let [rule, ..] = [
        at("loss.at_seconds").map(|at| (at, "supernodes fail")),
        at("partition.at_seconds").map(|at| (at, "cut")),
        at("clog.at_seconds").map(|at| (at, "links fail")),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()[..] else {
        return None;
    };
    Some(Rule { x: rule.0 / unit, words: rule.1.to_owned() })
}

/// Leaves with a supernode: ours, and under the old rule.
fn attached(run: &OverlayRun) -> Markup {
    let (unit, x) = unit(run);
    let share = |course: &Course| over_time(course, unit, |point| 100.0 * point.attached_share());
    let mut curves = vec![Curve { words: "ours", class: "curve", points: share(&run.course) }];
    let mut description =
        format!("At the end {} % have one.", number::significant(run.figures.attached_at_end_percent));
    if let Some(old) = &run.old {
        curves.push(Curve { words: "the rule of 2010", class: "curve other", points: share(old) });
        let end = run.figures.old_attached_at_end_percent.unwrap_or(0.0);
        description += &format!(" Under the rule of 2010, {} % have one.", number::significant(end));
    }
    let caption = Caption { id: "attached", title: "Leaves that have a supernode", description, mode: "" };
    let labels = Labels { x: &x, y: "of all leaves, in %" };
    lines(&caption, &labels, &curves, 100.0, rule(run, unit).as_ref())
}

fn supernodes(run: &OverlayRun) -> Markup {
    let (unit, x) = unit(run);
    let count = |course: &Course| over_time(course, unit, |point| point.supernodes.into());
    let mut curves = vec![Curve { words: "ours", class: "curve", points: count(&run.course) }];
    if let Some(old) = &run.old {
        curves.push(Curve { words: "the rule of 2010", class: "curve other", points: count(old) });
    }
    let description = format!("{} at the end.", number::count(run.figures.supernodes.into()));
    let caption = Caption { id: "supernodes", title: "Supernodes", description, mode: "" };
    lines(&caption, &Labels { x: &x, y: "supernodes" }, &curves, 1.0, rule(run, unit).as_ref())
}

fn networks(run: &OverlayRun) -> Markup {
    let (unit, x) = unit(run);
    let points = over_time(&run.course, unit, |point| point.networks.into());
    let curves = [Curve { words: "networks", class: "curve", points }];
    let description = format!("{} at the end.", number::count(run.figures.networks_at_end.into()));
    let caption =
        Caption { id: "networks", title: "Networks into which supernodes fall", description, mode: "" };
    lines(&caption, &Labels { x: &x, y: "networks" }, &curves, 1.0, rule(run, unit).as_ref())
}

/// Messages of a node in a minute, look by look.
fn messages(run: &OverlayRun) -> Markup {
    let (unit, x) = unit(run);
    let rate = |pair: &[Point]| {
        let minutes = (pair[1].at - pair[0].at) / 60.0;
        let sent = pair[1].messages.saturating_sub(pair[0].messages) as f64;
        (pair[1].at / unit, sent / minutes / f64::from(pair[1].nodes.max(1)))
    };
    let points: Vec<(f64, f64)> = run.course.points.windows(2).map(rate).collect();
    let description = format!("{} on average.", number::significant(run.figures.messages_a_node_minute));
    let caption = Caption { id: "messages", title: "Messages", description, mode: "" };
    let curves = [Curve { words: "messages", class: "curve", points }];
    lines(&caption, &Labels { x: &x, y: "a node a minute" }, &curves, 1.0, rule(run, unit).as_ref())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::overlay::{run::run, shipped};

    #[test]
    fn collapse_and_recovery_stand_in_one_plot() {
        let mut scenario = shipped::find("supernode-loss").unwrap();
        for (name, value) in [("nodes", "3000"), ("until_seconds", "200"), ("loss.at_seconds", "100")] {
            scenario.set_to(name, value).unwrap();
        }
        let run = run(&scenario, 1, &mut |_| {}).unwrap();
        let page = page(&run);
        let (_, plot) = page.split_once(r#"id="attached-title""#).expect("the plot is there");
        let (plot, _) = plot.split_once("</svg>").expect("it ends");
        assert!(
            plot.contains("ours") && plot.contains("the rule of 2010") && plot.contains("supernodes fail")
        );
        assert_eq!(plot.matches("<path").count(), 2, "two curves");
        let folder = tempfile::tempdir().unwrap();
        (0..2).for_each(|_| write(&run, folder.path()).unwrap());
        let lines = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap().lines().count();
        assert_eq!((lines(TIMELINE), lines(OLD_TIMELINE)), (202, 202));
    }

    #[test]
    fn the_folder_of_another_run_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(SUMMARY_FILE), "{}").unwrap();
        assert_eq!(claim(folder.path()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
