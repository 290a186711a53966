//! Reads single keys while the program runs, without Enter.
//!
//! Invariant: the terminal gets its own modes back before this process ends, stops, or hands the
//! terminal to another process. In the background this process reads no keys and changes no modes,
//! because the system stops a process that tries.

use std::{
    io::{self, IsTerminal},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::{SigSet, Signal};
use rustix::{
    io::read,
    termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr},
};

use super::job::is_in_foreground;

/// How long a read waits for a key, in tenths of a second. After each read the thread checks again
/// whether this process owns the terminal.
const WAIT_TENTHS: u8 = 2;
/// How often the thread checks while this process does not own the terminal.
const LOOK: Duration = Duration::from_millis(250);
/// A read that returns nothing sooner than this did not wait: the terminal is gone.
const NO_WAIT: Duration = Duration::from_millis(50);
/// The most bytes of one read. More than one byte is a paste, or a key that is no letter.
const BYTES_MAX: usize = 64;

/// The help text about the keys.
pub(crate) const KEYS: &str = "keys: p shows and hides the peers, q ends as Ctrl-C does, h or ? shows this";

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Show or hide the list of peers.
    Peers,
    /// Show the help text about the keys.
    Help,
    /// End the program.
    Quit,
}

impl Key {
    /// The key for the bytes of one read. `None`: the bytes are no known key.
    fn of(bytes: &[u8]) -> Option<Key> {
        match bytes {
            b"p" | b"P" => Some(Key::Peers),
            b"h" | b"H" | b"?" => Some(Key::Help),
            b"q" | b"Q" => Some(Key::Quit),
            _ => None,
        }
    }
}

/// The modes of the terminal at standard input. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Modes(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    /// Whether keys are to be read.
    wanted: bool,
    /// The process is about to stop or to end.
    paused: bool,
    /// The modes to restore. `None`: nothing was changed.
    before: Option<Termios>,
}

impl Modes {
    fn want(&self, wanted: bool) {
        self.taken().wanted = wanted;
    }

    /// Sets the terminal to deliver keys one by one and without echo, if keys are to be read and
    /// this process owns the terminal. Ctrl-C and Ctrl-Z still send signals. Returns whether the
    /// terminal may be read.
    fn take(&self) -> bool {
        let mut taken = self.taken();
        if !taken.wanted || taken.paused {
            return false;
        }
        if !is_in_foreground(&io::stdin()) {
            // The process that owns the terminal now has set its own modes.
            taken.before = None;
            return false;
        }
        let Ok(found) = tcgetattr(io::stdin()) else { return false };
        if found.local_modes.contains(LocalModes::ICANON) {
            let mut modes = found.clone();
            modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            modes.special_codes[SpecialCodeIndex::VMIN] = 0;
            modes.special_codes[SpecialCodeIndex::VTIME] = WAIT_TENTHS;
            if tcsetattr(io::stdin(), OptionalActions::Now, &modes).is_err() {
                return false;
            }
            taken.before = Some(found);
        }
        taken.before.is_some()
    }

    /// Restores the modes, until [`Modes::go_on`].
    pub(super) fn pause(&self) {
        self.taken().paused = true;
        self.give_back();
    }

    /// Sets the terminal for keys again, if this process owns it.
    pub(super) fn go_on(&self) {
        self.taken().paused = false;
        self.take();
    }

    fn give_back(&self) {
        let before = self.taken().before.take();
        if let Some(before) = before.filter(|_| is_in_foreground(&io::stdin())) {
            // If the terminal is gone, there are no modes to restore.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keys are read while this exists.
pub(crate) struct Keys(Modes);

impl Keys {
    /// Reads keys on a thread that calls `press`. `None`: standard input is no terminal, or no
    /// thread can be started.
    pub(super) fn read(modes: Modes, press: impl Fn(Key) + Send + 'static) -> Option<Keys> {
        if !io::stdin().is_terminal() {
            return None;
        }
        modes.want(true);
        let theirs = modes.clone();
        let reader = thread::Builder::new().name("keys".to_owned()).spawn(move || read_keys(&theirs, &press));
        // If no thread can be started, there are no keys; everything else works.
        reader.is_ok().then_some(Keys(modes))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.0.want(false);
        self.0.give_back();
    }
}

fn read_keys(modes: &Modes, press: &dyn Fn(Key)) {
    // The process may go to the background between the check and the read. A thread that blocks
    // these signals then gets an error from the read; otherwise the signal would stop the process.
    let mut unheard = SigSet::empty();
    unheard.add(Signal::SIGTTIN);
    unheard.add(Signal::SIGTTOU);
    if unheard.thread_block().is_err() {
        return;
    }
    while modes.taken().wanted {
        if !modes.take() {
            thread::sleep(LOOK);
            continue;
        }
        let (mut bytes, began) = ([0_u8; BYTES_MAX], Instant::now());
        match read(io::stdin(), &mut bytes) {
            Ok(0) | Err(_) if began.elapsed() < NO_WAIT => thread::sleep(LOOK),
            Ok(count) => Key::of(&bytes[..count]).into_iter().for_each(press),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_single_letters_and_nothing_that_was_pasted() {
        assert_eq!(Key::of(b"p"), Some(Key::Peers));
        assert_eq!((Key::of(b"q"), Key::of(b"Q")), (Some(Key::Quit), Some(Key::Quit)));
        assert_eq!((Key::of(b"h"), Key::of(b"?")), (Some(Key::Help), Some(Key::Help)));
        for other in [&b"\x1b[h"[..], b"quit", b"x", b"", b"\x1b", b"\n"] {
            assert_eq!(Key::of(other), None, "{other:?}");
        }
    }

    #[test]
    fn nothing_is_taken_from_what_is_no_terminal_or_not_ours() {
        let modes = Modes::default();
        assert!(!modes.take(), "nobody wants keys");
        modes.give_back();
        assert!(modes.taken().before.is_none());
    }
}
