//! What a peer is connected with: how fast its access line is, and how long the last mile takes.
//!
//! The figures are round numbers that we chose, not measurements. Each stands for an ordinary line
//! of its kind in the early 2020s. Whoever wants the lines of one country takes its regulator's
//! measurements (in the USA the FCC's reports "Measuring Broadband America") and says them with
//! [`Class::Custom`].

use std::{fmt, str::FromStr, time::Duration};

use super::MixError;

/// An access line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// What the line carries to the Internet, in bytes a second.
    pub up: u64,
    /// What it carries from the Internet, in bytes a second.
    pub down: u64,
    /// How long a small packet takes from the peer to the first router of its AS, one way, while
    /// the line is idle.
    pub latency: Duration,
}

/// A kind of access line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Fibre to the home: 100 Mbit/s up, 200 down, 3 ms. The only line at home whose two directions
    /// are of one order.
    Fibre,
    /// Television cable: 20 Mbit/s up, 200 down, 8 ms. Neighbours take turns to send.
    Cable,
    /// DSL from a cabinet in the street: 10 Mbit/s up, 50 down, 12 ms. Interleaving, which repairs
    /// bursts of errors, costs most of that time.
    Dsl,
    /// A mobile network of the fourth generation: 10 Mbit/s up, 40 down, 25 ms. A telephone waits
    /// until it is told when to send.
    Mobile,
    /// A machine in a data centre: 1 Gbit/s both ways, half a millisecond.
    Server,
    /// A line with figures of your own.
    Custom(Access),
}

const fn line(up_mbit: u64, down_mbit: u64, latency_us: u64) -> Access {
    const MBIT: u64 = 1_000_000 / 8;
    Access { up: up_mbit * MBIT, down: down_mbit * MBIT, latency: Duration::from_micros(latency_us) }
}

impl Class {
    /// The kinds that have a name.
    pub const NAMED: [Class; 5] = [Class::Fibre, Class::Cable, Class::Dsl, Class::Mobile, Class::Server];

    /// The figures of the line.
    pub fn access(self) -> Access {
        match self {
            Class::Fibre => line(100, 200, 3_000),
            Class::Cable => line(20, 200, 8_000),
            Class::Dsl => line(10, 50, 12_000),
            Class::Mobile => line(10, 40, 25_000),
            Class::Server => line(1_000, 1_000, 500),
            Class::Custom(access) => access,
        }
    }

    /// The name in texts; "custom" for all lines with figures of their own.
    pub fn name(self) -> &'static str {
        match self {
            Class::Fibre => "fibre",
            Class::Cable => "cable",
            Class::Dsl => "dsl",
            Class::Mobile => "mobile",
            Class::Server => "server",
            Class::Custom(_) => "custom",
        }
    }
}

impl fmt::Display for Class {
    /// As [`Class::from_str`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Class::Custom(Access { up, down, latency }) => {
                write!(f, "custom:{up}:{down}:{}us", latency.as_micros())
            }
            named => f.write_str(named.name()),
        }
    }
}

impl FromStr for Class {
    type Err = MixError;

    /// Reads a name, or `custom:UP:DOWN:LATENCY`: bytes a second, bytes a second, and a whole number
    /// of milliseconds or microseconds with its unit, such as `custom:125000:1250000:20ms`.
    ///
    /// # Errors
    /// If the text is no such thing, or a rate is zero.
    fn from_str(text: &str) -> Result<Class, MixError> {
        if let Some(class) = Class::NAMED.into_iter().find(|class| class.name() == text) {
            return Ok(class);
        }
        let Some(figures) = text.strip_prefix("custom:") else {
            return Err(MixError::Class(text.to_owned()));
        };
        custom(figures).map(Class::Custom).ok_or_else(|| MixError::Custom(text.to_owned()))
    }
}

fn custom(figures: &str) -> Option<Access> {
    let mut parts = figures.split(':');
    let [up, down, latency] = [parts.next()?, parts.next()?, parts.next()?];
    let rate = |text: &str| text.parse().ok().filter(|&rate: &u64| rate > 0);
    let latency = match latency.strip_suffix("us") {
        Some(micros) => Duration::from_micros(micros.parse().ok()?),
        None => Duration::from_millis(latency.strip_suffix("ms")?.parse().ok()?),
    };
    parts.next().is_none().then_some(Access { up: rate(up)?, down: rate(down)?, latency })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_read_as_it_is_written() {
        let own = Access { up: 125_000, down: 1_250_000, latency: Duration::from_millis(20) };
        for class in Class::NAMED.into_iter().chain([Class::Custom(own)]) {
            assert_eq!(class.to_string().parse(), Ok(class));
        }
        assert_eq!("custom:125000:1250000:20ms".parse(), Ok(Class::Custom(own)));
    }

    #[test]
    fn what_is_no_class_is_refused() {
        assert_eq!("fiber".parse::<Class>(), Err(MixError::Class("fiber".into())));
        for text in ["custom:", "custom:1:2", "custom:1:2:3", "custom:0:2:3ms", "custom:1:2:3ms:4"] {
            assert_eq!(text.parse::<Class>(), Err(MixError::Custom(text.into())), "{text}");
        }
    }

    #[test]
    fn rates_are_in_bytes() {
        assert_eq!(Class::Server.access().up, 125_000_000);
        assert!(Class::NAMED.into_iter().all(|class| class.access().up <= class.access().down));
    }
}
