//! How one peer of the world behaves: all that a scenario says about it.

use std::time::Duration;

use nearcast_core::{
    layout::{Layout, RunIndex},
    run_set::RunSet,
};

use super::viewing::Watch;

/// How one peer of the world behaves.
#[derive(Clone, Debug)]
pub struct Role {
    /// It is the operator's own server.
    pub origin: bool,
    /// Holds everything from the start.
    pub seed: bool,
    /// A run that it lacks although it holds everything else. `None`: what `seed` says.
    pub lacks: Option<RunIndex>,
    /// Its uplink, in bytes a second.
    pub up: u64,
    /// Its downlink, in bytes a second. `None`: without limit.
    pub down: Option<u64>,
    /// What its last mile adds to the time that anything takes from or to it.
    pub delay: Duration,
    /// When it joins.
    pub joins: Duration,
    /// The content that it wants, or has. An origin has all there are.
    pub content: u32,
    /// When it leaves once it holds everything.
    pub leaves: Leaves,
    /// It leaves this long after it joined, whatever it holds then. `None`: it does not.
    pub goes_after: Option<Duration>,
    /// Neighbours that it sends to at once, at most. `None`: as many as the world says.
    pub together: Option<usize>,
    /// The only peer it knows from the start. `None`: the peers that its world says.
    pub knows: Option<usize>,
    /// How long it goes on without receiving anything.
    pub patience: Duration,
    /// Sends false data.
    pub corrupt: bool,
    /// Its AS. 0: unknown, as if there were no atlas.
    pub asn: u32,
    /// The local network in its AS. 0: it is alone.
    pub lan: u32,
    /// The /24 of its address. 0: as its place says.
    pub network: u32,
    /// Announces again and again that it imports everything, and never brings anything.
    pub boasts: bool,
    /// Says that it is an origin, and is not.
    pub poses: bool,
    /// Which peers it serves.
    pub gives: Gives,
    /// What it asks for.
    pub takes: Takes,
    /// What it announces that it has.
    pub tells: Tells,
    /// Links to every peer when it joins and again at this interval, wanted or not. Its own engine
    /// dials no peer. `None`: an ordinary peer.
    pub intrudes: Option<Duration>,
    /// Whose game it plays.
    pub plays: Plays,
    /// How it watches the content while it comes. `None`: it does not.
    pub watches: Option<Watch>,
}

/// Whose game a peer plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plays {
    /// By the rules, but for what its role says otherwise.
    #[default]
    ByTheRules,
    /// It links to every peer, as many as its engine bears, and asks all of them.
    LargeView,
    /// It gives each neighbour as much as it takes to be served in return.
    BitTyrant,
}

/// When a peer leaves once it holds everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// Never.
    Never,
    /// After this long.
    After(Duration),
    /// After as long as it took to get everything, but no longer than this.
    AsLong(Duration),
}

/// Which peers a peer serves. A peer that gives little has a low `up`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// The peers that its engine decides to serve.
    Freely,
    /// No peer: it unchokes none, whatever its engine decides.
    Nothing,
    /// Of the peers that its engine chooses, those that give as it does.
    ToItsKind,
}

/// What a peer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// What its engine decides to ask for.
    Freely,
    /// Nothing; it does not say that it is interested, either.
    Nothing,
    /// One run from each neighbour at this interval.
    Sips(Duration),
}

/// What a peer announces that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    /// What it has.
    Truly,
    /// Nothing.
    Nothing,
    /// One run in ten of what it has.
    OneInTen,
    /// Everything, whatever it has.
    Everything,
}

impl Role {
    /// Whether it asks for what it lacks. The world is done when all such peers are.
    pub fn is_served(&self) -> bool {
        !self.seed && !self.boasts && self.takes == Takes::Freely
    }

    /// What it holds before it joins.
    pub(super) fn start_set(&self, layout: &Layout) -> RunSet {
        let mut have = if self.seed || self.lacks.is_some() {
            RunSet::full(layout.runs())
        } else {
            RunSet::empty(layout.runs())
        };
        self.lacks.map(|run| have.remove(run));
        have
    }
}

/// An ordinary peer that wants everything. `up`: its uplink, in bytes a second.
pub fn leecher(up: u64) -> Role {
    Role {
        origin: false,
        seed: false,
        lacks: None,
        up,
        down: None,
        delay: Duration::ZERO,
        joins: Duration::ZERO,
        content: 0,
        leaves: Leaves::Never,
        goes_after: None,
        together: None,
        knows: None,
        patience: Duration::from_secs(60),
        corrupt: false,
        asn: 0,
        lan: 0,
        network: 0,
        boasts: false,
        poses: false,
        gives: Gives::Freely,
        takes: Takes::Freely,
        tells: Tells::Truly,
        intrudes: None,
        plays: Plays::ByTheRules,
        watches: None,
    }
}

/// A directory only: it takes part in no swarm. It must be peer 0 of a world with a directory.
pub fn tracker() -> Role {
    Role { joins: Duration::from_secs(1 << 30), takes: Takes::Nothing, ..leecher(1) }
}

/// The operator's own server. `up`: its uplink, in bytes a second.
pub fn origin(up: u64) -> Role {
    Role { origin: true, seed: true, ..leecher(up) }
}

/// Takes what it gets, says truly what it has, and serves no peer.
pub fn rider(up: u64) -> Role {
    Role { gives: Gives::Nothing, ..leecher(up) }
}

/// Takes what it gets, says nothing, and serves no peer.
pub fn silent_rider(up: u64) -> Role {
    Role { tells: Tells::Nothing, ..rider(up) }
}

/// Says that it has everything, serves no peer and takes nothing.
pub fn hoarder(up: u64) -> Role {
    Role { tells: Tells::Everything, takes: Takes::Nothing, ..rider(up) }
}

/// Links to every peer and is of no use to any.
pub fn stranger() -> Role {
    Role {
        tells: Tells::Nothing,
        takes: Takes::Nothing,
        intrudes: Some(Duration::from_secs(1)),
        ..rider(1 << 20)
    }
}
