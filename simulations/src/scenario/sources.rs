//! Who holds everything from the start: origins, and complete peers that are none.

use serde::{Deserialize, Serialize};

use super::{
    bytes::Bytes,
    error::{ScenarioError, check},
    network::LATENCY_MS_MAX,
    text::or_none,
};

/// The operator's servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OriginsPart {
    /// How many there are.
    pub count: u32,
    /// The uplink of each, in bytes a second.
    pub up: Bytes,
    /// When all of them die, in seconds. `none`: never.
    #[serde(with = "or_none")]
    pub die_at_seconds: Option<f64>,
    /// How much longer than others each way to and from them takes, in milliseconds. The round trip
    /// is longer by twice that.
    pub extra_latency_ms: f64,
}

impl Default for OriginsPart {
    fn default() -> OriginsPart {
        OriginsPart { count: 1, up: Bytes(4 << 20), die_at_seconds: None, extra_latency_ms: 0.0 }
    }
}

impl OriginsPart {
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        check(self.count <= 1_000, "origins.count", "0 to 1000")?;
        check(self.up.0 > 0, "origins.up", "more than 0")?;
        let dies = self.die_at_seconds;
        check(dies.is_none_or(super::is_time), "origins.die_at_seconds", "a time in seconds, or none")?;
        let extra = self.extra_latency_ms;
        check((0.0..=LATENCY_MS_MAX).contains(&extra), "origins.extra_latency_ms", "0 to 60000")
    }
}

/// Complete peers that are no origins and stay. They come on top of the scenario's peers. Where there
/// are groups, they are outside of all, in an AS of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeedsPart {
    /// How many there are.
    pub count: u32,
    /// The uplink of each, in bytes a second.
    pub up: Bytes,
}

impl Default for SeedsPart {
    fn default() -> SeedsPart {
        SeedsPart { count: 0, up: Bytes(8 << 20) }
    }
}

impl SeedsPart {
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        check(self.count <= 100_000, "seeds.count", "0 to 100000")?;
        check(self.up.0 > 0, "seeds.up", "more than 0")
    }
}
