//! The frontier of imports and time: what nearness costs and saves over many layouts that nobody chose.
//!
//! Each layout is run twice, by nearness and by random choice, with the same seed. Nearness is to cost
//! no time in any group, and each group is to import no more than it must to be done when it was.

mod judged;
mod layout;

pub use self::{
    judged::{EXCESS_GOAL, Judged, ORIGIN_GOAL, TIME_GOAL, Verdict, judge},
    layout::{Crowd, Layout},
};
use crate::scenario::{Scenario, ScenarioError, shipped};

/// The scenario that layouts are settings of.
pub const SCENARIO: &str = "frontier";

/// No nearness at all.
pub const RANDOM: [&str; 2] = ["policy.nearness.tiers=false", "policy.nearness.one_copy_in=false"];

/// The scenario of a layout, with more settings after those of the layout.
///
/// # Errors
/// If there is no such setting.
pub fn scenario<'a>(
    layout: &'a Layout,
    more: impl IntoIterator<Item = &'a str>,
) -> Result<Scenario, ScenarioError> {
    let mut scenario = shipped::find(SCENARIO)?;
    layout.settings.iter().map(String::as_str).chain(more).try_for_each(|set| scenario.set(set))?;
    scenario.validate()?;
    Ok(scenario)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_is_a_valid_scenario() {
        for seed in 0..200 {
            for crowd in [Crowd::Small, Crowd::Middle, Crowd::Any] {
                let layout = Layout::draw(seed, crowd);
                let scenario =
                    scenario(&layout, RANDOM).unwrap_or_else(|error| panic!("{layout:?}: {error}"));
                assert_eq!(scenario.groups.members(scenario.peers), scenario.groups.sizes, "{layout:?}");
            }
        }
    }
}
