//! `nearcast-sim replay`: tells a fresh engine what a node was told.

mod tally;

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::PathBuf,
};

use clap::{Args, ValueHint};
use nearcast_core::{
    config::Config,
    flight::{Entry, Replay, ReplayError},
    output::Output,
};
use serde_json::json;

use self::tally::Tally;
use super::{chart::chart, error::CliError, screen::Screen};

pub(super) const EXAMPLES: &str = "\
Examples:
  NEARCAST_FLIGHT=get.jsonl nearcast get film.torrent     records a flight
  nearcast-sim replay get.jsonl                           the same policy decides the same again
  nearcast-sim replay get.jsonl --policy nearness.tiers=false --policy links.wanted=20
";

/// Options of `replay`.
#[derive(Debug, Args)]
pub(super) struct Replayed {
    /// The flight that a node recorded.
    #[arg(value_name = "FLIGHT", value_hint = ValueHint::FilePath)]
    flight: PathBuf,
    /// Decide by another policy, and count what differs. The engine hears what the node heard: so this shows what it
    /// would do at each moment, and not what would have come of it.
    #[arg(long, value_name = "NAME=VALUE")]
    policy: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

/// What a flight came to.
#[derive(Debug, Default)]
struct Seen {
    entries: usize,
    turns: u64,
    differing: u64,
    /// The first difference, in words.
    first: Option<String>,
    recorded: Tally,
    found: Tally,
    trace: u64,
}

impl Replayed {
    pub(super) fn run(&self, screen: &Screen) -> Result<(), CliError> {
        // A wrong policy is said before a long flight is read.
        self.changed(Config::default())?;
        let seen = self.replay(screen)?;
        match self.json {
            true => screen.data(&object(&seen).to_string()),
            false => screen.data(&text(&seen)),
        }
        match (&seen.first, self.policy.is_empty()) {
            (Some(first), true) => Err(CliError::Failed(format!(
                "the engine decides otherwise than the node did; {first}; was it recorded by another version?"
            ))),
            _ => Ok(()),
        }
    }

    fn replay(&self, screen: &Screen) -> Result<Seen, CliError> {
        let failed = |source| CliError::Io { path: self.flight.clone(), source };
        let mut lines = BufReader::new(File::open(&self.flight).map_err(failed)?);
        let (mut replay, mut seen, mut line) = (Replay::default(), Seen::default(), String::new());
        while lines.read_line(&mut line).map_err(failed)? > 0 {
            let entry: Entry = match serde_json::from_str(&line) {
                Ok(entry) => entry,
                // A node that was killed leaves half a line.
                Err(_) if !line.ends_with('\n') && seen.entries > 0 => {
                    screen.warn("the flight ends in the middle of a line, as of a node that was killed; the rest counts");
                    break;
                }
                Err(error) => {
                    let (path, number) = (self.flight.display(), seen.entries + 1);
                    let advice = "name a file that a node wrote with NEARCAST_FLIGHT";
                    return Err(CliError::BadOption(format!("{path}, line {number}: {error}; {advice}")));
                }
            };
            line.clear();
            self.take(entry, &mut replay, &mut seen)?;
            // Without another policy the first difference is all there is to know: what follows is of it.
            if seen.first.is_some() && self.policy.is_empty() {
                break;
            }
        }
        if seen.turns == 0 {
            let text =
                format!("{} holds no turn; record a flight with NEARCAST_FLIGHT", self.flight.display());
            return Err(CliError::BadOption(text));
        }
        seen.trace = replay.trace();
        Ok(seen)
    }

    fn take(&self, entry: Entry, replay: &mut Replay, seen: &mut Seen) -> Result<(), CliError> {
        let number = seen.entries;
        seen.entries += 1;
        let (entry, recorded) = match entry {
            Entry::Start { config, seed } => (Entry::Start { config: self.changed(config)?, seed }, None),
            Entry::Config(config) => (Entry::Config(self.changed(config)?), None),
            Entry::Turn(turn) => {
                seen.recorded.learn(&turn);
                seen.found.learn(&turn);
                let outputs = turn.outputs.clone();
                (Entry::Turn(turn), Some(outputs))
            }
        };
        let result = replay.take(entry);
        let Some(recorded) = recorded else { return Ok(()) };
        seen.turns += 1;
        let found = match result {
            Ok(()) => recorded.clone(),
            Err(ReplayError::Other { found, .. }) => {
                seen.differing += 1;
                seen.first.get_or_insert_with(|| difference(number, &recorded, &found));
                found
            }
            Err(error @ ReplayError::NoStart(_)) => {
                let advice = "a flight begins with the start of its node";
                return Err(CliError::BadOption(format!("{}: {error}; {advice}", self.flight.display())));
            }
        };
        seen.recorded.count(&recorded);
        seen.found.count(&found);
        Ok(())
    }

    /// The settings of the node, with those of the command line.
    fn changed(&self, mut config: Config) -> Result<Config, CliError> {
        for assignment in &self.policy {
            let (name, value) = assignment.split_once('=').ok_or_else(|| {
                CliError::BadOption(format!("`{assignment}` is no setting; write --policy NAME=VALUE"))
            })?;
            let name = name.trim();
            let name = name.strip_prefix("policy.").unwrap_or(name);
            config.set(name, value.trim()).map_err(|error| wrong(&error))?;
        }
        if !self.policy.is_empty() {
            config.validate().map_err(|error| wrong(&error))?;
        }
        Ok(config)
    }
}

fn wrong(error: &dyn ToString) -> CliError {
    let advice = "`nearcast-sim show flash-crowd --settings` lists all, after `policy.`";
    CliError::BadOption(format!("{}; {advice}", error.to_string()))
}

/// The first outputs that are not the same, of what may be hundreds.
fn difference(entry: usize, recorded: &[Output], found: &[Output]) -> String {
    let same = recorded.iter().zip(found).take_while(|(a, b)| a == b).count();
    let show = |outputs: &[Output]| match outputs.get(same) {
        Some(output) => format!("{output:?}"),
        None => "nothing more".to_owned(),
    };
    format!(
        "entry {entry}, output {same}: the node wanted {}, and this engine {}",
        show(recorded),
        show(found)
    )
}

fn text(seen: &Seen) -> String {
    let mut text = match seen.differing {
        0 => format!("{} turns, and the same decided in all; trace {:016x}\n", seen.turns, seen.trace),
        some => format!("{} turns, and something else decided in {some} of them\n", seen.turns),
    };
    if let Some(first) = &seen.first {
        text += &format!("first: {first}\n");
    }
    let rows = |title: &str, recorded: &tally::Counts, found: &tally::Counts| {
        let mut rows = vec![[title, "recorded", "found", "difference"].map(str::to_owned).to_vec()];
        for (name, a, b) in tally::pairs(recorded, found) {
            let difference = i128::from(b) - i128::from(a);
            rows.push(vec![name.to_owned(), a.to_string(), b.to_string(), format!("{difference:+}")]);
        }
        chart(&rows)
    };
    text += &format!("\n{}", rows("wanted", &seen.recorded.kinds, &seen.found.kinds));
    text += &format!("\n{}", rows("requests to", &seen.recorded.requests, &seen.found.requests));
    let outside = |tally: &Tally| tally.outside_percent();
    text + &format!(
        "\nrequests that leave the AS: {} recorded, {} found\n",
        outside(&seen.recorded),
        outside(&seen.found)
    )
}

fn object(seen: &Seen) -> serde_json::Value {
    let side = |tally: &Tally| json!({"outputs": tally.kinds, "requests": tally.requests, "outside": tally.outside()});
    json!({
        "turns": seen.turns, "differing": seen.differing, "first": seen.first, "trace": format!("{:016x}", seen.trace),
        "recorded": side(&seen.recorded), "found": side(&seen.found),
    })
}

#[cfg(test)]
mod tests;
