//! Peers that watch while they download.

use serde::{Deserialize, Serialize};

use super::{
    amount::Amount,
    bytes::Bytes,
    error::{ScenarioError, check},
};

/// Peers that watch the content from its start while it comes. The world observes when play in order
/// would start and stall. It tells nobody, and they download as all others do; or it tells their
/// engines, which then see to it that what is played next comes in time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ViewersPart {
    /// How many of those watch that play by the rules and do not come with the whole content.
    pub watching: Amount,
    /// What play takes, in bytes a second.
    pub bitrate: Bytes,
    /// How much is held in order before play starts, in seconds of play.
    pub buffer_seconds: f64,
    /// How much is held in order before play goes on after a stall, in seconds of play.
    pub resume_seconds: f64,
    /// Their engines are told of where they are.
    pub told: bool,
}

impl Default for ViewersPart {
    fn default() -> ViewersPart {
        ViewersPart {
            watching: Amount::NONE,
            bitrate: Bytes(500_000),
            buffer_seconds: 5.0,
            resume_seconds: 2.0,
            told: false,
        }
    }
}

impl ViewersPart {
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        let is_rate = (1..=1_000_000_000_000).contains(&self.bitrate.0);
        check(is_rate, "viewers.bitrate", "1 byte to 1T a second")?;
        let is_buffer = |seconds: f64| (0.0..=86_400.0).contains(&seconds);
        check(is_buffer(self.buffer_seconds), "viewers.buffer_seconds", "0 to 86400")?;
        check(is_buffer(self.resume_seconds), "viewers.resume_seconds", "0 to 86400")
    }
}
