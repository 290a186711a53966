//! `nearcast-sim list`: what comes with the simulator.

use clap::Args;
use nearcast_sim::scenario::shipped;
use serde_json::json;

use super::{error::CliError, screen::Screen};

pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast-sim list
  nearcast-sim list --json | jq -r .name
";

/// Options of `list`.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Print a JSON object for each scenario.
    #[arg(long)]
    pub(super) json: bool,
}

impl List {
    pub(super) fn run(&self, screen: &Screen) -> Result<(), CliError> {
        let mut rows = Vec::new();
        for shipped in shipped::SHIPPED {
            let scenario = shipped::find(shipped.name)?;
            if self.json {
                let (peers, runs, bytes) = (scenario.peers, scenario.runs, scenario.bytes());
                let about = json!({
                    "name": scenario.name, "about": scenario.about, "peers": peers, "runs": runs, "bytes": bytes,
                });
                screen.data(&about.to_string());
            }
            rows.push((scenario.name, scenario.about));
        }
        if !self.json {
            let widest = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            rows.iter().for_each(|(name, about)| screen.data(&format!("{name:widest$}  {about}")));
        }
        Ok(())
    }
}
