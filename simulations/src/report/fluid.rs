//! The results of the fluid model: a page whose plots all say so, and tables for programs.

use std::{
    io::{self, Write},
    path::Path,
};

use maud::{Markup, html};
use serde::Serialize;

use super::{
    SUMMARY_FILE,
    folder::{self, Part},
    number,
    page::{self, Place, section, tile, words},
    plot::{Caption, Labels, Shape, line},
    run::charts,
};
use crate::{
    fluid::{Course, Crowd, Fit, MODE, Setting},
    outcome::{Outcome, Spread, Summary},
};

/// The figures of the model.
pub const FLUID_FILE: &str = "fluid.json";

/// One run of the model, and what it was about.
#[derive(Clone, Debug)]
pub struct FluidRun {
    /// The scenario's name.
    pub scenario: String,
    /// Its settings that were set, as `NAME=VALUE`.
    pub set: Vec<String>,
    /// Peers that were to come.
    pub peers: f64,
    /// What the model was given.
    pub setting: Setting,
    /// What it yielded.
    pub course: Course,
    /// The command that does it again.
    pub again: String,
}

/// The figures for programs. A stable format.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FluidFigures {
    /// Always `fluid`.
    pub mode: &'static str,
    /// The scenario's name.
    pub scenario: String,
    /// Its settings that were set.
    pub set: Vec<String>,
    /// Peers that came.
    pub peers: f64,
    /// Peers that got everything.
    pub completed: f64,
    /// A content, in bytes.
    pub bytes: u64,
    /// How long those who completed took.
    pub completion_seconds: Spread,
    /// How often a whole content left the origins, all contents together.
    pub origin_copies: f64,
    /// The share of all bytes that origins sent.
    pub origin_share: f64,
    /// Copies of a content that came over borders of ASes, the mean over ASes that had members; all
    /// contents together.
    pub imports_copies_an_as: f64,
    /// Leechers at the busiest moment.
    pub leechers_most: f64,
    /// Classes of contents, the most wanted first.
    pub classes: Vec<ClassFigures>,
    /// From which runs the model was fitted.
    pub fit: String,
}

/// Contents of neighbouring ranks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassFigures {
    /// The first rank.
    pub first: u32,
    /// Contents.
    pub contents: u32,
    /// Their share of the demand.
    pub demand_share: f64,
    /// The share of their bytes that origins sent.
    pub origin_share: f64,
    /// How long a download took in the mean, in seconds. `None`: nobody completed.
    pub mean_seconds: Option<f64>,
}

impl FluidRun {
    /// The figures.
    pub fn figures(&self) -> FluidFigures {
        let (setting, course) = (&self.setting, &self.course);
        let copies = |bytes: f64| bytes / setting.bytes as f64;
        let ases: f64 = setting.ases.iter().map(|ases| f64::from(ases.ases)).sum();
        let class = |(class, totals): (&crate::yardstick::Class, &crate::fluid::ClassTotals)| ClassFigures {
            first: class.first,
            contents: class.contents,
            demand_share: class.share,
            origin_share: totals.totals.origin_share(),
            mean_seconds: totals.seconds,
        };
        FluidFigures {
            mode: MODE,
            scenario: self.scenario.clone(),
            set: self.set.clone(),
            peers: course.totals.came,
            completed: course.totals.completed,
            bytes: setting.bytes,
            completion_seconds: course.completion_seconds,
            origin_copies: copies(course.totals.origin),
            origin_share: course.totals.origin_share(),
            imports_copies_an_as: copies(course.totals.imports) / ases,
            leechers_most: course.timeline.iter().map(|point| point.leechers).fold(0.0, f64::max),
            classes: setting.classes.iter().zip(&course.classes).map(class).collect(),
            fit: setting.fit.from.clone(),
        }
    }
}

/// Makes a folder for results if it is missing, and refuses one that holds something else.
///
/// # Errors
/// If the folder cannot be made, or holds another's results.
pub fn claim(folder: &Path) -> io::Result<()> {
    let exists = |what: &str| {
        let text = format!("{} holds {what}, so it is not the folder of a fluid run", folder.display());
        Err(io::Error::new(io::ErrorKind::AlreadyExists, text))
    };
    match folder.join(SUMMARY_FILE).is_file() {
        true => exists("the results of a run"),
        false if folder.join(FLUID_FILE).is_file() => Ok(()),
        false => folder::take(folder),
    }
}

/// Writes `fluid.json`, `timeline.csv`, `classes.csv` and `report.html` into a folder.
///
/// # Errors
/// As [`super::write()`].
pub fn write(run: &FluidRun, folder: &Path) -> io::Result<()> {
    claim(folder)?;
    let figures = run.figures();
    let parts = [
        Part::write(folder, FLUID_FILE, |file| {
            serde_json::to_writer_pretty(&mut *file, &figures)?;
            file.write_all(b"\n")
        })?,
        Part::write(folder, "timeline.csv", |file| timeline(&run.course, file))?,
        Part::write(folder, "classes.csv", |file| classes(&figures, file))?,
        Part::write(folder, super::REPORT_FILE, |file| file.write_all(page(run, &figures).as_bytes()))?,
    ];
    parts.into_iter().try_for_each(Part::keep)
}

fn timeline(course: &Course, to: &mut impl Write) -> io::Result<()> {
    writeln!(to, "at,leechers,seeds,progress,came,completed,gave_up,origin,peers,imports")?;
    for point in &course.timeline {
        let totals = &point.totals;
        let cells = [
            point.at,
            point.leechers,
            point.seeds,
            point.progress,
            totals.came,
            totals.completed,
            totals.gave_up,
            totals.origin,
            totals.peers,
            totals.imports,
        ];
        writeln!(to, "{}", cells.map(|cell| cell.to_string()).join(","))?;
    }
    Ok(())
}

fn classes(figures: &FluidFigures, to: &mut impl Write) -> io::Result<()> {
    writeln!(to, "first,contents,demand_share,origin_share,mean_seconds")?;
    for class in &figures.classes {
        let ClassFigures { first, contents, demand_share, origin_share, mean_seconds } = class;
        let seconds = mean_seconds.map(|seconds| seconds.to_string()).unwrap_or_default();
        writeln!(to, "{first},{contents},{demand_share},{origin_share},{seconds}")?;
    }
    Ok(())
}

fn page(run: &FluidRun, figures: &FluidFigures) -> String {
    // The time after the last thing happened says nothing.
    let mut course = run.course.clone();
    let is_quiet = |point: &crate::fluid::Point| point.leechers < 0.5 && point.totals.came < 0.5;
    while course.timeline.len() > 1 && course.timeline.last().is_some_and(is_quiet) {
        course.timeline.pop();
    }
    // The plots of exact runs, with another timeline.
    let options = [("fidelity".to_owned(), MODE.to_owned())].into();
    let summary = Summary { options, ..Summary::default() };
    let outcome = Outcome { summary, timeline: course.slices(), ..Outcome::default() };
    let heading = html! {
        h1 { (words(&run.scenario)) ", " span.state { (MODE) } }
        p.about {
            (number::significant(run.peers)) " peers as numbers, not one by one; " (number::bytes(run.setting.bytes as f64))
            " each. Fitted from " (words(&run.setting.fit.from)) "."
        }
    };
    let sections = html! {
        (tiles(figures))
        (page::plot(Place::Next, &done(&course)))
        (page::plot(Place::Next, &leechers(&course)))
        (page::plot(Place::Next, &charts::tiers(&outcome)))
        (page::plot(Place::Next, &charts::origin_share(&outcome)))
        @if figures.classes.len() > 1 { (section("classes", "Contents", Place::Wide, &class_table(figures))) }
        (section("fit", "Fit", Place::Wide, &fitted(&run.setting.fit)))
        (section("settings", "Settings", Place::Wide, &html! {
            @if !run.set.is_empty() { p { (words(&run.set.join(", "))) } }
            p.note { "The same again:" }
            pre { code { (nearcast_core::paths::printable(&run.again)) } }
        }))
    };
    let footer = html! {
        p { "A fluid has no pieces, no delays and no choices of peers but those that are fitted." }
        p { "As files: " a href=(FLUID_FILE) { "figures" } ", " a href="timeline.csv" { "timeline" } ", "
            a href="classes.csv" { "contents" } "." }
    };
    page::document(&format!("{}, {MODE}", run.scenario), &heading, &sections, &footer)
}

fn tiles(figures: &FluidFigures) -> Markup {
    let times = figures.completion_seconds;
    let done = format!("{} of all", number::share(figures.completed, figures.peers));
    let part = format!("{} of all bytes", number::share(figures.origin_share, 1.0));
    html! {
        section.tiles aria-label="Key figures" {
            (tile("Half were done in", &number::seconds(times.p50), ""))
            (tile("95 % were done in", &number::seconds(times.p95), ""))
            (tile("The last was done in", &number::seconds(times.last), ""))
            (tile("Peers done", &number::significant(figures.completed), &done))
            (tile("Origin copies", &number::significant(figures.origin_copies), &part))
            (tile("Imported copies", &number::significant(figures.imports_copies_an_as), "each AS"))
            (tile("Leechers at most", &number::significant(figures.leechers_most), "at one moment"))
        }
    }
}

/// How many of those who came are done, over time.
fn done(course: &Course) -> Markup {
    let came = course.totals.came.max(f64::MIN_POSITIVE);
    let (unit, words) = number::seconds_unit(course.timeline.last().map_or(0.0, |point| point.at));
    let mut sum = 0.0;
    let points: Vec<(f64, f64)> = course
        .timeline
        .iter()
        .map(|point| {
            sum += point.totals.completed;
            (point.at / unit, 100.0 * sum / came)
        })
        .collect();
    let caption = Caption {
        id: "completion",
        title: "Peers that are done",
        description: format!("{} of those who came hold everything at the end.", number::share(sum, came)),
        mode: MODE,
    };
    let x = format!("time, in {words}");
    line(&caption, &Labels { x: &x, y: "of all who came, in %" }, &points, Shape::Straight, 100.0, None)
}

/// Leechers over time.
fn leechers(course: &Course) -> Markup {
    let (unit, words) = number::seconds_unit(course.timeline.last().map_or(0.0, |point| point.at));
    let most = course.timeline.iter().map(|point| point.leechers).fold(0.0, f64::max);
    let (size, name) = if most >= 1e5 { (1e6, "millions") } else { (1.0, "peers") };
    let points: Vec<(f64, f64)> =
        course.timeline.iter().map(|point| (point.at / unit, point.leechers / size)).collect();
    let caption = Caption {
        id: "leechers",
        title: "Peers that are not done",
        description: format!("{} at the busiest moment.", number::significant(most)),
        mode: MODE,
    };
    let (x, y) = (format!("time, in {words}"), format!("leechers, {name}"));
    line(&caption, &Labels { x: &x, y: &y }, &points, Shape::Straight, most / size, None)
}

fn class_table(figures: &FluidFigures) -> Markup {
    let columns = ["Ranks", "Share of the demand", "Share of the origins", "Mean time"];
    let row = |class: &ClassFigures| {
        let last = class.first + class.contents - 1;
        let ranks = match class.contents {
            1 => number::count(class.first.into()),
            _ => format!("{} to {}", number::count(class.first.into()), number::count(last.into())),
        };
        let time = class.mean_seconds.map_or(number::UNKNOWN.to_owned(), number::seconds);
        [ranks, number::share(class.demand_share, 1.0), number::share(class.origin_share, 1.0), time]
            .map(|text| html! { (text) })
            .to_vec()
    };
    let rows: Vec<Vec<Markup>> = figures.classes.iter().map(row).collect();
    page::table("Contents by how much they are wanted; all numbers are fluid", &columns, &rows)
}

fn fitted(fit: &Fit) -> Markup {
    let pairs = |pairs: &[(f64, f64)]| {
        let word = |&(of, value): &(f64, f64)| {
            format!("{} of {}", number::significant(value), number::significant(of))
        };
        pairs.iter().map(word).collect::<Vec<_>>().join("; ")
    };
    let crowd = |crowd: &Crowd| {
        let [peers, share, last] =
            [crowd.peers, crowd.effectiveness, crowd.spread[2]].map(number::significant);
        format!("{peers}: {share}, the last after {last} of the mean time")
    };
    let crowds = fit.by_peers.iter().map(crowd).collect::<Vec<_>>().join("; ");
    let rows = [
        ("runs".to_owned(), fit.from.clone()),
        (
            "uplinks in use".to_owned(),
            format!(
                "{} \u{b1} {}",
                number::significant(fit.effectiveness),
                number::significant(fit.deviation)
            ),
        ),
        ("by peers of a crowd".to_owned(), crowds),
        ("copies, by members of an AS".to_owned(), pairs(fit.imports.points())),
        ("origin's uplink in use".to_owned(), number::significant(fit.origin_use)),
    ];
    page::facts(&rows)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{fluid::simulate, run::RunOptions, scenario::shipped};

    fn run(name: &str) -> FluidRun {
        let scenario = shipped::find(name).unwrap();
        let (setting, course) =
            simulate(&scenario, 10_000.0, &Fit::shipped().unwrap(), &RunOptions::default()).unwrap();
        let again = "nearcast-sim fluid".to_owned();
        FluidRun { scenario: name.to_owned(), set: Vec::new(), peers: 10_000.0, setting, course, again }
    }

    #[test]
    fn every_plot_says_that_it_is_a_fluid() {
        let run = run("flash-crowd");
        let page = page(&run, &run.figures());
        let (plots, said) =
            (page.matches("<figure>").count(), page.matches(r#"<span class="mode">fluid</span>"#).count());
        assert!(plots == 4 && plots == said, "{plots} plots, {said} say so");
    }

    #[test]
    fn the_folder_is_written_again_and_no_other_folder_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let run = run("long-tail");
        (0..2).for_each(|_| write(&run, folder.path()).unwrap());
        let text = fs::read_to_string(folder.path().join("classes.csv")).unwrap();
        assert_eq!(text.lines().count(), 1 + run.setting.classes.len());
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join(SUMMARY_FILE), "{}").unwrap();
        assert_eq!(write(&run, other.path()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
