//! Leechers, seeds and download time of a swarm in its steady state.
//!
//! D. Qiu and R. Srikant, *Modeling and Performance Analysis of BitTorrent-Like Peer-to-Peer
//! Networks*, SIGCOMM 2004. A fluid of x leechers and y seeds:
//!
//! x' = λ - θ x - min { c x, μ (η x + y) }, and y' = min { c x, μ (η x + y) } - γ y.
//!
//! All peers have one uplink and one downlink. The download time does not depend on λ: twice as many
//! peers bring twice the uplinks.

/// What drives a swarm. Rates of links are in contents a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Swarm {
    /// λ: peers that come in a second.
    pub arrivals: f64,
    /// μ: the uplink of a peer.
    pub up: f64,
    /// c: the downlink of a peer. Infinite: unlimited.
    pub down: f64,
    /// θ: the share of leechers that give up in a second.
    pub abort: f64,
    /// γ: the share of seeds that leave in a second. Infinite: all leave at once.
    pub leave: f64,
    /// η: the share of a leecher's uplink that finds use, 0 to 1; see [`effectiveness`].
    pub effectiveness: f64,
}

/// Where the swarm comes to rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steady {
    /// x: leechers.
    pub leechers: f64,
    /// y: seeds.
    pub seeds: f64,
    /// T: how long a leecher stays, in seconds, whether it completes or gives up.
    pub seconds: f64,
    /// Whether downlinks are the limit. They are if seeds stay for an upload time or longer.
    pub limited_by_downlinks: bool,
}

impl Swarm {
    /// The steady state. With 1/β = max { 1/c, (1/μ - 1/γ) / η }: x = λ / (β + θ),
    /// y = λ β / (γ (β + θ)), T = 1 / (β + θ).
    pub fn steady(&self) -> Steady {
        let by_downlink = 1.0 / self.down;
        let by_uplink = (1.0 / self.up - 1.0 / self.leave) / self.effectiveness;
        let inverse = by_downlink.max(by_uplink);
        // Both sides were divided by β, so that an infinite β is no trouble.
        let stay = inverse / (1.0 + self.abort * inverse);
        Steady {
            leechers: self.arrivals * stay,
            seeds: self.arrivals / self.leave / (1.0 + self.abort * inverse),
            seconds: stay,
            limited_by_downlinks: by_downlink >= by_uplink,
        }
    }
}

/// η, if each leecher has a random set of pieces and uploads to one of `links` others:
/// 1 - (ln N / N)^k. With hundreds of pieces it is nearly 1; with one piece it is 0, as a leecher has
/// nothing to give.
pub fn effectiveness(pieces: u32, links: u32) -> f64 {
    if pieces <= 1 {
        return 0.0;
    }
    let pieces = f64::from(pieces);
    1.0 - (pieces.ln() / pieces).powf(links.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWARM: Swarm =
        Swarm { arrivals: 0.5, up: 0.001, down: 0.01, abort: 0.0, leave: 0.002, effectiveness: 1.0 };

    #[test]
    fn the_steady_state_is_where_nothing_changes() {
        for swarm in [
            SWARM,
            Swarm { abort: 0.0005, ..SWARM },
            Swarm { leave: 0.0005, ..SWARM },
            Swarm { abort: 0.001, effectiveness: 0.8, down: 0.002, ..SWARM },
        ] {
            let Steady { leechers, seeds, seconds, limited_by_downlinks } = swarm.steady();
            let up = swarm.up * (swarm.effectiveness * leechers + seeds);
            let served = up.min(swarm.down * leechers);
            assert!((swarm.arrivals - swarm.abort * leechers - served).abs() < 1e-9);
            assert!((served - swarm.leave * seeds).abs() < 1e-9);
            assert!((leechers - swarm.arrivals * seconds).abs() < 1e-9, "Little's law");
            assert_eq!(limited_by_downlinks, swarm.down * leechers <= up);
        }
    }

    #[test]
    fn time_does_not_depend_on_how_many_come() {
        let crowd = Swarm { arrivals: 500.0, ..SWARM };
        assert_eq!(crowd.steady().seconds, SWARM.steady().seconds);
        assert_eq!(SWARM.steady().seconds, 500.0);
    }

    #[test]
    fn seeds_that_stay_for_an_upload_time_make_downlinks_the_limit() {
        let stays = Swarm { leave: 0.001, ..SWARM }.steady();
        assert!(stays.limited_by_downlinks);
        assert_eq!(stays.seconds, 100.0);
        let leaves = Swarm { leave: f64::INFINITY, ..SWARM }.steady();
        assert_eq!((leaves.seeds, leaves.seconds), (0.0, 1_000.0));
    }

    #[test]
    fn many_pieces_let_nearly_all_of_the_uplink_find_use() {
        assert_eq!(effectiveness(1, 4), 0.0);
        assert!(effectiveness(400, 1) > 0.98 && effectiveness(400, 4) > 0.999_999);
    }
}
