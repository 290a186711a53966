//! What lies between the peers.

use serde::{Deserialize, Serialize};

use super::error::{ScenarioError, check};

/// Latencies are at most this many milliseconds.
pub(super) const LATENCY_MS_MAX: f64 = 60_000.0;

/// Where the delays between two peers come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delays {
    /// The same between any two: `latency_ms`.
    #[default]
    Flat,
    /// From a map of networks: access classes at both ends, and the hops between two ASes.
    Internet,
}

/// What lies between the peers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkPart {
    /// Where delays come from.
    pub model: Delays,
    /// One way, in milliseconds. Only where the model is flat.
    pub latency_ms: f64,
    /// The mix of access classes, as text that the map of networks reads. Empty: its usual mix. Only
    /// where the model is the Internet.
    pub access: String,
    /// How many neighbours one uplink sends to at once. 1: one run after the other.
    pub together: u32,
    /// The share of answers with data that never arrive, from 0 to less than 1.
    pub loss: f64,
}

impl Default for NetworkPart {
    fn default() -> NetworkPart {
        NetworkPart {
            model: Delays::Flat,
            latency_ms: 10.0,
            access: String::new(),
            together: crate::world::TOGETHER as u32,
            loss: 0.0,
        }
    }
}

impl NetworkPart {
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        check((0.0..=LATENCY_MS_MAX).contains(&self.latency_ms), "network.latency_ms", "0 to 60000")?;
        check((1..=1_000).contains(&self.together), "network.together", "1 to 1000")?;
        check((0.0..1.0).contains(&self.loss), "network.loss", "0 or more, and less than 1")?;
        let flat_with_access = self.model == Delays::Flat && !self.access.is_empty();
        check(!flat_with_access, "network.access", "empty unless `network.model` is `internet`")
    }
}
