//! A schedule that gives a file of pieces to all in the least number of rounds.
//!
//! It is the hypercube of P. Ganesan and M. Seshadri, *On Cooperative Content Distribution and the
//! Price of Barter*, ICDCS 2005. The source and the peers are n nodes, and 2^l <= n < 2^(l + 1). A
//! corner of a hypercube of l dimensions is one node or a pair of nodes; the source is alone at
//! corner 0. In round t all corners send along dimension t mod l, each the latest piece that it has.
//! The source sends pieces in order, and the last one again and again.
//!
//! A pair is as one node to other corners: one of the two sends outwards while the other may send
//! inside. Invariant: before a round each of a pair has at most one piece that the other lacks, and
//! after the sending inside at most one of the two has such a piece. What comes from outside goes to
//! the one who has none and receives nothing inside. So no node receives two pieces a round, and one
//! round more makes the pairs complete.
//!
//! All corners are complete after M + l - 1 rounds, and pairs one round later. That is
//! M + floor(log2 N), which no schedule beats ([`super::mundinger_rounds`]).

use std::collections::BTreeSet;

/// One piece that is sent in one round. Node 0 is the source; peers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Who sends.
    pub from: u32,
    /// Who receives.
    pub to: u32,
    /// Which piece, counted from 0.
    pub part: u32,
}

/// Who sends what to whom in each round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Peers, without the source.
    pub peers: u32,
    /// Pieces of the content.
    pub parts: u32,
    /// What is sent in each round.
    pub rounds: Vec<Vec<Sending>>,
}

/// What is wrong with a schedule. Rounds count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// An uplink sends one piece a round.
    #[error("node {node} sends twice in round {round}")]
    SendsTwice {
        /// Who.
        node: u32,
        /// When.
        round: usize,
    },
    /// A downlink that is as fast as the uplink takes one piece a round.
    #[error("node {node} receives twice in round {round}")]
    ReceivesTwice {
        /// Who.
        node: u32,
        /// When.
        round: usize,
    },
    /// Only who had a piece before the round can send it.
    #[error("node {node} sends a piece in round {round} that it does not have")]
    Lacks {
        /// Who.
        node: u32,
        /// When.
        round: usize,
    },
    /// A piece is of use once.
    #[error("node {node} receives a piece in round {round} that it has")]
    HasAlready {
        /// Who.
        node: u32,
        /// When.
        round: usize,
    },
    /// All must be complete at the end.
    #[error("node {node} is not complete at the end")]
    Incomplete {
        /// Who.
        node: u32,
    },
}

impl Schedule {
    /// The schedule for `peers` who all want `parts` pieces. It has
    /// [`super::mundinger_rounds`] rounds, and peers times parts sendings of 12 bytes.
    pub fn new(peers: u32, parts: u32) -> Schedule {
        let mut script = Script::new(peers, parts);
        let mut rounds = Vec::new();
        while script.lacking > 0 {
            rounds.push(script.round(rounds.len()));
        }
        Schedule { peers, parts, rounds }
    }

    /// Plays all rounds, with what each node has, and returns in which round each peer was complete;
    /// peer 1 comes first, and 1 is the first round.
    ///
    /// # Errors
    ///
    /// The first breach of a rule, in the order of rounds.
    pub fn play(&self) -> Result<Vec<usize>, Breach> {
        let mut have = vec![vec![false; self.parts as usize]; self.peers as usize + 1];
        have[0].fill(true);
        let mut lacks = vec![self.parts; self.peers as usize + 1];
        let mut complete = vec![0; self.peers as usize];
        for (round, sendings) in self.rounds.iter().enumerate() {
            let (mut sent, mut received) = (BTreeSet::new(), BTreeSet::new());
            for &Sending { from, to, part } in sendings {
                if !have[from as usize][part as usize] {
                    return Err(Breach::Lacks { node: from, round });
                }
                if !sent.insert(from) {
                    return Err(Breach::SendsTwice { node: from, round });
                }
                if !received.insert(to) {
                    return Err(Breach::ReceivesTwice { node: to, round });
                }
            }
            for &Sending { to, part, .. } in sendings {
                if std::mem::replace(&mut have[to as usize][part as usize], true) {
                    return Err(Breach::HasAlready { node: to, round });
                }
                lacks[to as usize] -= 1;
                if lacks[to as usize] == 0 {
                    complete[to as usize - 1] = round + 1;
                }
            }
        }
        match have.iter().position(|have| have.contains(&false)) {
            Some(node) => Err(Breach::Incomplete { node: node as u32 }),
            None => Ok(complete),
        }
    }
}

/// A corner of the hypercube: one node, or two.
struct Corner {
    nodes: [u32; 2],
    is_pair: bool,
    /// Pieces that the corner has.
    have: Vec<bool>,
    latest: Option<u32>,
    /// The piece that only the first node, or only the second, has. In a corner of one node nothing
    /// is noted here.
    only: [Option<u32>; 2],
    /// The node of a pair that sent inside in this round, and so receives nothing inside.
    taker: Option<usize>,
}

/// The state of the swarm while the schedule is written.
struct Script {
    parts: u32,
    dimensions: usize,
    corners: Vec<Corner>,
    /// Pieces that corners and nodes of pairs lack, together.
    lacking: u64,
}

impl Script {
    fn new(peers: u32, parts: u32) -> Script {
        let nodes = peers + 1;
        let dimensions = nodes.ilog2();
        let count = 1_u32 << dimensions;
        let corner = |at: u32| Corner {
            nodes: [at, at + count - 1],
            is_pair: at > 0 && at + count - 1 < nodes,
            have: vec![at == 0; parts as usize],
            latest: None,
            only: [None; 2],
            taker: None,
        };
        Script {
            parts,
            dimensions: dimensions as usize,
            corners: (0..count).map(corner).collect(),
            lacking: u64::from(peers) * u64::from(parts),
        }
    }

    /// What is sent in the round of this number.
    fn round(&mut self, number: usize) -> Vec<Sending> {
        if let (Some(last), Ok(number)) = (self.parts.checked_sub(1), u32::try_from(number)) {
            self.corners[0].latest = Some(number.min(last));
        }
        let side = 1 << (number % self.dimensions);
        let outwards: Vec<Option<u32>> = (0..self.corners.len())
            .map(|at| self.corners[at].latest.filter(|&part| !self.corners[at ^ side].have[part as usize]))
            .collect();
        let mut sendings = Vec::new();
        let mut senders = Vec::new();
        for (at, corner) in self.corners.iter_mut().enumerate() {
            senders.push(corner.send(outwards[at], outwards[at ^ side].is_some(), &mut sendings));
        }
        for (at, part) in outwards.into_iter().enumerate() {
            let Some(part) = part else { continue };
            let to = self.corners[at ^ side].receive(part);
            sendings.push(Sending { from: senders[at], to, part });
        }
        self.lacking -= sendings.len() as u64;
        sendings
    }
}

impl Corner {
    /// Has nodes of a pair send inside what only they have, and returns which node sends `part`
    /// outwards. `arrives`: a piece comes from outside in this round.
    fn send(&mut self, part: Option<u32>, arrives: bool, sendings: &mut Vec<Sending>) -> u32 {
        // Who has `part` alone must be the one to send it. Otherwise the one who has no piece alone
        // leaves the sending inside to the other.
        let outer = match (part, self.only) {
            (None, _) if !arrives => None,
            (Some(_), [first, _]) if first == part => Some(0),
            (Some(_), [_, second]) if second == part => Some(1),
            (_, [first, _]) => Some(usize::from(first.is_some())),
        };
        self.taker = None;
        for inner in 0..2 {
            if Some(inner) != outer
                && let Some(part) = self.only[inner].take()
            {
                sendings.push(Sending { from: self.nodes[inner], to: self.nodes[1 - inner], part });
                // The other receives already.
                self.taker = Some(inner);
            }
        }
        self.nodes[outer.unwrap_or(0)]
    }

    /// Takes a piece from outside. Returns which node takes it.
    fn receive(&mut self, part: u32) -> u32 {
        self.have[part as usize] = true;
        self.latest = self.latest.max(Some(part));
        if !self.is_pair {
            return self.nodes[0];
        }
        let taker = self.taker.unwrap_or(usize::from(self.only[0].is_some()));
        self.only[taker] = Some(part);
        self.nodes[taker]
    }
}

#[cfg(test)]
mod tests {
    use super::{super::mundinger_rounds, *};

    fn check(peers: u32, parts: u32) {
        let schedule = Schedule::new(peers, parts);
        let complete = schedule.play();
        assert!(complete.is_ok(), "{peers} peers, {parts} parts: {complete:?}");
        assert_eq!(
            schedule.rounds.len() as u64,
            mundinger_rounds(peers, parts),
            "{peers} peers, {parts} parts"
        );
        let sendings: usize = schedule.rounds.iter().map(Vec::len).sum();
        assert_eq!(sendings as u64, u64::from(peers) * u64::from(parts));
    }

    #[test]
    fn no_swarm_up_to_seventy_needs_a_round_more_than_the_bound() {
        for peers in 0..=70 {
            for parts in 0..=20 {
                check(peers, parts);
            }
        }
    }

    #[test]
    fn a_thousand_peers_get_four_hundred_pieces_in_409_rounds() {
        for (peers, parts) in [(1_000, 400), (200, 100), (1_023, 33), (1_024, 33), (1, 500)] {
            check(peers, parts);
        }
    }

    #[test]
    fn a_schedule_that_breaks_a_rule_is_found_out() {
        let sound = Schedule::new(3, 2);
        let breach = |change: fn(&mut Schedule)| {
            let mut schedule = sound.clone();
            change(&mut schedule);
            schedule.play().unwrap_err()
        };
        let other = Sending { from: 0, to: 3, part: 1 };
        assert!(matches!(breach(|schedule| schedule.rounds.truncate(2)), Breach::Incomplete { .. }));
        assert_eq!(
            breach(|schedule| schedule.rounds[0][0] = Sending { from: 1, to: 2, part: 0 }),
            Breach::Lacks { node: 1, round: 0 }
        );
        let mut twice = sound.clone();
        twice.rounds[0].push(other);
        assert_eq!(twice.play(), Err(Breach::SendsTwice { node: 0, round: 0 }));
        assert!(matches!(
            breach(|schedule| schedule.rounds.push(vec![Sending { from: 0, to: 1, part: 0 }])),
            Breach::HasAlready { node: 1, round: 3 }
        ));
    }
}
