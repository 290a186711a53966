//! Which content each peer wants, where there are several.

use serde::{Deserialize, Serialize};

use super::error::{ScenarioError, check};

/// Contents that a catalogue may have.
const CONTENTS_MAX: u32 = 1_000_000;

/// The contents that there are, all of one size. Each peer wants one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CataloguePart {
    /// How many there are.
    pub contents: u32,
    /// The exponent of Zipf's law: the k-th content is wanted k^-exponent times as often as the
    /// first. 0: all alike. Published catalogues have 0.6 to 1.2.
    pub exponent: f64,
}

impl Default for CataloguePart {
    fn default() -> CataloguePart {
        CataloguePart { contents: 1, exponent: 1.0 }
    }
}

impl CataloguePart {
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        check((1..=CONTENTS_MAX).contains(&self.contents), "catalogue.contents", "1 to 1000000")?;
        check((0.0..=4.0).contains(&self.exponent), "catalogue.exponent", "0 to 4")
    }
}
