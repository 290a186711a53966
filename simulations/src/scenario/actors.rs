//! Peers that do not play by the rules.

use serde::{Deserialize, Serialize};

use super::{
    amount::Amount,
    error::{ScenarioError, check},
};

/// Peers that do not play by the rules. All but the strangers are some of the scenario's peers, drawn
/// at random.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActorsPart {
    /// Free riders: they take, say truly what they have, and serve nobody.
    pub riders: Amount,
    /// Free riders that say nothing of what they have.
    pub silent_riders: Amount,
    /// They say that they have everything, serve nobody and take nothing.
    pub hoarders: Amount,
    /// They have everything, and send false data.
    pub poisoners: Amount,
    /// Liars of nearness: they announce again and again that they bring everything into their AS, and
    /// never bring anything.
    pub liars: Amount,
    /// They link to everybody from the start, again and again, and are of no use. They come on top of
    /// the scenario's peers, and are outside of all groups.
    pub strangers: u32,
}

impl Default for ActorsPart {
    fn default() -> ActorsPart {
        ActorsPart {
            riders: Amount::NONE,
            silent_riders: Amount::NONE,
            hoarders: Amount::NONE,
            poisoners: Amount::NONE,
            liars: Amount::NONE,
            strangers: 0,
        }
    }
}

impl ActorsPart {
    /// How many of `peers` are of each kind: riders, silent riders, hoarders, poisoners, liars.
    pub fn counts(&self, peers: u32) -> [u32; 5] {
        [self.riders, self.silent_riders, self.hoarders, self.poisoners, self.liars]
            .map(|amount| amount.of(peers))
    }

    pub(super) fn check(&self, peers: u32) -> Result<(), ScenarioError> {
        let all: u64 = self.counts(peers).into_iter().map(u64::from).sum();
        check(all <= peers.into(), "actors", "no more together than `peers`, strangers left out")?;
        check(self.strangers <= 100_000, "actors.strangers", "0 to 100000")
    }
}
