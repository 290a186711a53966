//! When a swarm grows without end, because all but few lack the same piece.
//!
//! B. Hajek and J. Zhu, *The Missing Piece Syndrome in Peer-to-Peer Communication*, ISIT 2010; J. Zhu
//! and B. Hajek, *Stability of a Peer-to-Peer Communication System*, IEEE Transactions on Information
//! Theory 58, 2012. Each peer contacts a random other at rate μ and sends one useful piece, whichever
//! that is. The one-club has all pieces but one. A seed that gives that piece to a member sends the
//! member home.
//!
//! Rates are in pieces or peers a second. A seed stays 1/γ seconds on average.

/// Peers who come with the same pieces.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// Peers a second.
    pub rate: f64,
    /// Pieces that they come with.
    pub pieces: Vec<u32>,
}

/// A swarm of peers who come, collect all pieces, stay for a while and leave.
#[derive(Clone, Debug, PartialEq)]
pub struct Missing {
    /// K: pieces of the content.
    pub pieces: u32,
    /// U: pieces that the lasting seed sends in a second.
    pub seed: f64,
    /// μ: pieces that a peer sends in a second.
    pub up: f64,
    /// γ: the share of complete peers that leave in a second. Infinite: all leave at once.
    pub leave: f64,
    /// Who comes.
    pub arrivals: Vec<Arrival>,
}

/// What becomes of the swarm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stability {
    /// It stays bounded.
    Stable,
    /// It is on the edge between the two, where the theorem says nothing.
    Edge,
    /// The club of those who lack `piece` grows.
    Grows {
        /// The piece whose club grows fastest.
        piece: u32,
        /// By how many peers a second.
        rate: f64,
    },
}

impl Missing {
    /// A swarm whose peers come with nothing and leave once they are complete.
    pub fn simple(pieces: u32, seed: f64, up: f64, arrivals: f64) -> Missing {
        let arrivals = vec![Arrival { rate: arrivals, pieces: Vec::new() }];
        Missing { pieces, seed, up, leave: f64::INFINITY, arrivals }
    }

    /// By how many peers a second the club of those who lack `piece` grows, once nearly all are in
    /// it. Below zero: it shrinks. Minus infinity: it cannot persist, as complete peers free one
    /// other or more each.
    ///
    /// It is λ - (U + Σ λ_C (K + 1 - |C|)) / (1 - μ/γ), with the sum over those who come with the
    /// piece, each with |C| pieces. Such a peer frees K - |C| members while it completes and μ/γ
    /// afterwards, and each of those frees μ/γ more.
    pub fn club_growth(&self, piece: u32) -> f64 {
        let all: f64 = self.arrivals.iter().map(|arrival| arrival.rate).sum();
        let bring = |arrival: &&Arrival| arrival.pieces.contains(&piece);
        let frees =
            |arrival: &Arrival| arrival.rate * f64::from(self.pieces + 1 - arrival.pieces.len() as u32);
        let freed = self.seed + self.arrivals.iter().filter(bring).map(frees).sum::<f64>();
        let lasting = 1.0 - self.up / self.leave;
        match freed > 0.0 {
            true if lasting <= 0.0 => f64::NEG_INFINITY,
            true => all - freed / lasting,
            // Nobody ever brings the piece.
            false => all,
        }
    }

    /// Whether the swarm stays bounded: it does if no club grows.
    pub fn stability(&self) -> Stability {
        let clubs = (0..self.pieces).map(|piece| (piece, self.club_growth(piece)));
        match clubs.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))) {
            Some((piece, rate)) if rate > 0.0 => Stability::Grows { piece, rate },
            Some((_, 0.0)) => Stability::Edge,
            _ => Stability::Stable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_club_grows_by_as_much_as_peers_outnumber_the_seeds_pieces() {
        let swarm = |seed| Missing::simple(50, seed, 1.0, 10.0);
        assert_eq!(swarm(11.0).stability(), Stability::Stable);
        assert_eq!(swarm(10.0).stability(), Stability::Edge);
        assert_eq!(swarm(9.0).stability(), Stability::Grows { piece: 0, rate: 1.0 });
    }

    #[test]
    fn peers_who_stay_for_one_more_upload_make_any_swarm_stable() {
        let swarm = |leave| Missing { leave, ..Missing::simple(50, 0.001, 1.0, 1e6) };
        assert_eq!(swarm(1.0).stability(), Stability::Stable);
        assert_eq!(swarm(0.5).stability(), Stability::Stable);
        assert!(matches!(swarm(1.01).stability(), Stability::Grows { .. }));
        // Without a seed nobody ever is complete.
        let seedless = Missing { seed: 0.0, ..swarm(0.5) };
        assert!(matches!(seedless.stability(), Stability::Grows { .. }));
    }

    #[test]
    fn peers_who_bring_the_piece_stand_in_for_a_seed() {
        let arrivals = vec![Arrival { rate: 8.0, pieces: vec![0] }, Arrival { rate: 2.0, pieces: vec![1] }];
        let swarm = Missing { seed: 0.0, pieces: 2, arrivals, ..Missing::simple(2, 0.0, 1.0, 0.0) };
        // Those who bring piece 1 free 2 (2 + 1 - 1) = 4 members a second where 10 come.
        assert_eq!(swarm.club_growth(1), 6.0);
        assert_eq!(swarm.club_growth(0), -6.0);
        assert_eq!(swarm.stability(), Stability::Grows { piece: 1, rate: 6.0 });
    }
}
