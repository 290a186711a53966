//! Keys that somebody presses while we run, each by itself and without Enter.
//!
//! Invariant: the terminal has its own modes back before this process ends, stops, or has given the terminal to another. In
//! the background nothing is read, and no mode is changed: who tries to is stopped by the system.

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

/// A key is waited for so long, in tenths of a second; then it is looked whether the terminal is still ours.
const WAIT_TENTHS: u8 = 2;
/// While it is not, it is looked this often.
const LOOK: Duration = Duration::from_millis(250);
/// Who waits less than that for nothing has not waited: the terminal is gone.
const NO_WAIT: Duration = Duration::from_millis(50);
/// What comes in one go. More than one byte is a paste, or a key without a letter.
const BYTES_MAX: usize = 64;

/// The keys, for those who ask.
pub(crate) const KEYS: &str = "keys: p shows and hides the peers, q ends as Ctrl-C does, h or ? shows this";

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// The list of peers, or no list any more.
    Peers,
    /// To know the keys.
    Help,
    /// The end.
    Quit,
}

impl Key {
    /// What was read in one go, as a key.
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
    /// Keys are wanted.
    wanted: bool,
    /// This process is about to stop, or to end.
    paused: bool,
    /// What is to be put back.
    before: Option<Termios>,
}

impl Modes {
    fn want(&self, wanted: bool) {
        self.taken().wanted = wanted;
    }

    /// Has keys come one by one and unseen, if they are wanted and the terminal is ours. Ctrl-C and Ctrl-Z stay signals. Returns
    /// whether it may be read from.
    fn take(&self) -> bool {
        let mut taken = self.taken();
        if !taken.wanted || taken.paused {
            return false;
        }
        if !is_in_foreground(&io::stdin()) {
            // Whoever has it now, has set it up.
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

    /// Puts back what was there, until [`Modes::go_on`].
    pub(super) fn pause(&self) {
        self.taken().paused = true;
        self.give_back();
    }

    /// Takes the terminal again, if it is ours.
    pub(super) fn go_on(&self) {
        self.taken().paused = false;
        self.take();
    }

    fn give_back(&self) {
        let before = self.taken().before.take();
        if let Some(before) = before.filter(|_| is_in_foreground(&io::stdin())) {
            // A terminal that is gone has no modes.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keys are read for as long as this is held.
pub(crate) struct Keys(Modes);

impl Keys {
    /// Reads keys, if there is a terminal that they can come from. `press` is called by a thread.
    pub(super) fn read(modes: Modes, press: impl Fn(Key) + Send + 'static) -> Option<Keys> {
        if !io::stdin().is_terminal() {
            return None;
        }
        modes.want(true);
        let theirs = modes.clone();
        let reader = thread::Builder::new().name("keys".to_owned()).spawn(move || read_keys(&theirs, &press));
        // Without a thread there are no keys, and everything else goes on.
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
    // Between the look and the reading we may have been sent to the background. Whoever does not hear the signal that forbids
    // it is not stopped, but gets an error.
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
