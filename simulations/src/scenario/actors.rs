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
    /// Clients that exploit a large view: they link to every peer that there is, ask all of them, and
    /// give little (Sirivianos and others 2007).
    pub large_view: Amount,
    /// The share of its uplink that a client with a large view gives, from 0 to 1.
    pub large_view_gives: f64,
    /// Clients that give each neighbour as much as it takes to be served in return, and choke those
    /// that ask too much for it (Piatek and others 2007).
    pub bit_tyrants: Amount,
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
            large_view: Amount::NONE,
            large_view_gives: 0.0,
            bit_tyrants: Amount::NONE,
            strangers: 0,
        }
    }
}

impl ActorsPart {
    /// How many of `peers` are of each kind: riders, silent riders, hoarders, poisoners, liars,
    /// clients with a large view, BitTyrants.
    pub fn counts(&self, peers: u32) -> [u32; 7] {
        let amounts = [
            self.riders,
            self.silent_riders,
            self.hoarders,
            self.poisoners,
            self.liars,
            self.large_view,
            self.bit_tyrants,
        ];
        amounts.map(|amount| amount.of(peers))
    }

    pub(super) fn check(&self, peers: u32) -> Result<(), ScenarioError> {
        let all: u64 = self.counts(peers).into_iter().map(u64::from).sum();
        check(all <= peers.into(), "actors", "no more together than `peers`, strangers left out")?;
        let gives = self.large_view_gives;
        check((0.0..=1.0).contains(&gives), "actors.large_view_gives", "0 to 1")?;
        check(self.strangers <= 100_000, "actors.strangers", "0 to 100000")
    }
}
