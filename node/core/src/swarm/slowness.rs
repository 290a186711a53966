//! Why a download is not faster, second by second, for people. Nothing decides by it.
//!
//! Every second has exactly one reason, so the seconds of all reasons are the seconds that passed.

use std::time::Duration;

use super::Swarm;
use crate::{config::Config, id::PeerKey, links::peers::Link, reasons::Stall, time::Timestamp};

/// Who takes so long to answer a message is far away.
const FAR: Duration = Duration::from_millis(150);
/// Requests wait at slow peers if none of them was answered for so many ticks.
const SLOW_TICKS: u8 = 8;

/// Why a download is not faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slow {
    /// It has not begun: the metainfo is missing, or files on disk are being checked.
    Preparing,
    /// Its owner paused it.
    Paused,
    /// The disk is full.
    DiskFull,
    /// Its owner limits it.
    OwnLimit,
    /// What came was not what was asked for, and comes again.
    Spoilt,
    /// Nobody is connected, and nobody is known who could be asked.
    Alone,
    /// Nobody is connected yet.
    Searching,
    /// Nobody who is connected has what is missing.
    NobodyHasIt,
    /// Those who have something serve others.
    Choked,
    /// It waits for its turn to import, or for what its group imports.
    Turn,
    /// Only origins have something, and they give to others first, or are spared.
    OriginSpared,
    /// It has asked, and those who were asked take long.
    SlowPeers,
    /// Those who give are far away: more would have to be asked of them at a time.
    Far,
    /// It comes as fast as those who have it give it.
    PeersGive,
}

impl Slow {
    /// All of them.
    pub const ALL: [Slow; 14] = [
        Slow::Preparing,
        Slow::Paused,
        Slow::DiskFull,
        Slow::OwnLimit,
        Slow::Spoilt,
        Slow::Alone,
        Slow::Searching,
        Slow::NobodyHasIt,
        Slow::Choked,
        Slow::Turn,
        Slow::OriginSpared,
        Slow::SlowPeers,
        Slow::Far,
        Slow::PeersGive,
    ];

    /// The name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Slow::Preparing => "preparing",
            Slow::Paused => "paused",
            Slow::DiskFull => "disk_full",
            Slow::OwnLimit => "own_limit",
            Slow::Spoilt => "spoilt",
            Slow::Alone => "alone",
            Slow::Searching => "searching",
            Slow::NobodyHasIt => "nobody_has_it",
            Slow::Choked => "choked",
            Slow::Turn => "turn",
            Slow::OriginSpared => "origin_spared",
            Slow::SlowPeers => "slow_peers",
            Slow::Far => "far",
            Slow::PeersGive => "peers_give",
        }
    }
}

/// What only the shell knows.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// It comes as fast as the owner's limits allow.
    pub limited: bool,
    /// Something that came since the last second was false.
    pub spoilt: bool,
    /// How long a peer takes to answer a message. Zero: not known.
    pub trip: &'a dyn Fn(PeerKey) -> Duration,
}

impl Swarm {
    /// Why it is not faster at this moment. `None`: everything is here.
    pub fn slowness(&self, now: Timestamp, config: &Config, seen: Seen<'_>) -> Option<Slow> {
        let stall = self.stall(now, config.requests.tick)?;
        Some(match stall {
            _ if self.paused => Slow::Paused,
            Stall::NotBegun => Slow::Preparing,
            Stall::DiskFull => Slow::DiskFull,
            _ if seen.limited => Slow::OwnLimit,
            _ if seen.spoilt => Slow::Spoilt,
            Stall::Alone if self.discovery.has_prospects() => Slow::Searching,
            Stall::Alone => Slow::Alone,
            Stall::Lacking | Stall::Starving => Slow::NobodyHasIt,
            Stall::Choked => Slow::Choked,
            Stall::Refused if self.gives_origin_only() => Slow::OriginSpared,
            Stall::Refused => Slow::Choked,
            Stall::Turn => Slow::Turn,
            Stall::Spared => Slow::OriginSpared,
            Stall::Coming | Stall::Asked | Stall::Between => self.moving(config, seen),
        })
    }

    /// Whether nobody but origins would give something.
    fn gives_origin_only(&self) -> bool {
        let mut givers = self.links.iter().filter(|link| link.interests_us() && !link.is_choking_us());
        givers.all(Link::is_origin)
    }

    /// Why it is not faster although requests are open.
    fn moving(&self, config: &Config, seen: Seen<'_>) -> Slow {
        let asked = || self.links.iter().filter(|link| link.in_flight > 0);
        let is_quiet = |link: &Link| link.inflow.is_empty() && link.inflow.quiet() >= SLOW_TICKS;
        if asked().count() > 0 && asked().all(is_quiet) {
            return Slow::SlowPeers;
        }
        // What is on its way to somebody far away is all that may be asked of them.
        let run_bytes = self.content.as_ref().map_or(0, |content| content.layout.run_bytes());
        let is_far = |link: &Link| {
            let trip = (seen.trip)(link.peer);
            let on_way = link.rate * trip.as_secs_f32();
            let most = f32::from(link.depth.max(config.requests.least)) * run_bytes as f32;
            trip >= FAR && on_way * 2.0 >= most
        };
        let rate =
            |far: bool| -> f32 { asked().filter(|link| is_far(link) == far).map(|link| link.rate).sum() };
        match rate(true) > rate(false) {
            true => Slow::Far,
            false => Slow::PeersGive,
        }
    }
}
