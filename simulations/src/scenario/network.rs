//! What lies between the peers.

use serde::{Deserialize, Serialize};

use super::{
    error::{ScenarioError, check},
    limit::LinkLimit,
    outage::OutageText,
};

/// Latencies are at most this many milliseconds.
pub(super) const LATENCY_MS_MAX: f64 = 60_000.0;

/// Limits, and outages, that a scenario may have.
const ENTRIES_MAX: usize = 1_000;
/// Peers of a world with max-min fair rates: more of them have far more flows than can be solved.
const FLUID_PEERS_MAX: u32 = crate::filling::FLOWS_MAX as u32;

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

/// How transfers share links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shared {
    /// Links are queues: an uplink is shared equally, and does not slow down for a full link.
    #[default]
    Queues,
    /// Rates are max-min fair, by progressive filling.
    MaxMin,
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
    /// How transfers share links.
    pub sharing: Shared,
    /// The least time between two solutions of all rates, in milliseconds. Only for `max-min`.
    pub solve_ms: f64,
    /// What links between ASes carry. Only where the model is the Internet.
    pub limits: Vec<LinkLimit>,
    /// What fails, and when it works again.
    pub outages: Vec<OutageText>,
}

impl Default for NetworkPart {
    fn default() -> NetworkPart {
        NetworkPart {
            model: Delays::Flat,
            latency_ms: 10.0,
            access: String::new(),
            together: crate::world::TOGETHER as u32,
            loss: 0.0,
            sharing: Shared::Queues,
            solve_ms: 10.0,
            limits: Vec::new(),
            outages: Vec::new(),
        }
    }
}

impl NetworkPart {
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        check((0.0..=LATENCY_MS_MAX).contains(&self.latency_ms), "network.latency_ms", "0 to 60000")?;
        check((1..=1_000).contains(&self.together), "network.together", "1 to 1000")?;
        check((0.0..1.0).contains(&self.loss), "network.loss", "0 or more, and less than 1")?;
        let flat_with_access = self.model == Delays::Flat && !self.access.is_empty();
        check(!flat_with_access, "network.access", "empty unless `network.model` is `internet`")?;
        check((0.0..=10_000.0).contains(&self.solve_ms), "network.solve_ms", "0 to 10000")?;
        let flat_with_limits = self.model == Delays::Flat && !self.limits.is_empty();
        check(!flat_with_limits, "network.limits", "empty unless `network.model` is `internet`")?;
        check(self.limits.len() <= ENTRIES_MAX, "network.limits", "at most 1000 texts")?;
        check(self.outages.len() <= ENTRIES_MAX, "network.outages", "at most 1000 texts")
    }

    /// Checks what depends on how many peers there are.
    pub(super) fn check_crowd(&self, peers: u32) -> Result<(), ScenarioError> {
        let is_small = self.sharing == Shared::Queues || peers <= FLUID_PEERS_MAX;
        check(is_small, "network.sharing", "`queues` where there are more than 10000 peers")
    }
}
