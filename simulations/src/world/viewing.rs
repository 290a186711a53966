//! A viewer's play: when it would start, stall and go on, if the content were played in order while
//! it comes.
//!
//! This observes, and whatever policy chooses the runs, the figures mean the same. An engine hears of
//! it only if its scenario says so: then it is told where its viewer is, and whether they play.
//!
//! Play starts once so many bytes are there in order, or all. It stalls when it has played all that
//! is there in order, and goes on once so many bytes more are there.

use std::time::Duration;

use nearcast_core::{
    id::{PeerKey, ReaderId},
    input::{Event, Reading},
    layout::Layout,
    run_set::RunSet,
    time::Timestamp,
};

use super::{
    World,
    peer::{Peer, Stage},
};
use crate::outcome::Viewed;

const NANOS: u128 = 1_000_000_000;

/// How a viewer watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// What play takes, in bytes a second; above 0.
    pub bitrate: u64,
    /// What must be there in order before play starts, in bytes.
    pub start_bytes: u64,
    /// What must be there in order, unplayed, before play goes on after a stall, in bytes.
    pub resume_bytes: u64,
    /// The viewer's engine is told of where they are.
    pub told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Play {
    /// It has not started, or stalls, and has played so many bytes. It goes on once `upto` bytes are
    /// there in order.
    Waits { since: Timestamp, played: u64, upto: u64 },
    /// It played so many bytes at that moment, and goes on since.
    Plays { since: Timestamp, from: u64 },
}

/// One viewer's play.
#[derive(Clone, Copy, Debug)]
pub(super) struct Player {
    watch: Watch,
    /// Bytes of the content.
    all: u64,
    joined: Timestamp,
    /// Runs, and their bytes, that are there without a gap from the start.
    runs: u32,
    bytes: u64,
    play: Play,
    started: Option<Timestamp>,
    stalls: u32,
    stalled: Duration,
    /// How long after it joined play would have had to start, so that it never stalled.
    smooth: Duration,
    /// When the viewer went. `None`: it is there.
    gone: Option<Timestamp>,
    /// What its engine was told last.
    told: Option<Play>,
}

impl Player {
    pub(super) fn new(watch: Watch, layout: &Layout, now: Timestamp) -> Player {
        let all = layout.bytes();
        Player {
            watch,
            all,
            joined: now,
            runs: 0,
            bytes: 0,
            play: Play::Waits { since: now, played: 0, upto: watch.start_bytes.min(all) },
            started: None,
            stalls: 0,
            stalled: Duration::ZERO,
            smooth: Duration::ZERO,
            gone: None,
            told: None,
        }
    }

    /// Where the viewer is, if their engine is to be told and does not know it.
    fn news(&mut self, now: Timestamp, layout: &Layout) -> Option<Reading> {
        let news = self.watch.told && self.told.replace(self.play) != Some(self.play);
        let (played, running) = match self.play {
            Play::Waits { played, .. } => (played, false),
            Play::Plays { since, from } => {
                let nanos = u128::from(self.watch.bitrate) * now.since(since).as_nanos();
                (from + u64::try_from(nanos / NANOS).unwrap_or(u64::MAX), true)
            }
        };
        let run_bytes = u64::from(layout.run_bytes());
        let at = layout.run_index(u32::try_from(played / run_bytes).ok()?)?;
        let rate = u32::try_from(self.watch.bitrate).unwrap_or(u32::MAX);
        let offset = (played % run_bytes) as u32;
        let end = layout.runs();
        news.then_some(Reading { at, offset, end, rate, running, taken: end })
    }

    /// How long this many bytes play.
    fn lasts(&self, bytes: u64) -> Duration {
        let nanos = (u128::from(bytes) * NANOS).div_ceil(u128::from(self.watch.bitrate));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The viewer holds this now.
    pub(super) fn hold(&mut self, now: Timestamp, have: &RunSet, layout: &Layout) {
        let before = self.bytes;
        let (mut runs, mut bytes) = (self.runs, self.bytes);
        while let Some(run) = layout.run_index(runs).filter(|&run| have.contains(run)) {
            runs += 1;
            bytes += u64::from(layout.run_length(run));
        }
        if bytes == before {
            return;
        }
        self.run_out(now);
        self.smooth = self.smooth.max(now.since(self.joined).saturating_sub(self.lasts(before)));
        (self.runs, self.bytes) = (runs, bytes);
        if let Play::Waits { since, played, upto } = self.play
            && bytes >= upto
        {
            match self.started {
                Some(_) => self.stalled += now.since(since),
                None => self.started = Some(now),
            }
            self.play = Play::Plays { since: now, from: played };
        }
    }

    /// Play stalls, if it has played all that is there before this moment.
    fn run_out(&mut self, now: Timestamp) {
        let Play::Plays { since, from } = self.play else { return };
        let out = since + self.lasts(self.bytes - from);
        if self.bytes < self.all && out < now {
            self.stalls += 1;
            let upto = self.bytes.saturating_add(self.watch.resume_bytes.max(1)).min(self.all);
            self.play = Play::Waits { since: out, played: self.bytes, upto };
        }
    }

    /// What came of it by now.
    fn viewed(mut self, now: Timestamp) -> Viewed {
        let now = self.gone.unwrap_or(now);
        self.run_out(now);
        let played = match self.play {
            // What is there is played to its end if all is there.
            _ if self.bytes == self.all => self.lasts(self.all),
            Play::Waits { .. } if self.started.is_none() => Duration::ZERO,
            Play::Waits { since, played, .. } => {
                self.stalled += now.since(since);
                self.lasts(played)
            }
            Play::Plays { since, from } => self.lasts(from) + now.since(since),
        };
        Viewed {
            start_delay: self.started.map(|at| at.since(self.joined).as_secs_f64()),
            stalls: self.stalls,
            stalled: self.stalled.as_secs_f64(),
            played: played.as_secs_f64(),
            smooth_delay: (self.bytes == self.all).then_some(self.smooth.as_secs_f64()),
        }
    }
}

impl Peer {
    /// It begins to watch, if it is a viewer and has not begun.
    pub(super) fn begin_watching(&mut self, now: Timestamp, layout: &Layout) {
        if let Some(watch) = self.role.watches
            && self.player.is_none()
        {
            self.player = Some(Box::new(Player::new(watch, layout, now)));
            self.watch(now, layout);
        }
    }

    /// What it holds may have grown.
    pub(super) fn watch(&mut self, now: Timestamp, layout: &Layout) {
        if let Some(player) = &mut self.player {
            player.hold(now, &self.have, layout);
        }
    }

    /// It went, and will be back.
    pub(super) fn resume_watching(&mut self) {
        if let Some(player) = &mut self.player {
            player.gone = None;
        }
    }

    /// It goes, and watches no more.
    pub(super) fn end_watching(&mut self, now: Timestamp) {
        if let Some(player) = &mut self.player {
            player.gone.get_or_insert(now);
        }
    }
}

impl World {
    /// Tells a viewer's engine where they are, if it is to know and does not.
    pub(super) fn tell_of_viewer(&mut self, me: PeerKey) {
        let (now, layout) = (self.now, self.layout.clone());
        let player = self.peer_mut(me).player.as_mut();
        if let Some(reading) = player.and_then(|player| player.news(now, &layout)) {
            self.event(me, me, Event::Reader { reader: ReaderId(0), reading: Some(reading) });
        }
    }

    /// What came of a viewer's play. `None`: the peer is no viewer, or never came.
    pub(super) fn viewed(&self, peer: &Peer) -> Option<Viewed> {
        let player = peer.player.as_deref().filter(|_| peer.stage != Stage::Before)?;
        Some(player.viewed(self.now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yardstick::start_up_seconds;

    const RUN: u64 = 16 << 10;

    fn layout(runs: u64) -> Layout {
        Layout::new(RUN, [runs * RUN]).expect("a valid layout")
    }

    /// A run plays for a second; play starts with two and goes on with one.
    const WATCH: Watch = Watch { bitrate: RUN, start_bytes: 2 * RUN, resume_bytes: RUN, told: false };

    /// What came of runs that came at these moments, in milliseconds, ten seconds after the last.
    fn viewed(watch: Watch, runs: u64, arrivals: &[(u64, u32)]) -> Viewed {
        let layout = layout(runs);
        let mut have = RunSet::empty(layout.runs());
        let mut player = Player::new(watch, &layout, Timestamp::ZERO);
        let mut last = 0;
        for &(at, run) in arrivals {
            have.insert(layout.run_index(run).expect("there is such a run"));
            player.hold(Timestamp::from_millis(at), &have, &layout);
            last = at;
        }
        player.viewed(Timestamp::from_millis(last + 10_000))
    }

    #[test]
    fn play_starts_with_the_buffer_in_order_and_not_with_runs_from_further_on() {
        let seen = viewed(WATCH, 4, &[(1_000, 3), (2_000, 2), (3_000, 0), (4_000, 1)]);
        let all = Viewed {
            start_delay: Some(4.0),
            stalls: 0,
            stalled: 0.0,
            played: 4.0,
            // The first run came after three seconds, and all others were there in time.
            smooth_delay: Some(3.0),
        };
        assert_eq!(seen, all);
    }

    #[test]
    fn play_stalls_from_when_it_has_played_everything_until_enough_is_there() {
        // What comes during a stall and is not enough is not played yet.
        let slow = Watch { resume_bytes: 2 * RUN, ..WATCH };
        let seen = viewed(slow, 5, &[(0, 0), (1_000, 1), (4_000, 2), (5_000, 3), (6_000, 4)]);
        assert_eq!((seen.stalls, seen.stalled, seen.played), (1, 2.0, 5.0));
        // It plays from 1 s to 3 s, waits until 4.5 s, plays to 5.5 s, and waits until 7 s.
        let seen = viewed(WATCH, 4, &[(0, 0), (1_000, 1), (4_500, 2), (7_000, 3)]);
        assert_eq!((seen.start_delay, seen.stalls, seen.stalled), (Some(1.0), 2, 3.0));
        assert_eq!((seen.played, seen.smooth_delay), (4.0, Some(4.0)));
        // What comes just in time is no stall.
        let seen = viewed(WATCH, 3, &[(0, 0), (1_000, 1), (3_000, 2)]);
        assert_eq!((seen.stalls, seen.stalled), (0, 0.0));
    }

    #[test]
    fn a_stall_that_does_not_end_counts_to_the_end_and_who_never_starts_has_none() {
        let seen = viewed(WATCH, 4, &[(0, 0), (0, 1)]);
        assert_eq!((seen.stalls, seen.stalled, seen.played), (1, 8.0, 2.0));
        assert_eq!(seen.smooth_delay, None);
        let seen = viewed(WATCH, 4, &[(0, 0), (0, 2)]);
        assert_eq!((seen.start_delay, seen.stalls, seen.played), (None, 0, 0.0));
    }

    #[test]
    fn the_smooth_delay_is_that_of_the_yardstick_and_play_that_waits_so_long_never_stalls() {
        let arrivals = [(700, 0), (900, 1), (5_100, 2), (5_200, 3), (5_300, 4), (9_900, 5)];
        let seen = viewed(WATCH, 6, &arrivals);
        let bytes: Vec<(f64, u64)> = arrivals.iter().map(|&(at, _)| (at as f64 / 1e3, RUN)).collect();
        let wanted = start_up_seconds(&bytes, RUN as f64);
        assert!((seen.smooth_delay.expect("all came") - wanted).abs() < 1e-6);
        assert!(seen.stalls > 0);
        // With five runs as a buffer it starts at 5.3 s, which is later than it must.
        let late = viewed(Watch { start_bytes: 5 * RUN, ..WATCH }, 6, &arrivals);
        assert!(late.start_delay >= late.smooth_delay && late.stalls == 0);
    }
}
