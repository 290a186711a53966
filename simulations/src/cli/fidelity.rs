//! `nearcast-sim fidelity`: how far the faster way to simulate is from the exact one.

use clap::Args;
use nearcast_sim::{
    outcome::Summary,
    report::{
        compare::{self, Comparison, Figure},
        number,
    },
    scenario::{
        Scenario,
        sweep::{Shard, Single},
    },
};
use serde_json::json;

use super::{
    chart::chart,
    crowd,
    error::CliError,
    progress::Progress,
    run::{Chosen, How, Job},
    screen::Screen,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast-sim fidelity flash-crowd --seeds 1..4
  nearcast-sim fidelity locality-sweep --set peers=60 --seeds 1..8 --within 1
";

/// Figures that must be nearly the same. The others are of the machine, or say what was asked for.
const JUDGED: [&str; 8] = [
    "completion_p50_seconds",
    "completion_p95_seconds",
    "completion_last_seconds",
    "completion_mean_seconds",
    "completed_share",
    "origin_copies",
    "wasted_copies",
    "imports_copies",
];

/// Options of `fidelity`.
#[derive(Debug, Args)]
pub(super) struct Compared {
    /// The name of a scenario that comes with the simulator, or a file that ends in .toml.
    #[arg(value_name = "SCENARIO|FILE.toml", default_value = "flash-crowd")]
    scenario: String,
    #[command(flatten)]
    chosen: Chosen,
    /// How much the medians may differ, in per cent: of the exact figure, and for wasted copies of what all peers fetched.
    #[arg(long, value_name = "PERCENT", default_value = "2")]
    within: f64,
    /// Say nothing but errors and results.
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

impl Compared {
    pub(super) fn run(&self, screen: &Screen) -> Result<(), CliError> {
        if !(self.within.is_finite() && self.within >= 0.0) {
            return Err(CliError::BadOption("--within takes a number of per cent, 0 or more".to_owned()));
        }
        let (_, runs) = self.chosen.runs(&self.scenario, Shard::ALL)?;
        let atlas = self.chosen.atlas.as_deref();
        let (exact, pulled) =
            (How::new(Some("exact"), atlas, false)?, How::new(Some("pulled"), atlas, false)?);
        let jobs: Vec<(Job, &How)> =
            runs.iter().flat_map(|run| [(job(run), &exact), (job(run), &pulled)]).collect();
        screen.say(&format!("{}: {} runs, each exact and pulled", runs[0].1.name, runs.len()));
        let threads = crowd::threads(self.chosen.jobs);
        let progress = Progress::new(screen, jobs.len(), threads);
        let summaries = crowd::each(&jobs, threads, |number, (job, how)| {
            job.run(number, how, &progress).map(|outcome| outcome.summary)
        })?;
        // Each pair is exact, pulled.
        let half = |first: usize| summaries.iter().skip(first).step_by(2).cloned().collect::<Vec<Summary>>();
        let comparison = compare::compare(&half(0), &half(1));
        let fetched = comparison.figures.iter().find(|figure| figure.name == "peers");
        let fetched = fetched.and_then(|figure| figure.a).unwrap_or(1.0);
        let far = far(&comparison, fetched, self.within);
        match self.json {
            true => screen.data(&self.object(&comparison, fetched, &far).to_string()),
            false => screen.data(&text(&comparison, fetched)),
        }
        match far.is_empty() {
            true => Ok(()),
            false => {
                let (names, within) = (far.join(", "), self.within);
                let text = format!("beyond {within} %: {names}; use --fidelity exact where it matters");
                Err(CliError::Failed(text))
            }
        }
    }

    fn object(&self, comparison: &Comparison, fetched: f64, far: &[&str]) -> serde_json::Value {
        let figure = |figure: &Figure| {
            let percent = percent(figure, fetched);
            json!({"name": figure.name, "unit": figure.unit, "exact": figure.a, "pulled": figure.b, "percent": percent})
        };
        let figures: Vec<_> = comparison.figures.iter().map(figure).collect();
        json!({"runs": comparison.a.runs, "within_percent": self.within, "beyond": far, "figures": figures})
    }
}

fn job((single, scenario): &(Single, Scenario)) -> Job {
    let again = format!("nearcast-sim fidelity {} --seed {}", scenario.name, single.seed);
    Job { scenario: scenario.clone(), seed: single.seed, folder: "".into(), again }
}

/// How far the pulled figure is from the exact one, in per cent. `None`: one of them is not known.
fn percent(figure: &Figure, fetched: f64) -> Option<f64> {
    let (exact, pulled) = (figure.a?, figure.b?);
    // Waste is small where all is well, and a small part of a small part matters to nobody.
    let whole = if figure.name == "wasted_copies" { fetched.max(exact) } else { exact };
    match exact == pulled {
        true => Some(0.0),
        false => Some(100.0 * (pulled - exact) / whole),
    }
}

/// The judged figures that are too far apart, or known on one side only.
fn far(comparison: &Comparison, fetched: f64, within: f64) -> Vec<&'static str> {
    let judged = comparison.figures.iter().filter(|figure| JUDGED.contains(&figure.name));
    let is_far = |figure: &&Figure| percent(figure, fetched).is_none_or(|percent| percent.abs() > within);
    judged.filter(is_far).map(|figure| figure.name).collect()
}

fn text(comparison: &Comparison, fetched: f64) -> String {
    let mut rows = vec![["median", "exact", "pulled", "difference"].map(str::to_owned).to_vec()];
    for figure in &comparison.figures {
        let difference = percent(figure, fetched).map_or(number::UNKNOWN.to_owned(), |percent| {
            let mark = if JUDGED.contains(&figure.name) { "" } else { " (not judged)" };
            format!("{percent:+.2} %{mark}")
        });
        rows.push(vec![
            figure.words.to_owned(),
            figure.unit.words(figure.a),
            figure.unit.words(figure.b),
            difference,
        ]);
    }
    chart(&rows)
}

#[cfg(test)]
mod tests {
    use nearcast_sim::outcome::Spread;

    use super::*;

    fn run(last: f64, wasted: f64) -> Summary {
        let times = Spread { p50: 10.0, p95: 20.0, last, mean: 12.0 };
        Summary {
            peers: 100,
            completed: 100,
            origin_copies: 1.5,
            wasted_copies: wasted,
            completion_seconds: times,
            ..Summary::default()
        }
    }

    #[test]
    fn two_per_cent_of_the_time_is_near_and_three_are_far() {
        let between = |a: Summary, b: Summary| far(&compare::compare(&[a], &[b]), 100.0, 2.0);
        assert!(between(run(100.0, 0.5), run(101.9, 0.5)).is_empty());
        assert_eq!(between(run(100.0, 0.5), run(97.0, 0.5)), ["completion_last_seconds"]);
        // Waste is a part of what all fetched.
        assert!(between(run(100.0, 0.0), run(100.0, 1.9)).is_empty());
        assert_eq!(between(run(100.0, 0.0), run(100.0, 2.1)), ["wasted_copies"]);
        assert_eq!(between(run(100.0, 0.0), run(f64::NAN, 0.0)), ["completion_last_seconds"]);
    }
}
