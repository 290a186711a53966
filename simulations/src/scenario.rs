//! Scenarios: what is simulated, as data. docs/scenarios.md describes the format for those who write
//! one.
//!
//! Invariant: the settings that [`Scenario::options`] lists make an equal scenario when they are set
//! one after the other on the default one.

mod actors;
mod amount;
mod arrivals;
mod bytes;
mod catalogue;
pub(crate) mod error;
mod expect;
mod groups;
mod limit;
pub(crate) mod nearest;
mod network;
mod outage;
mod policy;
mod rates;
mod sessions;
pub(crate) mod settings;
pub mod shipped;
mod sources;
pub mod sweep;
pub(crate) mod text;
mod viewers;

use nearcast_core::layout::{BLOCK_BYTES, Layout, RUN_BYTES_MAX, RUNS_MAX};
use serde::{Deserialize, Serialize};

pub use self::{
    actors::ActorsPart,
    amount::{Amount, AmountError},
    arrivals::{ArrivalsPart, Coming, Holding},
    bytes::{Bytes, BytesError},
    catalogue::CataloguePart,
    error::ScenarioError,
    expect::ExpectPart,
    groups::GroupsPart,
    limit::{LinkLimit, LinkLimitError},
    network::{Delays, NetworkPart, Shared},
    outage::{AsChoice, Fails, OutageError, OutageText},
    policy::Policy,
    rates::{Rates, RatesError},
    sessions::{Done, Lengths, SessionsPart},
    sources::{OriginsPart, SeedsPart},
    viewers::ViewersPart,
};
use error::check;

/// Peers that a scenario may have.
pub const PEERS_MAX: u32 = 10_000_000;

/// Times are at most this many seconds, some thirty years.
const SECONDS_MAX: f64 = 1e9;

/// What is simulated. Every field has a default, so a text says only what matters to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// How it is called.
    pub name: String,
    /// What it shows, in one line.
    pub about: String,
    /// Peers that come, origins, seeds and strangers left out.
    pub peers: u32,
    /// Runs of each content: what one request moves.
    pub runs: u32,
    /// Bytes of a run: a power of two from 16 KiB to 256 KiB. A piece is one run.
    pub run_bytes: Bytes,
    /// The peers' uplinks, in bytes a second.
    pub uplinks: Rates,
    /// The peers' downlinks, in bytes a second. Those of origins are unlimited.
    pub downlinks: Rates,
    /// How peers find each other.
    pub finding: Finding,
    /// Neighbours tell each other of further peers.
    pub exchange: bool,
    /// When the run ends at the latest, in seconds of the world. It ends before if nobody who wants
    /// something is missing anything, and nobody is to come.
    pub until_seconds: f64,
    /// What lies between the peers.
    pub network: NetworkPart,
    /// Which peers share an AS.
    pub groups: GroupsPart,
    /// The operator's servers.
    pub origins: OriginsPart,
    /// Complete peers that are no origins.
    pub seeds: SeedsPart,
    /// When peers come.
    pub arrivals: ArrivalsPart,
    /// How long peers stay.
    pub sessions: SessionsPart,
    /// Peers that watch while they download.
    pub viewers: ViewersPart,
    /// Peers that do not play by the rules.
    pub actors: ActorsPart,
    /// The contents that peers want.
    pub catalogue: CataloguePart,
    /// Policy that differs from the defaults.
    pub policy: Policy,
    /// What the run must yield.
    pub expect: ExpectPart,
}

/// How peers find each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// Everybody knows everybody from the start.
    Acquainted,
    /// They ask a directory, as a tracker is one.
    #[default]
    Directory,
    /// Each knows only the first origin, and whom its neighbours tell of.
    FirstPeer,
}

impl Default for Scenario {
    fn default() -> Scenario {
        Scenario {
            name: "unnamed".to_owned(),
            about: String::new(),
            peers: 50,
            runs: 100,
            run_bytes: Bytes(RUN_BYTES_MAX.into()),
            uplinks: Rates::each(1 << 20),
            downlinks: Rates::Unlimited,
            finding: Finding::Directory,
            exchange: true,
            until_seconds: 3_600.0,
            network: NetworkPart::default(),
            groups: GroupsPart::default(),
            origins: OriginsPart::default(),
            seeds: SeedsPart::default(),
            arrivals: ArrivalsPart::default(),
            sessions: SessionsPart::default(),
            viewers: ViewersPart::default(),
            actors: ActorsPart::default(),
            catalogue: CataloguePart::default(),
            policy: Policy::default(),
            expect: ExpectPart::default(),
        }
    }
}

impl Scenario {
    /// Checks every range, and that what is said in one place goes with what is said in another.
    ///
    /// # Errors
    /// Names the first setting that cannot be as it is, and says what it may be.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        check(is_name(&self.name), "name", "of the letters a to z, digits and hyphens")?;
        check(!self.about.contains('\n'), "about", "one line")?;
        check((1..=PEERS_MAX).contains(&self.peers), "peers", "1 to 10000000")?;
        check((1..=RUNS_MAX).contains(&self.runs.into()), "runs", "1 to 8388608")?;
        let run = self.run_bytes.0;
        let is_run = run.is_power_of_two() && (BLOCK_BYTES.into()..=RUN_BYTES_MAX.into()).contains(&run);
        check(is_run, "run_bytes", "a power of two from 16KiB to 256KiB")?;
        // Else the pieces of one run each would be more than a content may have.
        check(Layout::new(run, [self.bytes()]).is_ok(), "runs", "at most 2097152")?;
        let limited = self.uplinks.are_valid() && self.uplinks != Rates::Unlimited;
        check(limited, "uplinks", "rates above 0, a range ascending; not unlimited")?;
        check(self.downlinks.are_valid(), "downlinks", "rates above 0, a range ascending; or unlimited")?;
        let mapped = self.network.model == Delays::Internet;
        let lines = "rates unless `network.model` is `internet`";
        check(mapped || self.uplinks != Rates::Access, "uplinks", lines)?;
        check(mapped || self.downlinks != Rates::Access, "downlinks", lines)?;
        check(is_time(self.until_seconds), "until_seconds", "0 to 1000000000 seconds")?;
        self.network.check()?;
        self.network.check_crowd(self.peers)?;
        self.groups.check()?;
        let has_ases = mapped || !self.groups.sizes.is_empty();
        let known = has_ases || !self.network.outages.iter().any(OutageText::needs_ases);
        check(known, "network.outages", "without ASes unless there are groups or a map of networks")?;
        check(
            mapped || !self.groups.by_address,
            "groups.by_address",
            "false unless `network.model` is `internet`",
        )?;
        self.origins.check()?;
        self.seeds.check()?;
        let known = self.finding != Finding::FirstPeer || self.origins.count > 0;
        check(known, "origins.count", "at least 1 where `finding` is `first-peer`")?;
        self.arrivals.check(self.peers)?;
        self.sessions.check()?;
        self.viewers.check()?;
        self.actors.check(self.peers)?;
        self.catalogue.check()?;
        self.policy.check()?;
        self.expect.check()
    }

    /// Bytes of each content.
    pub fn bytes(&self) -> u64 {
        u64::from(self.runs).saturating_mul(self.run_bytes.0)
    }

    /// How each content is cut: one file, each piece of one run.
    ///
    /// # Errors
    /// As [`Scenario::validate`], if the runs are too many or of a size that there is not.
    pub fn layout(&self) -> Result<Layout, ScenarioError> {
        Layout::new(self.run_bytes.0, [self.bytes()]).map_err(|error| ScenarioError::Invalid {
            name: "run_bytes".to_owned(),
            wanted: format!("such that the content can be cut: {error}"),
        })
    }
}

/// Whether these are seconds that a duration can hold.
fn is_time(seconds: f64) -> bool {
    (0.0..=SECONDS_MAX).contains(&seconds)
}

#[cfg(test)]
mod tests;
