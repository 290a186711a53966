//! How far runs are: one line a second for all that run at a time.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use nearcast_sim::{report::number, run::RunProgress};

use super::screen::Screen;

/// How often a line is printed.
const EVERY: Duration = Duration::from_secs(1);

/// All runs of a command.
#[derive(Debug)]
pub(super) struct Progress<'a> {
    screen: &'a Screen,
    runs: usize,
    threads: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    printed: Instant,
    done: usize,
    /// How long those that are done took together.
    done_wall: Duration,
    running: BTreeMap<usize, Seen>,
}

/// What a run said last.
#[derive(Clone, Copy, Debug)]
struct Seen {
    simulated: f64,
    wall: f64,
    completed: u32,
    peers: u32,
    inputs: u64,
    /// When it ends at the latest, in seconds of its world.
    until: f64,
}

impl<'a> Progress<'a> {
    /// Of so many runs on so many threads.
    pub(super) fn new(screen: &'a Screen, runs: usize, threads: usize) -> Progress<'a> {
        let state =
            State { printed: Instant::now(), done: 0, done_wall: Duration::ZERO, running: BTreeMap::new() };
        Progress { screen, runs, threads: threads.clamp(1, runs.max(1)), state: Mutex::new(state) }
    }

    /// A run, which ends after `until` seconds of its world, is there now.
    pub(super) fn note(&self, run: usize, until: f64, now: &RunProgress) {
        let seen = Seen {
            simulated: now.simulated.as_secs_f64(),
            wall: now.wall.as_secs_f64(),
            completed: now.completed,
            peers: now.peers,
            inputs: now.inputs,
            until,
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running.insert(run, seen);
        if state.printed.elapsed() >= EVERY {
            state.printed = Instant::now();
            self.screen.progress(&self.line(&state));
        }
    }

    /// A run has ended.
    pub(super) fn end(&self, run: usize, wall: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running.remove(&run);
        state.done += 1;
        state.done_wall += wall;
    }

    fn line(&self, state: &State) -> String {
        let left =
            self.left(state).map_or_else(String::new, |left| format!(", {} left", number::seconds(left)));
        if self.runs == 1 {
            return state.running.values().next().map_or_else(String::new, |seen| seen.words() + &left);
        }
        let each: Vec<String> = state.running.values().map(Seen::short).collect();
        format!("{} of {} runs done; {}{left}", state.done, self.runs, each.join(", "))
    }

    /// About how long all this takes from here, in seconds. `None`: too early to say.
    fn left(&self, state: &State) -> Option<f64> {
        let running: Option<Vec<f64>> = state.running.values().map(Seen::left).collect();
        let running = running?;
        let waiting = self.runs - (state.done + running.len()).min(self.runs);
        let sum = running.iter().sum::<f64>();
        if waiting == 0 {
            return Some(running.into_iter().fold(0.0, f64::max));
        }
        // A run that waits will take as long as others did, or as those that run now will have.
        let whole = state.running.values().map(|seen| seen.wall).sum::<f64>() + sum;
        let mean = (state.done_wall.as_secs_f64() + whole) / (state.done + running.len()).max(1) as f64;
        Some((sum + mean * waiting as f64) / self.threads as f64)
    }
}

impl Seen {
    fn words(&self) -> String {
        format!(
            "{} simulated, {} x real time, {} of {} peers done, {} inputs",
            number::seconds(self.simulated),
            number::significant(self.simulated / self.wall.max(1e-9)),
            number::count(self.completed.into()),
            number::count(self.peers.into()),
            number::count(self.inputs),
        )
    }

    fn short(&self) -> String {
        format!("{} of {} peers after {}", self.completed, self.peers, number::seconds(self.simulated))
    }

    /// It ends when everybody is done, or at its time. Both go on as they went, which is wrong and
    /// better than nothing.
    fn left(&self) -> Option<f64> {
        let rest = |done: f64, all: f64| (done > 0.0).then(|| self.wall * (all - done).max(0.0) / done);
        let by_peers = rest(self.completed.into(), self.peers.into());
        let by_time = rest(self.simulated, self.until);
        // Until somebody is done nobody knows; the time alone may be hours too long.
        by_peers.map(|left| by_time.map_or(left, |by_time| left.min(by_time)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(simulated: u64, wall: u64, completed: u32) -> RunProgress {
        let (simulated, wall) = (Duration::from_secs(simulated), Duration::from_secs(wall));
        RunProgress { simulated, wall, completed, peers: 200, inputs: 4_100_000 }
    }

    fn line(progress: &Progress<'_>) -> String {
        progress.line(&progress.state.lock().unwrap())
    }

    #[test]
    fn one_run_says_its_speed_and_how_long_it_may_take() {
        let screen = Screen::new(true, false);
        let progress = Progress::new(&screen, 1, 2);
        progress.note(0, 3_600.0, &now(36, 4, 0));
        assert_eq!(
            line(&progress),
            "36.0 s simulated, 9.00 x real time, 0 of 200 peers done, 4,100,000 inputs"
        );
        progress.note(0, 3_600.0, &now(60, 6, 50));
        assert!(line(&progress).ends_with(", 18.0 s left"), "{}", line(&progress));
    }

    #[test]
    fn a_sweep_counts_runs_that_wait() {
        let screen = Screen::new(true, false);
        let progress = Progress::new(&screen, 4, 2);
        progress.end(0, Duration::from_secs(20));
        progress.note(1, 3_600.0, &now(60, 10, 100));
        progress.note(2, 3_600.0, &now(60, 10, 100));
        let wanted =
            "1 of 4 runs done; 100 of 200 peers after 60.0 s, 100 of 200 peers after 60.0 s, 20.0 s left";
        assert_eq!(line(&progress), wanted);
    }
}
