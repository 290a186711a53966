//! What is seen of a world over time.

use serde::Serialize;

/// A look at a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Point {
    /// Seconds of the world.
    pub at: f64,
    /// Nodes that are up.
    pub nodes: u32,
    /// Supernodes.
    pub supernodes: u32,
    /// Leaves that should have a parent: those that are up, and those that are about to restart.
    pub leaves: u32,
    /// Leaves that have one.
    pub attached: u32,
    /// Networks into which the supernodes fall.
    pub networks: u32,
    /// The most children of a supernode.
    pub largest: u32,
    /// Supernodes of the version of which there are most.
    pub of_one_version: u32,
    /// Messages so far.
    pub messages: u64,
    /// Children that supernodes which stayed sent away, so far.
    pub shed: u64,
}

impl Point {
    /// Leaves that have a parent, as a share of all.
    pub fn attached_share(&self) -> f64 {
        if self.leaves == 0 { 1.0 } else { f64::from(self.attached) / f64::from(self.leaves) }
    }

    /// Nodes for each supernode.
    pub fn nodes_a_supernode(&self) -> f64 {
        f64::from(self.nodes) / f64::from(self.supernodes.max(1))
    }
}

/// Points over time, and what happened at one moment of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// In the order of time.
    pub points: Vec<Point>,
    /// Leaves that lost their parent, or restarted, when supernodes failed.
    pub affected: u32,
}

impl Course {
    /// The look at this second, or the next one after it.
    pub fn at(&self, seconds: f64) -> Option<&Point> {
        let at = self.points.partition_point(|point| point.at < seconds - 1e-6);
        self.points.get(at)
    }

    /// Of those that were affected, how many have a parent at this second, in per cent. Who had none before counts as
    /// affected, too.
    pub fn attached_again_percent(&self, seconds: f64) -> Option<f64> {
        let point = self.at(seconds)?;
        let without = point.leaves.saturating_sub(point.attached);
        let share = 1.0 - f64::from(without) / f64::from(self.affected.max(1));
        Some(100.0 * share.max(0.0))
    }

    /// The first second, from this one on, in which so many of those that were affected have a parent again.
    pub fn attached_again_at(&self, from: f64, percent: f64) -> Option<f64> {
        let points = self.points.iter().filter(|point| point.at > from);
        points
            .map(|point| point.at)
            .find(|&at| self.attached_again_percent(at).is_some_and(|attached| attached >= percent))
    }
}
