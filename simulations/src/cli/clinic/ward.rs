//! Does the runs of cases, and the probes after them.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use nearcast_sim::{
    clinic::{Case, Finding, Work},
    outcome::Summary,
    report::{self, number},
    scenario::Scenario,
};

use crate::cli::{
    crowd,
    error::CliError,
    interrupt::Interrupts,
    progress::Progress,
    run::{How, Job},
    screen::Screen,
};

/// What all cases are examined with.
pub(super) struct Ward<'a> {
    pub(super) seeds: &'a [u64],
    pub(super) how: &'a How,
    /// Where the reports of runs go.
    pub(super) out: Option<&'a Path>,
    pub(super) screen: &'a Screen,
    pub(super) interrupts: &'a Interrupts,
}

impl Ward<'_> {
    /// Examines all cases. Runs go several at a time; probes go one at a time and after them, because
    /// some take times.
    pub(super) fn examine(&self, cases: &[&Case], threads: usize) -> Result<Vec<Finding>, CliError> {
        let begun = Instant::now();
        let mut jobs = Vec::new();
        for case in cases {
            jobs.extend(self.jobs(case)?);
        }
        let progress = Progress::new(self.screen, jobs.len(), threads);
        let summaries = crowd::each(&jobs, threads, |number, job| {
            let mut outcome = job.run(number, self.how, &progress)?;
            outcome.summary.again.clone_from(&job.again);
            if self.out.is_some() {
                self.interrupts
                    .whole(|| report::write(&outcome, &job.folder))
                    .map_err(CliError::of_folder)?;
            }
            Ok(outcome.summary)
        })?;
        let mut summaries = summaries.into_iter();
        let mut findings = Vec::new();
        for case in cases {
            let of_seeds = self.figures(case, &mut summaries)?;
            findings.extend(case.findings(&of_seeds));
        }
        let took: Duration = begun.elapsed();
        self.screen.say(&format!("{} runs in {}", jobs.len(), number::seconds(took.as_secs_f64())));
        Ok(findings)
    }

    /// The runs of a case: seed by seed, each in all arms.
    fn jobs(&self, case: &Case) -> Result<Vec<Job>, CliError> {
        let Work::Runs { scenario: name, arms, .. } = case.work else { return Ok(Vec::new()) };
        let mut jobs = Vec::new();
        for &seed in self.seeds {
            for (at, arm) in arms.iter().enumerate() {
                let Some(scenario): Option<Scenario> = case.scenario(at)? else { continue };
                let folder = format!("{}_{}_seed={seed}", case.name, arm.name);
                let mut again = format!("nearcast-sim run {name} --seed {seed}");
                arm.set.iter().for_each(|set| again += &format!(" --set {set}"));
                let folder = self.out.map(|out| out.join(folder)).unwrap_or_default();
                jobs.push(Job { scenario, seed, folder, again: again + " --out again" });
            }
        }
        Ok(jobs)
    }

    /// The figures of a case for each seed. Takes its summaries, which come in the order of jobs.
    fn figures(
        &self,
        case: &Case,
        summaries: &mut impl Iterator<Item = Summary>,
    ) -> Result<Vec<Vec<f64>>, CliError> {
        let of_seed = |&seed: &u64| match case.work {
            Work::Runs { arms, figures, .. } => {
                let runs: Vec<Summary> = summaries.by_ref().take(arms.len()).collect();
                Ok(figures(&runs))
            }
            Work::Probe(probe) => {
                self.screen.progress(&format!("{}, seed {seed}", case.name));
                probe(seed, &self.how.options())
                    .map_err(|source| CliError::Run { run: format!("{}, seed {seed}", case.name), source })
            }
        };
        self.seeds.iter().map(of_seed).collect()
    }
}
