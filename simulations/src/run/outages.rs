//! What fails, found in a world: a scenario's texts as peers, ASes and links.

use std::{collections::BTreeMap, time::Duration};

use nearcast_core::{asn::Asn, id::PeerKey};

use super::cast::own;
use crate::{
    scenario::{Amount, AsChoice, Fails, OutageText, Scenario},
    topology::{Limit, Which},
    workload::struck,
    world::{Failing, Outage, WorldConfig},
};

/// Why the network of a scenario cannot be as it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// None of the scenario's peers is in this AS.
    #[error("`{outage}`: none of the scenario's peers is in {asn}; the largest is AS{largest}")]
    NoSuchAs {
        /// The text of the outage.
        outage: String,
        /// The AS, as it is written there.
        asn: String,
        /// The AS with the most peers.
        largest: u32,
    },
    /// The map has no link between these two ASes.
    #[error("`{text}`: the map has no link between AS{} and AS{}", .ends.0, .ends.1)]
    NoLink {
        /// The text of the outage, or of the limit.
        text: String,
        /// The two ASes.
        ends: (u32, u32),
    },
    /// Nobody has an AS.
    #[error("`{outage}`: no AS is known")]
    NoAses {
        /// The text of the outage.
        outage: String,
    },
}

/// The limits of links that the scenario says.
///
/// # Errors
/// If the map has no link between two ASes that are named.
pub(super) fn limits(scenario: &Scenario, config: &WorldConfig) -> Result<Vec<Limit>, NetworkError> {
    let limit = |limit: &crate::scenario::LinkLimit| {
        if let Which::Between(a, b) = limit.which {
            check_link(config, limit, (a, b))?;
        }
        Ok(Limit { which: limit.which, rate: limit.rate.0 })
    };
    scenario.network.limits.iter().map(limit).collect()
}

/// What fails in this world.
///
/// # Errors
/// If an AS that is named has no peers, or two that are named are not linked.
pub(super) fn outages(
    scenario: &Scenario,
    config: &WorldConfig,
    seed: u64,
) -> Result<Vec<Outage>, NetworkError> {
    let finding = Finding { scenario, config, seed, ases: ases(scenario, config) };
    (0..).zip(&scenario.network.outages).map(|(number, text)| finding.outage(number, text)).collect()
}

/// The ASes of the scenario's own peers, those with the most peers first.
fn ases(scenario: &Scenario, config: &WorldConfig) -> Vec<(Asn, Vec<PeerKey>)> {
    let mut members: BTreeMap<Asn, Vec<PeerKey>> = BTreeMap::new();
    for peer in own(scenario) {
        if let Some(asn) = asn(config, peer) {
            members.entry(asn).or_default().push(peer);
        }
    }
    let mut ases: Vec<(Asn, Vec<PeerKey>)> = members.into_iter().collect();
    ases.sort_by_key(|(asn, members)| (std::cmp::Reverse(members.len()), *asn));
    ases
}

fn asn(config: &WorldConfig, peer: PeerKey) -> Option<Asn> {
    match &config.homes {
        Some(homes) => Some(homes.population.asn(homes.dwellers[peer.0 as usize] as usize)),
        None => Some(Asn(config.roles[peer.0 as usize].asn)).filter(|asn| asn.0 != 0),
    }
}

/// Passes if the map, where there is one, has this link.
fn check_link(config: &WorldConfig, text: &impl ToString, ends: (Asn, Asn)) -> Result<(), NetworkError> {
    let Some(homes) = &config.homes else { return Ok(()) };
    match homes.population.atlas().relation(ends.0, ends.1) {
        Some(_) => Ok(()),
        None => Err(NetworkError::NoLink { text: text.to_string(), ends: (ends.0.0, ends.1.0) }),
    }
}

struct Finding<'a> {
    scenario: &'a Scenario,
    config: &'a WorldConfig,
    seed: u64,
    ases: Vec<(Asn, Vec<PeerKey>)>,
}

impl Finding<'_> {
    fn outage(&self, number: u32, text: &OutageText) -> Result<Outage, NetworkError> {
        let all: Vec<PeerKey> = own(self.scenario).collect();
        let drawn = |amount: Amount, all: usize| {
            let all = all as u32;
            struck(self.seed, number, all, amount.of(all).min(all)).into_iter().map(|at| at as usize)
        };
        let what = match &text.what {
            Fails::Hosts(amount) => Failing::Hosts(drawn(*amount, all.len()).map(|at| all[at]).collect()),
            Fails::SplitPeers(amount) => {
                Failing::Split(drawn(*amount, all.len()).map(|at| all[at]).collect())
            }
            Fails::SplitAses(choice) => {
                let found = choice.iter().map(|&asn| self.find(text, asn));
                let found: Vec<&(Asn, Vec<PeerKey>)> = found.collect::<Result<_, _>>()?;
                Failing::Split(found.into_iter().flat_map(|(_, members)| members.iter().copied()).collect())
            }
            Fails::Ases(choice) => {
                let found = choice.iter().map(|&asn| self.number(text, asn));
                Failing::Ases(found.collect::<Result<_, _>>()?)
            }
            &Fails::Link(a, b) => {
                let ends = (self.number(text, a)?, self.number(text, b)?);
                check_link(self.config, text, ends)?;
                Failing::Links(vec![ends])
            }
            Fails::Links(amount) => {
                let links = self.links();
                Failing::Links(drawn(*amount, links.len()).map(|at| links[at]).collect())
            }
        };
        let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        Ok(Outage { at: seconds(text.at), lasts: text.lasts.map(seconds), what })
    }

    /// The AS that is meant, with its peers.
    fn find(&self, text: &OutageText, choice: AsChoice) -> Result<&(Asn, Vec<PeerKey>), NetworkError> {
        let found = match choice {
            AsChoice::Rank(rank) => self.ases.get(rank as usize - 1),
            AsChoice::Number(asn) => self.ases.iter().find(|(known, _)| *known == asn),
        };
        let (outage, asn) = (text.to_string(), choice.to_string());
        found.ok_or_else(|| match self.ases.first() {
            Some((largest, _)) => NetworkError::NoSuchAs { outage, asn, largest: largest.0 },
            None => NetworkError::NoAses { outage },
        })
    }

    /// The number of the AS that is meant. On a map it need not have peers: traffic goes through
    /// others, too.
    fn number(&self, text: &OutageText, choice: AsChoice) -> Result<Asn, NetworkError> {
        if let (AsChoice::Number(asn), Some(homes)) = (choice, &self.config.homes)
            && homes.population.atlas().neighbours(asn).next().is_some()
        {
            return Ok(asn);
        }
        self.find(text, choice).map(|(asn, _)| *asn)
    }

    /// All links between ASes: those of the map, or any two ASes with peers.
    fn links(&self) -> Vec<(Asn, Asn)> {
        if let Some(homes) = &self.config.homes {
            return homes.population.atlas().links().map(|(a, b, _)| (a, b)).collect();
        }
        let mut ases: Vec<Asn> = self.ases.iter().map(|(asn, _)| *asn).collect();
        ases.sort_unstable();
        let after = |at: usize| ases[at + 1..].iter().map(move |&other| other);
        (0..ases.len())
            .flat_map(|at| after(at).map(move |other| (at, other)))
            .map(|(at, b)| (ases[at], b))
            .collect()
    }
}
