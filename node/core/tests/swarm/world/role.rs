//! How one peer of the world is made: all that a scenario says about it.

use std::time::Duration;

/// How one peer of the world is made.
#[derive(Clone)]
pub(crate) struct Role {
    pub(crate) origin: bool,
    /// Holds everything from the start.
    pub(crate) seed: bool,
    /// Bytes per second sent.
    pub(crate) up: u64,
    /// When it joins.
    pub(crate) joins: Duration,
    /// Whom it knows from the start, if not those whom its world says.
    pub(crate) knows: Option<usize>,
    /// How long it goes on without getting anything.
    pub(crate) patience: Duration,
    /// Sends false data.
    pub(crate) corrupt: bool,
    /// Where it is: 0 = nobody knows, as if there were no atlas.
    pub(crate) asn: u32,
    /// The local network in its AS; 0 = alone.
    pub(crate) lan: u32,
    /// The /24 that its address is in; 0 = as its place says.
    pub(crate) network: u32,
    /// Announces that it imports everything, again and again, and never brings anything.
    pub(crate) boasts: bool,
    /// Says that it is an origin, and is none.
    pub(crate) poses: bool,
    pub(crate) gives: Gives,
    pub(crate) takes: Takes,
    pub(crate) tells: Tells,
    /// Links to everybody, as soon as it joins and again this often, wanted or not. Its own engine dials nobody.
    pub(crate) intrudes: Option<Duration>,
}

/// Whom a peer serves. Who gives little has a low `up`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gives {
    /// Whom its engine decides to serve.
    Freely,
    /// Nobody: it unchokes nobody, whatever its engine decides.
    Nothing,
    /// Those of its engine's choice who give as it does.
    ToItsKind,
}

/// What a peer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// What its engine decides to ask for.
    Freely,
    /// Nothing; nor does it say that it is interested.
    Nothing,
    /// One run of each neighbour that serves it, this often.
    Sips(Duration),
}

/// What a peer announces to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tells {
    /// What it has.
    Truly,
    /// Nothing.
    Nothing,
    /// One run in ten of what it has.
    OneInTen,
    /// Everything, whatever it has.
    Everything,
}

pub(crate) fn leecher(up: u64) -> Role {
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

/// A directory and nothing else: it takes part in no swarm. As peer 0 of a world with a directory, it is that.
pub(crate) fn tracker() -> Role {
    Role { joins: Duration::from_secs(1 << 30), ..leecher(1) }
}

pub(crate) fn origin(up: u64) -> Role {
    Role { origin: true, seed: true, ..leecher(up) }
}

/// Takes what it gets, says what it has, and serves nobody.
pub(crate) fn rider(up: u64) -> Role {
    Role { gives: Gives::Nothing, ..leecher(up) }
}

/// Takes what it gets, says nothing and serves nobody.
pub(crate) fn silent_rider(up: u64) -> Role {
    Role { tells: Tells::Nothing, ..rider(up) }
}

/// Says that it has everything, serves nobody and takes nothing.
pub(crate) fn hoarder(up: u64) -> Role {
    Role { tells: Tells::Everything, takes: Takes::Nothing, ..rider(up) }
}

/// Links to everybody and is of no use to anybody.
pub(crate) fn stranger() -> Role {
    Role {
        tells: Tells::Nothing,
        takes: Takes::Nothing,
        intrudes: Some(Duration::from_secs(1)),
        ..rider(1 << 20)
    }
}
