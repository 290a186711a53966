//! A downlink: what comes in passes it in order, at its rate.

use std::time::Duration;

use nearcast_core::time::Timestamp;

const NANOS: u128 = 1_000_000_000;

/// One peer's downlink.
///
/// Cut through: a run passes the downlink while it passes the sender's uplink, so a downlink with
/// room to spare delays nothing. Runs that come together share it one after the other; what waits
/// does not slow its sender down, as TCP would.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Downlink {
    /// Bytes per second. `None`: without limit.
    rate: Option<u64>,
    /// When all that came so far is through.
    free_at: Timestamp,
}

impl Downlink {
    pub(crate) fn new(rate: Option<u64>) -> Downlink {
        Downlink { rate, free_at: Timestamp::ZERO }
    }

    /// When all that came so far is through.
    pub(crate) fn free_at(&self) -> Timestamp {
        self.free_at
    }

    /// When a run is through of which the sender sent the first byte at `begun` and the last byte
    /// at `out`.
    pub(crate) fn pass(&mut self, begun: Timestamp, out: Timestamp, bytes: u32) -> Timestamp {
        let Some(rate) = self.rate else { return out };
        let nanos = (u128::from(bytes) * NANOS).div_ceil(u128::from(rate.max(1)));
        let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.free_at = self.free_at.max(begun) + takes;
        self.free_at.max(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_downlink_with_room_delays_nothing_and_a_full_one_lets_pass_its_rate() {
        let second = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        let mut wide = Downlink::new(Some(2_000));
        assert_eq!(wide.pass(second(0), second(1), 1_000), second(1));
        let mut narrow = Downlink::new(Some(1_000));
        // Two runs that were sent side by side in one second take two.
        assert_eq!(narrow.pass(second(0), second(1), 1_000), second(1));
        assert_eq!(narrow.pass(second(0), second(1), 1_000), second(2));
        assert_eq!(narrow.pass(second(5), second(6), 1_000), second(6));
        assert_eq!(Downlink::new(None).pass(second(0), second(1), u32::MAX), second(1));
    }
}
