//! How often each network may ask: a table of fixed size, whatever comes.

use std::{net::IpAddr, time::Duration};

use super::{
    index::mix,
    networks::{Network, Spot},
};
use crate::{saturate::low_half, time::Timestamp};

/// Networks that share a place of the table, at most.
const WAYS: usize = 8;
const ROWS: usize = 4096;

/// Questions a network may ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// A second, over time.
    pub per_second: f32,
    /// At once, after a pause. At least 1.
    pub burst: f32,
}

/// What one network has left: 16 bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Left {
    /// 0 = nobody; else one more than the network's number.
    network: u64,
    tokens: f32,
    /// In milliseconds since the origin, modulo 2^32.
    at: u32,
}

/// Counts questions by /24 (IPv6: /48).
///
/// Bounded: 512 KiB, once somebody has asked. Where more networks ask than the table has room for, the one that has
/// been quiet longest is forgotten, and with it what it asked.
#[derive(Debug)]
pub struct Throttle {
    key: u64,
    pace: Pace,
    table: Vec<[Left; WAYS]>,
}

impl Throttle {
    /// A table in which nobody has asked anything. `seed` keeps strangers from choosing networks that share a place.
    pub fn new(pace: Pace, seed: u64) -> Throttle {
        Throttle { key: mix(seed, 0x7407), pace, table: Vec::new() }
    }

    /// One question more from an address.
    ///
    /// # Errors
    /// It has asked too often; the time after which it may again.
    pub fn ask(&mut self, now: Timestamp, ip: IpAddr) -> Result<(), Duration> {
        if self.table.is_empty() {
            self.table = vec![[Left::default(); WAYS]; ROWS];
        }
        let network = Spot::of(ip).network();
        let millis = low_half(now.as_nanos() / 1_000_000);
        let pace = self.pace;
        let left = self.left(network, millis);
        let passed = millis.wrapping_sub(left.at) as f32 / 1000.0;
        left.tokens = (left.tokens + passed * pace.per_second).min(pace.burst.max(1.0));
        left.at = millis;
        if left.tokens >= 1.0 {
            left.tokens -= 1.0;
            return Ok(());
        }
        let seconds = (1.0 - left.tokens) / pace.per_second.max(0.001);
        Err(Duration::from_secs_f32(seconds))
    }

    fn left(&mut self, network: Network, millis: u32) -> &mut Left {
        let name = network.number().saturating_add(1);
        let row = &mut self.table[low_half(mix(self.key, name)) as usize % ROWS];
        let at = row.iter().position(|left| left.network == name).unwrap_or_else(|| {
            let quiet = |left: &Left| if left.network == 0 { u32::MAX } else { millis.wrapping_sub(left.at) };
            let oldest = (0..WAYS).max_by_key(|&way| quiet(&row[way])).unwrap_or(0);
            row[oldest] = Left { network: name, tokens: self.pace.burst.max(1.0), at: millis };
            oldest
        });
        &mut row[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { per_second: 10.0, burst: 50.0 };

    fn asked(throttle: &mut Throttle, ip: [u8; 4], millis: std::ops::Range<u64>) -> usize {
        millis.filter(|&millis| throttle.ask(Timestamp::from_millis(millis), ip.into()).is_ok()).count()
    }

    #[test]
    fn a_network_asks_at_its_pace_after_a_burst_and_others_do_not_suffer() {
        let mut throttle = Throttle::new(PACE, 1);
        let answered = asked(&mut throttle, [10, 0, 0, 1], 0..10_000);
        assert!((149..=151).contains(&answered), "{answered}");
        assert_eq!(asked(&mut throttle, [10, 0, 1, 1], 10_000..10_040), 40);
        assert_eq!(asked(&mut throttle, [10, 0, 0, 99], 10_000..10_001), 0, "the same /24");
        let wait = throttle.ask(Timestamp::from_millis(10_000), [10, 0, 0, 1].into()).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_millis(100), "{wait:?}");
    }

    #[test]
    fn a_million_networks_take_no_more_room_than_the_first() {
        let mut throttle = Throttle::new(PACE, 1);
        for number in 0..1_000_000u32 {
            let ip = std::net::Ipv4Addr::from_bits(number << 8);
            assert!(throttle.ask(Timestamp::from_millis(number.into()), ip.into()).is_ok());
        }
        assert_eq!(throttle.table.len(), ROWS);
    }
}
