//! What a month of traffic costs: bytes, rates and money, by who carries them.
//!
//! Transit is sold by the 95th percentile of the five-minute rates of a month, in money per Mbit/s;
//! a CDN is paid per GB. Both are [`Price`]s. Prices are data: those that come with this crate are
//! an example, and a file replaces them.
//!
//! Units: a month has 30 days, a GB is 10^9 bytes, a PB 10^15, and a Mbit/s 10^6 bits a second.
//!
//! ```
//! use nearcast_sim::cost::{Carrier, Demand, Prices, Shares, bill};
//!
//! // What YouTube had a CDN deliver in 2007: 25 PB a month, or 77 Gbit/s.
//! let demand = Demand { bytes_month: 25_000_000_000_000_000, peak_to_mean: 1.5 };
//! let before = bill(demand, &Shares::all(Carrier::Cdn), &Prices::default());
//! // Peers serve nine tenths, most of them inside the viewer's network.
//! let shares = Shares::of_weights([70, 5, 10, 5, 10]);
//! let after = bill(demand, &shares, &Prices::default());
//! assert!(after.total() < before.total() / 5.0);
//! println!("{before}\n{after}");
//! ```

mod bill;
mod prices;
mod shares;

pub use bill::{Bill, Line, bill};
pub use prices::{Price, Prices, PricesError};
pub use shares::{Carrier, Shares};

/// Seconds of a month of 30 days.
pub const MONTH_SECONDS: f64 = 30.0 * 86_400.0;

/// What is wanted in a month.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// Bytes a month.
    pub bytes_month: u64,
    /// The 95th percentile of the month's five-minute rates over their mean. A day's rise and fall
    /// makes 1.5 to 2. Less than 1 counts as 1: sellers bill no less than the mean.
    pub peak_to_mean: f64,
}

impl Demand {
    /// The mean rate, in Mbit/s.
    pub fn mean_mbit(self) -> f64 {
        self.bytes_month as f64 * 8.0 / MONTH_SECONDS / 1e6
    }

    /// The 95th percentile of rates, in Mbit/s.
    pub fn peak_mbit(self) -> f64 {
        self.mean_mbit() * self.peak_to_mean.max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_five_petabytes_a_month_are_77_gigabits_a_second() {
        let demand = Demand { bytes_month: 25_000_000_000_000_000, peak_to_mean: 0.0 };
        assert!((demand.mean_mbit() - 77_160.0).abs() < 1.0);
        assert_eq!(demand.peak_mbit(), demand.mean_mbit());
    }
}
