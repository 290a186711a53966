//! Signals that end the process.
//!
//! A world has no state worth saving, so a signal ends the process at once, from within its handler.
//! Only writing results is not cut in two: a signal in that time, which is some milliseconds, ends the
//! process when the files are complete.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag, low_level,
};

/// The signals, and the exit codes that stand for them.
const ENDS: [(i32, i32); 3] = [(SIGHUP, 129), (SIGINT, 130), (SIGTERM, 143)];

/// What becomes of signals.
#[derive(Debug)]
pub(super) struct Interrupts {
    /// A signal may end the process at once.
    may_end: Arc<AtomicBool>,
    /// The exit code of the last signal that came. 0: none.
    came: Arc<AtomicUsize>,
    /// Held while something is written, by one thread at a time.
    writing: Mutex<()>,
}

impl Interrupts {
    /// From here on signals end the process with their exit code.
    ///
    /// # Errors
    /// If the system refuses a handler.
    pub(super) fn listen() -> io::Result<Interrupts> {
        let (may_end, came) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        for (signal, code) in ENDS {
            // In this order: the code is noted before it is decided whether the process ends here.
            flag::register_usize(signal, came.clone(), code as usize)?;
            flag::register_conditional_shutdown(signal, code, may_end.clone())?;
        }
        Ok(Interrupts { may_end, came, writing: Mutex::new(()) })
    }

    /// Writes files that no signal may leave half-written.
    pub(super) fn whole<T>(&self, write: impl FnOnce() -> T) -> T {
        // Whoever panicked here left files that the next write replaces.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.may_end.store(false, Ordering::SeqCst);
        let written = write();
        self.may_end.store(true, Ordering::SeqCst);
        match self.came.load(Ordering::SeqCst) {
            0 => written,
            // Nothing that a destructor would do is left to do.
            code => low_level::exit(code as i32),
        }
    }
}
