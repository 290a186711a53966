//! What came of one layout by nearness, beside what came of it by random choice.

use serde::{Deserialize, Serialize};

use super::Layout;
use crate::outcome::Summary;

/// Nearness may take this many times as long as random choice.
pub const TIME_GOAL: f64 = 1.05;
/// A group may import so many copies more than it must.
pub const EXCESS_GOAL: f64 = 0.3;
/// An origin that is not what everybody waits for may send so many copies.
pub const ORIGIN_GOAL: f64 = 1.05;

/// One group of a layout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Its members.
    pub members: u32,
    /// Until its last member was done by nearness, over the same by random choice.
    pub time: f64,
    /// Copies that came in by nearness.
    pub imports: f64,
    /// Copies that came in beyond those that it needed to be done when it was.
    pub excess: f64,
}

/// What came of one layout. A stable format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The seed of the layout.
    pub seed: u64,
    /// Options of `nearcast-sim run frontier` that run it again.
    pub options: String,
    /// Its groups, the largest first.
    pub groups: Vec<Verdict>,
    /// Until the last of all peers was done by nearness, over the same by random choice.
    pub time: f64,
    /// Until half of all peers were done, over the same by random choice.
    pub half: f64,
    /// Until the last was done by nearness, over the bound that nobody can beat. `None`: there is none.
    pub over_bound: Option<f64>,
    /// Copies that the origin sent.
    pub origin: f64,
    /// Copies that the origin sent by random choice.
    pub origin_random: f64,
}

/// Compares a run by nearness with the run by random choice. `None`: not everybody was done in both.
pub fn judge(layout: &Layout, near: &Summary, random: &Summary) -> Option<Judged> {
    let done = |summary: &Summary| summary.completed == summary.peers;
    if !done(near) || !done(random) {
        return None;
    }
    let verdict = |group: &crate::outcome::Group| {
        let other = random.groups.iter().find(|other| other.asn == group.asn)?;
        Some(Verdict {
            members: group.members,
            time: group.last_seconds? / other.last_seconds?,
            imports: group.imports,
            excess: group.imports - group.frontier_imports?,
        })
    };
    let ratio = |of: fn(&Summary) -> f64| of(near) / of(random);
    Some(Judged {
        seed: layout.seed,
        options: layout.options(),
        groups: near.groups.iter().map(verdict).collect::<Option<_>>()?,
        time: ratio(|summary| summary.completion_seconds.last),
        half: ratio(|summary| summary.completion_seconds.p50),
        over_bound: near.bound_seconds.map(|bound| near.completion_seconds.last / bound),
        origin: near.origin_copies,
        origin_random: random.origin_copies,
    })
}

impl Judged {
    /// The slowest group beside random choice.
    pub fn worst_time(&self) -> f64 {
        self.groups.iter().map(|group| group.time).fold(0.0, f64::max)
    }

    /// The largest excess of a group.
    pub fn worst_excess(&self) -> f64 {
        self.groups.iter().map(|group| group.excess).fold(0.0, f64::max)
    }

    /// Whether every group is as wanted, and the origin.
    pub fn holds(&self) -> bool {
        self.worst_time() <= TIME_GOAL && self.worst_excess() <= EXCESS_GOAL && self.origin <= ORIGIN_GOAL
    }
}
