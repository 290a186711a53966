//! The policy's knobs. Shared by all contents of an engine, and by all engines of a simulated world.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::saturate::whole;

/// Policy settings. Checked once by [`Config::validate`]; the defaults suit a person's client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Neighbours a content looks for by itself. More finds rare runs sooner and costs control
    /// traffic and memory in proportion. Default 40.
    pub neighbours_wanted: u16,
    /// Neighbours a content has at most, those who came to us included; the rest are told we are
    /// full. At least `neighbours_wanted`, at most 1,000. Default 60; origins want hundreds.
    pub neighbours_max: u16,
    /// Share of neighbour slots filled at random over all tiers, so that no group closes itself
    /// off. Less saves far traffic and risks starving small groups. Default 0.1; never under two slots.
    pub random_share: f32,
    /// Whether nearness decides anything: whom to link to, and who brings bytes into our group. Off = random choice, to
    /// compare with. Default on.
    pub nearness: bool,
    /// Share of neighbour slots that one /24 (IPv6: /48) may take while others could have them: whoever has many
    /// addresses there cannot surround us. Default 0.5.
    pub network_share: f32,
    /// Share of neighbour slots that one AS other than ours may take while others could have them. Default 0.5.
    pub as_share: f32,
    /// Connection attempts a content that began within the last quarter of a second: those that take longer are waited for
    /// beside the next ones. Default 8.
    pub dials_in_flight_max: u8,
    /// Candidates remembered a content. Default 200.
    pub candidates_max: u16,
    /// Neighbours served at a time, a content. Few slots finish runs sooner and spread them faster
    /// at a flash crowd; many serve more peers slowly. Default 16.
    pub upload_slots: u16,
    /// Of those, slots that go round among the others, so that newcomers get a start. Default 1.
    pub optimistic_slots: u16,
    /// Neighbours served at a time, all contents together. Default 512.
    pub upload_slots_total: u32,
    /// Requests of one neighbour held for sending; more are refused. Default 128.
    pub uploads_queued_max: u8,
    /// Requests in flight to one neighbour at least, and to begin with. Default 2 and 4.
    pub requests_min: u8,
    /// Requests in flight to a neighbour whose rate is not known yet.
    pub requests_start: u8,
    /// Requests in flight to one neighbour at most. Default 64: 16 MiB of 256 KiB runs.
    pub requests_max: u8,
    /// How far ahead requests are queued at a neighbour, at its measured rate. Longer survives
    /// longer round trips and jitter; shorter loses less when it slows down. Default 500 ms.
    pub request_horizon: Duration,
    /// How long new runs gather before neighbours are told. Longer saves messages, shorter relays
    /// sooner. Default 4 ms.
    pub have_delay: Duration,
    /// Time between looks at rates, slow requests and interest. Default 250 ms.
    pub tick: Duration,
    /// Time between decisions whom to serve. Default 2 s.
    pub choke_interval: Duration,
    /// Peers are given this long at the start before the origin is asked, while dials are in
    /// flight. Default 300 ms.
    pub peers_first: Duration,
    /// Nothing from peers for this long: the origin may be asked for what peers have too (plus up
    /// to as much again, at random, so that a crowd does not come at once). Default 1 s.
    pub origin_after: Duration,
    /// An origin trusts a run it sent to be passed on for this long before it sends it again.
    /// Default 3 s.
    pub relay_window: Duration,
    /// Time between questions to a directory when there are enough neighbours; sooner when not.
    /// Default 60 s.
    pub ask_interval: Duration,
    /// Time between peer exchange messages to a neighbour. Default 15 s.
    pub pex_interval: Duration,
    /// This node is the operator's own server.
    pub origin: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            neighbours_wanted: 40,
            neighbours_max: 60,
            random_share: 0.1,
            nearness: true,
            network_share: 0.5,
            as_share: 0.5,
            dials_in_flight_max: 8,
            candidates_max: 200,
            upload_slots: 16,
            optimistic_slots: 1,
            upload_slots_total: 512,
            uploads_queued_max: 128,
            requests_min: 2,
            requests_start: 4,
            requests_max: 64,
            request_horizon: Duration::from_millis(500),
            have_delay: Duration::from_millis(4),
            tick: Duration::from_millis(250),
            choke_interval: Duration::from_secs(2),
            peers_first: Duration::from_millis(300),
            origin_after: Duration::from_secs(1),
            relay_window: Duration::from_secs(3),
            ask_interval: Duration::from_secs(60),
            pex_interval: Duration::from_secs(15),
            origin: false,
        }
    }
}

/// A setting outside its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} must be {wanted}")]
pub struct ConfigError {
    setting: &'static str,
    wanted: &'static str,
}

impl Config {
    /// The settings of an operator's server: many neighbours, found by them rather than by it.
    pub fn origin() -> Config {
        Config {
            origin: true,
            neighbours_max: 1_000,
            upload_slots: 64,
            upload_slots_total: 4_096,
            ..Config::default()
        }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// Names the first setting that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |ok: bool, setting, wanted| {
            if ok { Ok(()) } else { Err(ConfigError { setting, wanted }) }
        };
        check(
            (1..=1_000).contains(&self.neighbours_max) && self.neighbours_wanted <= self.neighbours_max,
            "neighbours_max",
            "1 to 1,000 and no less than neighbours_wanted",
        )?;
        check((0.0..=1.0).contains(&self.random_share), "random_share", "0 to 1")?;
        let some = |share: f32| share > 0.0 && share <= 1.0;
        check(
            some(self.network_share) && some(self.as_share),
            "network_share, as_share",
            "more than 0, at most 1",
        )?;
        check(self.dials_in_flight_max > 0, "dials_in_flight_max", "at least 1")?;
        check(
            self.candidates_max >= self.neighbours_max.min(200),
            "candidates_max",
            "no less than neighbours_max, or 200",
        )?;
        check(self.upload_slots > self.optimistic_slots, "upload_slots", "more than optimistic_slots")?;
        check(
            0 < self.requests_min
                && self.requests_min <= self.requests_start
                && self.requests_start <= self.requests_max,
            "requests_min, requests_start, requests_max",
            "ascending, from at least 1",
        )?;
        check(
            !self.tick.is_zero() && !self.choke_interval.is_zero(),
            "tick, choke_interval",
            "more than zero",
        )
    }

    /// Neighbours that we choose and dial ourselves, whoever came to us: half of those wanted, so that nobody can surround
    /// us by linking first.
    pub(crate) fn neighbours_of_choice(&self) -> usize {
        usize::from(self.neighbours_wanted / 2)
    }

    /// Neighbours who may come to us while we look for some of our own choice.
    pub(crate) fn neighbours_come_max(&self) -> usize {
        usize::from(self.neighbours_max).saturating_sub(self.neighbours_of_choice())
    }

    /// Neighbour slots that go to candidates picked at random over all tiers.
    pub(crate) fn random_slots(&self) -> usize {
        let share = whole((f32::from(self.neighbours_wanted) * self.random_share).ceil());
        share.max(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
        assert_eq!(Config::origin().validate(), Ok(()));
    }

    #[test]
    fn a_setting_out_of_range_is_named() {
        let error =
            Config { requests_min: 9, requests_start: 3, ..Config::default() }.validate().unwrap_err();
        assert_eq!(
            error.to_string(),
            "requests_min, requests_start, requests_max must be ascending, from at least 1"
        );
    }
}
