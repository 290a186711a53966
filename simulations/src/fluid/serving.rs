//! At which rates the peers of one content receive, from one another and from the origin.

use super::{AccessClass, OriginRule};

/// The peers of one content, by class of access links.
#[derive(Clone, Debug, Default)]
pub(super) struct Population {
    /// Leechers in the mean.
    pub(super) leechers: Vec<f64>,
    /// Seeds in the mean.
    pub(super) seeds: Vec<f64>,
    /// Whether peers hold a copy together, be it without a seed.
    pub(super) holds_a_copy: bool,
}

/// What a leecher receives, by class of access links, in bytes a second in the mean. What the origin
/// gives is what it would give if it could serve everybody.
#[derive(Clone, Debug, Default)]
pub(super) struct Serving {
    /// The chance that a leecher is alone.
    alone: f64,
    /// What peers can give a leecher in company.
    from_peers: f64,
    /// Leechers in company.
    company: f64,
    /// What the origin gives a crowd without a copy, all together. `None`: it is no such crowd.
    first_copy: Option<f64>,
    /// What a leecher in company gets beside what peers give.
    tops_up: Vec<f64>,
    /// What the origin would give, all together.
    pub(super) wanted: f64,
}

/// Rates of a leecher of one class of access links, in bytes a second in the mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rate {
    /// Everything.
    pub(super) all: f64,
    /// From the origin.
    pub(super) origin: f64,
}

impl Serving {
    /// What peers can do, and what they want from the origin.
    pub(super) fn new(
        peers: &Population,
        access: &[AccessClass],
        effectiveness: f64,
        origin: &OriginRule,
    ) -> Serving {
        let leechers: f64 = peers.leechers.iter().sum();
        let seeds: f64 = peers.seeds.iter().sum();
        let uplinks = |peers: &[f64]| -> f64 {
            peers.iter().zip(access).map(|(peers, access)| peers * access.up as f64).sum()
        };
        let alone = (-leechers - seeds).exp();
        let together = -(-leechers - seeds).exp_m1();
        // (1 - e^-X) / X: a leecher shares with those it sees, itself among them.
        let part = if leechers > 0.0 { -(-leechers).exp_m1() / leechers } else { 1.0 };
        let given = part * (effectiveness * uplinks(&peers.leechers) + uplinks(&peers.seeds));
        let is_crowd = leechers >= 1.0 && seeds < 1.0 && !peers.holds_a_copy;
        let mut serving = Serving {
            alone,
            from_peers: if together > 0.0 { given / together } else { 0.0 },
            company: leechers * together,
            first_copy: is_crowd.then_some(origin.first_copy as f64),
            tops_up: vec![0.0; access.len()],
            wanted: 0.0,
        };
        let rates = serving.in_company(1.0, &peers.leechers, access);
        let mut wanted = serving.first(1.0, &rates, &peers.leechers);
        for (at, (leechers, access)) in peers.leechers.iter().zip(access).enumerate() {
            let down = access.down as f64;
            if !is_crowd {
                serving.tops_up[at] = origin.tops_up.clamp(0.0, 1.0) * (down - rates[at]).max(0.0);
            }
            wanted += leechers * (alone * down + together * serving.tops_up[at]);
        }
        serving.wanted = wanted;
        serving
    }

    /// The rates by class of access links, if the origin gives this share of what is wanted.
    pub(super) fn rates(&self, share: f64, peers: &Population, access: &[AccessClass]) -> Vec<Rate> {
        let company = self.in_company(share, &peers.leechers, access);
        let total: f64 = peers.leechers.iter().zip(&company).map(|(leechers, rate)| leechers * rate).sum();
        let together = 1.0 - self.alone;
        let first = self.first(share, &company, &peers.leechers);
        // Of what is moved in company, so much is the origin's first copy.
        let first = if total > 0.0 { first / (total * together) } else { 0.0 };
        let rate = |(at, rate): (usize, f64)| {
            let lonely = self.alone * share * access[at].down as f64;
            let more = share * self.tops_up[at];
            Rate {
                all: lonely + together * (rate + more),
                origin: lonely + together * (rate * first.min(1.0) + more),
            }
        };
        company.into_iter().enumerate().map(rate).collect()
    }

    /// What a leecher in company gets of peers' uplinks and of a first copy, by class of access
    /// links.
    fn in_company(&self, share: f64, leechers: &[f64], access: &[AccessClass]) -> Vec<f64> {
        let (mut each, mut cap) = (self.from_peers, f64::INFINITY);
        if let Some(first_copy) = self.first_copy {
            cap = first_copy * share;
            each += cap / self.company;
        }
        let downlinks: Vec<f64> = access.iter().map(|access| access.down as f64).collect();
        let level = level(each, leechers, &downlinks).min(cap);
        downlinks.into_iter().map(|down| down.min(level)).collect()
    }

    /// What the origin gives a crowd without a copy, in bytes a second; never more than all receive.
    fn first(&self, share: f64, rates: &[f64], leechers: &[f64]) -> f64 {
        let Some(first_copy) = self.first_copy else { return 0.0 };
        let taken: f64 = leechers.iter().zip(rates).map(|(leechers, rate)| leechers * rate).sum();
        (first_copy * share).min(taken * (1.0 - self.alone))
    }
}

/// The rate of those whom no downlink limits, if all get `each` in the mean: progressive filling.
/// Infinite: all downlinks are full.
fn level(each: f64, leechers: &[f64], downlinks: &[f64]) -> f64 {
    let mut left: f64 = leechers.iter().sum::<f64>() * each;
    let mut open: f64 = leechers.iter().sum();
    let mut order: Vec<usize> = (0..downlinks.len()).collect();
    order.sort_by(|&a, &b| downlinks[a].total_cmp(&downlinks[b]));
    for at in order {
        if open <= 0.0 || left / open <= downlinks[at] {
            break;
        }
        left -= leechers[at] * downlinks[at];
        open -= leechers[at];
        if open <= leechers.iter().sum::<f64>() * 1e-12 {
            return f64::INFINITY;
        }
    }
    if open > 0.0 { left / open } else { each }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DSL: AccessClass = AccessClass { up: 10, down: 100 };
    const FIBRE: AccessClass = AccessClass { up: 100, down: 1_000 };
    const LAST_RESORT: OriginRule = OriginRule { up: 1_000_000, first_copy: 1_000, tops_up: 0.0 };

    fn peers(leechers: &[f64], seeds: &[f64]) -> Population {
        Population { leechers: leechers.into(), seeds: seeds.into(), holds_a_copy: true }
    }

    #[test]
    fn what_slow_downlinks_leave_goes_to_others() {
        assert_eq!(level(50.0, &[1.0, 1.0], &[100.0, 1_000.0]), 50.0);
        assert_eq!(level(200.0, &[1.0, 1.0], &[100.0, 1_000.0]), 300.0);
        assert_eq!(level(2_000.0, &[1.0, 1.0], &[100.0, 1_000.0]), f64::INFINITY);
        assert_eq!(level(7.0, &[0.0, 0.0], &[100.0, 1_000.0]), 7.0);
    }

    #[test]
    fn many_leechers_live_of_one_another() {
        let peers = peers(&[1_000.0], &[100.0]);
        let serving = Serving::new(&peers, &[DSL], 0.5, &LAST_RESORT);
        // 1,000 leechers with 5 each and 100 seeds with 10 each.
        let rate = serving.rates(1.0, &peers, &[DSL])[0];
        assert!((rate.all - 6.0).abs() < 1e-9 && rate.origin < 1e-9, "{rate:?}");
    }

    #[test]
    fn a_lone_leecher_lives_of_the_origin() {
        let peers = peers(&[1e-9], &[0.0]);
        let serving = Serving::new(&peers, &[DSL], 1.0, &LAST_RESORT);
        let rate = serving.rates(0.5, &peers, &[DSL])[0];
        assert!((rate.all - 50.0).abs() < 1e-6 && (rate.origin - 50.0).abs() < 1e-6, "{rate:?}");
        assert!((serving.wanted - 1e-7).abs() < 1e-12);
    }

    #[test]
    fn a_rare_leecher_has_a_seed_to_itself_or_none() {
        let peers = peers(&[1e-9], &[2.0]);
        let serving = Serving::new(&peers, &[FIBRE], 1.0, &LAST_RESORT);
        let rate = serving.rates(0.0, &peers, &[FIBRE])[0];
        assert!((rate.all - 200.0).abs() < 1e-6, "{rate:?}");
    }

    #[test]
    fn a_crowd_without_a_copy_goes_at_the_pace_of_the_origin() {
        let peers = Population { holds_a_copy: false, ..peers(&[50.0], &[0.0]) };
        let slow = OriginRule { first_copy: 20, ..LAST_RESORT };
        let serving = Serving::new(&peers, &[FIBRE], 1.0, &slow);
        let rate = serving.rates(1.0, &peers, &[FIBRE])[0];
        assert!((rate.all - 20.0).abs() < 1e-9 && (rate.origin - 20.0 / 50.0).abs() < 1e-9, "{rate:?}");
        let fast = OriginRule { first_copy: 5_000, ..LAST_RESORT };
        let rate = Serving::new(&peers, &[FIBRE], 1.0, &fast).rates(1.0, &peers, &[FIBRE])[0];
        assert!((rate.all - 200.0).abs() < 1e-9 && (rate.origin - 100.0).abs() < 1e-9, "{rate:?}");
    }

    #[test]
    fn an_origin_that_tops_up_fills_downlinks() {
        let peers = peers(&[100.0], &[0.0]);
        let tops_up = OriginRule { tops_up: 1.0, ..LAST_RESORT };
        let serving = Serving::new(&peers, &[DSL], 1.0, &tops_up);
        assert!((serving.wanted - 9_000.0).abs() < 1e-6);
        let rate = serving.rates(1.0, &peers, &[DSL])[0];
        assert!((rate.all - 100.0).abs() < 1e-9 && (rate.origin - 90.0).abs() < 1e-9);
    }
}
