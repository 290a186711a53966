//! Why peers received nothing, and why uplinks are idle. Once a second of the world, everybody is asked
//! who lacks something and got nothing since the second before, and everybody who sends nothing.

use std::{collections::BTreeMap, time::Duration};

use nearcast_core::id::PeerKey;

use crate::world::World;

/// How long a peer that lacks something must get nothing.
const SECOND: Duration = Duration::from_secs(1);

/// Seconds of peers in which nothing came, by why.
#[derive(Debug)]
pub(super) struct Stalls {
    due: Duration,
    /// What each peer had received a second ago. `None`: it was not there, or lacked nothing.
    before: Vec<Option<u64>>,
    seconds: BTreeMap<&'static str, u64>,
    /// What idle uplinks would have sent, in bytes, by why they are idle.
    idle: BTreeMap<&'static str, u64>,
}

impl Stalls {
    pub(super) fn new(world: &World) -> Stalls {
        let before = vec![None; world.len() as usize];
        Stalls { due: SECOND, before, seconds: BTreeMap::new(), idle: BTreeMap::new() }
    }

    /// When to look next.
    pub(super) fn due(&self) -> Duration {
        self.due
    }

    /// A second has passed.
    pub(super) fn note(&mut self, world: &World) {
        self.due = world.elapsed() + SECOND;
        for (at, before) in self.before.iter_mut().enumerate() {
            let peer = PeerKey(at as u32);
            let now = world.awaits(peer);
            if now.is_some()
                && now == *before
                && let Some(why) = world.stall(peer)
            {
                *self.seconds.entry(why).or_default() += 1;
            }
            *before = now;
            // Who stays with everything while others still come counts as well.
            if let Some(why) = world.idle(peer) {
                *self.idle.entry(why).or_default() += world.role(peer).up;
            }
        }
    }

    /// What peers that lacked something waited for, and in seconds; and what idle uplinks waited for,
    /// in bytes that they would have sent.
    pub(super) fn into_seconds(self) -> [BTreeMap<String, u64>; 2] {
        [self.seconds, self.idle]
            .map(|all| all.into_iter().map(|(why, seconds)| (why.to_owned(), seconds)).collect())
    }
}
