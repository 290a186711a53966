//! What came of runs, as text, and the names of their folders.

use nearcast_sim::{
    outcome::{Behaviour, Summary},
    report::number,
    scenario::sweep::Single,
};

use crate::cli::chart::chart;

/// A longer name of a folder ends here; its number says which run it is.
const NAME_LETTERS_MAX: usize = 120;
/// Digits of a run's number at the start of the name of its folder.
const DIGITS: usize = 4;

/// The folder of one run of a sweep: `0003_peers=100_seed=2`. Numbers are the same on all machines, so
/// shards can be copied together.
pub(super) fn folder_name(single: &Single) -> String {
    let mut name = format!("{:01$}", single.number, DIGITS);
    for (setting, value) in &single.settings {
        name += &format!("_{setting}={value}");
    }
    name += &format!("_seed={}", single.seed);
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-.=_%".contains(c) { c } else { '-' };
    name.chars().take(NAME_LETTERS_MAX).map(safe).collect()
}

/// Whether this may be the folder of a run of a sweep.
pub(super) fn is_folder_name(name: &str) -> bool {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    digits >= DIGITS && name.as_bytes().get(digits) == Some(&b'_')
}

/// The figures and checks of one run.
pub(super) fn one(summary: &Summary) -> String {
    let times = summary.completion_seconds;
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row(
            "peers done",
            format!("{} of {}", number::count(summary.completed.into()), number::count(summary.peers.into())),
        ),
        row("half were done in", number::seconds(times.p50)),
        row("95 % were done in", number::seconds(times.p95)),
        row("the last was done in", number::seconds(times.last)),
        row("mean time", number::seconds(times.mean)),
    ];
    if let Some(bound) = summary.bound_seconds {
        rows.push(row("bound for the last", number::seconds(bound)));
        rows.push(row("last / bound", number::significant(times.last / bound)));
    }
    rows.push(row("origin copies", number::significant(summary.origin_copies)));
    if !summary.groups.is_empty() {
        rows.push(row("imported copies, each AS", number::significant(imports(summary))));
    }
    rows.push(row("wasted copies", number::significant(summary.wasted_copies)));
    rows.extend(kinds(summary).into_iter().map(|(name, value)| vec![name, value]));
    rows.extend(viewing(summary).into_iter().map(|(name, value)| row(name, value)));
    if let Some(link) = summary.links.first() {
        let used = format!("AS{} to AS{}, {}", link.from, link.to, number::share(link.used_share, 1.0));
        rows.push(row("busiest limited link", used));
    }
    rows.push(row("simulated", number::seconds(summary.simulated_seconds)));
    rows.push(row("took", number::seconds(summary.wall_seconds)));
    let speed = summary.inputs as f64 / summary.wall_seconds.max(1e-9);
    rows.push(row(
        "inputs",
        format!("{} ({} a second)", number::count(summary.inputs), number::significant(speed)),
    ));
    rows.push(row("memory", number::bytes(summary.peak_rss_bytes as f64)));
    rows.push(row("trace", summary.trace_hash.clone()));
    let checks = summary.checks.iter().map(|(name, held)| row(&format!("check {name}"), word(*held)));
    rows.extend(checks);
    chart(&rows)
}

/// Median times by kind, if there are others than honest peers.
fn kinds(summary: &Summary) -> Vec<(String, String)> {
    let kinds = summary.kinds.iter().filter(|_| summary.kinds.len() > 1);
    let half = |kind: &Behaviour| match kind.completed {
        0 => "none is done".to_owned(),
        _ => number::seconds(kind.completion_seconds.p50),
    };
    kinds.map(|kind| (format!("{}, half were done in", kind.kind.name()), half(kind))).collect()
}

/// What viewers saw, if there are any.
fn viewing(summary: &Summary) -> Vec<(&'static str, String)> {
    let Some(seen) = &summary.viewing else { return Vec::new() };
    let started = format!("{} of {}", number::count(seen.started.into()), number::count(seen.viewers.into()));
    vec![
        ("viewers that started", started),
        ("half started after", number::seconds(seen.start_delay_seconds.p50)),
        ("95 % started after", number::seconds(seen.start_delay_seconds.p95)),
        ("95 % need, to never stall", number::seconds(seen.smooth_delay_seconds.p95)),
        ("stalls a viewer", number::significant(seen.stalls_mean)),
        ("stalled share", number::share(seen.stalled_share, 1.0)),
        ("bitrate / bound", number::significant(seen.bitrate as f64 / seen.rate_bound)),
    ]
}

fn word(held: bool) -> String {
    if held { "held" } else { "FAILED" }.to_owned()
}

/// Copies that came over the border of an AS, the mean over those with members.
fn imports(summary: &Summary) -> f64 {
    let sum: f64 = summary.groups.iter().map(|group| group.imports).sum();
    sum / summary.groups.len() as f64
}

/// A line for each run, in the order of their numbers, with the settings that are not the same in all.
pub(super) fn many(summaries: &[Summary]) -> String {
    let names = summaries.iter().flat_map(|summary| summary.options.keys());
    let differs = |name: &&String| {
        let mut values = summaries.iter().map(|summary| summary.options.get(*name));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let mut varied: Vec<&String> = names.filter(differs).collect();
    varied.sort();
    varied.dedup();
    let mut head: Vec<String> = varied.iter().map(|name| (*name).clone()).collect();
    let columns = ["seed", "done", "half", "last", "last/bound", "origin", "imported", "wasted", "checks"];
    head.extend(columns.map(str::to_owned));
    let mut rows = vec![head];
    for summary in summaries {
        let value = |name: &&String| summary.options.get(*name).cloned().unwrap_or_default();
        let mut row: Vec<String> = varied.iter().map(value).collect();
        let times = summary.completion_seconds;
        let to_bound = summary.bound_seconds.map_or(f64::NAN, |bound| times.last / bound);
        let failed = summary.checks.values().filter(|held| !**held).count();
        row.extend([
            summary.seed.to_string(),
            number::count(summary.completed.into()),
            number::seconds(times.p50),
            number::seconds(times.last),
            number::significant(to_bound),
            number::significant(summary.origin_copies),
            number::significant(imports(summary)),
            number::significant(summary.wasted_copies),
            if failed == 0 { word(true) } else { format!("{failed} FAILED") },
        ]);
        rows.push(row);
    }
    chart(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(peers: &str, seed: u64, held: bool) -> Summary {
        let options =
            [("peers", peers), ("runs", "4")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let checks = [("everybody_finishes".to_owned(), held)].into();
        Summary { seed, options: options.into(), checks, ..Summary::default() }
    }

    #[test]
    fn a_folder_is_named_by_number_settings_and_seed() {
        let settings = vec![("groups.sizes".to_owned(), "[2, 3]".to_owned())];
        let name = folder_name(&Single { number: 12, settings, seed: 3 });
        assert_eq!(name, "0012_groups.sizes=-2--3-_seed=3");
        assert!(is_folder_name(&name) && is_folder_name("12345_seed=1"));
        assert!(!is_folder_name("thesis") && !is_folder_name("2026") && !is_folder_name("12_a"));
    }

    #[test]
    fn a_failing_check_stands_out() {
        let text = one(&summary("4", 1, false));
        assert!(
            text.lines().any(|line| line.starts_with("check everybody_finishes") && line.ends_with("FAILED"))
        );
    }

    #[test]
    fn a_sweep_shows_what_differs_and_nothing_else() {
        let text = many(&[summary("4", 1, true), summary("8", 1, true), summary("8", 2, false)]);
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let lines: Vec<Vec<String>> = text.lines().map(words).collect();
        assert_eq!(lines[0][..2], ["peers", "seed"]);
        assert_eq!(lines[2][..2], ["8", "1"]);
        assert_eq!(lines[3].last().map(String::as_str), Some("FAILED"));
    }
}
