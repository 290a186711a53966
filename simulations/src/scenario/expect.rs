//! What a run must yield.

use serde::{Deserialize, Serialize};

use super::{
    error::{ScenarioError, check},
    text::or_none,
};

/// What a run must yield: checkers assert it. A bound that is `none` is not asserted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectPart {
    /// Every peer that wants the content has it in the end. Who leaves before, hoards, lies or is a
    /// stranger does not count.
    pub everybody_finishes: bool,
    /// The last peer's time, in parts of the lower bound (Kumar and Ross 2006).
    #[serde(with = "or_none")]
    pub last_over_bound_max: Option<f64>,
    /// Copies of the content that come into each group over its border, the mean over the groups.
    #[serde(with = "or_none")]
    pub imports_max: Option<f64>,
    /// Copies of the content that leave the origins.
    #[serde(with = "or_none")]
    pub origin_copies_max: Option<f64>,
    /// What was sent and not needed, as a share of all that was received; 0 to 1.
    #[serde(with = "or_none")]
    pub wasted_share_max: Option<f64>,
    /// The median time of free riders, in parts of the median of honest peers, at least.
    #[serde(with = "or_none")]
    pub riders_over_honest_min: Option<f64>,
    /// The median time of clients that play their own game (large view, BitTyrant), each kind by
    /// itself, in parts of the median of honest peers, at least.
    #[serde(with = "or_none")]
    pub schemers_over_honest_min: Option<f64>,
    /// The share of viewers' time from the start of play that they stall; 0 to 1.
    #[serde(with = "or_none")]
    pub stalled_share_max: Option<f64>,
    /// The time until play starts at nineteen in twenty viewers, in seconds.
    #[serde(with = "or_none")]
    pub start_delay_p95_max: Option<f64>,
}

impl Default for ExpectPart {
    fn default() -> ExpectPart {
        ExpectPart {
            everybody_finishes: true,
            last_over_bound_max: None,
            imports_max: None,
            origin_copies_max: None,
            wasted_share_max: None,
            riders_over_honest_min: None,
            schemers_over_honest_min: None,
            stalled_share_max: None,
            start_delay_p95_max: None,
        }
    }
}

impl ExpectPart {
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        let is_bound = |bound: Option<f64>, most| bound.is_none_or(|bound| (0.0..=most).contains(&bound));
        let last = self.last_over_bound_max;
        let last_is_bound = last.is_none_or(|bound| (1.0..=1e6).contains(&bound));
        check(last_is_bound, "expect.last_over_bound_max", "1 or more, or none")?;
        check(is_bound(self.imports_max, 1e6), "expect.imports_max", "0 or more, or none")?;
        check(is_bound(self.origin_copies_max, 1e6), "expect.origin_copies_max", "0 or more, or none")?;
        check(is_bound(self.wasted_share_max, 1.0), "expect.wasted_share_max", "0 to 1, or none")?;
        let riders = self.riders_over_honest_min;
        check(is_bound(riders, 1e6), "expect.riders_over_honest_min", "0 or more, or none")?;
        let schemers = self.schemers_over_honest_min;
        check(is_bound(schemers, 1e6), "expect.schemers_over_honest_min", "0 or more, or none")?;
        check(is_bound(self.stalled_share_max, 1.0), "expect.stalled_share_max", "0 to 1, or none")?;
        let start = self.start_delay_p95_max;
        check(is_bound(start, 1e9), "expect.start_delay_p95_max", "a time in seconds, or none")
    }
}
