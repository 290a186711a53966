//! `nearcast-sim clinic`: what was found to be wrong with the policy, how it is now, and what is
//! wanted.

mod earlier;
mod ward;

use std::path::PathBuf;

use clap::{Args, ValueHint, value_parser};
use nearcast_sim::{
    clinic::{CASES, Case, Finding},
    scenario::sweep::Sweep,
};
use serde_json::json;

use self::{earlier::Earlier, ward::Ward};
use super::{chart::chart, crowd, error::CliError, interrupt::Interrupts, run::How, screen::Screen};

pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast-sim clinic                                   all of it, over three seeds
  nearcast-sim clinic --only riders --only far --seeds 1..8
  nearcast-sim clinic --out before                      change the policy, and then:
  nearcast-sim clinic --against before
  nearcast-sim clinic --json | jq -c 'select(.held | not)'
";

/// Options of `clinic`.
#[derive(Debug, Args)]
pub(super) struct Clinic {
    /// Seeds, the last one included: each figure is the median over them.
    #[arg(long, value_name = "A..B", default_value = "1..3")]
    seeds: String,
    /// Only cases whose name contains this; any of several.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Show beside it what an earlier clinic wrote with --out.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    against: Option<PathBuf>,
    /// Folder for the table and for the report of each run, made if it is not there.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// How true to nodes messages are: exact, or pulled, which is faster and nearly the same.
    #[arg(long, value_name = "exact|pulled")]
    fidelity: Option<String>,
    /// Runs at a time. Default: as many as there are cores, at most 2.
    #[arg(long, value_name = "N", value_parser = value_parser!(u8).range(1..=64))]
    jobs: Option<u8>,
    /// Say what the cases are and what is wanted, and run none.
    #[arg(long)]
    list: bool,
    /// Say nothing but errors and results.
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Print a JSON object for each figure.
    #[arg(long)]
    pub(super) json: bool,
}

impl Clinic {
    pub(super) fn run(&self, screen: &Screen, interrupts: &Interrupts) -> Result<(), CliError> {
        let cases = self.cases()?;
        if self.list {
            list(&cases, self.json, screen);
            return Ok(());
        }
        let none: [&str; 0] = [];
        let seeds: Vec<u64> = Sweep::parse(&none, &self.seeds)?.seeds.collect();
        let how = How::new(self.fidelity.as_deref(), None, false)?;
        let before = self.against.as_deref().map(Earlier::read).transpose()?.unwrap_or_default();
        if let Some(out) = &self.out {
            earlier::claim(out)?;
        }
        let names: Vec<&str> = cases.iter().map(|case| case.name).collect();
        let (first, last) = (seeds.first().unwrap_or(&1), seeds.last().unwrap_or(&1));
        screen.say(&format!(
            "{}; seeds {first} to {last}, fidelity {}",
            names.join(", "),
            how.fidelity_name()
        ));
        let threads = crowd::threads(self.jobs);
        let ward = Ward { seeds: &seeds, how: &how, out: self.out.as_deref(), screen, interrupts };
        let findings = ward.examine(&cases, threads)?;
        if let Some(out) = &self.out {
            interrupts.whole(|| earlier::write(out, &findings))?;
            screen.say(&format!("{} holds the table", out.display()));
        }
        self.print(&findings, &before, screen);
        match findings.iter().filter(|finding| !finding.held).count() {
            0 => Ok(()),
            some => Err(CliError::Failed(format!("{some} of {} figures are not as wanted", findings.len()))),
        }
    }

    fn cases(&self) -> Result<Vec<&'static Case>, CliError> {
        let is_asked = |case: &&Case| {
            self.only.is_empty() || self.only.iter().any(|name| case.name.contains(name.as_str()))
        };
        let cases: Vec<&Case> = CASES.iter().filter(is_asked).collect();
        match cases.is_empty() {
            true => {
                let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
                let text = format!("no case has such a name; there are {}", names.join(", "));
                Err(CliError::BadOption(text))
            }
            false => Ok(cases),
        }
    }

    fn print(&self, findings: &[Finding], before: &Earlier, screen: &Screen) {
        if self.json {
            for finding in findings {
                let mut object = json!(finding);
                if self.against.is_some() {
                    object["before"] = json!(before.of(finding).and_then(|before| before.now));
                }
                screen.data(&object.to_string());
            }
            return;
        }
        screen.data(&table(findings, self.against.is_some().then_some(before)));
    }
}

fn list(cases: &[&Case], json: bool, screen: &Screen) {
    let mut rows = vec![["case", "figure", "found", "goal"].map(str::to_owned).to_vec()];
    for case in cases {
        for row in case.rows {
            if json {
                let about =
                    json!({"case": case.name, "figure": row.figure, "found": row.found, "goal": row.goal});
                screen.data(&about.to_string());
            }
            rows.push([case.name, row.figure, row.found, &row.goal.words()].map(str::to_owned).to_vec());
        }
    }
    if !json {
        screen.data(&chart(&rows));
    }
}

/// The table: a line for each figure. The name of a case stands in its first line alone.
fn table(findings: &[Finding], before: Option<&Earlier>) -> String {
    let mut head = vec!["case", "figure", "found", "now", "goal", ""];
    if before.is_some() {
        head.insert(3, "before");
    }
    let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    let mut last = "";
    for finding in findings {
        let case = if finding.case == last { "" } else { &finding.case };
        last = &finding.case;
        let verdict = if finding.held { "held" } else { "NOT HELD" };
        let mut row =
            [case, &finding.figure, &finding.found, &finding.words(), &finding.goal.words(), verdict]
                .map(str::to_owned)
                .to_vec();
        if let Some(before) = before {
            row.insert(3, before.of(finding).map_or_else(|| "–".to_owned(), Finding::words));
        }
        rows.push(row);
    }
    chart(&rows)
}

#[cfg(test)]
mod tests {
    use nearcast_sim::clinic::Goal;

    use super::*;

    #[test]
    fn the_table_names_a_case_once_and_shows_what_was_before() {
        let finding = |case: &str, figure: &str, now: Option<f64>, goal: Goal| Finding {
            case: case.to_owned(),
            figure: figure.to_owned(),
            found: "43".to_owned(),
            now,
            of_seeds: vec![now],
            goal,
            held: goal.holds(now),
        };
        let now = [
            finding("slow", "last / bound", Some(1.1), Goal::AtMost(1.15)),
            finding("slow", "wasted, %", None, Goal::AtMost(5.0)),
        ];
        let before = Earlier(vec![finding("slow", "last / bound", Some(1.375), Goal::AtMost(1.15))]);
        let text = table(&now, Some(&before));
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split("  ").filter(|w| !w.is_empty()).map(str::trim).collect())
            .collect();
        assert_eq!(lines[1], ["slow", "last / bound", "43", "1.38", "1.10", "<= 1.15", "held"], "{text}");
        assert_eq!(lines[2], ["wasted, %", "43", "–", "never", "<= 5", "NOT HELD"], "{text}");
    }
}
