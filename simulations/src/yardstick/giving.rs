//! The least time in which a file can be given to all.
//!
//! R. Kumar and K. W. Ross, *Peer-Assisted File Distribution: The Minimum Distribution Time*, IEEE
//! HotWeb 2006. It assumes a fluid: pieces without size, no overhead, no latency, limits at access
//! links only, and all leechers present from the start to the end. It can be attained then. If peers
//! come later or leave once they are done it still is a lower bound. It bounds the last peer.

/// The access link of a leecher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Bytes a second.
    pub up: u64,
    /// Bytes a second. `None`: unlimited.
    pub down: Option<u64>,
}

/// The times, in seconds, each of which alone is a lower bound.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bound {
    /// Until the seeds have sent each byte once. Infinite: there is no seed that sends.
    pub seeds: f64,
    /// Until the slowest downlink has taken all bytes.
    pub downlink: f64,
    /// Until all uplinks together have sent a copy for each leecher.
    pub uplinks: f64,
}

impl Bound {
    /// The least time to give the file to all, in seconds.
    pub fn seconds(self) -> f64 {
        self.seeds.max(self.downlink).max(self.uplinks)
    }
}

/// The least time to give `bytes` to all `leechers` from `seeds`, which have uplinks in bytes a
/// second: max { F / u(S), F / min d, L F / (u(S) + u(L)) }. Zero if there are no leechers.
pub fn kumar_ross(bytes: u64, seeds: &[u64], leechers: &[Access]) -> Bound {
    let seeds = sum(seeds.iter().copied());
    let all = seeds + sum(leechers.iter().map(|leecher| leecher.up));
    bound(bytes, seeds, all, leechers)
}

/// The same if leechers send nothing. This over [`kumar_ross`] is the gain from peers.
pub fn client_server(bytes: u64, seeds: &[u64], leechers: &[Access]) -> Bound {
    let seeds = sum(seeds.iter().copied());
    bound(bytes, seeds, seeds, leechers)
}

fn bound(bytes: u64, seeds: f64, all: f64, leechers: &[Access]) -> Bound {
    if leechers.is_empty() || bytes == 0 {
        return Bound::default();
    }
    let bytes = bytes as f64;
    let slowest = leechers.iter().filter_map(|leecher| leecher.down).min();
    Bound {
        seeds: bytes / seeds,
        downlink: slowest.map_or(0.0, |down| bytes / down as f64),
        uplinks: leechers.len() as f64 * bytes / all,
    }
}

fn sum(rates: impl Iterator<Item = u64>) -> f64 {
    // A million links at a terabit a second fit.
    rates.map(u128::from).sum::<u128>() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 1,024 bits, as the papers count.
    const KBIT: u64 = 128;

    fn near(value: f64, wanted: f64) {
        assert!((value / wanted - 1.0).abs() < 1e-4, "{value} is not {wanted}");
    }

    #[test]
    fn the_swarm_of_bharambe_and_others_takes_2018_seconds_at_least() {
        let leechers = vec![Access { up: 400 * KBIT, down: Some(1_500 * KBIT) }; 1_000];
        let bound = kumar_ross(102_400 << 10, &[6_000 * KBIT], &leechers);
        near(bound.seeds, 136.533);
        near(bound.downlink, 546.133);
        near(bound.uplinks, 2_017.73);
        near(bound.seconds(), 2_017.73);
        // Without peers the seed alone would take a day and a half.
        near(client_server(102_400 << 10, &[6_000 * KBIT], &leechers).seconds(), 136_533.3);
    }

    #[test]
    fn the_swarm_of_bindal_and_others_takes_5213_seconds_at_least() {
        let leechers = vec![Access { up: 100 * KBIT, down: Some(1_000 * KBIT) }; 700];
        near(kumar_ross(64 << 20, &[400 * KBIT], &leechers).seconds(), 5_213.1);
    }

    #[test]
    fn several_seeds_are_as_one_and_the_slowest_downlink_counts() {
        let leechers = [Access { up: 10, down: Some(5) }, Access { up: 0, down: None }];
        let bound = kumar_ross(100, &[30, 10], &leechers);
        assert_eq!(bound, Bound { seeds: 2.5, downlink: 20.0, uplinks: 4.0 });
        assert_eq!(bound, kumar_ross(100, &[40], &leechers));
    }

    #[test]
    fn who_has_no_seed_waits_forever_and_nobody_waits_for_nothing() {
        let leechers = [Access { up: 10, down: None }];
        assert_eq!(kumar_ross(100, &[], &leechers).seconds(), f64::INFINITY);
        assert_eq!(kumar_ross(100, &[], &[]).seconds(), 0.0);
        assert_eq!(kumar_ross(0, &[], &leechers).seconds(), 0.0);
    }
}
