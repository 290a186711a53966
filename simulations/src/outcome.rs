//! What one run of a world yields: figures for people, and files for programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::workload::Kind;

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
    /// The peers that take, by how they behave: honest ones first. Empty in summaries of earlier
    /// versions.
    #[serde(default)]
    pub kinds: Vec<Behaviour>,
    /// The limited links between ASes that were used most, each way by itself, the busiest first; at
    /// most twenty.
    #[serde(default)]
    pub links: Vec<AsLink>,
    /// What viewers saw. `None`: nobody watched.
    pub viewing: Option<Viewing>,
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

/// The peers of one kind that take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Behaviour {
    /// How they behave.
    pub kind: Kind,
    /// How many there are.
    pub peers: u32,
    /// How many hold everything they want.
    pub completed: u32,
    /// How long those took from joining to holding everything.
    pub completion_seconds: Spread,
    /// What all of them sent, in copies of the content.
    #[serde(deserialize_with = "figure")]
    pub sent_copies: f64,
}

/// One way of a link between two ASes that carries only so much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AsLink {
    /// The AS that sends.
    pub from: u32,
    /// The AS that receives.
    pub to: u32,
    /// What the link carries, in bytes a second.
    pub rate: u64,
    /// What was sent over it, in bytes. If links are queues, some of it may still wait.
    pub bytes: u64,
    /// Those bytes, as a share of what it could have carried from the start to the end.
    #[serde(deserialize_with = "figure")]
    pub used_share: f64,
}

/// What viewers saw: play in order while the content came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Viewing {
    /// Peers that watched.
    pub viewers: u32,
    /// Those whose play started.
    pub started: u32,
    /// What play takes, in bytes a second.
    pub bitrate: u64,
    /// The highest bitrate at which all viewers can be served at once: min { u_s, (u_s + Σ u_i) / N }
    /// (Kumar, Liu and Ross 2007), in bytes a second.
    #[serde(deserialize_with = "figure")]
    pub rate_bound: f64,
    /// From joining to the start of play, of those that started.
    pub start_delay_seconds: Spread,
    /// From joining to the soonest start after which play would never have stalled, of those that
    /// hold everything. It does not depend on the buffers.
    pub smooth_delay_seconds: Spread,
    /// Stalls of a viewer, the mean of those that started.
    #[serde(deserialize_with = "figure")]
    pub stalls_mean: f64,
    /// Viewers that started and never stalled, as a share of all viewers.
    #[serde(deserialize_with = "figure")]
    pub smooth_share: f64,
    /// The time that viewers stalled, as a share of the time that they stalled or played.
    #[serde(deserialize_with = "figure")]
    pub stalled_share: f64,
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
    /// Bytes that idle uplinks would have sent, over all peers that are there and give, origins left
    /// out, by why they were idle.
    #[serde(default)]
    pub idle_uplink_bytes: BTreeMap<String, u64>,
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
    /// How it behaves.
    #[serde(default)]
    pub kind: Kind,
    /// What it saw. `None`: it is no viewer, or never came.
    pub viewed: Option<Viewed>,
    /// When the first payload came, in seconds. `None`: none ever did.
    pub began: Option<f64>,
}

/// What one viewer saw. All times in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Viewed {
    /// From joining to the start of play. `None`: it never started.
    pub start_delay: Option<f64>,
    /// How often play stalled.
    pub stalls: u32,
    /// How long it stalled, all stalls together.
    pub stalled: f64,
    /// How long it played, or plays, if all is there.
    pub played: f64,
    /// From joining to the soonest start after which play would never have stalled. `None`: not all
    /// is there.
    pub smooth_delay: Option<f64>,
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
