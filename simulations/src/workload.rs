//! Who comes when, with which links, and how long it stays: drawn from a scenario and a seed.
//!
//! Invariant: the same scenario and seed give the same plan, to the bit, on every machine. Each
//! aspect has dice of its own, so a scenario that differs in one aspect has the same draws in all
//! others: two runs that are compared differ in nothing else.

mod arrivals;
mod cast;
mod dice;
mod logarithm;
mod outages;
mod zipf;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::outages::struck;
use crate::scenario::{Done, Holding, Lengths, Rates, Scenario, ScenarioError};
pub(crate) use dice::{Aspect, Dice};
use zipf::Zipf;

/// Everybody who takes part in one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The operator's servers, there from the start.
    pub origins: Vec<OriginPlan>,
    /// All others: first the scenario's peers, then seeds, then strangers. Without groups the
    /// scenario's peers are in the order in which they come.
    pub peers: Vec<PeerPlan>,
}

/// One server of the operator. It holds every content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginPlan {
    /// Its uplink, in bytes a second.
    pub up: u64,
    /// When it dies, from the start. `None`: never.
    pub dies: Option<Duration>,
    /// How much longer than others each way to and from it takes.
    pub extra_latency: Duration,
}

/// One peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerPlan {
    /// When it joins, from the start.
    pub joins: Duration,
    /// How it behaves.
    pub kind: Kind,
    /// Its uplink, in bytes a second; above 0.
    pub up: u64,
    /// Its downlink, in bytes a second; above 0. `None`: unlimited.
    pub down: Option<u64>,
    /// Its group, an index into the scenario's sizes. `None`: it is outside of all groups, there are
    /// none, or its address says where it is.
    pub group: Option<u32>,
    /// The content it wants, from 0, the most wanted first.
    pub content: u32,
    /// When it leaves.
    pub leaves: Leaving,
    /// How long it goes on without receiving anything.
    pub patience: Duration,
    /// What it has when it joins.
    pub starts_with: StartSet,
    /// Whether it watches the content while it comes.
    pub watches: bool,
}

/// How a peer behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// By the rules: it takes and gives.
    #[default]
    Leecher,
    /// Takes, says truly what it has, and serves nobody.
    Rider,
    /// Takes, says nothing of what it has, and serves nobody.
    SilentRider,
    /// Says that it has everything, serves nobody and takes nothing.
    Hoarder,
    /// Has everything, and sends false data.
    Poisoner,
    /// Announces that it brings everything into its AS, and never brings anything.
    Liar,
    /// Links to every peer, asks all of them, and gives little.
    LargeView,
    /// Gives each neighbour as much as it takes to be served in return.
    BitTyrant,
    /// Has everything, gives by the rules, and is no origin.
    Seed,
    /// Links to everybody, and is of no use to anybody.
    Stranger,
}

impl Kind {
    /// Whether it plays by the rules and came for the content: the run waits for it.
    pub fn is_honest(self) -> bool {
        self == Kind::Leecher
    }

    /// Its name in files and on pages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Leecher => "honest",
            Kind::Rider => "rider",
            Kind::SilentRider => "silent rider",
            Kind::Hoarder => "hoarder",
            Kind::Poisoner => "poisoner",
            Kind::Liar => "liar",
            Kind::LargeView => "large view",
            Kind::BitTyrant => "BitTyrant",
            Kind::Seed => "seed",
            Kind::Stranger => "stranger",
        }
    }
}

/// When a peer leaves. Whatever comes first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// What it does when it has everything.
    pub done: AfterDone,
    /// How long after it joined it goes, whatever it has. `None`: it does not go for that.
    pub aborts_after: Option<Duration>,
}

/// What a peer does when it has everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterDone {
    /// It stays to the end.
    Stays,
    /// It leaves after this long; at once if that is nothing.
    Lingers(Duration),
    /// It stays for as long as its download took, but no longer than this.
    LingersAsLong(Duration),
}

/// What a peer has when it joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartSet {
    /// Nothing.
    Nothing,
    /// Every run but run 0.
    AllButFirst,
    /// Everything.
    All,
}

/// What an access line carries, in bytes a second; above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// To the network.
    pub up: u64,
    /// From the network.
    pub down: u64,
}

impl Plan {
    /// Draws everybody who takes part, where the scenario itself says what links carry.
    ///
    /// # Errors
    /// As [`Scenario::validate`], if the scenario is not valid, and if it leaves rates to access
    /// lines.
    pub fn draw(scenario: &Scenario, seed: u64) -> Result<Plan, ScenarioError> {
        for (name, rates) in [("uplinks", &scenario.uplinks), ("downlinks", &scenario.downlinks)] {
            if *rates == Rates::Access {
                let wanted = "rates where peers have no access lines".to_owned();
                return Err(ScenarioError::Invalid { name: name.to_owned(), wanted });
            }
        }
        Plan::draw_on(scenario, seed, |_| Line { up: u64::MAX, down: u64::MAX })
    }

    /// Draws everybody who takes part. `line` says what the access line of the peer carries that will
    /// have this index in [`Plan::peers`]; it counts where the scenario leaves rates to access lines.
    ///
    /// # Errors
    /// As [`Scenario::validate`], if the scenario is not valid.
    pub fn draw_on(
        scenario: &Scenario,
        seed: u64,
        line: impl Fn(usize) -> Line,
    ) -> Result<Plan, ScenarioError> {
        scenario.validate()?;
        let origin = OriginPlan {
            up: scenario.origins.up.0,
            dies: scenario.origins.die_at_seconds.map(seconds),
            extra_latency: seconds(scenario.origins.extra_latency_ms / 1e3),
        };
        let mut peers = members(scenario, seed, &line);
        cast::viewers(scenario, seed, &mut peers);
        peers.extend((0..scenario.seeds.count).map(|_| seed_of(scenario)));
        let mut links = Links::new(scenario, [Aspect::StrangersUplinks, Aspect::StrangersDownlinks], seed);
        for at in 0..scenario.actors.strangers as usize {
            let (up, down) = links.draw(at, line(peers.len()));
            peers.push(PeerPlan { kind: Kind::Stranger, up, down, ..bystander(scenario) });
        }
        Ok(Plan { origins: vec![origin; scenario.origins.count as usize], peers })
    }
}

/// The scenario's own peers.
fn members(scenario: &Scenario, seed: u64, line: &impl Fn(usize) -> Line) -> Vec<PeerPlan> {
    let mut coming = arrivals::draw(scenario, seed);
    let groups = cast::groups(scenario);
    if !groups.is_empty() {
        // Members of one group have neighbouring numbers; so moments are dealt out at random.
        Dice::new(seed, Aspect::Groups).shuffle(&mut coming);
    }
    let kinds = cast::kinds(scenario, seed);
    let mut links = Links::new(scenario, [Aspect::Uplinks, Aspect::Downlinks], seed);
    let mut stays = Stays::new(scenario, seed);
    let zipf = Zipf::new(scenario.catalogue.contents, scenario.catalogue.exponent);
    let mut wishes = Dice::new(seed, Aspect::Catalogue);
    let peer = |(at, (coming, kind)): (usize, (arrivals::Coming, Kind))| {
        let (up, down) = links.draw(at, line(at));
        PeerPlan {
            joins: coming.at,
            kind,
            up,
            down,
            group: groups.get(at).copied(),
            content: zipf.draw(&mut wishes),
            leaves: stays.draw(up),
            patience: seconds(scenario.sessions.patience_seconds),
            starts_with: starts_with(kind, coming.holds),
            watches: false,
        }
    };
    coming.into_iter().zip(kinds).enumerate().map(peer).collect()
}

fn starts_with(kind: Kind, holds: Holding) -> StartSet {
    match (kind, holds) {
        (Kind::Poisoner | Kind::Seed, _) => StartSet::All,
        (Kind::Hoarder | Kind::Stranger, _) => StartSet::Nothing,
        (_, Holding::Nothing) => StartSet::Nothing,
        (_, Holding::AllButOne) => StartSet::AllButFirst,
        (_, Holding::All) => StartSet::All,
    }
}

fn seed_of(scenario: &Scenario) -> PeerPlan {
    let up = scenario.seeds.up.0;
    PeerPlan { kind: Kind::Seed, up, starts_with: StartSet::All, ..bystander(scenario) }
}

/// Somebody who wants nothing and is there from the start to the end.
fn bystander(scenario: &Scenario) -> PeerPlan {
    PeerPlan {
        joins: Duration::ZERO,
        kind: Kind::Stranger,
        up: 1,
        down: None,
        group: None,
        content: 0,
        leaves: Leaving { done: AfterDone::Stays, aborts_after: None },
        patience: seconds(scenario.until_seconds),
        starts_with: StartSet::Nothing,
        watches: false,
    }
}

/// Draws the rates of links.
struct Links<'a> {
    scenario: &'a Scenario,
    up: Dice,
    down: Dice,
}

impl Links<'_> {
    fn new(scenario: &Scenario, [up, down]: [Aspect; 2], seed: u64) -> Links<'_> {
        Links { scenario, up: Dice::new(seed, up), down: Dice::new(seed, down) }
    }

    /// The uplink and the downlink of the peer of this number, which has this access line.
    fn draw(&mut self, at: usize, line: Line) -> (u64, Option<u64>) {
        let up = rate(&self.scenario.uplinks, at, line.up, &mut self.up);
        let down = rate(&self.scenario.downlinks, at, line.down, &mut self.down);
        // A valid scenario limits uplinks.
        (up.unwrap_or(u64::MAX), down)
    }
}

fn rate(rates: &Rates, at: usize, access: u64, dice: &mut Dice) -> Option<u64> {
    match rates {
        Rates::Unlimited => None,
        Rates::Access => Some(access),
        Rates::InTurn(rates) => rates.get(at % rates.len().max(1)).map(|rate| rate.0),
        &Rates::Between(least, most) => Some(dice.between(least.0, most.0)),
        &Rates::LogBetween(least, most) => Some(dice.log_between(least.0, most.0)),
    }
}

/// Draws how long peers stay.
struct Stays<'a> {
    scenario: &'a Scenario,
    linger: Dice,
    abort: Dice,
}

impl Stays<'_> {
    fn new(scenario: &Scenario, seed: u64) -> Stays<'_> {
        let (linger, abort) = (Dice::new(seed, Aspect::Lingering), Dice::new(seed, Aspect::Aborting));
        Stays { scenario, linger, abort }
    }

    /// When a peer with this uplink leaves.
    fn draw(&mut self, up: u64) -> Leaving {
        let sessions = &self.scenario.sessions;
        let done = match (sessions.done, sessions.lengths) {
            (Done::Stay, _) => AfterDone::Stays,
            (Done::Leave, _) => AfterDone::Lingers(Duration::ZERO),
            (Done::Linger, Lengths::Fixed) => AfterDone::Lingers(seconds(sessions.linger_seconds)),
            (Done::Linger, Lengths::Exponential) => {
                AfterDone::Lingers(self.linger.exponential(sessions.linger_seconds))
            }
            (Done::Upload, _) => AfterDone::Lingers(seconds(self.scenario.bytes() as f64 / up as f64)),
            (Done::Download, _) => AfterDone::LingersAsLong(seconds(sessions.linger_seconds)),
        };
        let hazard = Some(sessions.abort_rate).filter(|&hazard| hazard > 0.0);
        Leaving { done, aborts_after: hazard.map(|hazard| self.abort.exponential(1.0 / hazard)) }
    }
}

/// Seconds as a duration; the longest one if they are too many.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests;
