//! Counts of what an engine wanted: outputs by kind, and requests by how near the peer is.

use std::collections::{BTreeMap, BTreeSet};

use nearcast_core::{
    flight::{Seen, Turn},
    id::PeerKey,
    input::{Event, Input},
    output::{Action, Output},
    tier::Tier,
};

/// Counts by name.
pub(super) type Counts = BTreeMap<&'static str, u64>;

/// Requests to the operator's servers, however near these are.
const ORIGIN: &str = "origin";

/// Counts of one side.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Outputs by kind.
    pub(super) kinds: Counts,
    /// Requests by the tier of the peer.
    pub(super) requests: Counts,
    tiers: BTreeMap<PeerKey, Tier>,
    origins: BTreeSet<PeerKey>,
}

impl Tally {
    /// Notes where peers are, as the engine was told and as it looked up.
    pub(super) fn learn(&mut self, turn: &Turn) {
        if let Input::Event { event: Event::Linked { peer, about }, .. } = &turn.input {
            self.tiers.insert(*peer, about.near.tier());
            match about.origin {
                true => self.origins.insert(*peer),
                false => self.origins.remove(peer),
            };
        }
        for seen in &turn.seen {
            // A location without nearness leaves what the link said.
            if let Seen::Location(peer, location) = seen
                && let Some(near) = location.near
            {
                self.tiers.insert(*peer, near.tier());
            }
        }
    }

    /// Counts what the engine wants done.
    pub(super) fn count(&mut self, outputs: &[Output]) {
        for output in outputs {
            *self.kinds.entry(kind(output)).or_default() += 1;
            if let Output::Action { action: Action::Request { peer, .. }, .. } = output {
                let tier = self.tiers.get(peer).copied().unwrap_or(Tier::Unknown);
                let name = if self.origins.contains(peer) { ORIGIN } else { tier.name() };
                *self.requests.entry(name).or_default() += 1;
            }
        }
    }

    /// Requests that leave the engine's own AS, those to origins among them.
    pub(super) fn outside(&self) -> u64 {
        let outside = [Tier::AdjacentAs, Tier::Remote, Tier::Unknown].map(Tier::name);
        let is_outside = |name: &&str| outside.contains(name) || *name == ORIGIN;
        self.requests.iter().filter(|(name, _)| is_outside(name)).map(|(_, count)| count).sum()
    }

    /// The same as a part of all requests, in words.
    pub(super) fn outside_percent(&self) -> String {
        let all: u64 = self.requests.values().sum();
        match all {
            0 => "no requests".to_owned(),
            all => format!("{:.1} %", 100.0 * self.outside() as f64 / all as f64),
        }
    }
}

/// Every name of either side, with both counts.
pub(super) fn pairs(a: &Counts, b: &Counts) -> Vec<(&'static str, u64, u64)> {
    let names: BTreeSet<&'static str> = a.keys().chain(b.keys()).copied().collect();
    let count = |counts: &Counts, name| counts.get(name).copied().unwrap_or(0);
    names.into_iter().map(|name| (name, count(a, name), count(b, name))).collect()
}

fn kind(output: &Output) -> &'static str {
    let Output::Action { action, .. } = output else { return "ban" };
    match action {
        Action::Dial { .. } => "dial",
        Action::Unlink { .. } => "unlink",
        Action::FetchManifest { .. } => "fetch manifest",
        Action::Ask { .. } => "ask a directory",
        Action::Withdraw { .. } => "withdraw",
        Action::Send { .. } => "message",
        Action::Announce { .. } => "announce",
        Action::Request { .. } => "request",
        Action::Cancel { .. } => "cancel",
        Action::Serve { .. } => "serve",
        Action::Refuse { .. } => "refuse",
        Action::Completed => "completed",
        Action::GoalReached => "goal reached",
        Action::GaveUp(_) => "gave up",
    }
}
