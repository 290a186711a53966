//! Reacts to changes of the terminal: it changes its size, or the process is stopped and continued.
//! Restores the terminal before a signal ends the process.

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

/// Signals that end a process by default, and that nothing else here handles. The remaining deadly
/// signals report bugs of ours, or are handled elsewhere.
const DEADLY: [Number; 3] = [Number::QUIT, Number::USR2, Number::ALARM];

/// Starts to watch, while the runtime runs.
///
/// # Errors
/// The system refuses to install a signal handler. Must be called inside a tokio runtime.
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

/// Erases the lines at once, and draws them again when the size is settled.
async fn on_resized(mut resized: Signal, live: Live) {
    while resized.recv().await.is_some() {
        live.draw();
        sleep(SETTLE).await;
        live.draw();
    }
}

/// Ctrl-Z: restores the terminal for the shell, then stops.
async fn on_stopped(mut stopped: Signal, live: Live, modes: Modes) {
    while stopped.recv().await.is_some() {
        if !can_be_continued() {
            continue;
        }
        live.pause();
        modes.pause();
        // The process stops here, and runs on when it is continued. If the system refuses, it does
        // not stop.
        let _ = emulate_default_handler(Number::TSTP.as_raw());
    }
}

/// While the process was stopped, the shell wrote below our lines, and may have changed the modes
/// of the terminal.
async fn on_continued(mut continued: Signal, live: Live, modes: Modes) {
    while continued.recv().await.is_some() {
        modes.go_on();
        live.draw_anew();
    }
}

/// Restores the terminal, then ends the process by the signal's default action.
async fn on_deadly(mut told: Signal, number: Number, live: Live, modes: Modes) {
    if told.recv().await.is_some() {
        live.pause();
        modes.pause();
        let _ = emulate_default_handler(number.as_raw());
    }
}
