//! `nearcast-sim frontier`: nearness and random choice, over many layouts that nobody chose.

use std::time::Instant;

use clap::{Args, value_parser};
use nearcast_sim::{
    frontier::{self, Crowd, EXCESS_GOAL, Judged, Layout, ORIGIN_GOAL, RANDOM, SCENARIO, TIME_GOAL},
    outcome::Summary,
    report::number,
    scenario::sweep::Sweep,
};
use serde_json::json;

use super::{
    chart::chart,
    crowd,
    error::CliError,
    progress::Progress,
    run::{How, Job},
    screen::Screen,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast-sim frontier                                     a hundred layouts of 20 peers
  nearcast-sim frontier --peers any --layouts 1..1000 --worst 10
  nearcast-sim frontier --set policy.requests.horizon=1     another policy on the same layouts
  nearcast-sim frontier --json | jq -c 'select(.time > 1.2)'
";

/// Options of `frontier`.
#[derive(Debug, Args)]
pub(super) struct Frontier {
    /// Seeds of the layouts, the last one included.
    #[arg(long, value_name = "A..B", default_value = "1..100")]
    layouts: String,
    /// Peers of a layout.
    #[arg(long, value_name = "20|60|any", default_value = "20", value_parser = str::parse::<Crowd>)]
    peers: Crowd,
    /// Set a setting of nearness's runs, and of those by random choice, too.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// How many of the worst layouts to name, by time and by imports.
    #[arg(long, value_name = "N", default_value = "3")]
    worst: usize,
    /// How true to nodes messages are: exact, or pulled, which is faster and nearly the same.
    #[arg(long, value_name = "exact|pulled")]
    fidelity: Option<String>,
    /// Runs at a time. Default: as many as there are cores, at most 2.
    #[arg(long, value_name = "N", value_parser = value_parser!(u8).range(1..=64))]
    jobs: Option<u8>,
    /// Say nothing but errors and results.
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Print a JSON object for each layout.
    #[arg(long)]
    pub(super) json: bool,
}

impl Frontier {
    pub(super) fn run(&self, screen: &Screen) -> Result<(), CliError> {
        let none: [&str; 0] = [];
        let seeds: Vec<u64> = Sweep::parse(&none, &self.layouts)?.seeds.collect();
        let layouts: Vec<Layout> = seeds.iter().map(|&seed| Layout::draw(seed, self.peers)).collect();
        let how = How::new(self.fidelity.as_deref(), None, false)?;
        let jobs: Vec<Job> = layouts
            .iter()
            .map(|layout| Ok([self.job(layout, &[])?, self.job(layout, &RANDOM)?]))
            .collect::<Result<Vec<_>, CliError>>()?
            .concat();
        screen.say(&format!("{} layouts, fidelity {}", layouts.len(), how.fidelity_name()));
        let begun = Instant::now();
        let threads = crowd::threads(self.jobs);
        let progress = Progress::new(screen, jobs.len(), threads);
        let summaries: Vec<Summary> =
            crowd::each(&jobs, threads, |number, job| Ok(job.run(number, &how, &progress)?.summary))?;
        screen.say(&format!("{} runs in {}", jobs.len(), number::seconds(begun.elapsed().as_secs_f64())));
        let judge = |(layout, pair): (&Layout, &[Summary])| frontier::judge(layout, &pair[0], &pair[1]);
        let judged: Vec<Option<Judged>> = layouts.iter().zip(summaries.chunks(2)).map(judge).collect();
        let (judged, unfinished) = split(&layouts, judged);
        match self.json {
            true => judged.iter().for_each(|layout| screen.data(&json!(layout).to_string())),
            false => screen.data(&text(&judged, self.worst)),
        }
        verdict(&judged, &unfinished)
    }

    fn job(&self, layout: &Layout, arm: &[&str]) -> Result<Job, CliError> {
        let more = self.set.iter().map(String::as_str).chain(arm.iter().copied());
        let scenario = frontier::scenario(layout, more.clone())?;
        let again = more.fold(format!("nearcast-sim run {SCENARIO} {}", layout.options()), |all, set| {
            format!("{all} {set}")
        });
        let again = again + " --out again";
        Ok(Job { scenario, seed: layout.seed, folder: std::path::PathBuf::new(), again })
    }
}

/// The layouts in which everybody was done, and the options of the others.
fn split(layouts: &[Layout], judged: Vec<Option<Judged>>) -> (Vec<Judged>, Vec<String>) {
    let missing = |(layout, judged): (&Layout, &Option<Judged>)| judged.is_none().then(|| layout.options());
    let unfinished = layouts.iter().zip(&judged).filter_map(missing).collect();
    (judged.into_iter().flatten().collect(), unfinished)
}

/// A figure of a layout, and what it may be at most. `None`: nothing is wanted of it.
type Figure = (&'static str, fn(&Judged) -> f64, Option<f64>);

/// What the worst layouts are named by.
const WORST_TIME: Figure = ("time", Judged::worst_time, None);
const WORST_EXCESS: Figure = ("imports", Judged::worst_excess, None);

const FIGURES: [Figure; 7] = [
    ("slowest group, x its time by random choice", Judged::worst_time, Some(TIME_GOAL)),
    ("last peer, x random choice", |it| it.time, Some(TIME_GOAL)),
    ("half of all peers, x random choice", |it| it.half, None),
    ("last peer, x the bound", |it| it.over_bound.unwrap_or(f64::NAN), None),
    ("copies a group imports beyond what it must, worst", Judged::worst_excess, Some(EXCESS_GOAL)),
    ("copies the origin sends", |it| it.origin, Some(ORIGIN_GOAL)),
    ("copies the origin sends by random choice", |it| it.origin_random, None),
];

fn text(judged: &[Judged], worst: usize) -> String {
    let head = ["over layouts", "half", "9 in 10", "99 in 100", "worst", "goal", "as wanted"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (name, of, goal) in FIGURES {
        let mut figures: Vec<f64> = judged.iter().map(of).filter(|figure| figure.is_finite()).collect();
        figures.sort_by(f64::total_cmp);
        let at =
            |share: f64| quantile(&figures, share).map_or(number::UNKNOWN.to_owned(), number::significant);
        let within = |goal: f64| figures.iter().filter(|&&figure| figure <= goal).count();
        let held = goal.map(|goal| number::share(within(goal) as f64, figures.len() as f64));
        let goal = goal.map(|goal| format!("<= {goal}"));
        let mut row = vec![name.to_owned()];
        row.extend([0.5, 0.9, 0.99, 1.0].map(at));
        row.extend([goal, held].map(Option::unwrap_or_default));
        rows.push(row);
    }
    let mut text = chart(&rows);
    for (name, of, _) in [WORST_TIME, WORST_EXCESS] {
        let mut sorted: Vec<&Judged> = judged.iter().collect();
        sorted.sort_by(|a, b| of(b).total_cmp(&of(a)));
        for layout in sorted.into_iter().take(worst) {
            let figure = number::significant(of(layout));
            text += &format!(
                "\nworst by {name}, {figure}:\n  nearcast-sim run {SCENARIO} {} --out again",
                layout.options
            );
        }
    }
    text
}

/// The figure that this share of all figures does not exceed. `sorted`: ascending.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(at.max(1) - 1).copied()
}

/// Fails if somebody never finished, or if the layout in the middle is not as wanted.
fn verdict(judged: &[Judged], unfinished: &[String]) -> Result<(), CliError> {
    if let Some(first) = unfinished.first() {
        let text = format!("somebody never finished in {} layouts; the first is {first}", unfinished.len());
        return Err(CliError::Failed(text));
    }
    let is_missed = |&&(_, of, goal): &&Figure| {
        let mut figures: Vec<f64> = judged.iter().map(of).collect();
        figures.sort_by(f64::total_cmp);
        goal.is_some_and(|goal| quantile(&figures, 0.5).is_some_and(|middle| middle > goal))
    };
    let missed: Vec<&str> = FIGURES.iter().filter(is_missed).map(|(name, ..)| *name).collect();
    match missed.is_empty() {
        true => Ok(()),
        false => Err(CliError::Failed(format!("in the middle not as wanted: {}", missed.join("; ")))),
    }
}
