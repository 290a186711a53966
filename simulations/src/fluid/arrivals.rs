//! How peers come.

use std::f64::consts::TAU;

/// How many peers come, over time. Times are in seconds from the start of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// Always as many.
    Constant {
        /// Peers a second.
        rate: f64,
    },
    /// A crowd, evenly over some time, and nobody else.
    Flash {
        /// Peers.
        peers: f64,
        /// When the first comes.
        from: f64,
        /// Until the last has come. 0: all come at once.
        over: f64,
    },
    /// More by day than by night: a sine with its least at the start of each period.
    Diurnal {
        /// Peers a second, in the mean of a period.
        mean: f64,
        /// How far the rate rises above the mean and falls below it, as a share of the mean, 0 to 1.
        swing: f64,
        /// The length of a period; a day is 86,400.
        period: f64,
    },
}

impl Arrivals {
    /// Peers that come between two moments. Exact, so nobody is lost between steps.
    pub fn between(&self, from: f64, to: f64) -> f64 {
        self.until(to) - self.until(from)
    }

    /// Peers that come before a moment.
    fn until(&self, at: f64) -> f64 {
        match *self {
            Arrivals::Constant { rate } => rate * at,
            Arrivals::Flash { peers, from, over } if over > 0.0 => {
                peers * ((at - from) / over).clamp(0.0, 1.0)
            }
            Arrivals::Flash { peers, from, .. } => {
                if at > from {
                    peers
                } else {
                    0.0
                }
            }
            Arrivals::Diurnal { mean, swing, period } => {
                mean * (at - swing * period / TAU * (TAU * at / period).sin())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, wanted: f64) {
        assert!((value - wanted).abs() < 1e-6, "{value} is not {wanted}");
    }

    #[test]
    fn a_crowd_comes_once_and_in_whole() {
        let crowd = Arrivals::Flash { peers: 100.0, from: 10.0, over: 20.0 };
        near(crowd.between(0.0, 15.0), 25.0);
        near((0..100).map(|at| crowd.between(f64::from(at), f64::from(at) + 1.0)).sum(), 100.0);
        let at_once = Arrivals::Flash { peers: 100.0, from: 0.0, over: 0.0 };
        near(at_once.between(0.0, 1.0), 100.0);
        near(at_once.between(1.0, 2.0), 0.0);
    }

    #[test]
    fn a_day_has_its_mean_and_its_peak_at_noon() {
        let day = Arrivals::Diurnal { mean: 2.0, swing: 0.5, period: 86_400.0 };
        near(day.between(0.0, 86_400.0), 2.0 * 86_400.0);
        near(day.between(0.0, 1.0), 1.0);
        near(day.between(43_200.0, 43_201.0), 3.0);
        near(Arrivals::Constant { rate: 3.0 }.between(5.0, 7.0), 6.0);
    }
}
