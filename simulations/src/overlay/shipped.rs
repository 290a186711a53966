//! The scenarios of the overlay that come with the simulator.

use super::scenario::OverlayScenario;
use crate::scenario::{
    ScenarioError,
    shipped::{Shipped, text_of},
};

macro_rules! shipped {
    ($($name:literal)*) => {
        &[$(Shipped { name: $name, text: include_str!(concat!("../../overlays/", $name, ".toml")) }),*]
    };
}

/// All of them, by name.
pub const SHIPPED: &[Shipped] = shipped![
    "bad-version"
    "diurnal-wave"
    "growth"
    "partition-heal"
    "skype-2007"
    "supernode-loss"
    "swizzle-clog"
];

/// The scenario of this name.
///
/// # Errors
/// If none that comes with the simulator has it.
pub fn find(name: &str) -> Result<OverlayScenario, ScenarioError> {
    OverlayScenario::parse(text_of(SHIPPED, name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scenario_is_valid_has_its_name_and_repeats_by_its_settings() {
        for shipped in SHIPPED {
            let scenario = find(shipped.name).unwrap_or_else(|error| panic!("{}: {error}", shipped.name));
            assert_eq!(scenario.validate(), Ok(()), "{}", shipped.name);
            assert_eq!(scenario.name, shipped.name);
            assert!((20..=100).contains(&scenario.about.len()), "{}: {}", shipped.name, scenario.about);
            let mut again = OverlayScenario::default();
            for (name, value) in scenario.options() {
                again.set_to(&name, &value).unwrap();
            }
            assert_eq!(again, scenario);
        }
        assert!(SHIPPED.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn every_file_beside_these_is_shipped() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/overlays");
        let names =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        let shipped: Vec<String> = SHIPPED.iter().map(|shipped| format!("{}.toml", shipped.name)).collect();
        assert_eq!(names, shipped);
    }

    #[test]
    fn what_is_no_setting_is_refused_with_the_nearest_one() {
        let mut scenario = OverlayScenario::default();
        let error = scenario.set_to("loss.supernode_percent", "3").unwrap_err().to_string();
        assert!(error.contains("did you mean `loss.supernodes_percent`?"), "{error}");
        scenario.set_to("loss.supernodes_percent", "130").unwrap();
        assert!(scenario.validate().unwrap_err().to_string().contains("`loss.supernodes_percent` must be"));
    }
}
