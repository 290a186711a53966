//! The scenarios that come with the simulator.

use super::{Scenario, ScenarioError, nearest::nearest};

/// One scenario that comes with the simulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// How it is called.
    pub name: &'static str,
    /// Its text, with comments that explain it.
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal)*) => {
        &[$(Shipped { name: $name, text: include_str!(concat!("../../scenarios/", $name, ".toml")) }),*]
    };
}

/// All of them, by name.
pub const SHIPPED: &[Shipped] = shipped![
    "churn"
    "clinic-bit-tyrant"
    "clinic-equal-uplinks"
    "clinic-hoarder-in-group"
    "clinic-hot-contents"
    "clinic-large-groups"
    "clinic-large-view"
    "clinic-riders"
    "clinic-scarce-uplinks"
    "clinic-seed-outside"
    "clinic-slow-uplinks"
    "clinic-strangers-first"
    "congested-links"
    "e1-bharambe"
    "e2-bindal"
    "e6-one-club"
    "far-origin"
    "flash-crowd"
    "frontier"
    "internet"
    "locality-sweep"
    "long-tail"
    "origin-loss"
    "outages"
    "slow-uplinks"
    "streaming"
    "viewers"
];

/// The scenario of this name.
///
/// # Errors
/// If none that comes with the simulator has it.
pub fn find(name: &str) -> Result<Scenario, ScenarioError> {
    Scenario::parse(text_of(SHIPPED, name)?)
}

/// The text of the one of these that has this name.
pub(crate) fn text_of(all: &[Shipped], name: &str) -> Result<&'static str, ScenarioError> {
    let names = || all.iter().map(|shipped| shipped.name);
    let named = all.iter().find(|shipped| shipped.name == name);
    named.map(|shipped| shipped.text).ok_or_else(|| ScenarioError::NoScenario {
        name: name.to_owned(),
        nearest: nearest(name, names()).map(str::to_owned),
        known: names().collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Line, Plan};

    #[test]
    fn every_shipped_scenario_is_valid_has_its_name_and_says_what_it_shows() {
        for shipped in SHIPPED {
            let scenario = find(shipped.name).unwrap_or_else(|error| panic!("{}: {error}", shipped.name));
            assert_eq!(scenario.validate(), Ok(()), "{}", shipped.name);
            assert_eq!(scenario.name, shipped.name);
            assert!((20..=100).contains(&scenario.about.len()), "{}: {}", shipped.name, scenario.about);
        }
        assert!(SHIPPED.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn every_shipped_scenario_can_be_made_smaller_and_larger() {
        for shipped in SHIPPED {
            for (peers, runs) in [(10, 8), (400, 50)] {
                let mut scenario = find(shipped.name).unwrap();
                scenario.set_to("peers", &peers.to_string()).unwrap();
                scenario.set_to("runs", &runs.to_string()).unwrap();
                // A map of networks has access lines; here all are alike.
                let plan = Plan::draw_on(&scenario, 1, |_| Line { up: 1 << 20, down: 1 << 20 });
                let plan =
                    plan.unwrap_or_else(|error| panic!("{} with {peers} peers: {error}", shipped.name));
                assert!(plan.peers.len() >= peers, "{}", shipped.name);
            }
        }
    }

    #[test]
    fn every_file_beside_these_is_shipped() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        let names =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        let shipped: Vec<String> = SHIPPED.iter().map(|shipped| format!("{}.toml", shipped.name)).collect();
        assert_eq!(names, shipped);
    }

    #[test]
    fn a_name_that_is_none_is_refused_with_the_nearest_one() {
        let error = find("flashcrowd").unwrap_err().to_string();
        assert!(
            error.starts_with("there is no scenario `flashcrowd` (did you mean `flash-crowd`?)"),
            "{error}"
        );
    }
}
