//! How one peer of the world behaves: all that a scenario says about it.

use std::time::Duration;

/// How one peer of the world behaves.
#[derive(Clone)]
pub struct Role {
    pub origin: bool,
    /// Holds everything from the start.
    pub seed: bool,
    /// In bytes a second.
    pub up: u64,
    /// When it joins.
    pub joins: Duration,
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
    pub gives: Gives,
    pub takes: Takes,
    pub tells: Tells,
    /// Links to every peer when it joins and again at this interval, wanted or not. Its own engine
    /// dials no peer. `None`: an ordinary peer.
    pub intrudes: Option<Duration>,
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

pub fn leecher(up: u64) -> Role {
    Role {
        origin: false,
        seed: false,
        up,
        joins: Duration::ZERO,
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
    }
}

/// A directory only: it takes part in no swarm. It must be peer 0 of a world with a directory.
pub fn tracker() -> Role {
    Role { joins: Duration::from_secs(1 << 30), ..leecher(1) }
}

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
