//! What happens to the terminal while we run: it changes its size, or we are stopped and go on; and what must be put right
//! before somebody ends us.

use std::io;

use rustix::process::Signal as Number;
use signal_hook::low_level::emulate_default_handler;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};

use super::{
    job::can_be_continued,
    keys::Modes,
    live::{Live, SETTLE},
};

/// Signals that end a process which does not know them. The others that do are errors of ours, or known already.
const DEADLY: [Number; 3] = [Number::QUIT, Number::USR2, Number::ALARM];

/// Begins to watch, for as long as the runtime runs.
///
/// # Errors
/// When the system refuses to install a handler. Must be called inside a tokio runtime.
pub(super) fn begin(live: Live, modes: Modes) -> io::Result<()> {
    let resized = signal(SignalKind::window_change())?;
    let stopped = signal(SignalKind::from_raw(Number::TSTP.as_raw()))?;
    let continued = signal(SignalKind::from_raw(Number::CONT.as_raw()))?;
    tokio::spawn(on_resized(resized, live.clone()));
    tokio::spawn(on_stopped(stopped, live.clone(), modes.clone()));
    for number in DEADLY {
        let told = signal(SignalKind::from_raw(number.as_raw()))?;
        tokio::spawn(on_deadly(told, number, live.clone(), modes.clone()));
    }
    tokio::spawn(on_continued(continued, live, modes));
    Ok(())
}

/// Takes the lines away at once, and draws them again when the size stands still.
async fn on_resized(mut resized: Signal, live: Live) {
    while resized.recv().await.is_some() {
        live.draw();
        sleep(SETTLE).await;
        live.draw();
    }
}

/// Ctrl-Z: the shell gets a clean terminal.
async fn on_stopped(mut stopped: Signal, live: Live, modes: Modes) {
    while stopped.recv().await.is_some() {
        if !can_be_continued() {
            continue;
        }
        live.pause();
        modes.pause();
        // Stops here, and goes on when somebody says so. Where the system refuses we were not stopped.
        let _ = emulate_default_handler(Number::TSTP.as_raw());
    }
}

/// Whatever was there before the stop, a shell has written since; it may also have given the terminal other modes.
async fn on_continued(mut continued: Signal, live: Live, modes: Modes) {
    while continued.recv().await.is_some() {
        modes.go_on();
        live.draw_anew();
    }
}

/// Ends as such a signal ends a process, after the terminal has been put right.
async fn on_deadly(mut told: Signal, number: Number, live: Live, modes: Modes) {
    if told.recv().await.is_some() {
        live.pause();
        modes.pause();
        let _ = emulate_default_handler(number.as_raw());
    }
}
