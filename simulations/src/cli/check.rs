//! `nearcast-sim check`: the simulator itself, against what is known.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use clap::Args;
use nearcast_sim::{
    check::{self, Check},
    report::number,
};
use serde_json::json;

use super::{error::CliError, screen::Screen};

pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast-sim check                     all of them
  nearcast-sim check --list              what they are
  nearcast-sim check --json | jq -c 'select(.held | not)'
";

/// Options of `check`.
#[derive(Debug, Args)]
pub(super) struct Checks {
    /// Only checks whose name contains this; any of several.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Say what the checks are, and do none.
    #[arg(long)]
    list: bool,
    /// Print a JSON object for each check.
    #[arg(long)]
    pub(super) json: bool,
}

impl Checks {
    pub(super) fn run(&self, screen: &Screen) -> Result<(), CliError> {
        let is_asked = |check: &Check| {
            self.names.is_empty() || self.names.iter().any(|name| check.name.contains(name.as_str()))
        };
        let checks: Vec<Check> = check::all().into_iter().filter(is_asked).collect();
        if checks.is_empty() {
            let text = "no check has such a name; `nearcast-sim check --list` names them all";
            return Err(CliError::BadOption(text.to_owned()));
        }
        let failed = checks.iter().filter(|check| !self.held(check, screen)).count();
        match failed {
            0 => Ok(()),
            some => Err(CliError::Failed(format!("{some} of {} checks failed", checks.len()))),
        }
    }

    /// Does one check and prints what came of it. Whether it held.
    fn held(&self, check: &Check, screen: &Screen) -> bool {
        if self.list {
            match self.json {
                true => screen.data(&json!({"name": check.name, "about": check.about}).to_string()),
                false => screen.data(&format!("{:<32} {}", check.name, check.about)),
            }
            return true;
        }
        screen.progress(&format!("{} …", check.name));
        let begun = Instant::now();
        // The other checks say something, too, if one of them meets an assertion.
        let found = catch_unwind(AssertUnwindSafe(check.run));
        let result = found.unwrap_or_else(|_| Err("an assertion failed".to_owned()));
        let (held, figures) = match &result {
            Ok(figures) => (true, figures),
            Err(wrong) => (false, wrong),
        };
        let seconds = begun.elapsed().as_secs_f64();
        if self.json {
            let about = json!({
                "name": check.name, "about": check.about, "held": held, "seconds": seconds, "figures": figures,
            });
            screen.data(&about.to_string());
        } else {
            let word = if held { "held" } else { "FAILED" };
            screen.data(&format!(
                "{word:<6}  {:<32}  {:>8}  {figures}",
                check.name,
                number::seconds(seconds)
            ));
        }
        held
    }
}
