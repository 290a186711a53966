//! `nearcast-sim cost`: what a month of traffic costs, and who carries it.

mod demand;
mod given;

use std::path::PathBuf;

use clap::{Args, ValueHint};
use nearcast_core::paths::printable;
use nearcast_sim::cost::{self, Bill, Carrier, Demand, Prices, Shares};
use serde_json::{Value, json};

use self::given::Given;
use super::{error::CliError, screen::Screen, source};

pub(super) const EXAMPLES: &str = "\
Examples:
  nearcast-sim cost --demand 25PB --shares internal=80,customer=5,peer=10,cdn=5
  nearcast-sim run flash-crowd --out near; nearcast-sim cost --summary near
  nearcast-sim cost --print-prices > ours.toml; nearcast-sim cost --demand 2PB --prices ours.toml
";

/// The largest file of prices that is read, in bytes.
const PRICES_BYTES_MAX: u64 = 1 << 20;

/// Options of `cost`.
#[derive(Debug, Args)]
pub(super) struct Cost {
    /// What is wanted in a month, in bytes.
    #[arg(long, value_name = "BYTES", default_value = "25PB", value_parser = demand::parse)]
    demand: u64,
    /// How much higher the rate is that sellers bill (the 95th percentile of five minutes) than the mean.
    #[arg(long, value_name = "FACTOR", default_value = "1.5")]
    peak: f64,
    /// Prices, in place of the example of 2007.
    #[arg(long, value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    prices: Option<PathBuf>,
    /// Take the shares of carriers from what a run wrote into this folder, or the runs below it.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    summary: Vec<PathBuf>,
    /// Shares of carriers, in any proportions: internal, customer, peer, transit, cdn.
    #[arg(long, value_name = "CARRIER=PART,…", value_parser = demand::shares)]
    shares: Option<Shares>,
    /// With --summary: who carries what comes from networks that are linked to one's own.
    #[arg(long, value_name = "CARRIER", default_value = "peer", value_parser = demand::carrier)]
    adjacent: Carrier,
    /// Who carries what origins send, and everything in the bill before.
    #[arg(long, value_name = "CARRIER", default_value = "cdn", value_parser = demand::carrier)]
    origins: Carrier,
    /// Print the prices as a file, to start from, and end.
    #[arg(long)]
    print_prices: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

/// A bill, and of what it is.
struct Named {
    name: String,
    bill: Bill,
}

impl Cost {
    pub(super) fn run(&self, screen: &Screen) -> Result<(), CliError> {
        let prices = self.prices()?;
        if self.print_prices {
            screen.data(&demand::as_file(&prices));
            return Ok(());
        }
        if !(1.0..=1e6).contains(&self.peak) {
            return Err(CliError::BadOption("--peak takes a factor of 1 or more".to_owned()));
        }
        let demand = Demand { bytes_month: self.demand, peak_to_mean: self.peak };
        let of = |name: &str, shares: &Shares| Named {
            name: name.to_owned(),
            bill: cost::bill(demand, shares, &prices),
        };
        let mut bills =
            vec![of(&format!("everything by {}", self.origins.name()), &Shares::all(self.origins))];
        bills.extend(self.shares.as_ref().map(|shares| of("the given shares", shares)));
        for folder in &self.summary {
            let given = Given::read(folder)?;
            bills.push(of(&folder.to_string_lossy(), &given.shares(self.adjacent, self.origins)));
        }
        match self.json {
            true => screen.data(&object(demand, &bills).to_string()),
            false => screen.data(&text(demand, &bills)),
        }
        Ok(())
    }

    fn prices(&self) -> Result<Prices, CliError> {
        let Some(path) = &self.prices else { return Ok(Prices::default()) };
        let bytes = source::read(path, PRICES_BYTES_MAX, "file of prices")?;
        Prices::parse(&String::from_utf8_lossy(&bytes))
            .map_err(|source| CliError::Prices { path: path.clone(), source })
    }
}

fn text(demand: Demand, bills: &[Named]) -> String {
    let (petabytes, gigabits) = (demand.bytes_month as f64 / 1e15, demand.mean_mbit() / 1e3);
    let mut text = format!("{petabytes} PB a month: {gigabits:.1} Gbit/s on average\n");
    let before = bills.first().map_or(0.0, |named| named.bill.total());
    for Named { name, bill } in bills {
        text += &format!("\n{}\n{bill}\n", printable(name));
        if bill.total() != before {
            let (part, currency) = (100.0 * bill.total() / before, &bill.currency);
            let saved = before - bill.total();
            text += &format!("{part:.1} % of the first bill, {saved:.0} {currency} less\n");
        }
    }
    text
}

fn object(demand: Demand, bills: &[Named]) -> Value {
    let line = |line: &cost::Line| {
        json!({
            "carrier": line.carrier.name(), "bytes": line.bytes, "peak_mbit": line.peak_mbit,
            "price": line.price, "money": line.money,
        })
    };
    let bill = |named: &Named| {
        let lines: Vec<Value> = named.bill.lines.iter().map(line).collect();
        let Bill { prices, currency, .. } = &named.bill;
        json!({
            "name": named.name, "prices": prices, "currency": currency, "total": named.bill.total(), "lines": lines,
        })
    };
    let bills: Vec<Value> = bills.iter().map(bill).collect();
    json!({"bytes_month": demand.bytes_month, "peak_to_mean": demand.peak_to_mean, "bills": bills})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_says_what_part_of_the_first_it_is() {
        let demand = Demand { bytes_month: 25_000_000_000_000_000, peak_to_mean: 1.5 };
        let prices = Prices::default();
        let bills = [Shares::all(Carrier::Cdn), Shares::of_weights([9, 0, 0, 0, 1])]
            .map(|shares| Named { name: "x".to_owned(), bill: cost::bill(demand, &shares, &prices) });
        let text = text(demand, &bills);
        assert!(text.starts_with("25 PB a month: 77.2 Gbit/s on average\n"), "{text}");
        assert!(text.ends_with("10.0 % of the first bill, 2700000 USD less\n"), "{text}");
    }
}
