//! What one run of a world yields: figures for people, and files for programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// The figures of one run, as `summary.json` holds them. A stable format: fields are added, never
/// renamed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The scenario's name.
    pub scenario: String,
    /// The seed of everything random.
    pub seed: u64,
    /// Every setting of the scenario, by name, as `--set` takes it.
    pub options: BTreeMap<String, String>,
    /// Peers that took part, origins and directories left out.
    pub peers: u32,
    /// Runs of the content.
    pub runs: u32,
    /// Bytes of the content.
    pub bytes: u64,
    /// A hash of everything that happened, as 16 hexadecimal digits.
    pub trace_hash: String,
    /// Inputs that engines handled.
    pub inputs: u64,
    /// How long the run took here, in seconds.
    #[serde(deserialize_with = "figure")]
    pub wall_seconds: f64,
    /// How much time passed in the world, in seconds.
    #[serde(deserialize_with = "figure")]
    pub simulated_seconds: f64,
    /// The most memory that the process held, in bytes.
    pub peak_rss_bytes: u64,
    /// The soonest that the last peer can be done, whatever anybody does, in seconds (Kumar and
    /// Ross 2006). `None`: the scenario has no such bound.
    pub bound_seconds: Option<f64>,
    /// How long peers took from joining to holding everything.
    pub completion_seconds: Spread,
    /// Peers that hold everything they want.
    pub completed: u32,
    /// How often the whole content left the origins.
    #[serde(deserialize_with = "figure")]
    pub origin_copies: f64,
    /// Bytes that were sent and not needed, in copies of the content.
    #[serde(deserialize_with = "figure")]
    pub wasted_copies: f64,
    /// Bytes that were sent and not needed, as a share of all that was received; 0 to 1.
    #[serde(default, deserialize_with = "figure")]
    pub wasted_share: f64,
    /// Peers to which any payload came.
    #[serde(default)]
    pub began: u32,
    /// How long these waited for it, from joining.
    #[serde(default)]
    pub began_seconds: Spread,
    /// The median time of free riders that hold everything, in seconds. `None`: there are none.
    #[serde(default)]
    pub riders_p50_seconds: Option<f64>,
    /// Each AS with members, the largest group first.
    pub groups: Vec<Group>,
    /// Why bytes crossed borders, requests were taken over, payload was wasted and peers stood still.
    #[serde(default)]
    pub reasons: Reasons,
    /// Whether each checker held.
    pub checks: BTreeMap<String, bool>,
    /// The command that repeats exactly this run. Empty: it was not a command that ran it.
    #[serde(default)]
    pub again: String,
}

/// How some figure is spread over peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Half of all are at most this.
    #[serde(deserialize_with = "figure")]
    pub p50: f64,
    /// Nineteen in twenty are at most this.
    #[serde(deserialize_with = "figure")]
    pub p95: f64,
    /// The largest.
    #[serde(deserialize_with = "figure")]
    pub last: f64,
    /// The mean.
    #[serde(deserialize_with = "figure")]
    pub mean: f64,
}

/// The members of one AS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The number of the AS.
    #[serde(rename = "as")]
    pub asn: u32,
    /// Peers in it, without origins.
    pub members: u32,
    /// How often the whole content came in over the border.
    #[serde(deserialize_with = "figure")]
    pub imports: f64,
    /// When its last member was done, in seconds after its first member joined. `None`: not all are.
    pub last_seconds: Option<f64>,
    /// The fewest copies that a group with these uplinks must import to be done by then.
    pub frontier_imports: Option<f64>,
}

/// One run in full: the summary, and what the report draws.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The figures.
    pub summary: Summary,
    /// A row for each peer, in the order of their numbers.
    pub peers: Vec<PeerRow>,
    /// Bytes by source over time, the earliest first; each slice counts what came since the one
    /// before.
    pub timeline: Vec<Slice>,
}

/// Why things went as they did, counted by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reasons {
    /// Bytes that came into ASes, by why they were asked for outside.
    pub imported_bytes: BTreeMap<String, u64>,
    /// Requests that were taken back from their owners, by why.
    pub taken_over_requests: BTreeMap<String, u64>,
    /// Bytes that were sent and not needed, by why they were sent.
    pub wasted_bytes: BTreeMap<String, u64>,
    /// Seconds in which a peer that lacked something received nothing, over all peers, by why.
    pub stalled_seconds: BTreeMap<String, u64>,
}

/// What became of one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PeerRow {
    /// Its number in the world.
    pub peer: u32,
    /// Its AS. 0: not known.
    #[serde(rename = "as")]
    pub asn: u32,
    /// Its uplink, in bytes a second.
    pub up: u64,
    /// Its downlink, in bytes a second. `None`: unlimited.
    pub down: Option<u64>,
    /// When it joined, in seconds.
    pub joined: f64,
    /// When it held everything it wants, in seconds. `None`: never.
    pub completed: Option<f64>,
    /// Payload that it received, in bytes.
    pub received: u64,
    /// Payload that it sent, in bytes.
    pub sent: u64,
    /// Payload that it received and did not need, in bytes.
    pub wasted: u64,
    /// Payload that came over the border of its AS, in bytes.
    pub imported: u64,
    /// When the first payload came, in seconds. `None`: none ever did.
    pub began: Option<f64>,
}

/// Bytes that all peers received in one span of time, by source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// The end of the span, in seconds.
    pub at: f64,
    /// From peers, by tier, in the order of [`nearcast_core::tier::Tier`].
    pub by_tier: [u64; nearcast_core::tier::Tier::COUNT],
    /// From origins.
    pub origin: u64,
}

/// A figure as JSON has it: a number, or `null` for one that is not finite.
fn figure<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}
