//! When peers come, and what they have then.

use serde::{Deserialize, Serialize};

use super::{
    amount::Amount,
    error::{ScenarioError, check},
};

/// How peers come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coming {
    /// All at the same moment.
    #[default]
    Together,
    /// Each at a moment of its own within `over_seconds`, any as likely as any other.
    Over,
    /// One after the other, at `rate` on average and without memory: a Poisson process.
    Poisson,
    /// As a Poisson process whose rate swings through the day around `rate`.
    Diurnal,
}

/// What a peer has when it comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holding {
    /// Nothing.
    #[default]
    Nothing,
    /// All runs but the first one. Who has these is of the one-club (Hajek and Zhu 2010).
    AllButOne,
    /// Everything.
    All,
}

/// When peers come, and what they have then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArrivalsPart {
    /// How they come.
    pub kind: Coming,
    /// In seconds. Only for `over`.
    pub over_seconds: f64,
    /// Peers a second, on average. Only for `poisson` and `diurnal`.
    pub rate: f64,
    /// How long a day is, in seconds. Only for `diurnal`.
    pub day_seconds: f64,
    /// By which part of itself the rate rises at its height, a quarter of a day after the start, and
    /// falls at its depth; 0 to 1. Only for `diurnal`.
    pub swing: f64,
    /// When the first of them may come, in seconds. Early ones do not wait for it.
    pub start_seconds: f64,
    /// How many of the peers are there from the start.
    pub early: Amount,
    /// What early ones have.
    pub early_hold: Holding,
    /// What all others have when they come.
    pub hold: Holding,
}

impl Default for ArrivalsPart {
    fn default() -> ArrivalsPart {
        ArrivalsPart {
            kind: Coming::Together,
            over_seconds: 10.0,
            rate: 1.0,
            day_seconds: 86_400.0,
            swing: 0.5,
            start_seconds: 0.0,
            early: Amount::NONE,
            early_hold: Holding::Nothing,
            hold: Holding::Nothing,
        }
    }
}

impl ArrivalsPart {
    pub(super) fn check(&self, peers: u32) -> Result<(), ScenarioError> {
        const TIME: &str = "0 to 1000000000 seconds";
        check(super::is_time(self.over_seconds), "arrivals.over_seconds", TIME)?;
        check(super::is_time(self.start_seconds), "arrivals.start_seconds", TIME)?;
        check((1e-6..=1e9).contains(&self.rate), "arrivals.rate", "0.000001 to 1000000000 peers a second")?;
        check((1.0..=1e9).contains(&self.day_seconds), "arrivals.day_seconds", "1 to 1000000000 seconds")?;
        check((0.0..=1.0).contains(&self.swing), "arrivals.swing", "0 to 1")?;
        check(self.early.of(peers) <= peers, "arrivals.early", "no more than `peers`")
    }
}
