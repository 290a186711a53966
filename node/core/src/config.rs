//! Policy settings, in groups. Each says what it means and what more or less of it costs.

mod finding;
mod knobs;
mod links;
mod nearness;
mod origin;
mod requests;
mod upload;

use serde::{Deserialize, Serialize};

pub use self::{
    finding::FindingConfig,
    knobs::{ConfigError, Knob},
    links::LinkConfig,
    nearness::NearnessConfig,
    origin::OriginConfig,
    requests::RequestConfig,
    upload::UploadConfig,
};

/// Policy settings. Checked once by [`Config::validate`]; the defaults suit a person's client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// This node is the operator's own server.
    pub is_origin: bool,
    /// How many neighbours a content has, and from where.
    pub links: LinkConfig,
    /// How peers are found.
    pub finding: FindingConfig,
    /// How much is asked of whom, and when.
    pub requests: RequestConfig,
    /// Whom we serve at a time.
    pub upload: UploadConfig,
    /// When the operator's servers are asked, and how they spread what they send.
    pub origin: OriginConfig,
    /// What nearness decides.
    pub nearness: NearnessConfig,
}

impl Config {
    /// The settings of an operator's server: many neighbours, found by them rather than by it.
    pub fn origin() -> Config {
        let mut config = Config { is_origin: true, ..Config::default() };
        config.links.most = 1_000;
        config.upload.slots = 64;
        config.upload.slots_total = 4_096;
        config
    }

    /// Every setting with its value and its range, in the order of the groups.
    pub fn knobs(&self) -> Vec<Knob> {
        let mut knobs = Vec::new();
        self.links.list(&mut knobs);
        self.finding.list(&mut knobs);
        self.requests.list(&mut knobs);
        self.upload.list(&mut knobs);
        self.origin.list(&mut knobs);
        self.nearness.list(&mut knobs);
        knobs
    }

    /// Sets one setting by the name it has in [`Config::knobs`]. Times are in seconds. To be followed
    /// by [`Config::validate`].
    ///
    /// # Errors
    /// If there is no such setting, or the text is no value of its kind. Then nothing is changed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let (group, field) = name.split_once('.').unwrap_or((name, ""));
        let set = match group {
            "links" => self.links.set(field, value),
            "finding" => self.finding.set(field, value),
            "requests" => self.requests.set(field, value),
            "upload" => self.upload.set(field, value),
            "origin" => self.origin.set(field, value),
            "nearness" => self.nearness.set(field, value),
            _ => None,
        };
        set.ok_or_else(|| {
            let known = self.knobs().into_iter().find(|knob| knob.name == name);
            let wanted = known.map_or_else(|| "the name of a setting".to_owned(), |knob| knob.range);
            ConfigError { name: name.to_owned(), wanted }
        })
    }

    /// Checks every range.
    ///
    /// # Errors
    /// Names the first setting that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.links.check()?;
        self.finding.check()?;
        self.requests.check()?;
        self.upload.check()?;
        self.origin.check()?;
        self.nearness.check()?;
        let check = |ok: bool, name: &str, wanted: &str| match ok {
            true => Ok(()),
            false => Err(ConfigError { name: name.to_owned(), wanted: wanted.to_owned() }),
        };
        check(self.links.wanted <= self.links.most, "links.most", "no less than links.wanted")?;
        check(
            self.finding.candidates_max >= self.links.most.min(200),
            "finding.candidates_max",
            "no less than links.most, or 200",
        )?;
        check(
            self.upload.slots > self.upload.optimistic_slots,
            "upload.slots",
            "more than upload.optimistic_slots",
        )?;
        let requests = &self.requests;
        check(
            requests.least <= requests.start && requests.start <= requests.most,
            "requests.least, requests.start, requests.most",
            "ascending",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
        assert_eq!(Config::origin().validate(), Ok(()));
    }

    #[test]
    fn a_setting_out_of_range_is_named() {
        let mut config = Config::default();
        config.requests.least = 9;
        config.requests.start = 3;
        let error = config.validate().unwrap_err();
        assert_eq!(error.to_string(), "requests.least, requests.start, requests.most must be ascending");
        config.links.random_share = 1.5;
        assert_eq!(config.validate().unwrap_err().to_string(), "links.random_share must be 0 to 1");
    }

    #[test]
    fn every_setting_can_be_set_by_its_name_to_what_it_shows() {
        let mut config = Config::default();
        for knob in config.knobs() {
            assert_eq!(config.set(&knob.name, &knob.value), Ok(()), "{knob:?}");
        }
        assert_eq!(config, Config::default());
        config.set("requests.tick", "0.5").unwrap();
        config.set("nearness.one_copy_in", "false").unwrap();
        assert_eq!(config.requests.tick.as_millis(), 500);
        assert!(!config.nearness.one_copy_in && config.nearness.tiers);
        let wrong = config.set("upload.queued_max", "300").unwrap_err();
        assert_eq!(wrong.to_string(), "upload.queued_max must be 1 to 255");
        assert!(config.set("upload", "3").is_err() && config.set("origin.of", "3").is_err());
    }
}
