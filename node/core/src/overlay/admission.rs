//! Who is let in when many ask at once: children that are known first, and of each network no more than its share.
//!
//! Invariant: in any second, at most `attaches_per_second` and a burst as large are let in. Strangers never take the
//! last half of the burst.

use super::config::GovernorConfig;
use crate::{place::prefix::Network, rates::bucket::Bucket, time::Timestamp};

/// Networks that are watched at once: those that asked lately, and often.
const NETWORKS_MAX: usize = 32;

/// Lets nodes in.
#[derive(Debug)]
pub(super) struct Admission {
    bucket: Bucket,
    burst: u64,
    networks: Vec<(Network, u8)>,
    /// The second in which the networks are counted.
    second: u32,
}

impl Admission {
    pub(super) fn new(config: &GovernorConfig) -> Admission {
        let rate = u64::from(config.attaches_per_second);
        Admission { bucket: Bucket::new(Some(rate), rate), burst: rate, networks: Vec::new(), second: 0 }
    }

    /// Lets a node in, or does not.
    pub(super) fn admit(
        &mut self,
        now: Timestamp,
        config: &GovernorConfig,
        network: Network,
        is_known: bool,
    ) -> bool {
        if !self.has_share(now, config, network) {
            return false;
        }
        let least = if is_known { 1 } else { (self.burst / 2).max(1) };
        if self.bucket.wait(now, least).is_some() {
            return false;
        }
        self.bucket.spend(1);
        true
    }

    /// Counts what a network asks. What it asked in earlier seconds counts half as much with each.
    fn has_share(&mut self, now: Timestamp, config: &GovernorConfig, network: Network) -> bool {
        let second = super::pace::seconds(now);
        let passed = second.saturating_sub(self.second);
        if passed > 0 {
            self.second = second;
            self.networks.iter_mut().for_each(|(_, count)| *count = count.checked_shr(passed).unwrap_or(0));
            self.networks.retain(|&(_, count)| count > 0);
        }
        if network == Network::UNKNOWN {
            return true;
        }
        if let Some((_, count)) = self.networks.iter_mut().find(|(known, _)| *known == network) {
            if *count >= config.attaches_per_network {
                return false;
            }
            *count = count.saturating_add(1);
            return true;
        }
        if self.networks.len() >= NETWORKS_MAX {
            // Whoever asked least gives way: a network that floods stays.
            let least = self.networks.iter().enumerate().min_by_key(|(_, (_, count))| *count);
            if let Some((at, _)) = least {
                self.networks.swap_remove(at);
            }
        }
        if self.networks.capacity() == 0 {
            self.networks.reserve_exact(NETWORKS_MAX);
        }
        self.networks.push((network, 1));
        true
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.networks.capacity().saturating_mul(size_of::<(Network, u8)>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(number: u32) -> Network {
        Network::of(std::net::Ipv4Addr::from_bits(number << 8).into())
    }

    #[test]
    fn strangers_leave_half_of_the_burst_to_those_who_are_known() {
        let config = GovernorConfig::default();
        let mut admission = Admission::new(&config);
        let now = Timestamp::from_millis(1_000);
        let mut let_in = |is_known, first: u32| {
            (first..first + 1_000).filter(|&it| admission.admit(now, &config, network(it), is_known)).count()
        };
        assert_eq!(let_in(false, 0), 26);
        assert_eq!(let_in(true, 5_000), 24);
        assert_eq!(let_in(true, 9_000), 0);
    }

    #[test]
    fn a_network_that_floods_gets_its_share_and_no_more() {
        let config = GovernorConfig::default();
        let mut admission = Admission::new(&config);
        let mut of_flood = 0;
        for millis in (0..10_000).step_by(2) {
            let now = Timestamp::from_millis(millis);
            of_flood += u32::from(admission.admit(now, &config, network(666), true));
        }
        assert!(of_flood <= 110, "{of_flood} in ten seconds");
        let now = Timestamp::from_millis(10_500);
        assert!(admission.admit(now, &config, network(7), false), "others are let in");
    }
}
