//! Prices by carrier, as a file gives them.

use serde::{Deserialize, Serialize};

use super::Carrier;

/// What a carrier takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Price {
    /// Money a month for each Mbit/s of the 95th percentile.
    PerMbit(f64),
    /// Money for each GB.
    PerGb(f64),
}

impl Price {
    /// What `bytes` in a month cost, with a 95th percentile of `peak_mbit` Mbit/s.
    pub fn money(self, bytes: u64, peak_mbit: f64) -> f64 {
        match self {
            Price::PerMbit(price) => price * peak_mbit,
            Price::PerGb(price) => price * bytes as f64 / 1e9,
        }
    }

    fn number(self) -> f64 {
        match self {
            Price::PerMbit(price) | Price::PerGb(price) => price,
        }
    }
}

/// Prices of all carriers. What a file leaves out is as in the example.
///
/// ```toml
/// name = "ours, this year"
/// currency = "EUR"
/// transit = { per_mbit = 0.20 }
/// cdn = { per_gb = 0.005 }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// Whose prices they are, and of when. It stands above each bill.
    pub name: String,
    /// What money is counted in.
    pub currency: String,
    /// Inside one's own network.
    pub internal: Price,
    /// To and from customers. Below zero: they pay.
    pub customer: Price,
    /// To and from networks with which one peers.
    pub peer: Price,
    /// To and from those whom one pays for the rest of the Internet.
    pub transit: Price,
    /// What a CDN, or another host, takes to serve it.
    pub cdn: Price,
}

/// An example of 2007, in US dollars.
///
/// Transit was about 50 a Mbit/s in 2006 and 12 in 2008, and 25 lies between; a 10 Gbit/s port for
/// peering was about 2,500 a month and carries 7,500 Mbit/s (both: W. Norton, DrPeering, by informal
/// surveys). A CDN took 0.12 a GB from its largest customers (D. Rayburn, Streaming Media, November
/// 2007). One's own network, and customers, cost nothing more here: their ports are there in any
/// case.
impl Default for Prices {
    fn default() -> Prices {
        Prices {
            name: "an example, about 2007".into(),
            currency: "USD".into(),
            internal: Price::PerMbit(0.0),
            customer: Price::PerMbit(0.0),
            peer: Price::PerMbit(0.33),
            transit: Price::PerMbit(25.0),
            cdn: Price::PerGb(0.12),
        }
    }
}

/// Why a file of prices was not taken. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PricesError {
    /// It is not TOML, or has other fields than prices.
    #[error("the prices cannot be read")]
    Unreadable(#[from] toml::de::Error),
    /// Bills need numbers that can be added.
    #[error("the price of {} is not a finite number", .0.name())]
    NotFinite(Carrier),
}

impl Prices {
    /// Reads prices from TOML.
    ///
    /// # Errors
    ///
    /// If it is not TOML, names unknown fields, or has a price that is not finite.
    pub fn parse(text: &str) -> Result<Prices, PricesError> {
        let prices: Prices = toml::from_str(text)?;
        match Carrier::ALL.into_iter().find(|&carrier| !prices.of(carrier).number().is_finite()) {
            Some(carrier) => Err(PricesError::NotFinite(carrier)),
            None => Ok(prices),
        }
    }

    /// What this carrier takes.
    pub fn of(&self, carrier: Carrier) -> Price {
        match carrier {
            Carrier::Internal => self.internal,
            Carrier::Customer => self.customer,
            Carrier::Peer => self.peer,
            Carrier::Transit => self.transit,
            Carrier::Cdn => self.cdn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_replaces_what_it_names_and_leaves_the_rest_as_in_the_example() {
        let prices = Prices::parse("name = 'ours'\ntransit = { per_mbit = 0.2 }\npeer = { per_gb = 0.01 }");
        let wanted = Prices {
            name: "ours".into(),
            transit: Price::PerMbit(0.2),
            peer: Price::PerGb(0.01),
            ..Prices::default()
        };
        assert_eq!(prices.unwrap(), wanted);
        assert_eq!(Prices::parse("").unwrap(), Prices::default());
    }

    #[test]
    fn what_is_no_price_is_refused() {
        assert!(matches!(Prices::parse("transit = 3"), Err(PricesError::Unreadable(_))));
        assert!(matches!(Prices::parse("satellite = { per_gb = 3.0 }"), Err(PricesError::Unreadable(_))));
        let infinite = Prices::parse("cdn = { per_gb = inf }");
        assert!(matches!(infinite, Err(PricesError::NotFinite(Carrier::Cdn))));
    }
}
