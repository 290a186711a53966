//! Runs long blocking work (hashing files) on a blocking thread, with progress, and ends it on a
//! signal.

use std::{
    panic,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use nearcast_service::signals::Signals;
use tokio::time::timeout;

use crate::{
    error::CommandError,
    layout::{
        bar, first_that_fits,
        line::{Line, Paint},
    },
    screen::{Screen, Slot, Style},
    units::{Bytes, percent},
};

/// Progress of the work: the workers write it, the display reads it.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    done: AtomicU64,
    total: AtomicU64,
    /// Set to make the workers stop soon.
    pub(crate) cancelled: AtomicBool,
}

impl Meter {
    /// The library's progress callback: bytes done, bytes in all.
    pub(crate) fn set(&self, done: u64, total: u64) {
        self.total.store(total, Ordering::Relaxed);
        // Workers report out of order.
        self.done.fetch_max(done, Ordering::Relaxed);
    }

    fn get(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }
}

/// How often progress is read.
const TICK: Duration = Duration::from_millis(100);
/// How often a plain progress line is written.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// How long to wait for the work to end after a signal. The work ends with the run in hand, unless
/// the disk does not answer.
const END_MAX: Duration = Duration::from_secs(10);

/// Runs `work` on a blocking thread, shows `verb` and the progress, and cancels the work on the
/// first signal.
///
/// # Errors
/// The error of `work`, or the signal that ended it.
pub(crate) async fn with_progress<T, E>(
    screen: &Screen,
    signals: &Signals,
    verb: &str,
    work: impl FnOnce(&Meter) -> Result<T, E> + Send + 'static,
) -> Result<T, CommandError>
where
    T: Send + 'static,
    E: Into<CommandError> + Send + 'static,
{
    let meter = Arc::new(Meter::default());
    let theirs = Arc::clone(&meter);
    let mut work = tokio::task::spawn_blocking(move || work(&theirs));
    let mut display = Display::new(screen, verb);
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            ended = &mut work => {
                // The task is never aborted, so it can only fail by a panic. The panic continues
                // here.
                let result = ended.unwrap_or_else(|died| panic::resume_unwind(died.into_panic()));
                return result.map_err(Into::into);
            }
            signal = signals.first() => {
                meter.cancelled.store(true, Ordering::Relaxed);
                // The threads of the work borrow its data, so the work ends before anything is
                // removed. It looks at the flag after each run.
                if timeout(END_MAX, work).await.is_err() {
                    screen.warn("a file is not read to the end, as the disk does not answer");
                }
                return Err(CommandError::Signal(signal));
            }
            _ = tick.tick() => display.show(meter.get()),
        }
    }
}

/// The progress display: a bar, lines or nothing, as the screen's style says.
struct Display<'a> {
    screen: &'a Screen,
    verb: &'a str,
    slot: Option<Slot>,
    last_line: Instant,
}

impl<'a> Display<'a> {
    fn new(screen: &'a Screen, verb: &'a str) -> Display<'a> {
        let slot = (screen.style() == Style::Bars).then(|| screen.live().add());
        Display { screen, verb, slot, last_line: Instant::now() }
    }

    fn show(&mut self, (done, total): (u64, u64)) {
        if let Some(slot) = &self.slot {
            let verb = self.verb.to_owned();
            slot.show(move |room| vec![line(&verb, done, total, room)]);
        } else if self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            let share = format!("{} of {}", Bytes(done), Bytes(total));
            self.screen.say_in_passing(&format!("{} {}% {share}", self.verb, percent(done, total)));
        }
    }
}

/// The progress line: share and bytes done, with a bar if there is room.
fn line(verb: &str, done: u64, total: u64, room: usize) -> Line {
    // A total of 0 means that it is not known yet: that shows as 0 percent.
    let part = percent(done, total.max(1));
    let with = |columns: usize, bytes: bool| {
        let line = Line::plain(format!("{verb} "));
        let line = match columns {
            0 => line,
            _ => line.with(Paint::Bar, bar(done, total.max(1), columns)).with(Paint::Plain, " "),
        };
        let share = if bytes { format!(" {} of {}", Bytes(done), Bytes(total)) } else { String::new() };
        line.with(Paint::Plain, format!("{part:>3}%{share}"))
    };
    first_that_fits([with(20, true), with(10, true), with(0, true), with(0, false)], room)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    async fn run(
        work: impl FnOnce(&Meter) -> Result<u64, CommandError> + Send + 'static,
    ) -> Result<u64, CommandError> {
        let signals = Signals::listen().unwrap();
        with_progress(&Screen::new(true, false), &signals, "working", work).await
    }

    #[test]
    fn the_line_fits_at_every_width() {
        let at = |room| line("checking copies", 1_000_000, 4_000_000, room).text();
        assert_eq!(at(79), "checking copies █████░░░░░░░░░░░░░░░  25% 1.00 MB of 4.00 MB");
        assert_eq!(at(59), "checking copies ██░░░░░░░░  25% 1.00 MB of 4.00 MB");
        assert_eq!(at(39), "checking copies  25% 1.00 MB of 4.00 MB");
        assert_eq!(at(38), "checking copies  25%");
        assert_eq!(at(5), "chec…");
        assert_eq!(line("x", 0, 0, 79).text(), "x ░░░░░░░░░░░░░░░░░░░░   0% 0 B of 0 B");
    }

    #[tokio::test]
    async fn what_the_work_returns_comes_back() {
        let done = run(|meter| {
            meter.set(7, 10);
            // Workers report out of order; the highest count stays.
            meter.set(3, 10);
            Ok(meter.get().0)
        });
        assert_eq!(done.await.unwrap(), 7);
        let failed = run(|_| Err(CommandError::Exists(PathBuf::from("x"))));
        assert_eq!(failed.await.unwrap_err().exit().code(), 13);
    }

    #[tokio::test]
    #[should_panic(expected = "on the worker")]
    async fn a_panic_of_the_work_is_not_swallowed() {
        let _ = run(|_| panic!("on the worker")).await;
    }
}
