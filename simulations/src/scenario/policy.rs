//! Policy of the peers that differs from the defaults.

use std::collections::BTreeMap;

use nearcast_core::config::Config;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use toml::{Table, Value};

use super::{error::ScenarioError, nearest::nearest};

/// The policy of all peers, origins included. Written as the settings that differ from the defaults,
/// by the names that core's [`Config::knobs`] gives them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy(Config);

impl Policy {
    /// All settings. Whether a peer is an origin is not said here.
    pub fn config(&self) -> &Config {
        &self.0
    }

    /// Sets one by its name, without `policy.` before it. Times are in seconds.
    ///
    /// # Errors
    /// If there is none of this name, or the text is no value of its kind. Then nothing is changed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ScenarioError> {
        let knobs = self.0.knobs();
        if !knobs.iter().any(|knob| knob.name == name) {
            let known: Vec<&str> = knobs.iter().map(|knob| knob.name.as_str()).collect();
            return Err(ScenarioError::Unknown {
                name: format!("policy.{name}"),
                nearest: nearest(name, known.iter().copied()).map(|name| format!("policy.{name}")),
                known: known.join(", "),
            });
        }
        self.0.set(name, value).map_err(|error| ScenarioError::Value {
            name: format!("policy.{name}"),
            value: value.to_owned(),
            why: error.to_string(),
        })
    }

    /// Each setting's name and value.
    pub(super) fn settings(&self) -> BTreeMap<String, String> {
        self.0.knobs().into_iter().map(|knob| (knob.name, knob.value)).collect()
    }

    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        let text = |error: &dyn ToString| error.to_string();
        self.0.validate().map_err(|error| {
            let text = text(&error);
            let (name, wanted) = text.split_once(" must be ").unwrap_or((&text, "valid"));
            ScenarioError::Invalid { name: format!("policy.{name}"), wanted: wanted.to_owned() }
        })
    }
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let usual = Policy::default().settings();
        let differs = |(name, value): &(String, String)| usual.get(name) != Some(value);
        serializer.collect_map(self.settings().into_iter().filter(differs))
    }
}

impl<'de> Deserialize<'de> for Policy {
    /// From names with points in them, from tables in tables, or both.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Policy, D::Error> {
        let mut policy = Policy::default();
        for (name, value) in flat("", &Table::deserialize(deserializer)?) {
            policy.set(&name, &value).map_err(de::Error::custom)?;
        }
        Ok(policy)
    }
}

fn flat(before: &str, table: &Table) -> Vec<(String, String)> {
    let each = |(name, value): (&String, &Value)| match value {
        Value::Table(table) => flat(&format!("{before}{name}."), table),
        Value::String(text) => vec![(format!("{before}{name}"), text.clone())],
        Value::Integer(number) => vec![(format!("{before}{name}"), number.to_string())],
        Value::Float(number) => vec![(format!("{before}{name}"), number.to_string())],
        Value::Boolean(is) => vec![(format!("{before}{name}"), is.to_string())],
        Value::Array(_) | Value::Datetime(_) => vec![(format!("{before}{name}"), String::new())],
    };
    table.iter().flat_map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_and_tables_name_the_same_settings() {
        let read = |text: &str| toml::from_str::<Policy>(text).unwrap();
        let dotted = read("\"links.wanted\" = \"20\"\n\"nearness.tiers\" = false");
        assert_eq!(dotted, read("links.wanted = 20\n[nearness]\ntiers = false"));
        assert_eq!(dotted.config().links.wanted, 20);
        assert!(!dotted.config().nearness.tiers && dotted.config().nearness.one_copy_in);
    }

    #[test]
    fn what_is_no_setting_is_refused_with_the_nearest_name() {
        let mut policy = Policy::default();
        let error = policy.set("links.wnated", "3").unwrap_err().to_string();
        assert!(error.contains("did you mean `policy.links.wanted`?"), "{error}");
        let error = policy.set("links.wanted", "many").unwrap_err().to_string();
        assert_eq!(error, "`policy.links.wanted` cannot be `many`: links.wanted must be 0 to 1000");
        assert_eq!(policy, Policy::default());
    }
}
