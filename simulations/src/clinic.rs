//! The clinic: what was found to be wrong with the policy, how it is now, and what is wanted.
//!
//! Each [`Case`] is one ailment: a scenario, often run in several ways that are compared, and rows of
//! figures with a goal. A case that no scenario shows has a probe of its own.

mod cases;
mod choice;
mod tick;

use serde::{Deserialize, Serialize};

pub use self::cases::CASES;
use crate::{
    outcome::Summary,
    report::number,
    run::{RunError, RunOptions},
    scenario::{Scenario, ScenarioError, shipped},
};

/// One ailment.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// How it is called.
    pub name: &'static str,
    /// How its figures are come by.
    pub work: Work,
    /// Its figures, in the order in which the work gives them.
    pub rows: &'static [Row],
}

/// How figures are come by.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Runs of one scenario that is shipped.
    Runs {
        /// The scenario.
        scenario: &'static str,
        /// The ways in which it is run.
        arms: &'static [Arm],
        /// The figures, one for each row, from what came of each arm.
        figures: fn(&[Summary]) -> Vec<f64>,
    },
    /// Something else, from a seed. Does one at a time, because some take times.
    Probe(fn(u64, &RunOptions) -> Result<Vec<f64>, RunError>),
}

/// One way to run a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Arm {
    /// What is special about it, in a word.
    pub name: &'static str,
    /// The settings that differ from the scenario's.
    pub set: &'static [&'static str],
}

/// A figure that matters.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What it is, with its unit last.
    pub figure: &'static str,
    /// What it was when it was found, as it was written down then.
    pub found: &'static str,
    /// What is wanted.
    pub goal: Goal,
}

/// What is wanted of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

/// A row with what is measured now. A stable format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The case.
    pub case: String,
    /// The figure.
    pub figure: String,
    /// What it was when it was found.
    pub found: String,
    /// The median over the seeds. `None`: it never came about, as a time of somebody who never
    /// finished.
    pub now: Option<f64>,
    /// The figure of each seed.
    pub of_seeds: Vec<Option<f64>>,
    /// What is wanted.
    pub goal: Goal,
    /// Whether `now` is as wanted.
    pub held: bool,
}

impl Goal {
    /// Whether a figure is as wanted. One that never came about is not.
    pub fn holds(self, value: Option<f64>) -> bool {
        match self {
            Goal::AtMost(most) => value.is_some_and(|value| value <= most),
            Goal::AtLeast(least) => value.is_some_and(|value| value >= least),
        }
    }

    /// The goal in few letters.
    pub fn words(self) -> String {
        match self {
            Goal::AtMost(most) => format!("<= {most}"),
            Goal::AtLeast(least) => format!(">= {least}"),
        }
    }
}

impl Case {
    /// The scenario of one arm.
    ///
    /// # Errors
    /// If the scenario is not shipped, or has no such setting: not in a case of ours, by test.
    pub fn scenario(&self, arm: usize) -> Result<Option<Scenario>, ScenarioError> {
        let Work::Runs { scenario, arms, .. } = self.work else { return Ok(None) };
        let mut scenario = shipped::find(scenario)?;
        // The clinic judges. Arms that leave something out on purpose are not to fail for it.
        scenario.expect = crate::scenario::ExpectPart::default();
        arms[arm].set.iter().try_for_each(|set| scenario.set(set))?;
        scenario.validate()?;
        Ok(Some(scenario))
    }

    /// The rows with the figures of all seeds: for each seed, one figure for each row.
    pub fn findings(&self, of_seeds: &[Vec<f64>]) -> Vec<Finding> {
        let finding = |(at, row): (usize, &Row)| {
            let figure = |figures: &Vec<f64>| figures.get(at).copied().filter(|figure| figure.is_finite());
            let of_seeds: Vec<Option<f64>> = of_seeds.iter().map(figure).collect();
            let now = median(&of_seeds, row.goal);
            Finding {
                case: self.name.to_owned(),
                figure: row.figure.to_owned(),
                found: row.found.to_owned(),
                now,
                of_seeds,
                goal: row.goal,
                held: row.goal.holds(now),
            }
        };
        self.rows.iter().enumerate().map(finding).collect()
    }
}

impl Finding {
    /// The figure now, for people.
    pub fn words(&self) -> String {
        self.now.map_or_else(|| "never".to_owned(), number::significant)
    }
}

/// The figure in the middle; of an even number, the worse of the two there. What never came about is
/// worse than anything.
fn median(figures: &[Option<f64>], goal: Goal) -> Option<f64> {
    let badness = |figure: &Option<f64>| match goal {
        Goal::AtMost(_) => figure.unwrap_or(f64::INFINITY),
        Goal::AtLeast(_) => -figure.unwrap_or(f64::NEG_INFINITY),
    };
    let mut sorted = figures.to_vec();
    sorted.sort_by(|a, b| badness(a).total_cmp(&badness(b)));
    sorted.get(sorted.len() / 2).copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arm_of_every_case_is_a_valid_scenario_and_no_name_is_there_twice() {
        let mut names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CASES.len());
        for case in CASES {
            let Work::Runs { arms, .. } = case.work else { continue };
            for arm in 0..arms.len() {
                let scenario = case.scenario(arm).unwrap_or_else(|error| panic!("{}: {error}", case.name));
                assert!(scenario.is_some());
            }
        }
    }

    #[test]
    fn the_figure_in_the_middle_counts_and_never_is_the_worst() {
        let most = Goal::AtMost(2.0);
        assert_eq!(median(&[Some(1.0), None, Some(3.0)], most), Some(3.0));
        assert_eq!(median(&[Some(1.0), Some(3.0)], most), Some(3.0));
        assert_eq!(median(&[Some(1.0), None, None], most), None);
        let least = Goal::AtLeast(2.0);
        assert_eq!(median(&[Some(1.0), Some(3.0)], least), Some(1.0));
        assert_eq!(median(&[Some(1.0), None, Some(3.0)], least), Some(1.0));
        assert!(!most.holds(None) && !least.holds(None) && most.holds(Some(2.0)) && least.holds(Some(2.0)));
    }

    #[test]
    fn a_case_without_a_figure_holds_nothing() {
        let case = &CASES[0];
        let findings = case.findings(&[vec![]]);
        assert_eq!(findings.len(), case.rows.len());
        assert!(findings.iter().all(|finding| !finding.held && finding.words() == "never"));
    }
}
