//! A fit as a file: what was fitted once need not be fitted again.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Crowd, Fit, Imports};
use crate::outcome::Summary;

/// The fit that comes with the simulator. Its first lines say from which runs it is.
const SHIPPED: &str = include_str!("shipped.toml");

/// A text that is no fit.
#[derive(Debug, thiserror::Error)]
#[error("this is no fit of the fluid model: {0}")]
pub struct FitError(#[from] toml::de::Error);

/// The fields of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    from: String,
    runs: usize,
    effectiveness: f64,
    deviation: f64,
    origin_use: f64,
    by_peers: Vec<[f64; 5]>,
    imports: Vec<(f64, f64)>,
}

impl Fit {
    /// The fit that comes with the simulator. [`Fit::from`] says from which runs it is.
    ///
    /// # Errors
    /// If its file is none: never, by test.
    pub fn shipped() -> Result<Fit, FitError> {
        Fit::parse(SHIPPED)
    }

    /// Reads a fit that [`Fit::text`] wrote.
    ///
    /// # Errors
    /// If the text is none.
    pub fn parse(text: &str) -> Result<Fit, FitError> {
        let fields: Fields = toml::from_str(text)?;
        Ok(Fit {
            from: fields.from,
            effectiveness: fields.effectiveness,
            by_peers: fields.by_peers.into_iter().map(crowd).collect(),
            origin_use: fields.origin_use,
            deviation: fields.deviation,
            runs: fields.runs,
            imports: Imports::new(&fields.imports),
        })
    }

    /// The fit as a file, with digits that are worth something.
    pub fn text(&self) -> String {
        let short = |value: f64| (value * 1e4).round() / 1e4;
        let pairs = |pairs: &[(f64, f64)]| {
            let pair = |&(a, b): &(f64, f64)| format!("[{:?}, {:?}]", short(a), short(b));
            pairs.iter().map(pair).collect::<Vec<_>>().join(", ")
        };
        let row = |crowd: &Crowd| {
            let [half, most, last] = crowd.spread;
            format!("{:?}", [crowd.peers, crowd.effectiveness, half, most, last].map(short))
        };
        let by_peers: Vec<String> = self.by_peers.iter().map(row).collect();
        let lines = [
            format!("from = {:?}", self.from),
            format!("runs = {}", self.runs),
            format!("effectiveness = {:?}", short(self.effectiveness)),
            format!("deviation = {:?}", short(self.deviation)),
            format!("origin_use = {:?}", short(self.origin_use)),
            "# Peers, their share of uplinks in use, and the times of half, of 95 % and of the last / the mean.".to_owned(),
            format!("by_peers = [{}]", by_peers.join(", ")),
            "# Members of an AS, and the copies that they import.".to_owned(),
            format!("imports = [{}]", pairs(self.imports.points())),
        ];
        lines.join("\n") + "\n"
    }
}

fn crowd([peers, effectiveness, half, most, last]: [f64; 5]) -> Crowd {
    Crowd { peers, effectiveness, spread: [half, most, last] }
}

/// Which runs these are: `12 runs of flash-crowd, 50 to 400 peers, seeds 1 to 3`.
pub(super) fn words(runs: &[Summary]) -> String {
    let names: BTreeSet<&str> = runs.iter().map(|run| run.scenario.as_str()).collect();
    let range = |of: fn(&Summary) -> u64| {
        let values = || runs.iter().map(of);
        (values().min().unwrap_or(0), values().max().unwrap_or(0))
    };
    let (peers, seeds) = (range(|run| run.peers.into()), range(|run| run.seed));
    let fidelity: BTreeSet<&str> =
        runs.iter().filter_map(|run| run.options.get("fidelity").map(String::as_str)).collect();
    format!(
        "{} {} runs of {}, {} to {} peers, seeds {} to {}",
        runs.len(),
        fidelity.into_iter().collect::<Vec<_>>().join(" and "),
        names.into_iter().collect::<Vec<_>>().join(", "),
        peers.0,
        peers.1,
        seeds.0,
        seeds.1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_fit_can_be_read_and_says_where_it_comes_from() {
        let fit = Fit::shipped().unwrap();
        assert!(fit.from.contains("runs of") && fit.runs > 0, "{}", fit.from);
        assert!((0.1..1.0).contains(&fit.effectiveness) && !fit.by_peers.is_empty());
        assert!(fit.by_peers.is_sorted_by(|a, b| a.peers < b.peers));
    }

    #[test]
    fn a_fit_is_written_and_read_again() {
        let fit = Fit {
            from: "2 runs".to_owned(),
            by_peers: vec![crowd([50.0, 0.5, 0.9, 1.1, 1.2]), crowd([200.0, 0.45, 0.9, 1.5, 2.0])],
            origin_use: 0.25,
            imports: Imports::new(&[(4.0, 2.0), (64.0, 6.0)]),
            ..Fit::ideal()
        };
        assert_eq!(Fit::parse(&fit.text()).unwrap(), fit);
        assert!(Fit::parse("runs = 1").is_err());
    }
}
