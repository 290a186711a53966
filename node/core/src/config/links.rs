//! Settings of a content's neighbours.

use super::knobs::knobs;
use crate::saturate::whole;

knobs! {
    /// How many neighbours a content has, and from where.
    pub struct LinkConfig("links") {
        /// Neighbours a content looks for by itself. More finds rare runs sooner and costs control
        /// traffic and memory in proportion. Default 40.
        wanted: u16 = 40, 0, 1_000;
        /// Neighbours a content has at most, those that came to us included; the rest are told that
        /// we are full. No less than `wanted`. Default 60; origins want hundreds.
        most: u16 = 60, 1, 1_000;
        /// Share of neighbour slots filled at random over all tiers, so that no group closes itself
        /// off. Less saves far traffic and risks starving small groups. Default 0.1; never under two
        /// slots.
        random_share: f32 = 0.1, 0.0, 1.0;
        /// Share of neighbour slots that one /24 (IPv6: /48) may take while others could have them:
        /// a peer with many addresses there cannot surround us. Default 0.5.
        network_share: f32 = 0.5, 0.01, 1.0;
        /// Share of neighbour slots that one AS other than ours may take while others could have
        /// them. Default 0.5.
        as_share: f32 = 0.5, 0.01, 1.0;
    }
}

impl LinkConfig {
    /// Neighbours that we choose and dial ourselves, whoever came to us: half of those wanted, so
    /// that nobody can surround us by linking first.
    pub(crate) fn of_choice(&self) -> usize {
        usize::from(self.wanted / 2)
    }

    /// Neighbours that may come to us while we look for some of our own choice.
    pub(crate) fn come_max(&self) -> usize {
        usize::from(self.most).saturating_sub(self.of_choice())
    }

    /// Neighbour slots that go to candidates picked at random over all tiers.
    pub(crate) fn random_slots(&self) -> usize {
        whole((f32::from(self.wanted) * self.random_share).ceil()).max(2)
    }
}
