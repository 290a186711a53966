//! Why a download is not faster: the engine is asked once a second.

use std::time::Duration;

use nearcast_core::{
    id::{ContentKey, PeerKey},
    slowness::{Seen, Slow},
};
use tokio::time::Instant;

use super::Driver;
use crate::progress::SlowSeconds;

/// How often the engine is asked.
const EVERY: Duration = Duration::from_secs(1);
/// Who comes so near to a limit is held up by it. In hundredths.
const LIMITED_PERCENT: f64 = 85.0;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Slowness {
    looked: Option<Instant>,
    /// Peers that sent something false, and bytes that were thrown away, at the last look.
    corrupt: usize,
    pub(super) now: Option<Slow>,
    pub(super) seconds: SlowSeconds,
}

impl Driver {
    /// Asks why a download is not faster, if it is time.
    pub(super) fn look_why(&mut self, key: ContentKey, rate_down: Option<f64>) {
        let (now, moment) = (Instant::now(), self.now());
        let Some(content) = self.contents.get(&key) else { return };
        let Some(state) = &content.fetch else { return };
        let due = state.slowness.looked.is_none_or(|looked| now.duration_since(looked) >= EVERY);
        if !due || state.path.is_some() {
            return;
        }
        let limits = [self.parts.config.down, state.limits.down];
        let limit = limits.into_iter().flatten().min();
        let limited =
            limit.zip(rate_down).is_some_and(|(limit, rate)| rate * 100.0 >= limit as f64 * LIMITED_PERCENT);
        let corrupt = content.corrupt_peers.len();
        let seen = Seen {
            limited,
            spoilt: corrupt > state.slowness.corrupt,
            trip: &|peer: PeerKey| {
                self.peers.get(peer).and_then(|known| known.round_trip).unwrap_or_default()
            },
        };
        let swarm = self.engine.swarm(key);
        let found = match swarm {
            Some(swarm) => swarm.slowness(moment, self.engine.config(), seen),
            None => Some(Slow::Preparing),
        };
        let Some(state) = self.fetch_state(key) else { return };
        (state.slowness.looked, state.slowness.corrupt, state.slowness.now) = (Some(now), corrupt, found);
        if let Some(found) = found {
            state.slowness.seconds.add(found);
        }
    }
}
