//! `nearcast-sim show`: a scenario's text, or all its settings.

use clap::Args;
use serde_json::json;

use super::{error::CliError, screen::Screen, source::Source};

pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast-sim show flash-crowd > mine.toml          a scenario of your own begins with one of ours
  nearcast-sim show flash-crowd --settings | grep policy.links
";

/// Options of `show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The name of a scenario that comes with the simulator, or a file that ends in .toml.
    #[arg(value_name = "SCENARIO|FILE.toml")]
    scenario: String,
    /// Print every setting with its value, as --set takes them, those of the policy included.
    #[arg(long)]
    settings: bool,
    /// Print one JSON object with the text and all settings.
    #[arg(long)]
    pub(super) json: bool,
}

impl Show {
    pub(super) fn run(&self, screen: &Screen) -> Result<(), CliError> {
        let Source { scenario, text } = Source::find(&self.scenario)?;
        scenario.validate()?;
        let options = scenario.options();
        if self.json {
            let all =
                json!({"name": scenario.name, "about": scenario.about, "text": text, "options": options});
            screen.data(&all.to_string());
        } else if self.settings {
            options.iter().for_each(|(name, value)| screen.data(&format!("{name}={value}")));
        } else {
            screen.data(&text);
        }
        Ok(())
    }
}
