//! A month's bill.

use std::fmt;

use super::{Carrier, Demand, Price, Prices, Shares};

/// What one carrier takes for its share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Who.
    pub carrier: Carrier,
    /// Bytes in the month.
    pub bytes: u64,
    /// The 95th percentile of its rates, in Mbit/s.
    pub peak_mbit: f64,
    /// What it takes.
    pub price: Price,
    /// What that comes to.
    pub money: f64,
}

/// What a month costs. Its lines have all bytes of the demand, and a line for each carrier.
#[derive(Clone, Debug, PartialEq)]
pub struct Bill {
    /// Whose prices it is by.
    pub prices: String,
    /// What money is counted in.
    pub currency: String,
    /// By carrier, in the order of [`Carrier::ALL`].
    pub lines: Vec<Line>,
}

/// The bill of one side for `demand`, of which each carrier has its share at all hours.
///
/// Transit is paid at both ends of a path, as a rule by two parties. A bill has one end only.
pub fn bill(demand: Demand, shares: &Shares, prices: &Prices) -> Bill {
    let mut share = 0.0;
    let mut before = 0;
    let mut line = |carrier| {
        // Sums are rounded, not shares, so that lines add up to the byte.
        share += shares.of(carrier);
        let sum = ((demand.bytes_month as f64 * share).round() as u64).min(demand.bytes_month);
        let bytes = sum - before;
        before = sum;
        let peak_mbit = Demand { bytes_month: bytes, ..demand }.peak_mbit();
        let price = prices.of(carrier);
        Line { carrier, bytes, peak_mbit, price, money: price.money(bytes, peak_mbit) }
    };
    let mut lines: Vec<Line> = Carrier::ALL.into_iter().map(&mut line).collect();
    // Numbers of this size lose their last digits; they belong to the largest share.
    let rest = demand.bytes_month - before;
    if share > 0.5
        && let Some(most) = lines.iter_mut().max_by_key(|line| line.bytes)
    {
        most.bytes += rest;
    }
    Bill { prices: prices.name.clone(), currency: prices.currency.clone(), lines }
}

impl Bill {
    /// All money.
    pub fn total(&self) -> f64 {
        self.lines.iter().map(|line| line.money).sum()
    }

    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.lines.iter().map(|line| line.bytes).sum()
    }

    /// The line of this carrier.
    pub fn line(&self, carrier: Carrier) -> Option<&Line> {
        self.lines.iter().find(|line| line.carrier == carrier)
    }
}

impl fmt::Display for Bill {
    /// A table for people. Carriers without bytes are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "A month, at the prices of: {}", self.prices)?;
        writeln!(
            f,
            "{:<10} {:>12} {:>14} {:>20} {:>16}",
            "carrier", "TB", "peak Mbit/s", "price", self.currency
        )?;
        for line in self.lines.iter().filter(|line| line.bytes > 0) {
            let price = match line.price {
                Price::PerMbit(price) => format!("{price:.2} a Mbit/s"),
                Price::PerGb(price) => format!("{price:.4} a GB"),
            };
            let (name, terabytes) = (line.carrier.name(), line.bytes as f64 / 1e12);
            writeln!(
                f,
                "{name:<10} {terabytes:>12.1} {:>14.0} {price:>20} {:>16.0}",
                line.peak_mbit, line.money
            )?;
        }
        let peak: f64 = self.lines.iter().map(|line| line.peak_mbit).sum();
        write!(
            f,
            "{:<10} {:>12.1} {peak:>14.0} {:>20} {:>16.0}",
            "all",
            self.bytes() as f64 / 1e12,
            "",
            self.total()
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const YOUTUBE: Demand = Demand { bytes_month: 25_000_000_000_000_000, peak_to_mean: 1.5 };

    #[test]
    fn youtubes_month_of_2007_cost_three_millions_from_a_cdn_and_a_tenth_with_peers_nearby() {
        let prices = Prices::default();
        let cdn = bill(YOUTUBE, &Shares::all(Carrier::Cdn), &prices);
        assert!((cdn.total() - 3_000_000.0).abs() < 1.0);
        let transit = bill(YOUTUBE, &Shares::all(Carrier::Transit), &prices);
        // 77.16 Gbit/s, half as much again at the peak.
        assert!((transit.total() - 77_160.5 * 1.5 * 25.0).abs() < 20.0);
        let near = bill(YOUTUBE, &Shares::of_weights([80, 5, 10, 0, 5]), &prices);
        assert!(near.total() < cdn.total() / 10.0, "{near}");
    }

    #[test]
    fn a_bill_is_a_table() {
        let bill = bill(YOUTUBE, &Shares::of_weights([8, 0, 0, 1, 1]), &Prices::default());
        let wanted = "\
A month, at the prices of: an example, about 2007
carrier              TB    peak Mbit/s                price              USD
internal        20000.0          92593        0.00 a Mbit/s                0
transit          2500.0          11574       25.00 a Mbit/s           289352
cdn              2500.0          11574        0.1200 a GB           300000
all             25000.0         115741                                589352";
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeeze(&bill.to_string()), squeeze(wanted));
        let widths: Vec<usize> = bill.to_string().lines().skip(1).map(str::len).collect();
        assert!(widths.iter().all(|&width| width == widths[0]), "{bill}");
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_between_carriers(
            bytes_month in any::<u64>(),
            weights in proptest::array::uniform5(0..u64::MAX / 5),
        ) {
            let demand = Demand { bytes_month, peak_to_mean: 2.0 };
            let bill = bill(demand, &Shares::of_weights(weights), &Prices::default());
            let all = if weights == [0; 5] { 0 } else { bytes_month };
            prop_assert_eq!(bill.bytes(), all);
        }
    }
}
